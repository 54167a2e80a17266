"""PURE. Two plans of a pod, before and after a change of its apps: what to write, and what no change can bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stage1.contract.paths import DEVICES, HOST_DEVICES
from stage1.contract.values import NamedTuple
from stage1.mounts import Record
from stage1.plan import LaunchPlan

# Of the pod's network, or a layer that is in use: these do not come from the apps.
_KEPT = ("identity/", "network/")
# What systemd-nspawn and the pod's PID 1 were born with.
_AT_START = {
    "from-host": "sockets that the host passes (--socket PORT,host)",
    "ulimit": "limits of processes above the pod's own (--ulimit)",
    "oom-score": "an OOM score below the pod's own (--oom-score-adj)",
    "share": "mounts that the host sees (shared)",
    "limit": "limits that the pod was started without",
}
_PLACES = {
    f"rootfs{HOST_DEVICES}": "the host's devices (--privileged)",
    f"rootfs{DEVICES}/": "limits of single disks (--io-max)",
}
_CAPABILITIES = "--capability="
# Whoever starts the pod hands these on to the monitor.
_STREAMS = {"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}


class Difference(NamedTuple):
    """Files below `run/` that have another content, and those that are there no more."""

    changed: Mapping[str, bytes]
    removed: tuple[str, ...]

    @property
    def of_units(self) -> bool:
        """Whether PID 1 has to read its units anew."""
        return any(name.startswith("units/") for name in (*self.changed, *self.removed))


def difference(old: LaunchPlan, new: LaunchPlan) -> Difference:
    """From one plan to the other; files that both have alike are left alone, whatever lies there now."""
    changed = {
        name: content
        for name, content in new.files.items()
        if old.files.get(name) != content and not name.startswith(_KEPT)
    }
    removed = [name for name in old.files if name not in new.files and not name.startswith(_KEPT)]
    return Difference(changed, tuple(sorted(removed)))


def lacking(old: LaunchPlan, new: LaunchPlan) -> list[str]:
    """What of the new plan a pod that runs by the old one can only get by a start, in words for people."""
    more = [record for record in new.records if record not in set(old.records)]
    found = [*_kinds(more), *_capabilities(old.argv, new.argv)]
    return list(dict.fromkeys(found))


def _kinds(more: Iterable[Record]) -> Iterator[str]:
    for record in more:
        if record[0] in _AT_START:
            yield _AT_START[record[0]]
        elif record[0] == "credential" and record[2] == "unit":
            yield "secrets of the unit that started it (--credential without a file)"
        elif record[0] == "credential" and record[3] in _STREAMS:
            yield f"secrets from {record[3]}"
        elif record[0] == "app" and record[4] != "none":
            yield "standard input (--stdin)"
        elif record[0] == "bind":
            yield from (what for place, what in _PLACES.items() if record[2].startswith(place))


def _capabilities(old: Iterable[str], new: Iterable[str]) -> Iterator[str]:
    if more := sorted(_given(new) - _given(old)):
        yield f"capabilities that the pod was started without ({', '.join(more)})"


def _given(argv: Iterable[str]) -> set[str]:
    return {
        name
        for word in argv
        if word.startswith(_CAPABILITIES)
        for name in word.removeprefix(_CAPABILITIES).split(",")
    }
