"""PURE. Properties of a unit, as `systemd-run --property` takes them: text becomes what D-Bus carries.

Names and values are those of systemd.resource-control(5), systemd.service(5), systemd.exec(5) and systemd.unit(5);
what goes over the bus is org.freedesktop.systemd1(5). systemd has no call that takes the text of a unit file, so who
starts transient units has to know each property's type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from stage1.contract.errors import UsageError
from stage1.contract.values import NamedTuple

INFINITY = 2**64 - 1
_SCALE = 2**32 - 1
_TIMES = {
    "us": 1, "usec": 1, "ms": 1000, "msec": 1000, "": 10**6, "s": 10**6, "sec": 10**6, "second": 10**6,
    "seconds": 10**6, "m": 60 * 10**6, "min": 60 * 10**6, "minute": 60 * 10**6, "minutes": 60 * 10**6,
    "h": 3600 * 10**6, "hr": 3600 * 10**6, "hour": 3600 * 10**6, "hours": 3600 * 10**6,
    "d": 86400 * 10**6, "day": 86400 * 10**6, "days": 86400 * 10**6,
    "w": 7 * 86400 * 10**6, "week": 7 * 86400 * 10**6, "weeks": 7 * 86400 * 10**6,
}  # fmt: skip


class Property(NamedTuple):
    """What goes over the bus: the property's name there, its signature, and the value."""

    name: str
    signature: str
    value: object


class _BadError(ValueError):
    """A value that the property cannot have."""


def _text(value: str) -> str:
    if not value or "\n" in value or "\0" in value:
        raise _BadError("one line of text")
    return value


def _yes(value: str) -> bool:
    words = {
        "1": True,
        "yes": True,
        "true": True,
        "on": True,
        "0": False,
        "no": False,
        "false": False,
        "off": False,
    }
    if value.lower() not in words:
        raise _BadError("yes or no")
    return words[value.lower()]


