"""EFFECT. What this host's control groups can do; asked only for pods with limits."""

from __future__ import annotations

from pathlib import Path

from stage1.contract.limits import ULIMITS
from stage1.limits import Groups, Rights

_ROOT = Path("/sys/fs/cgroup")
_PROCESSORS = Path("/sys/devices/system/cpu/online")

# Shows that limits of swap are switched on.
_CAP_SYS_RESOURCE = 24
# Python does not know the limit of locks, which the kernel has not had since 2.4.
_KNOWN = tuple(name for name in ULIMITS if name != "locks")
# Shows that limits of swap are switched on.
_SWAP_V1 = "memory.memsw.limit_in_bytes"


def groups(*, booted: bool) -> Groups:
    """The controllers that a pod's own group can have, and where; `booted`: systemd is PID 1 here."""
    unified = (_ROOT / "cgroup.controllers").is_file()
    places = {} if unified else dict(_v1_places())
    names = (_ROOT / "cgroup.controllers").read_text().split() if unified else list(places)
    memory = places.get("memory")
    return Groups(
        unified=unified,
        booted=booted,
        controllers=tuple(sorted("io" if name == "blkio" else name for name in names)),
        places={"io" if name == "blkio" else name: place for name, place in places.items()},
        swap=unified or (memory is not None and Path(memory, _SWAP_V1).is_file()),
        processors=_PROCESSORS.read_text().strip(),
        rights=_rights(),
    )


def _rights() -> Rights:
    """With CAP_SYS_RESOURCE only the number of open files has an end, for all of the host: proc(5)."""
    import resource  # noqa: PLC0415  only pods with limits

    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    if effective >> _CAP_SYS_RESOURCE & 1:
        most = {"nofile": int(Path("/proc/sys/fs/nr_open").read_text())}
        return Rights(most=most, oom_score=-1000)
    hard = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1] for name in _KNOWN}
    return Rights(
        most={name: most for name, most in hard.items() if most != resource.RLIM_INFINITY},
        oom_score=int(Path("/proc/self/oom_score_adj").read_text()),
    )


def _v1_places() -> list[tuple[str, str]]:
    """Where each v1 controller is mounted: `memory`, or several together as `cpu,cpuacct`."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        kind, _, options = source.split(" ", 2)
        if kind == "cgroup":
            place = mount.split(" ")[4]
            found += [(word, place) for word in options.split(",") if word in _V1_CONTROLLERS]
    return found


_V1_CONTROLLERS = {"memory", "cpu", "cpuset", "pids", "blkio", "hugetlb"}


def not_block_devices(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the paths that are no block device here."""
    return tuple(path for path in paths if not Path(path).is_block_device())


def device_number(path: str) -> str:
    """`MAJOR:MINOR` of the whole disk that a block device is, or is a partition of."""
    import os  # noqa: PLC0415

    number = Path(path).stat().st_rdev
    sysfs = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if (sysfs / "partition").exists():
        return (sysfs.resolve().parent / "dev").read_text().strip()
    return f"{os.major(number)}:{os.minor(number)}"


def own_unit() -> str | None:
    """The unit this process lives in."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in {"", "name=systemd"} and path.rpartition("/")[2].endswith((".service", ".scope")):
            return path.rpartition("/")[2]
    return None


def memory_nodes(groups: Groups) -> str:
    """The memory that a v1 cpuset below the top one may have: all of its parent's."""
    place = groups.places.get("cpuset")
    return Path(place, "cpuset.mems").read_text().strip() if place else ""
