"""PURE. What a host's facts mean for pods: for each thing good, lacking a little, or missing, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from stage0 import features, limits
from stage1.contract.values import NamedTuple

KERNEL_FLOOR = (5, 15)
USER_NAMESPACES_OVER_OVERLAYS = (5, 19)
SYSTEMD_FLOOR = 252
SKOPEO_FLOOR = (1, 5)  # --preserve-digests
LITTLE_SPACE = 1 << 30


class Level(StrEnum):
    """How a check came out; only what is missing keeps pods from running."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"


class Cgroups(StrEnum):
    """How the kernel's control groups are mounted."""

    V2 = "v2"
    HYBRID = "hybrid"
    V1 = "v1"
    NONE = "none"


class Facts(NamedTuple):
    """A host as it was found; None: could not be found out."""

    root: bool
    kernel: str
    data_root: str
    filesystem: str | None
    writable: bool | None
    overlay: str | None  # what the kernel said to an overlay with its upper layer there, "" for yes
    free: int | None
    nspawn: str | None  # what `systemd-nspawn --version` prints
    booted: bool
    machined: bool
    cgroups: Cgroups
    cgroups_writable: bool
    controllers: tuple[str, ...]  # of control groups, by their names in v2
    seccomp: bool
    user_namespaces: bool
    mapped: str | None  # what was said to a mapped overlay there, "" for yes
    unbuilt: tuple[str, ...]  # C programs that are not there
    modules: tuple[str, ...]  # Python packages that are not there
    programs: tuple[str, ...]  # programs that are not there
    skopeo: str | None  # what `skopeo --version` prints
    image_policy: bool  # whether there is a signature policy


class Finding(NamedTuple):
    """One check, what was found, and what to do about it if that is not all right."""

    check: str
    level: Level
    found: str
    advice: tuple[str, ...] = ()


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Every check, those that pods cannot do without first."""
    return (
        _kernel(facts),
        _nspawn(facts),
        _seccomp(facts),
        _cgroups(facts),
        _data_root(facts),
        _overlay(facts),
        _space(facts),
        _native(facts),
        _python(facts),
        _tools(facts),
        _booted(facts),
        _machined(facts),
        _user_namespaces(facts),
        _skopeo(facts),
        *_features(facts),
    )


def has_all(findings: tuple[Finding, ...]) -> bool:
    """True if pods can run here."""
    return all(finding.level is not Level.MISSING for finding in findings)


def install(debian: str, fedora: str, arch: str) -> tuple[str, ...]:
    """One line for each family of systems."""
    return (
        f"Debian, Ubuntu: apt install {debian}",
        f"Fedora: dnf install {fedora}",
        f"Arch: pacman -S {arch}",
    )


def version(text: str) -> tuple[int, ...]:
    """The leading numbers of `6.1.0-18-amd64` or `252.39`."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def systemd_version(text: str) -> int:
    """`systemd 252 (252.39-1~deb12u2)` is 252, `systemd 258~rc1 …` is 258; 0 if it is no such text."""
    found = re.match(r"systemd (\d{1,6})", text)
    return int(found[1]) if found else 0


def as_text(findings: tuple[Finding, ...]) -> str:
    """A line for each check, and below it what to do."""
    width = max(len(finding.check) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.level.value:<7}  {finding.check:<{width}}  {finding.found}")
        lines += [f"{'':<{width + 11}}{line}" for line in finding.advice]
    return "\n".join([*lines, "", _summary(findings)]) + "\n"


def _summary(findings: tuple[Finding, ...]) -> str:
    missing = [finding.check for finding in findings if finding.level is Level.MISSING]
    return f"Pods cannot run here: {', '.join(missing)}." if missing else "Pods can run here."


def _kernel(facts: Facts) -> Finding:
    if version(facts.kernel) >= KERNEL_FLOOR:
        return Finding(check="kernel", level=Level.OK, found=facts.kernel)
    return Finding(
        check="kernel",
        level=Level.MISSING,
        found=f"{facts.kernel}, older than {KERNEL_FLOOR[0]}.{KERNEL_FLOOR[1]}",
        advice=install("linux-image-amd64 (bookworm or later)", "kernel", "linux"),
    )


