"""PURE. From the limits a running pod or app has to others: what is written, and what takes a limit away again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stage1.contract import Resources
from stage1.contract.values import NamedTuple
from stage1.limits import IO_PROPERTIES, PERIOD, GroupFile, Groups, bus_properties, group_files

_INFINITY = 2**64 - 1  # systemd's word for no limit, and for a weight that was not set
_LISTED = {name.encode() for name in IO_PROPERTIES}

# What a file holds where nobody ever set a limit: admin-guide/cgroup-v2 and cgroup-v1 of the kernel's documentation.
_UNLIMITED = {
    "memory.max": "max",
    "memory.high": "max",
    "memory.low": "0",
    "memory.swap.max": "max",
    "cpu.max": f"max {PERIOD}",
    "cpu.weight": "100",
    "io.weight": "default 100",
    "pids.max": "max",
    "memory.limit_in_bytes": "-1",
    "memory.memsw.limit_in_bytes": "-1",
    "cpu.cfs_period_us": str(PERIOD),
    "cpu.cfs_quota_us": "-1",
    "cpu.shares": "1024",
}
_BOTH = "memory.memsw.limit_in_bytes"


class Change(NamedTuple):
    """A file of a control group, what it is to hold, and what it held before."""

    file: GroupFile
    before: str


def bus_changes(old: Resources, new: Resources) -> dict[bytes, object]:
    """Properties of a unit that turn the one into the other, and do no harm if they are set already."""
    had, wanted = bus_properties(old), bus_properties(new)
    for name in had.keys() - wanted.keys() - _LISTED:
        wanted[name] = b"" if name == b"AllowedCPUs" else _INFINITY
    for name in _LISTED:
        kept = {device for device, _ in _rates(wanted.get(name))}
        gone = [(device, _INFINITY) for device, _ in _rates(had.get(name)) if device not in kept]
        if gone:
            wanted[name] = [*gone, *_rates(wanted.get(name))]
    return wanted


def _rates(value: object) -> list[tuple[bytes, int]]:
    return value if isinstance(value, list) else []


def file_changes(
    old: Resources, new: Resources, groups: Groups, numbers: Mapping[str, str]
) -> tuple[Change, ...]:
    """The files of a pod's own groups that differ, in an order in which the kernel takes them."""
    had = dict(_keyed(group_files(old, groups, numbers)))
    wanted = dict(_keyed(group_files(new, groups, numbers)))
    found = [
        Change(_after(key, had, wanted, groups), _value(key, had, groups))
        for key in {**wanted, **had}
        if had.get(key) != wanted.get(key)
    ]
    return tuple(sorted(found, key=lambda change: _turn(change, old, new)))


def _keyed(files: Iterator[GroupFile]) -> Iterator[tuple[tuple[str, str], GroupFile]]:
    """By name, and for disks by the device that the value begins with."""
    for file in files:
        yield (
            (file.name, file.value.split()[0] if file.controller == "io" and " " in file.value else ""),
            file,
        )


def _after(
    key: tuple[str, str],
    had: Mapping[tuple[str, str], GroupFile],
    wanted: Mapping[tuple[str, str], GroupFile],
    groups: Groups,
) -> GroupFile:
    controller = (wanted.get(key) or had[key]).controller
    return GroupFile(controller, key[0], _value(key, wanted, groups))


def _value(key: tuple[str, str], files: Mapping[tuple[str, str], GroupFile], groups: Groups) -> str:
    name, device = key
    if name == "io.max":  # rates that are not named stay as they were
        words = files[key].value.split()[1:] if key in files else []
        rates = dict.fromkeys(("rbps", "wbps", "riops", "wiops"), "max")
        rates |= dict(word.split("=") for word in words)
        return " ".join([device, *(f"{word}={rate}" for word, rate in rates.items())])
    if key in files:
        return files[key].value
    if name == "cpuset.cpus":
        return "\n" if groups.unified else groups.processors
    if name.startswith("hugetlb."):
        return "max" if groups.unified else "-1"
    return f"{device} 0" if name.startswith("blkio.") else _UNLIMITED[name]


def _turn(change: Change, old: Resources, new: Resources) -> int:
    """With v1 memory alone must never be above memory with swap, at no moment."""
    name = change.file.name
    if name not in {_BOTH, "memory.limit_in_bytes"}:
        return 0
    grows = old.memory_max is not None and (new.memory_max is None or new.memory_max > old.memory_max)
    return 1 if (name == _BOTH) == grows else 2
