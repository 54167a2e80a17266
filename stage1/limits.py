"""PURE. Limits of pods and apps: what a host can enforce, and in whose words.

A limit is enforced by whoever owns the control group: an app's by the pod's own systemd (cgroup v2 only), a pod's by
the host's systemd, as properties of the pod's unit or scope, or by the monitor where systemd is not PID 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stage1.contract import App, PodManifest, Resources
from stage1.contract.paths import OOM_CONTROL
from stage1.contract.values import NamedTuple

UNIFIED = "/sys/fs/cgroup"
PERIOD = 100_000  # microseconds, the kernel's default


class Rights(NamedTuple):
    """How far this process can raise what processes have: `most` by name of the limit, where there is an end to it."""

    most: Mapping[str, int]
    oom_score: int


class Groups(NamedTuple):
    """A host's control groups. `places`: of v1, where each controller is mounted; `io` is v1's blkio."""

    unified: bool
    booted: bool
    controllers: tuple[str, ...]
    places: Mapping[str, str]
    swap: bool
    processors: str
    rights: Rights


class Setting(NamedTuple):
    """One limit: its option, its controller, and who can enforce it for a pod on cgroup v1."""

    option: str
    controller: str
    systemd_v1: bool = False
    monitor_v1: bool = False


SETTINGS: dict[str, Setting] = {
    "memory_max": Setting("--memory", "memory", systemd_v1=True, monitor_v1=True),
    "memory_high": Setting("--memory-high", "memory"),
    "memory_low": Setting("--memory-low", "memory"),
    "swap_max": Setting("--memory-swap", "memory", monitor_v1=True),
    "cpu_quota": Setting("--cpus", "cpu", systemd_v1=True, monitor_v1=True),
    "cpu_weight": Setting("--cpu-weight", "cpu", systemd_v1=True, monitor_v1=True),
    "cpus": Setting("--cpuset-cpus", "cpuset", monitor_v1=True),
    "pids_max": Setting("--pids-limit", "pids", systemd_v1=True, monitor_v1=True),
    "io_weight": Setting("--io-weight", "io"),
    "io_max": Setting("--io-max", "io", monitor_v1=True),
    "huge_pages": Setting("--hugepages", "hugetlb", monitor_v1=True),
}


class Steps(NamedTuple):
    """What the monitor does for limits, as records of `run/launch`: before anything runs, and among the mounts."""

    records: tuple[tuple[str, ...], ...] = ()
    mounts: tuple[tuple[str, ...], ...] = ()


class Enforced(NamedTuple):
    """A pod with only the limits that can be enforced here, and a reason for each that cannot."""

    pod: PodManifest
    refused: tuple[str, ...]


def has_limits(pod: PodManifest) -> bool:
    """Tell whether anything here has to be looked at for this pod."""
    if pod.resources != Resources():
        return True
    return any(
        app.resources != Resources() or app.ulimits or app.oom_score_adjust is not None for app in pod.apps
    )


def devices(pod: PodManifest) -> tuple[str, ...]:
    """The block devices that limits name, each once."""
    return tuple(sorted({*app_devices(pod), *(throttle.device for throttle in pod.resources.io_max)}))


def app_devices(pod: PodManifest) -> tuple[str, ...]:
    """Those that limits of apps name: the pod's own systemd has to see them, each at its number in this order."""
    return tuple(sorted({throttle.device for app in pod.apps for throttle in app.resources.io_max}))


def enforceable(pod: PodManifest, groups: Groups) -> Enforced:
    """Take away what this host cannot enforce, and say why."""
    refused: list[str] = []
    pod = pod._replace(resources=_keep(pod.resources, groups, "", refused))
    apps = []
    for app in pod.apps:
        kept = app._replace(resources=_keep(app.resources, groups, app.name, refused))
        apps.append(_keep_process_limits(kept, groups.rights, refused))
    return Enforced(pod._replace(apps=tuple(apps)), tuple(refused))


