#!/bin/sh
# Builds the smallest root that systemd-nspawn --boot accepts from this machine's own systemd.
# usage: minimal-root.sh DIRECTORY
set -eu
root=$1

copy() { # a program with the libraries it names
        mkdir -p "$root${1%/*}"
        cp -L "$1" "$root$1"
        ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
                mkdir -p "$root${library%/*}"
                cp -L "$library" "$root$library"
        done
}

mkdir -p "$root/usr/lib64" "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib/systemd/system" "$root/etc" \
        "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/var/log" "$root/root"
for dir in lib lib64 bin sbin; do ln -s "usr/$dir" "$root/$dir"; done
for program in /usr/lib/systemd/systemd /usr/lib/systemd/systemd-executor /usr/lib/systemd/systemd-shutdown \
        /usr/bin/systemctl /usr/bin/sleep; do
        [ ! -e "$program" ] || copy "$program" # systemd-executor exists from 255 on
done
for library in /usr/lib/*-linux-gnu/libmount.so.1 /usr/lib/*-linux-gnu/libseccomp.so.2; do
        [ ! -e "$library" ] || copy "$library" # opened by name at run time, so no program names them
done
printf 'ID=minimal\n' >"$root/etc/os-release"
: >"$root/etc/machine-id"
printf 'root:x:0:0::/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"

unit() { printf '%s\n' "[Unit]" "DefaultDependencies=no" >"$root/usr/lib/systemd/system/$1"; cat >>"$root/usr/lib/systemd/system/$1"; }
unit shutdown.target </dev/null
unit exit.target <<END
Requires=systemd-exit.service
After=systemd-exit.service
AllowIsolate=yes
END
unit systemd-exit.service <<END
Requires=shutdown.target
After=shutdown.target
SuccessAction=exit-force
END
for target in halt poweroff reboot; do ln -s exit.target "$root/usr/lib/systemd/system/$target.target"; done
unit default.target <<END
Wants=sleep.service
After=sleep.service
END
unit sleep.service <<END
Conflicts=shutdown.target
Before=shutdown.target
[Service]
Type=exec
ExecStart=/usr/bin/sleep infinity
END
