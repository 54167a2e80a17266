#!/bin/sh
# PID 1 of a lab host until it becomes systemd. keeper.py starts it in mount, pid, net, ipc and uts namespaces of
# its own and describes the lab in the environment:
#   LAB_NAME     host name
#   LAB_DIR      directory on a file system that can be an overlay's upper layer
#   LAB_BASE     where all labs lie: hidden in a lab
#   LAB_GROUPS   one line per cgroup hierarchy: CONTROLLERS DIRECTORY ("-" is cgroup v2)
#   LAB_TREES    one line per further path that the overlay of / alone would not show
set -eu

root=$LAB_DIR/merged
api='proc sys dev run tmp'

join_groups() {
        # 0 is the writer itself. The parent stays outside: a v2 group that hands out controllers may hold no process.
        printf '%s\n' "$LAB_GROUPS" | while read -r _ group; do printf '%s\n' "$group"; done >"$LAB_DIR/groups"
        while read -r group; do echo 0 >"$group/cgroup.procs"; done <"$LAB_DIR/groups"
}

overlay() { # LOWER UPPER-PARENT TARGET
        mkdir -p "$2/upper" "$2/work"
        mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" podlab "$3"
}

mount_devices() {
        # Not devtmpfs: there is one in the whole kernel, and what a lab makes in it would stay on this machine.
        # No kmsg, so that journald leaves this machine's kernel log alone; the console is a second null.
        mount -t tmpfs -o mode=755,nosuid podlab "$root/dev"
        mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/net"
        for node in null zero full random urandom tty fuse loop-control loop0 loop1 loop2 loop3 net/tun kvm; do
                if [ -c "/dev/$node" ] || [ -b "/dev/$node" ]; then cp -a "/dev/$node" "$root/dev/$node"; fi
        done
        mknod -m 600 "$root/dev/console" c 1 3
        mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 podlab "$root/dev/pts"
        mount -t tmpfs -o mode=1777,nosuid,nodev podlab "$root/dev/shm"
        ln -s pts/ptmx "$root/dev/ptmx"
        ln -s /proc/self/fd "$root/dev/fd"
        for stream in stdin:0 stdout:1 stderr:2; do
                ln -s "/proc/self/fd/${stream#*:}" "$root/dev/${stream%:*}"
        done
}

mount_groups() {
        if [ "${LAB_GROUPS%% *}" = - ]; then
                mount -t cgroup2 podlab "$root/sys/fs/cgroup"
                return
        fi
        mount -t tmpfs -o mode=755,nosuid,nodev,noexec podlab "$root/sys/fs/cgroup"
        printf '%s\n' "$LAB_GROUPS" | while read -r controllers _; do
                case $controllers in
                -) mkdir "$root/sys/fs/cgroup/unified"
                   mount -t cgroup2 podlab "$root/sys/fs/cgroup/unified" ;;
                name=*) mkdir "$root/sys/fs/cgroup/${controllers#name=}"
                        mount -t cgroup -o "none,$controllers" podlab "$root/sys/fs/cgroup/${controllers#name=}" ;;
                *) mkdir "$root/sys/fs/cgroup/$controllers"
                   mount -t cgroup -o "$controllers" podlab "$root/sys/fs/cgroup/$controllers" ;;
                esac
        done
}

mount_trees() {
        number=0
        printf '%s\n' "$LAB_TREES" | while read -r tree; do
                number=$((number + 1))
                if [ -d "$tree" ]; then
                        mkdir -p "$root$tree"
                        overlay "$tree" "$LAB_DIR/trees/$number" "$root$tree"
                elif [ -e "$tree" ]; then
                        mount --bind "$tree" "$root$tree"
                fi
        done
}

