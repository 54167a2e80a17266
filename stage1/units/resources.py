"""PURE. What an app may use, in the words of its unit."""

from __future__ import annotations

from stage1 import limits
from stage1.contract import App, PodManifest, Ulimit
from stage1.contract.paths import DEVICES
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped


class Limits(NamedTuple):
    """Limits of all its processes together; a text that does not apply is empty."""

    memory_max: Escaped
    memory_high: Escaped
    memory_low: Escaped
    memory_swap_max: Escaped
    cpu_quota: Escaped
    cpu_weight: Escaped
    allowed_cpus: Escaped
    tasks_max: Escaped
    io_weight: Escaped
    read_bandwidth: tuple[Escaped, ...]
    write_bandwidth: tuple[Escaped, ...]
    read_operations: tuple[Escaped, ...]
    write_operations: tuple[Escaped, ...]


class ProcessLimit(NamedTuple):
    """A limit of each process: the name behind `Limit`, and SOFT:HARD."""

    name: Escaped
    value: Escaped


class ProcessLimits(NamedTuple):
    """Limits of each of its processes by itself."""

    ulimits: tuple[ProcessLimit, ...]
    oom_score_adjust: Escaped


def app_limits(app: App, pod: PodManifest) -> Limits:
    """A device is named by its place in the pod's root, where only the pod's systemd sees it."""
    found = dict(limits.properties(app.resources._replace(io_max=())))
    known = limits.app_devices(pod)
    rates: dict[str, list[Escaped]] = {name: [] for name in limits.IO_PROPERTIES}
    for name, device, value in limits.throttles(app.resources):
        rates[name].append(Escaped(f"{DEVICES}/{known.index(device)} {value}"))
    return Limits(
        memory_max=Escaped(found.get("MemoryMax", "")),
        memory_high=Escaped(found.get("MemoryHigh", "")),
        memory_low=Escaped(found.get("MemoryLow", "")),
        memory_swap_max=Escaped(found.get("MemorySwapMax", "")),
        cpu_quota=Escaped(found.get("CPUQuota", "")),
        cpu_weight=Escaped(found.get("CPUWeight", "")),
        allowed_cpus=Escaped(found.get("AllowedCPUs", "")),
        tasks_max=Escaped(found.get("TasksMax", "")),
        io_weight=Escaped(found.get("IOWeight", "")),
        read_bandwidth=tuple(rates["IOReadBandwidthMax"]),
        write_bandwidth=tuple(rates["IOWriteBandwidthMax"]),
        read_operations=tuple(rates["IOReadIOPSMax"]),
        write_operations=tuple(rates["IOWriteIOPSMax"]),
    )


def process_limits(app: App, pod: PodManifest) -> ProcessLimits:
    """Where one app of the pod is spared, the pod's systemd is too, and what it starts would be with it."""
    score = app.oom_score_adjust
    if score is None and limits.lowest_oom_score(pod) < 0:
        score = 0
    return ProcessLimits(
        ulimits=tuple(
            ProcessLimit(name=Escaped(limit.name.upper()), value=Escaped(_both(limit)))
            for limit in app.ulimits
        ),
        oom_score_adjust=Escaped("" if score is None else str(score)),
    )


def _both(limit: Ulimit) -> str:
    soft, hard = ("infinity" if number is None else str(number) for number in (limit.soft, limit.hard))
    return f"{soft}:{hard}"