def _nspawn(facts: Facts) -> Finding:
    packages = install("systemd-container", "systemd-container", "systemd")
    if facts.nspawn is None:
        return Finding(
            check="systemd-nspawn", level=Level.MISSING, found="is not installed", advice=packages
        )
    found = facts.nspawn.partition("\n")[0].removeprefix("systemd ")
    if systemd_version(facts.nspawn) >= SYSTEMD_FLOOR:
        return Finding(check="systemd-nspawn", level=Level.OK, found=found)
    return Finding(
        check="systemd-nspawn",
        level=Level.MISSING,
        found=f"{found}, older than {SYSTEMD_FLOOR}",
        advice=("update the system: Debian 12, Fedora 37 and later have it", *packages),
    )


def _seccomp(facts: Facts) -> Finding:
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


def _cgroups(facts: Facts) -> Finding:
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


def _data_root(facts: Facts) -> Finding:
    where = facts.data_root + (f" ({facts.filesystem})" if facts.filesystem else "")
    if facts.writable:
        return Finding(check="data root", level=Level.OK, found=where)
    return Finding(
        check="data root",
        level=Level.MISSING if facts.writable is False and facts.root else Level.WARN,
        found=f"{where} cannot be written to" if facts.root else f"{where} was not tried, that needs root",
        advice=("choose another with --dir or POD_DIR",)
        if facts.root
        else ("ask as root: sudo pod doctor",),
    )


def _overlay(facts: Facts) -> Finding:
    if facts.overlay == "":
        return Finding(check="overlayfs", level=Level.OK, found=f"works on {facts.filesystem}")
    if facts.overlay is None:
        return Finding(
            check="overlayfs",
            level=Level.WARN,
            found="was not tried, that needs root and a data root",
            advice=("ask as root: sudo pod doctor",),
        )
    advice = [
        "put the data root on ext4, xfs or btrfs (--dir, POD_DIR)",
        "load the kernel's module: modprobe overlay",
    ]
    if facts.filesystem == "overlayfs":
        advice[1] = "in a container: mount a volume at the data root; an overlay cannot lie on an overlay"
    return Finding(
        check="overlayfs",
        level=Level.MISSING,
        found=f"does not work on {facts.filesystem}: {facts.overlay}",
        advice=tuple(advice),
    )


def _space(facts: Facts) -> Finding:
    if facts.free is None:
        return Finding(check="free space", level=Level.WARN, found="could not be found out")
    enough = facts.free >= LITTLE_SPACE
    return Finding(
        check="free space",
        level=Level.OK if enough else Level.WARN,
        found=f"{facts.free / (1 << 30):.1f} GiB at {facts.data_root}",
        advice=() if enough else ("`pod gc` and `pod image rm` make room", "or choose another with --dir"),
    )


def _native(facts: Facts) -> Finding:
    if not facts.unbuilt:
        return Finding(check="native programs", level=Level.OK, found="built")
    return Finding(
        check="native programs",
        level=Level.MISSING,
        found=f"not built: {', '.join(facts.unbuilt)}",
        advice=("make native", *install("gcc make libc6-dev", "gcc make glibc-static", "gcc make")),
    )


# Python package: whether pods cannot do without, Debian, Fedora, Arch
_MODULES: dict[str, tuple[bool, str, str, str]] = {
    "jinja2": (True, "python3-jinja2", "python3-jinja2", "python-jinja"),
    "pydantic": (True, "python3-pydantic", "python3-pydantic", "python-pydantic"),
    "pystemd": (False, "python3-pystemd", "python3-pystemd", "python-pystemd"),
    "yaml": (False, "python3-yaml", "python3-pyyaml", "python-yaml"),
    "zstandard": (False, "python3-zstandard", "python3-zstandard", "python-zstandard"),
}
MODULES = tuple(_MODULES)