def _span(value: str) -> int:
    """A time span of systemd.time(7), in microseconds."""
    if value == "infinity":
        return INFINITY
    parts = re.findall(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?\s*([a-z]*)\s*", value)
    if not parts or not re.fullmatch(r"(?:[0-9]{1,12}(?:\.[0-9]{1,6})?\s*[a-z]*\s*)+", value):
        raise _BadError("a time such as 90s or 1min 30s")
    if unknown := [unit for _, _, unit in parts if unit not in _TIMES]:
        raise _BadError(f"a time; {unknown[0]} is no unit of it")
    return sum(
        int(whole) * _TIMES[unit] + int((part or "0").ljust(6, "0")) * _TIMES[unit] // 10**6
        for whole, part, unit in parts
    )


def _number(low: int, high: int) -> Callable[[str], int]:
    def convert(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,19}", value) or not low <= int(value) <= high:
            raise _BadError(f"a number from {low} to {high}")
        return int(value)

    return convert


def _bytes(value: str) -> int:
    found = re.fullmatch(r"([0-9]{1,15})(?:\.([0-9]{1,6}))?\s*([KMGTPE]?)B?", value)
    if not found:
        raise _BadError("bytes, or a number with K, M, G or T")
    factor: int = 1024 ** " KMGTPE".index(found[3] or " ")
    return int(found[1]) * factor + int((found[2] or "0").ljust(6, "0")) * factor // 10**6


def _words(value: str) -> list[bytes]:
    if not value.split():
        raise _BadError("words")
    return [word.encode(errors="surrogateescape") for word in value.split()]


def _processors(value: str) -> bytes:
    """A bit for each, the first the lowest of the first byte."""
    mask = 0
    for part in value.replace(",", " ").split():
        found = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        if not found:
            raise _BadError("numbers and ranges such as 0-3 8")
        for number in range(int(found[1]), int(found[2] or found[1]) + 1):
            mask |= 1 << number
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def _pair(hint: str) -> Callable[[str], list[tuple[bytes, bytes]]]:
    def convert(value: str) -> list[tuple[bytes, bytes]]:
        first, _, second = value.partition(":")
        if not first or not second:
            raise _BadError(hint)
        return [(first.encode(), second.encode())]

    return convert


def _assignments(value: str) -> list[bytes]:
    """One variable: blanks belong to its value."""
    if not re.match(r"[A-Za-z_][A-Za-z0-9_]*=", value):
        raise _BadError("NAME=VALUE")
    return [value.encode(errors="surrogateescape")]


def _rate(value: str) -> list[tuple[bytes, int]]:
    device, _, rate = value.strip().rpartition(" ")
    if not device.startswith("/"):
        raise _BadError("a device and a rate, such as /dev/sda 10M")
    return [(device.strip().encode(), INFINITY if rate == "infinity" else _bytes(rate))]


_Kind = tuple[str, Callable[[str], object]]
_TEXT: _Kind = ("s", _text)
_YES: _Kind = ("b", _yes)
_LIST: _Kind = ("as", _words)
_WEIGHT: _Kind = ("t", _number(1, 10000))
_PLAIN: dict[str, _Kind] = {
    **dict.fromkeys(
        ("Description", "Restart", "OOMPolicy", "SyslogIdentifier", "SuccessAction", "FailureAction",
         "DevicePolicy", "ManagedOOMSwap", "ManagedOOMMemoryPressure", "CollectMode", "LogNamespace",
         "SELinuxContext"), _TEXT),
    **dict.fromkeys(
        ("CPUAccounting", "MemoryAccounting", "TasksAccounting", "IOAccounting", "IPAccounting",
         "StopWhenUnneeded", "RefuseManualStop"), _YES),
    **dict.fromkeys(
        ("After", "Before", "Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Conflicts",
         "OnFailure", "OnSuccess", "RequiresMountsFor"), _LIST),
    **dict.fromkeys(("CPUWeight", "StartupCPUWeight", "IOWeight", "StartupIOWeight"), _WEIGHT),
    **dict.fromkeys(("AllowedCPUs", "AllowedMemoryNodes"), ("ay", _processors)),
    **dict.fromkeys(
        ("IOReadBandwidthMax", "IOWriteBandwidthMax", "IOReadIOPSMax", "IOWriteIOPSMax"), ("a(st)", _rate)),
    "Nice": ("i", _number(-20, 19)),
    "OOMScoreAdjust": ("i", _number(-1000, 1000)),
    "StartLimitBurst": ("u", _number(0, 2**32 - 1)),
    "RestartSteps": ("u", _number(0, 2**32 - 1)),
    "LogRateLimitBurst": ("u", _number(0, 2**32 - 1)),
    "Environment": ("as", _assignments),
    "LoadCredential": ("a(ss)", _pair("ID:PATH")),
    "LoadCredentialEncrypted": ("a(ss)", _pair("ID:PATH")),
}  # fmt: skip
# Of these the bus has microseconds, under another name.
_TIMED = {
    name: f"{name[:-3]}USec"
    for name in ("RestartSec", "RestartMaxDelaySec", "TimeoutStartSec", "TimeoutStopSec", "TimeoutAbortSec",
                 "RuntimeMaxSec", "WatchdogSec", "StartLimitIntervalSec", "LogRateLimitIntervalSec")
}  # fmt: skip
# Of these it has a number, or with Scale behind the name a part of what the host has.
_SIZED = ("MemoryMin", "MemoryLow", "MemoryHigh", "MemoryMax", "MemorySwapMax", "TasksMax")
_LIMITS = ("LimitNOFILE", "LimitNPROC", "LimitMEMLOCK", "LimitCORE", "LimitFSIZE", "LimitSTACK", "LimitAS")
# What the pod's own unit is made of.
OURS = frozenset({
    "Type", "NotifyAccess", "ExitType", "ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost",
    "ExecReload", "KillMode", "KillSignal", "Delegate", "StandardInput", "StandardOutput", "StandardError", "User",
    "Group", "DynamicUser", "RootDirectory", "RootImage", "WorkingDirectory", "PrivateTmp", "PrivateNetwork",
    "PrivateUsers", "RemainAfterExit", "PIDFile", "Slice",
})  # fmt: skip
NAMES = tuple(sorted({*_PLAIN, *_TIMED, *_SIZED, *_LIMITS, "CPUQuota"}))
# A scope is made of processes that are there: nobody starts them again, or with anything.
_OF_SERVICES = frozenset({
    "Restart", "RestartSec", "RestartSteps", "RestartMaxDelaySec", "TimeoutStartSec", "TimeoutAbortSec", "WatchdogSec",
    "Nice", "OOMScoreAdjust", "Environment", "LoadCredential", "LoadCredentialEncrypted", "SyslogIdentifier",
    "LogRateLimitIntervalSec", "LogRateLimitBurst", "LogNamespace", "SELinuxContext", *_LIMITS,
})  # fmt: skip
# Those that stand in the section of all units, [Unit]; and those that came with a systemd later than our floor.
OF_UNITS = frozenset({
    "Description", "After", "Before", "Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Conflicts",
    "OnFailure", "OnSuccess", "RequiresMountsFor", "CollectMode", "StopWhenUnneeded", "RefuseManualStop",
    "SuccessAction", "FailureAction", "StartLimitBurst", "StartLimitIntervalSec",
})  # fmt: skip
SINCE = {"RestartSteps": 254, "RestartMaxDelaySec": 254}


def parse(text: str, *, where: str = "--property") -> tuple[Property, ...]:
    """`NAME=VALUE` as one or two properties of the bus; UsageError for what no pod's unit can have."""
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z]+", name):
        raise UsageError(f"{where} {text}: not NAME=VALUE", hint="write such as MemoryMax=1G")
    if name in OURS:
        reason = "--slice chooses it" if name == "Slice" else "write a unit of your own with `pod unit`"
        raise UsageError(f"{where} {name}: the pod's unit needs its own", hint=reason)
    if name not in NAMES:
        raise UsageError(
            f"{where} {name}: not a property that a pod's unit can be given",
            hint=f"these can: {', '.join(NAMES)}; for others, `pod unit` and a drop-in",
        )
    try:
        return tuple(_converted(name, value.strip()))
    except _BadError as error:
        raise UsageError(f"{where} {name}: {value!r} cannot be it", hint=f"it takes {error}") from None


