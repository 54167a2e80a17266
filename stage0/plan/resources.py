"""PURE. Limits: what of the host an app, or all of a pod together, may use."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from stage0 import quantities
from stage0.request import AppRequest, PodRequest, Quantity
from stage1.contract import HugePages, Resources, Throttle, Ulimit, UsageError
from stage1.contract.limits import (
    CPUS,
    DEVICE,
    LEAST_QUOTA,
    MOST_BYTES,
    MOST_CPUS,
    MOST_PIDS,
    ULIMITS,
    WEIGHTS,
)

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import TypeVar

    Value = TypeVar("Value")

Wish = AppRequest | PodRequest
_RATES = {
    "rbps": "read_bytes",
    "wbps": "write_bytes",
    "riops": "read_operations",
    "wiops": "write_operations",
}
_UNLIMITED = {"unlimited", "infinity", "max", "-1"}
_SIZED_ULIMITS = {"as", "core", "data", "fsize", "memlock", "msgqueue", "rss", "stack"}


def resources(wish: Wish, host_memory: int) -> Resources:
    """The limits that an app or a pod asks for; percentages of memory are of `host_memory` bytes."""
    memory = _asked(wish.memory, "--memory", lambda text, where: _memory(text, where, host_memory, least=1))
    return Resources(
        memory_max=memory,
        memory_high=_asked(
            wish.memory_high, "--memory-high", lambda text, where: _memory(text, where, host_memory, least=1)
        ),
        memory_low=_asked(
            wish.memory_low, "--memory-low", lambda text, where: _memory(text, where, host_memory, least=0)
        ),
        swap_max=_swap(wish.memory_swap, memory, host_memory),
        cpu_quota=_asked(wish.cpus, "--cpus", _cpus),
        cpu_weight=_asked(wish.cpu_weight, "--cpu-weight", _weight),
        cpus=_asked(wish.cpuset_cpus, "--cpuset-cpus", _cpuset),
        pids_max=_asked(wish.pids_limit, "--pids-limit", _pids),
        io_weight=_asked(wish.io_weight, "--io-weight", _weight),
        io_max=_throttles(wish.io_max),
        huge_pages=_huge_pages(wish.hugepages) if isinstance(wish, PodRequest) else (),
    )


def ulimits(pod: Sequence[str], app: Sequence[str]) -> tuple[Ulimit, ...]:
    """An app's own limits over those that the pod sets for all."""
    found = {ulimit.name: ulimit for texts in (pod, app) for ulimit in _no_two(texts)}
    return tuple(found[name] for name in sorted(found))


def oom_score_adjust(wish: Quantity | None) -> int | None:
    """`--oom-score-adj`."""
    return _asked(wish, "--oom-score-adj", _oom_score)


def _asked(wish: Quantity | None, where: str, parse: Callable[[str, str], Value]) -> Value | None:
    return None if wish is None else parse(str(wish), where)


def _memory(text: str, where: str, host_memory: int, *, least: int) -> int:
    """A size, or a part of the host's memory."""
    part = quantities.decimal(text.strip().removesuffix("%"), 10**6) if text.strip().endswith("%") else None
    if part is not None and part <= 100 * 10**6:
        value = host_memory * part // (100 * 10**6)
    else:
        value = quantities.size(text, where=where)
    if value < least:
        raise UsageError(f"{where}: nothing runs in {text!r}", hint="write a size such as 64M")
    return value


def _swap(wish: Quantity | None, memory: int | None, host_memory: int) -> int | None:
    """Docker's and podman's meaning: memory and swap together; kept as what there may be beside the memory."""
    where = "--memory-swap"
    if wish is None or str(wish) in _UNLIMITED:
        return None
    total = _memory(str(wish), where, host_memory, least=0)
    if memory is None or total < memory:
        raise UsageError(
            f"{where}: {wish} is memory and swap together, and --memory "
            + ("is not limited" if memory is None else "alone is more"),
            hint="give --memory as well, and for no swap the same twice",
        )
    return total - memory


def _cpus(text: str, where: str) -> int:
    """`1.5`, `500m` and `50%` of a processor, in thousandths."""
    text = text.strip()
    unit = 1 if text.endswith("m") else 10 if text.endswith("%") else 1000
    value = quantities.decimal(text.removesuffix("m").removesuffix("%") if unit != 1000 else text, unit)
    if value is None or not LEAST_QUOTA <= value <= 1000 * MOST_CPUS:
        raise UsageError(
            f"{where}: {text!r} is no number of processors",
            hint="write it as 1.5, 500m or 50%, from 10m upwards",
        )
    return value


