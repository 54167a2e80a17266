#!/bin/sh
# Makes a fresh Debian tree a machine that runs the tests it finds on its second disk, and powers off.
# usage: furnish.sh ROOT PYTHON PROJECT
set -eu
root=$1 python=$2 project=$3
venv=${python%/bin/*}

chroot "$root" python3 -m venv --without-pip --system-site-packages "$venv"
# As an editable installation does it.
for site in "$root$venv"/lib/python3*/site-packages; do printf '%s\n' "$project" >"$site/unitpod.pth"; done
printf '%s\n' "#!$python" 'import sys' 'from stage0.cli import main' 'sys.exit(main())' >"$root$venv/bin/pod"
chmod 755 "$root$venv/bin/pod"

printf 'podvm\n' >"$root/etc/hostname"
printf '127.0.0.1 localhost podvm\n' >"$root/etc/hosts"
: >"$root/etc/machine-id"
: >"$root/etc/resolv.conf"
mkdir -p "$root$project"
: >"$root/etc/fstab"

units=$root/etc/systemd/system
# Time is short in an emulated machine: what no test looks at does not start. udev would load every driver there is;
# the kernel makes the nodes of the few devices by itself.
for unit in systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer systemd-hwdb-update.service ldconfig.service nftables.service \
        systemd-pstore.service getty.target serial-getty@ttyS0.service console-getty.service \
        systemd-random-seed.service systemd-firstboot.service sys-kernel-debug.mount sys-kernel-tracing.mount \
        systemd-journal-catalog-update.service systemd-boot-update.service systemd-modules-load.service \
        systemd-sysctl.service systemd-remount-fs.service \
        systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket \
        systemd-udevd-kernel.socket; do
        ln -sf /dev/null "$units/$unit"
done
# systemd hands a controller down only where a unit asks for it; this slice asks for all of them, for the tests' labs.
cat >"$units/controllers.slice" <<'END'
[Slice]
CPUWeight=100
IOWeight=100
AllowedCPUs=0-1
AllowedMemoryNodes=0
TasksMax=90%
MemoryHigh=infinity
MemoryMax=99%
END
cat >"$units/unitpod-tests.service" <<END
[Unit]
Description=Tests on the second disk
After=multi-user.target
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate
[Service]
Type=oneshot
ExecStartPre=+modprobe virtio_blk
ExecStartPre=+mount /dev/vda $project
ExecStart=env --chdir=$project $python -m tests.vm.inside /dev/vport0p1
# With SELinux: what root gets who logs in.
SELinuxContext=-unconfined_u:unconfined_r:unconfined_t:s0
Environment=HOME=/root LANG=C.UTF-8
StandardOutput=journal+console
Delegate=yes
TimeoutStartSec=infinity
END
mkdir -p "$units/multi-user.target.wants"
ln -sf ../unitpod-tests.service ../controllers.slice "$units/multi-user.target.wants/"
ln -sf /usr/lib/systemd/system/multi-user.target "$units/default.target"

# The kernel decides at each boot whether it has SELinux. Labels are put on here: in the machine it would take minutes.
printf '%s\n' SELINUX=permissive SELINUXTYPE=default >"$root/etc/selinux/config"
chroot "$root" setfiles -F -m /etc/selinux/default/contexts/files/file_contexts /