def _python(facts: Facts) -> Finding:
    if not facts.modules:
        return Finding(check="Python packages", level=Level.OK, found="all there")
    needed = any(_needs_module(name, facts) for name in facts.modules)
    packages = [_MODULES[name][1:] for name in facts.modules]
    return Finding(
        check="Python packages",
        level=Level.MISSING if needed else Level.WARN,
        found=f"missing: {', '.join(facts.modules)}",
        advice=install(*(" ".join(package[system] for package in packages) for system in range(3))),
    )


def _needs_module(name: str, facts: Facts) -> bool:
    """pystemd makes the units of pods that run in the background, where systemd is PID 1."""
    return _MODULES[name][0] or (name == "pystemd" and facts.booted)


# program: Debian, Fedora, Arch
_TOOLS = {
    "ldd": ("libc-bin", "glibc-common", "glibc"),
    "mount": ("mount", "util-linux", "util-linux"),
    "unshare": ("util-linux", "util-linux", "util-linux"),
    "stat": ("coreutils", "coreutils", "coreutils"),
}
PROGRAMS = (*_TOOLS, *features.PROGRAMS)


def _tools(facts: Facts) -> Finding:
    """ldd gathers the root a pod boots; the others only this command needs."""
    missing = [program for program in facts.programs if program in _TOOLS]
    if not missing:
        return Finding(check="programs", level=Level.OK, found="all there")
    packages = [_TOOLS[name] for name in missing]
    return Finding(
        check="programs",
        level=Level.MISSING if "ldd" in missing else Level.WARN,
        found=f"missing: {', '.join(missing)}",
        advice=install(*(" ".join(package[system] for package in packages) for system in range(3))),
    )


def _booted(facts: Facts) -> Finding:
    if facts.booted:
        return Finding(check="systemd as PID 1", level=Level.OK, found="yes")
    return Finding(
        check="systemd as PID 1",
        level=Level.WARN,
        found="no: pods run, but not in units of their own (systemctl), nor known to machinectl",
    )


def _machined(facts: Facts) -> Finding:
    if facts.machined:
        return Finding(
            check="systemd-machined", level=Level.OK, found="there, pods are listed by machinectl"
        )
    return Finding(
        check="systemd-machined",
        level=Level.WARN,
        found="not there, machinectl does not know pods" if facts.booted else "needs systemd as PID 1",
        advice=install("systemd-container", "systemd-container", "systemd") if facts.booted else (),
    )


def _user_namespaces(facts: Facts) -> Finding:
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


def _skopeo(facts: Facts) -> Finding:
    found = facts.skopeo and re.search(r"version (\S+)", facts.skopeo)
    if not found:
        return Finding(
            check="skopeo",
            level=Level.WARN,
            found="not there; pods do not need it, but `pod image pull` does for registries",
            advice=install("skopeo", "skopeo", "skopeo"),
        )
    if version(found[1]) < SKOPEO_FLOOR:
        return Finding(
            check="skopeo",
            level=Level.WARN,
            found=f"{found[1]}, older than {SKOPEO_FLOOR[0]}.{SKOPEO_FLOOR[1]}: `pod image pull` may fail",
            advice=("update the system: Debian 12, Fedora 36 and later have it",),
        )
    if not facts.image_policy:
        packages = install("golang-github-containers-common", "containers-common", "containers-common")
        text = f"{found[1]}, but without /etc/containers/policy.json it refuses every image"
        return Finding(check="skopeo", level=Level.WARN, found=text, advice=packages)
    return Finding(check="skopeo", level=Level.OK, found=found[1])


def _features(facts: Facts) -> Iterator[Finding]:
    """A check for each feature that some option needs."""
    found = features.Versions(systemd=systemd_version(facts.nspawn or ""), missing=facts.programs)
    for name, since, is_there, without in features.FEATURES:
        if is_there(found):
            yield Finding(name, Level.OK, "there")
        else:
            yield Finding(name, Level.WARN, f"not there ({since})", (f"without it {without}",))
