"""PURE. Checks of the kernel: its version, filters, control groups, user namespaces, notification."""

from __future__ import annotations

from stage0.doctor.facts import Cgroups, Facts
from stage0.doctor.finding import Finding, Level, install, version
from stage0.pods import limits

KERNEL_FLOOR = (5, 15)

USER_NAMESPACES_OVER_OVERLAYS = (5, 19)
# What the systemd of a pod takes: inotify(7) counts instances by user, and all of them are root's.
INOTIFY_OF_A_POD = 3
INOTIFY_FLOOR = 512


def kernel(facts: Facts) -> Finding:
    """Old ones lack what mounts and processes are made with."""
    if version(facts.kernel) >= KERNEL_FLOOR:
        return Finding(check="kernel", level=Level.OK, found=facts.kernel)
    return Finding(
        check="kernel",
        level=Level.MISSING,
        found=f"{facts.kernel}, older than {KERNEL_FLOOR[0]}.{KERNEL_FLOOR[1]}",
        advice=install("linux-image-amd64 (bookworm or later)", "kernel", "linux", "kernel-default"),
    )


def seccomp(facts: Facts) -> Finding:
    """Without it systemd runs apps unfiltered and only says so in its log."""
    if not facts.seccomp:
        return Finding(
            check="system call filter",
            level=Level.MISSING,
            found="the kernel has none, so no app would be filtered",
            advice=("boot a kernel with CONFIG_SECCOMP_FILTER; those of Debian, Fedora and Arch have it",),
        )
    if facts.nspawn is not None and "-SECCOMP" in facts.nspawn:
        return Finding(
            check="system call filter",
            level=Level.MISSING,
            found="systemd was built without libseccomp, so no app would be filtered",
            advice=("use the systemd of Debian, Fedora or Arch, which have it",),
        )
    return Finding(check="system call filter", level=Level.OK, found="in the kernel and in systemd")


def cgroups(facts: Facts) -> Finding:
    """Which hierarchy pods are in, and what can be limited there."""
    if facts.cgroups is Cgroups.NONE or not facts.cgroups_writable:
        return Finding(
            check="cgroups",
            level=Level.MISSING,
            found="not mounted" if facts.cgroups is Cgroups.NONE else "mounted read-only",
            advice=(
                "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
                "in a container: let it have a writable cgroup hierarchy of its own",
            ),
        )
    lost = "".join(f", no controller {one}" for one in limits.without(facts.controllers))
    if facts.cgroups is Cgroups.V2:
        return Finding(check="cgroups", level=Level.WARN if lost else Level.OK, found=f"v2{lost}")
    return Finding(
        check="cgroups",
        level=Level.WARN,
        found=f"{facts.cgroups.value}: only whole pods can be limited, not single apps{lost}",
        advice=("boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line",),
    )


def user_namespaces(facts: Facts) -> Finding:
    """By trying what a pod does: mounts whose owners are mapped, below an overlay."""
    if facts.mapped == "":
        return Finding(
            check="user namespaces", level=Level.OK, found=f"work, with mapped mounts on {facts.filesystem}"
        )
    recent = version(facts.kernel) >= USER_NAMESPACES_OVER_OVERLAYS
    if facts.mapped is None and facts.user_namespaces and recent:
        return Finding(
            check="user namespaces",
            level=Level.WARN,
            found="were not tried, that needs root and a data root",
        )
    reason = facts.mapped or "not tried"
    advice = ["until then: --userns=host"]
    if not facts.user_namespaces:
        reason, advice = "they are switched off", ["sysctl user.max_user_namespaces=10000", *advice]
    elif not recent:
        reason, advice = "the kernel is older than 5.19", ["boot a newer kernel", *advice]
    else:
        advice = ["put the data root on ext4, xfs, btrfs or tmpfs (--dir, POD_DIR)", *advice]
    return Finding(
        check="user namespaces",
        level=Level.WARN,
        found=f"pods run only with --userns=host: {reason}",
        advice=tuple(advice),
    )


def ranges(facts: Facts) -> Finding:
    """Ids for the next pod with a user namespace of its own, beside those of accounts, users and other containers."""
    if not facts.no_range:
        return Finding(check="ranges of ids", level=Level.OK, found="there are free ones for pods")
    return Finding(
        check="ranges of ids",
        level=Level.WARN,
        found=facts.no_range,
        advice=(
            "`pod gc` frees those of ended pods",
            "set POD_USERNS_RANGE=BASE:COUNT to ids that /etc/subuid and /etc/subgid give to nobody",
            "or run pods with --userns=host",
        ),
    )


def inotify(facts: Facts) -> Finding:
    """The limit that a host with many pods meets first: their systemd does not boot beyond it."""
    if facts.inotify is None:
        return Finding(check="inotify instances", level=Level.WARN, found="could not be found out")
    many = facts.inotify // INOTIFY_OF_A_POD
    if facts.inotify >= INOTIFY_FLOOR:
        return Finding(
            check="inotify instances", level=Level.OK, found=f"{facts.inotify}, for {many} pods at once"
        )
    return Finding(
        check="inotify instances",
        level=Level.WARN,
        found=f"{facts.inotify}: not more than about {many} pods at once",
        advice=(
            "for more: sysctl fs.inotify.max_user_instances=1024",
            "for good: echo fs.inotify.max_user_instances=1024 >/etc/sysctl.d/60-pods.conf (`make install` does so)",
        ),
    )


def labels(facts: Facts) -> Finding:
    """Which kind of `--security-label` there is; a policy of SELinux also decides what pods may do without one."""
    if "selinux" in facts.labels and facts.enforcing:
        return Finding(
            check="security labels",
            level=Level.WARN,
            found="of SELinux, which is enforcing: its policy decides what pods may do",
            advice=(
                "what it forbids: journalctl --grep 'avc: *denied'",
                "for domains of containers: semanage fcontext -a -t container_file_t"
                f" '{facts.data_root}(/.*)?' && restorecon -R {facts.data_root}",
            ),
        )
    known = {"selinux": "of SELinux, which is permissive", "apparmor": "of AppArmor"}
    found = " and ".join(known[one] for one in sorted(facts.labels) if one in known)
    return Finding(check="security labels", level=Level.OK, found=found or "none in this kernel")