def _keep_process_limits(app: App, rights: Rights, refused: list[str]) -> App:
    """systemd would give an app as much as it can, and not tell."""
    high = {}
    for limit in app.ulimits:
        most = rights.most.get(limit.name)
        if most is not None and (limit.hard is None or limit.hard > most):
            high[limit.name] = most
    refused += [
        f"app {app.name} --ulimit {name}: no more than {most} can be had here" for name, most in high.items()
    ]
    score = app.oom_score_adjust
    if score is not None and score < rights.oom_score:
        refused.append(
            f"app {app.name} --oom-score-adj: only root of the host may go below {rights.oom_score}"
        )
        score = None
    kept = tuple(limit for limit in app.ulimits if limit.name not in high)
    return app._replace(ulimits=kept, oom_score_adjust=score)


def kept(found: Resources, groups: Groups, app: str | None) -> tuple[Resources, list[str]]:
    """What of an app's limits, or (None) of a pod's, this host can enforce, and a reason for each that it cannot."""
    refused: list[str] = []
    return _keep(found, groups, app or "", refused), refused


def _keep(found: Resources, groups: Groups, app: str, refused: list[str]) -> Resources:
    lost = {}
    for name in asked(found):
        reason = _objection(name, found, groups, of_app=bool(app))
        if reason:
            lost[name] = Resources._field_defaults[name]
            refused.append(f"{f'app {app} ' if app else ''}{SETTINGS[name].option}: {reason}")
    return found._replace(**lost)


def asked(found: Resources) -> tuple[str, ...]:
    """The names of the limits that are set."""
    return tuple(name for name in SETTINGS if getattr(found, name) not in {None, ()})


def _objection(name: str, found: Resources, groups: Groups, *, of_app: bool) -> str:
    setting = SETTINGS[name]
    if of_app and not groups.unified:
        return "with cgroup v1 only whole pods can be limited; this host would need cgroup v2"
    if name == "huge_pages" and (of_app or groups.booted):
        return "systemd has no such limit"
    if not groups.unified and not (setting.systemd_v1 if groups.booted else setting.monitor_v1):
        return f"{'systemd' if groups.booted else 'the kernel'} has no such limit with cgroup v1"
    if setting.controller not in groups.controllers:
        return f"the {setting.controller} controller is not available here"
    if name == "swap_max" and not groups.swap:
        return "the kernel does not count swap here"
    if name == "cpus" and not _numbers(found.cpus or "") <= _numbers(groups.processors):
        return f"this host has the processors {groups.processors}"
    return ""


def _numbers(cpus: str) -> set[int]:
    """`0-3,8` as numbers."""
    parts = [[int(number) for number in part.split("-")] for part in cpus.split(",") if part]
    return {number for part in parts for number in range(part[0], part[-1] + 1)}


def properties(found: Resources) -> Iterator[tuple[str, str]]:
    """The limits as systemd.resource-control(5) writes them."""
    plain = {
        "MemoryMax": found.memory_max,
        "MemoryHigh": found.memory_high,
        "MemoryLow": found.memory_low,
        "MemorySwapMax": found.swap_max,
        "CPUQuota": None if found.cpu_quota is None else percent(found.cpu_quota),
        "CPUWeight": found.cpu_weight,
        "AllowedCPUs": None if found.cpus is None else found.cpus.replace(",", " "),
        "TasksMax": found.pids_max,
        "IOWeight": found.io_weight,
    }
    yield from ((name, str(value)) for name, value in plain.items() if value is not None)
    for name, device, value in throttles(found):
        yield name, f"{device} {value}"


def percent(quota: int) -> str:
    """Thousandths of a processor as CPUQuota= reads them."""
    return f"{quota // 10}.{quota % 10}%" if quota % 10 else f"{quota // 10}%"


def throttles(found: Resources) -> Iterator[tuple[str, str, int]]:
    """Name of the property, device, and number of each limit of a disk."""
    for device, *rates in found.io_max:
        for name, rate in zip(IO_PROPERTIES, rates, strict=True):
            if rate is not None:
                yield name, device, rate


IO_PROPERTIES = ("IOReadBandwidthMax", "IOWriteBandwidthMax", "IOReadIOPSMax", "IOWriteIOPSMax")


