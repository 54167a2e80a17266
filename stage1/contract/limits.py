"""PURE. What must hold of limits beyond the types of their fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stage1.contract.checks import unique, within
from stage1.contract.resources import Resources, Ulimit

# Names of setrlimit(2) in small letters, as `ulimit` and the field's other tools say them; systemd.exec(5) has all.
ULIMITS = (
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
)  # fmt: skip
DEVICE = r"/dev/[a-zA-Z0-9._+-]+(?:/[a-zA-Z0-9._+-]+)*"
CPUS = r"[0-9]{1,4}(?:-[0-9]{1,4})?(?:,[0-9]{1,4}(?:-[0-9]{1,4})?)*"
MOST_BYTES = 2**63 - 1
MOST_CPUS = 8192
MOST_PIDS = 2**22  # no kernel has more, proc(5)
LEAST_QUOTA = 10  # the kernel's least share is a millisecond of its period of a tenth of a second
WEIGHTS = (1, 10000)


def broken_resources(where: str, found: Resources) -> Iterator[str]:
    """Each rule that these limits do not keep."""
    for name in ("memory_max", "memory_high", "memory_low", "swap_max"):
        least = 1 if name in {"memory_max", "memory_high"} else 0
        yield from within(f"{where}.{name}", getattr(found, name), least, MOST_BYTES)
    yield from within(f"{where}.cpu_quota", found.cpu_quota, LEAST_QUOTA, 1000 * MOST_CPUS)
    yield from within(f"{where}.cpu_weight", found.cpu_weight, *WEIGHTS)
    yield from within(f"{where}.io_weight", found.io_weight, *WEIGHTS)
    yield from within(f"{where}.pids_max", found.pids_max, 1, MOST_PIDS)
    if found.cpus is not None and not _is_cpus(found.cpus):
        yield f"{where}.cpus: {found.cpus[:80]!r} is no list of processors"
    yield from unique(f"{where}.io_max", (throttle.device for throttle in found.io_max))
    for throttle in found.io_max:
        if not re.fullmatch(DEVICE, throttle.device) or ".." in throttle.device.split("/"):
            yield f"{where}.io_max: {throttle.device[:80]!r} is no device below /dev"
        for number in throttle[1:]:
            yield from within(f"{where}.io_max", number, 1, MOST_BYTES)
    yield from unique(f"{where}.huge_pages", (str(pages.size) for pages in found.huge_pages))
    for pages in found.huge_pages:
        if pages.size < 4096 or pages.size & (pages.size - 1):
            yield f"{where}.huge_pages: {pages.size} is no size of a page"
        yield from within(f"{where}.huge_pages", pages.max, 0, MOST_BYTES)


def broken_ulimits(where: str, found: tuple[Ulimit, ...]) -> Iterator[str]:
    """Each rule that these limits of processes do not keep."""
    yield from unique(where, (ulimit.name for ulimit in found))
    for name, soft, hard in found:
        if name not in ULIMITS:
            yield f"{where}: {name[:80]!r} is no limit of setrlimit(2)"
        for number in (soft, hard):
            yield from within(where, number, 0, MOST_BYTES)
        if hard is not None and (soft is None or soft > hard):
            yield f"{where}: the soft limit of {name} is above the hard one"


def _is_cpus(text: str) -> bool:
    if not re.fullmatch(CPUS, text):
        return False
    ranges = [[int(number) for number in part.split("-")] for part in text.split(",")]
    return all(part[0] <= part[-1] < MOST_CPUS for part in ranges)