def _converted(name: str, value: str) -> Iterator[Property]:
    if name in _PLAIN:
        signature, convert = _PLAIN[name]
        yield Property(name, signature, convert(value))
    elif name in _TIMED:
        yield Property(_TIMED[name], "t", _span(value))
    elif name in _LIMITS:
        soft, _, hard = value.partition(":")
        yield Property(name, "t", _limit(hard or soft))
        yield Property(f"{name}Soft", "t", _limit(soft))
    elif name == "CPUQuota":
        yield Property("CPUQuotaPerSecUSec", "t", INFINITY if not value else _part(value, 10**6, most=10**5))
    elif value.endswith("%"):
        yield Property(f"{name}Scale", "u", _part(value, _SCALE, most=100))
    else:
        yield Property(name, "t", INFINITY if value == "infinity" else _bytes(value))


def _limit(value: str) -> int:
    return INFINITY if value == "infinity" else _bytes(value)


def _part(value: str, whole: int, *, most: int) -> int:
    found = re.fullmatch(r"([0-9]{1,6})(?:\.([0-9]{1,2}))?%", value)
    if not found or int(found[1]) > most or not int(found[1] + (found[2] or "")):
        raise _BadError(f"a percentage up to {most}%")
    return (int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))) * whole // 10**4


def restarts(properties: tuple[str, ...]) -> bool:
    """Whether they let systemd start the pod again."""
    return any(text.startswith("Restart=") and text != "Restart=no" for text in properties)


def too_new(properties: tuple[str, ...], systemd: int) -> tuple[str, ...]:
    """Those that this version of systemd does not know."""
    return tuple(text for text in properties if SINCE.get(text.partition("=")[0], 0) > systemd)


def of_services(properties: tuple[str, ...]) -> tuple[str, ...]:
    """The names of those that a scope cannot have."""
    names = (text.partition("=")[0] for text in properties)
    return tuple(name for name in names if name in _OF_SERVICES)