mount_everything() {
        mount --make-rprivate /
        mkdir -p "$root" "$LAB_DIR/data"
        overlay / "$LAB_DIR/root" "$root"
        for dir in $api; do mkdir -p "$root/$dir"; done
        mount -t proc -o nosuid,nodev,noexec podlab "$root/proc"
        mount -t sysfs -o nosuid,nodev,noexec podlab "$root/sys"
        mount -t tmpfs -o mode=755,nosuid,nodev podlab "$root/run"
        mount -t tmpfs -o mode=1777 podlab "$root/tmp"
        mkdir -p "$root$LAB_BASE"
        mount -t tmpfs -o mode=700 podlab "$root$LAB_BASE"
        mount_devices
        mount_groups
        mount_trees
        mkdir -p "$root/var/lib/pod"
        chmod 700 "$LAB_DIR/data"
        mount --bind "$LAB_DIR/data" "$root/var/lib/pod"
}

mask() { for unit; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done; }

# Once per lab, so that what a test enables is still there after a reboot.
furnish() {
        [ ! -e "$LAB_DIR/furnished" ] || return 0
        etc=$root/etc
        # What this machine's owner enabled (servers, timers) has no place in a lab.
        rm -rf "$etc"/systemd/system/*.wants "$etc"/systemd/system/*.requires
        mkdir -p "$etc/systemd/system/multi-user.target.wants" "$etc/systemd/system-generators" \
                "$etc/systemd/system.conf.d" "$etc/systemd/journald.conf.d"
        for generator in "$root"/usr/lib/systemd/system-generators/*; do
                ln -sf /dev/null "$etc/systemd/system-generators/${generator##*/}"
        done
        # Kernel settings and modules are this machine's; terminals, clocks, debug file systems and the network
        # of a real machine are nobody's.
        mask systemd-sysctl.service systemd-modules-load.service kmod-static-nodes.service modprobe@.service \
                systemd-binfmt.service proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
                sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount \
                sys-kernel-tracing.mount dev-hugepages.mount systemd-random-seed.service systemd-hwdb-update.service \
                systemd-udevd.service systemd-udev-trigger.service systemd-remount-fs.service \
                systemd-timesyncd.service systemd-networkd.service systemd-networkd.socket systemd-resolved.service \
                getty.target console-getty.service systemd-logind-varlink.socket systemd-firstboot.service \
                systemd-repart.service systemd-pstore.service systemd-update-utmp.service \
                systemd-update-utmp-runlevel.service systemd-tmpfiles-clean.timer ldconfig.service
        : >"$etc/fstab"
        rm -f "$etc/machine-id"
        tr -d - </proc/sys/kernel/random/uuid >"$etc/machine-id"
        printf '%s\n' "$LAB_NAME" >"$etc/hostname"
        printf '[Manager]\nDefaultTimeoutStopSec=10s\n' >"$etc/systemd/system.conf.d/lab.conf"
        printf '[Journal]\nStorage=persistent\n' >"$etc/systemd/journald.conf.d/lab.conf"
        # The group in which a test's commands run, as a login would give them one.
        printf '%s\n' '[Unit]' 'Description=Commands of the tests' '[Service]' 'Type=exec' \
                'ExecStart=/usr/bin/sleep infinity' 'Slice=user.slice' 'Delegate=yes' 'KillMode=process' \
                >"$etc/systemd/system/lab-session.service"
        ln -s ../lab-session.service "$etc/systemd/system/multi-user.target.wants/"
        : >"$LAB_DIR/furnished"
}

become_init() {
        cd "$root"
        mkdir -p run/podlab
        pivot_root . run/podlab
        cd /
        umount -l /run/podlab
        rmdir /run/podlab
        mount --make-rshared / # as on a booted host: machinectl bind needs it
        exec env -i container=podlab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                TERM=linux LANG=C.UTF-8 \
                /lib/systemd/systemd --show-status=0 --log-target=journal --unit=multi-user.target
}

if [ "${1-}" != inside ]; then
        # The old /proc still counts processes as this machine does, so this is the pid the keeper can use.
        read -r pid _ </proc/self/stat
        printf '%s\n' "$pid" >"$LAB_DIR/leader.new"
        mv "$LAB_DIR/leader.new" "$LAB_DIR/leader"
        join_groups
        exec unshare --cgroup -- "$0" inside
fi
mount_everything
furnish
become_init
