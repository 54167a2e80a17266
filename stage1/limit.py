"""EFFECT. The limits of a pod on this host: what cannot be enforced is refused, the rest goes to who enforces it."""

from __future__ import annotations

from stage1 import limits
from stage1.contract import HostError, PodManifest, Resources
from stage1.contract.values import NamedTuple
from stage1.host import HostFacts


class Limited(NamedTuple):
    """A pod with the limits that hold here, what the monitor does for them, and why others do not."""

    pod: PodManifest
    steps: limits.Steps = limits.Steps()
    refused: tuple[str, ...] = ()


def limited(pod: PodManifest, facts: HostFacts, *, own_unit: bool) -> Limited:
    """HostError if this host cannot enforce a limit, unless the pod is content with what it can.

    `own_unit`: this process is the main process of a unit of the user's own, which the pod will live in.
    """
    from stage1 import cgroups  # noqa: PLC0415  only pods with limits

    groups = cgroups.groups(booted=facts.booted)
    found = limits.enforceable(pod, groups)
    if found.refused and not pod.best_effort:
        raise HostError(
            f"this host cannot enforce {'; '.join(found.refused)}",
            hint="leave the limit out, or run without it: --best-effort",
        )
    if absent := cgroups.not_block_devices(limits.devices(found.pod)):
        raise HostError(f"{absent[0]} is no block device", hint="name a disk of this host; see lsblk(8)")
    if facts.booted:
        if own_unit and found.pod.resources != Resources():
            _limit_own_unit(found.pod.resources)
        return Limited(found.pod, refused=found.refused)
    numbers = {device: cgroups.device_number(device) for device in limits.devices(found.pod)}
    steps = limits.Steps(
        records=tuple(limits.records(found.pod, groups, numbers, cgroups.memory_nodes(groups))),
        mounts=tuple(limits.mounts(found.pod, groups)),
    )
    return Limited(found.pod, steps, found.refused)


def _limit_own_unit(found: Resources) -> None:
    from stage1 import cgroups, manager  # noqa: PLC0415  80 ms, and rare

    unit = cgroups.own_unit()
    if unit is None:
        raise HostError("the unit this process runs in is not known", hint="set the limits in the unit")
    manager.set_properties(unit, limits.bus_properties(found))