def _weight(text: str, where: str) -> int:
    return _number(text, where, *WEIGHTS)


def _pids(text: str, where: str) -> int:
    return _number(text, where, 1, MOST_PIDS)


def _number(text: str, where: str, least: int, most: int) -> int:
    value = quantities.whole(text.strip(), most)
    if value is None or value < least:
        raise UsageError(f"{where}: {text!r} is not allowed", hint=f"write a number from {least} to {most}")
    return value


def _cpuset(text: str, where: str) -> str:
    """As cpuset(7): ranges are rising."""
    text = text.replace(" ", "")
    ranges = [part.split("-") for part in text.split(",")] if re.fullmatch(CPUS, text) else []
    if not ranges or not all(int(part[0]) <= int(part[-1]) < MOST_CPUS for part in ranges):
        raise UsageError(
            f"{where}: {text!r} is no list of processors", hint="write numbers and ranges: 0-3,8"
        )
    return ",".join("-".join(str(int(number)) for number in part) for part in ranges)


def _throttles(texts: Sequence[str]) -> tuple[Throttle, ...]:
    """Several `--io-max` of a device are one; a rate said twice is an error."""
    found: dict[str, dict[str, int]] = {}
    for text in texts:
        where = f"--io-max={text}"
        device, _, words = text.rpartition(":")
        if not re.fullmatch(DEVICE, device) or ".." in device.split("/"):
            raise UsageError(
                f"{where}: {device!r} is no device below /dev", hint="write /dev/NAME:rbps=1M,wiops=100"
            )
        rates = found.setdefault(device, {})
        for word in words.split(","):
            key, _, value = word.partition("=")
            if key not in _RATES or _RATES[key] in rates:
                raise UsageError(
                    f"{where}: {word!r} is not understood or said twice",
                    hint="the keys are rbps, wbps (bytes), riops, wiops (operations)",
                )
            rates[_RATES[key]] = _rate(key, value, where)
    return tuple(Throttle(device=device, **rates) for device, rates in found.items())


def _rate(key: str, text: str, where: str) -> int:
    if key.endswith("iops"):
        return _number(text, where, 1, MOST_BYTES)
    value = quantities.size(text, where=where)
    if value < 1:
        raise UsageError(f"{where}: nothing moves at {text!r}", hint="write a size a second, such as 1M")
    return value


def _huge_pages(texts: Sequence[str]) -> tuple[HugePages, ...]:
    found = {}
    for text in texts:
        where = f"--hugepages={text}"
        size, equals, most = text.partition("=")
        pages = quantities.size(size, where=where)
        if not equals or pages < 4096 or pages & (pages - 1) or pages in found:
            raise UsageError(
                f"{where}: {size!r} is no size of huge pages, or said twice", hint="write 2M=64M, or 1G=2G"
            )
        found[pages] = HugePages(size=pages, max=quantities.size(most, where=where))
    return tuple(found.values())


def _no_two(texts: Sequence[str]) -> tuple[Ulimit, ...]:
    found = tuple(_ulimit(text) for text in texts)
    if len({ulimit.name for ulimit in found}) < len(found):
        raise UsageError(f"--ulimit: {', '.join(texts)}: one name twice", hint="keep one of them")
    return found


def _ulimit(text: str) -> Ulimit:
    """`NAME=SOFT[:HARD]`, one number for both as in Docker."""
    where = f"--ulimit={text}"
    name, equals, values = text.partition("=")
    name = name.lower().removeprefix("rlimit_")
    soft, _, hard = values.partition(":")
    if name not in ULIMITS or not equals:
        raise UsageError(
            f"{where}: {name!r} is no limit of a process",
            hint=f"write NAME=SOFT[:HARD]; names: {', '.join(ULIMITS)}",
        )
    found = Ulimit(name, _ulimit_value(name, soft, where), _ulimit_value(name, hard or soft, where))
    if found.hard is not None and (found.soft is None or found.soft > found.hard):
        raise UsageError(f"{where}: the soft limit is above the hard one", hint="write NAME=SOFT:HARD")
    return found


def _ulimit_value(name: str, text: str, where: str) -> int | None:
    if text in _UNLIMITED:
        return None
    if name in _SIZED_ULIMITS:
        return quantities.size(text, where=where)
    return _number(text, where, 0, MOST_BYTES)


def _oom_score(text: str, where: str) -> int:
    found = re.fullmatch(r"([+-]?)([0-9]{1,4})", text.strip())
    value = int(text) if found else 1001
    if not -1000 <= value <= 1000:
        raise UsageError(f"{where}: {text!r} is not allowed", hint="write a number from -1000 to 1000")
    return value