def bus_properties(found: Resources) -> dict[bytes, object]:
    """The limits as properties of a unit on D-Bus, org.freedesktop.systemd1(5)."""
    plain = {
        b"MemoryMax": found.memory_max,
        b"MemoryHigh": found.memory_high,
        b"MemoryLow": found.memory_low,
        b"MemorySwapMax": found.swap_max,
        b"CPUQuotaPerSecUSec": None if found.cpu_quota is None else found.cpu_quota * 1000,
        b"CPUWeight": found.cpu_weight,
        b"AllowedCPUs": None if found.cpus is None else _bits(found.cpus),
        b"TasksMax": found.pids_max,
        b"IOWeight": found.io_weight,
    }
    listed: dict[bytes, list[tuple[bytes, int]]] = {}
    for name, device, value in throttles(found):
        listed.setdefault(name.encode(), []).append((device.encode(), value))
    return {**{name: value for name, value in plain.items() if value is not None}, **listed}


def _bits(cpus: str) -> bytes:
    """A bit for each processor, the first the lowest of the first byte."""
    mask = sum(1 << number for number in _numbers(cpus))
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


class GroupFile(NamedTuple):
    """A file of a control group and what is written to it."""

    controller: str
    name: str
    value: str


def group_files(found: Resources, groups: Groups, numbers: Mapping[str, str]) -> Iterator[GroupFile]:
    """The limits as the kernel reads them; `numbers` are those of devices (MAJOR:MINOR)."""
    return _files_v2(found, numbers) if groups.unified else _files_v1(found, numbers)


def _files_v2(found: Resources, numbers: Mapping[str, str]) -> Iterator[GroupFile]:
    """See admin-guide/cgroup-v2 of the kernel's documentation."""
    plain = {
        "memory.max": found.memory_max,
        "memory.high": found.memory_high,
        "memory.low": found.memory_low,
        "memory.swap.max": found.swap_max,
        "cpu.max": None if found.cpu_quota is None else f"{found.cpu_quota * PERIOD // 1000} {PERIOD}",
        "cpu.weight": found.cpu_weight,
        "cpuset.cpus": found.cpus,
        "pids.max": found.pids_max,
        "io.weight": found.io_weight,
    }
    yield from _present(plain)
    for device, *rates in found.io_max:
        keys = ("rbps", "wbps", "riops", "wiops")
        words = [f"{key}={rate}" for key, rate in zip(keys, rates, strict=True) if rate is not None]
        yield GroupFile("io", "io.max", " ".join([numbers[device], *words]))
    for pages in found.huge_pages:
        yield GroupFile("hugetlb", f"hugetlb.{_page_size(pages.size)}.max", str(pages.max))


def _files_v1(found: Resources, numbers: Mapping[str, str]) -> Iterator[GroupFile]:
    """See admin-guide/cgroup-v1; memory before memory with swap, which must never be the smaller one."""
    both = None if found.swap_max is None else (found.memory_max or 0) + found.swap_max
    plain = {
        "memory.limit_in_bytes": found.memory_max,
        "memory.memsw.limit_in_bytes": both,
        "cpu.cfs_period_us": None if found.cpu_quota is None else PERIOD,
        "cpu.cfs_quota_us": None if found.cpu_quota is None else found.cpu_quota * PERIOD // 1000,
        # systemd's own translation: weight 100 is 1024 shares
        "cpu.shares": None if found.cpu_weight is None else max(2, found.cpu_weight * 1024 // 100),
        "cpuset.cpus": found.cpus,
        "pids.max": found.pids_max,
    }
    yield from _present(plain)
    files = ("read_bps", "write_bps", "read_iops", "write_iops")
    for device, *rates in found.io_max:
        for name, rate in zip(files, rates, strict=True):
            if rate is not None:
                yield GroupFile("io", f"blkio.throttle.{name}_device", f"{numbers[device]} {rate}")
    for pages in found.huge_pages:
        name = f"hugetlb.{_page_size(pages.size)}.limit_in_bytes"
        yield GroupFile("hugetlb", name, str(pages.max))


def _present(plain: Mapping[str, object]) -> Iterator[GroupFile]:
    for name, value in plain.items():
        if value is not None:
            yield GroupFile(name.partition(".")[0], name, str(value))


def _page_size(size: int) -> str:
    """As the kernel names the files: 64KB, 2MB, 1GB."""
    for unit, power in (("GB", 30), ("MB", 20)):
        if size >= 1 << power:
            return f"{size >> power}{unit}"
    return f"{size >> 10}KB"


def wanted_controllers(limits: Iterable[Resources]) -> tuple[str, ...]:
    """The controllers that these limits need, in the order of their names."""
    return tuple(sorted({SETTINGS[name].controller for found in limits for name in asked(found)}))


def lowest_oom_score(pod: PodManifest) -> int:
    """0, or the lowest that an app asks for: without rights over the host no process can go below its parent's."""
    return min([0, *(app.oom_score_adjust or 0 for app in pod.apps)])


# What systemd-nspawn gives its PID 1 of limits that only a process with rights over the host can raise, and where a
# pod in a user namespace would silently stay: (soft, hard), as in src/nspawn of systemd 252 to 257.
_NSPAWN_ULIMITS = {
    "nofile": ("1024", 524288),
    "memlock": ("8388608", 8388608),
    "msgqueue": ("819200", 819200),
    "nice": ("0", 0),
    "rtprio": ("0", 0),
}


def supervisor_ulimits(pod: PodManifest) -> Iterator[tuple[str, str, str]]:
    """Name, soft and hard limit of what systemd-nspawn would make too low for an app."""
    for name, (soft, most) in _NSPAWN_ULIMITS.items():
        wanted = [limit.hard for app in pod.apps for limit in app.ulimits if limit.name == name]
        if wanted and (None in wanted or max(number for number in wanted if number is not None) > most):
            hard = "infinity" if None in wanted else str(max(number or 0 for number in wanted))
            yield name, soft, hard


def records(
    pod: PodManifest, groups: Groups, numbers: Mapping[str, str], memory_nodes: str
) -> Iterator[tuple[str, ...]]:
    """What the monitor does where systemd is not PID 1: groups, controllers handed down to them, limits."""
    if groups.unified:
        yield from _records_v2(pod, groups, numbers)
    else:
        yield from _records_v1(pod, groups, numbers, memory_nodes)


def _records_v2(pod: PodManifest, groups: Groups, numbers: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The pod's group is there already; systemd-nspawn hands controllers on to the pod's systemd by itself."""
    wanted = wanted_controllers((pod.resources, *(app.resources for app in pod.apps)))
    if wanted:
        yield "limit", f"{UNIFIED}/cgroup.subtree_control", " ".join(f"+{name}" for name in wanted)
    for file in group_files(pod.resources, groups, numbers):
        yield "limit", f"{UNIFIED}/pod-{pod.uuid}/{file.name}", file.value


def _records_v1(
    pod: PodManifest, groups: Groups, numbers: Mapping[str, str], memory_nodes: str
) -> Iterator[tuple[str, ...]]:
    """A group in the hierarchy of each controller; one for processors must be told its memory too."""
    wanted = wanted_controllers([pod.resources])
    for place in sorted({groups.places[name] for name in wanted}):
        yield "cgroup", f"{place}/pod-{pod.uuid}"
    if "cpuset" in wanted:
        yield "limit", f"{groups.places['cpuset']}/pod-{pod.uuid}/cpuset.mems", memory_nodes
    for file in group_files(pod.resources, groups, numbers):
        yield "limit", f"{groups.places[file.controller]}/pod-{pod.uuid}/{file.name}", file.value


def mounts(pod: PodManifest, groups: Groups) -> Iterator[tuple[str, ...]]:
    """Where v1's count of processes killed for want of memory is the pod's own, the reaper looks at it."""
    if not groups.unified and "memory" in wanted_controllers([pod.resources]):
        counter = f"{groups.places['memory']}/pod-{pod.uuid}/memory.oom_control"
        yield "bind", counter, f"rootfs{OOM_CONTROL}", "ro"
