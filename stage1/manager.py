"""EFFECT. pystemd's door: transient services and scopes of the host's service manager, for pods."""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping, Sequence
from typing import Any

from stage1.contract import HostError
from stage1.contract.unitproperties import Property
from stage1.contract.values import NamedTuple

_SECOND = 1_000_000
# What the host's manager adds to the pod's own stop times before it loses patience.
_PATIENCE = 15.0
_PAUSE = 0.05
# A pod that was told to reboot ends so (native/monitor/result.c).
_REBOOT = 133
_BUS = b"org.freedesktop.systemd1"


class Wish(NamedTuple):
    """What is asked of a transient unit or scope of a pod: `properties` are over ours, and over `limits`."""

    unit: str
    description: str
    stop_time: float
    limits: Mapping[bytes, object]
    slice: str = "machine.slice"
    properties: Sequence[Property] = ()


def start_monitor(wish: Wish, argv: Sequence[str], *, lock: int, ready: int) -> None:
    """Start the monitor as the main process of a new unit, which is gone from the host when it ends.

    The locked pod directory goes along as standard input and the pipe for the word `ready` as standard output: the
    only descriptors that StartTransientUnit() can pass (org.freedesktop.systemd1(5)).
    """
    properties = {
        **_service(wish, argv),
        b"StandardInputFileDescriptor": lock,
        b"StandardOutputFileDescriptor": ready,
    }
    _start(wish, properties)


def start_again_and_again(
    wish: Wish, argv: Sequence[str], environment: Sequence[str], *, ready: int
) -> None:
    """Start a command that starts the pod, in a new unit whose Restart= may start it again.

    Each start takes the pod's lock itself. The pipe for the word `ready` goes along as standard input: standard output
    is the journal's.
    """
    properties = {
        **_service(wish, argv),
        b"Environment": [word.encode() for word in environment],
        b"StandardInputFileDescriptor": ready,
        b"RestartForceExitStatus": ([_REBOOT], []),
        b"StandardOutput": b"journal",  # else it would be where standard input comes from
    }
    _start(wish, properties)


def enter_scope(wish: Wish, pid: int) -> None:
    """Move a process into a new scope, and return when it is there."""
    from pystemd.dbuslib import DBus  # noqa: PLC0415  see below

    ended: list[tuple[bytes, bytes]] = []

    def removed(message: Any, **_: object) -> None:  # noqa: ANN401  pystemd's own type is made in C
        message.process_reply(False)
        ended.append((message.body[1], message.body[3]))

    with DBus() as bus:
        bus.match_signal(_BUS, b"/org/freedesktop/systemd1",
                         b"org.freedesktop.systemd1.Manager", b"JobRemoved", removed)  # fmt: skip
        job = _start(wish, {b"PIDs": [pid], b"Delegate": True, **_common(wish)}, bus)
        while not (results := [result for path, result in ended if path == job]):
            if bus.process().is_empty():
                bus.wait(2**64 - 1)
    if results[0] != b"done":
        raise HostError(
            f"the host's systemd did not start {wish.unit}: {results[0].decode()}",
            hint=f"see `systemctl status {wish.unit}`",
        )


def _common(wish: Wish) -> dict[bytes, object]:
    return {
        b"Description": wish.description.encode(),
        b"CollectMode": b"inactive-or-failed",
        b"Slice": wish.slice.encode(),
        b"TimeoutStopUSec": round((wish.stop_time + _PATIENCE) * _SECOND),
        **wish.limits,
    }


def _service(wish: Wish, argv: Sequence[str]) -> dict[bytes, object]:
    return {
        **_common(wish),
        b"Type": b"notify",
        # if the monitor is killed, systemd-nspawn stops the pod in order, and the unit lives until that is done
        b"ExitType": b"cgroup",
        b"NotifyAccess": b"main",
        b"ExecStart": [(argv[0].encode(), [word.encode() for word in argv], False)],
        b"Delegate": True,
        b"KillMode": b"mixed",
        # lines of apps have a bound of the pod's own; 0 would not turn this one off, it means unset
        b"LogRateLimitIntervalUSec": _SECOND,
        b"LogRateLimitBurst": 100_000_000,
        b"TimeoutStartUSec": 2**64 - 1,
    }


def _start(wish: Wish, properties: dict[bytes, object], bus: Any = None) -> bytes:  # noqa: ANN401  DBus, imported late
    """StartTransientUnit(); the path of the job."""
    from pystemd.dbusexc import DBusBaseError  # noqa: PLC0415  80 ms, and only for pods in units of their own
    from pystemd.systemd1 import Manager  # noqa: PLC0415

    unit = wish.unit
    _teach_signatures(wish.properties)
    for name, _, value in wish.properties:
        before = properties.get(name.encode())
        key, new = name.encode(), value.encode() if isinstance(value, str) else value
        properties[key] = [*before, *new] if isinstance(before, list) and isinstance(new, list) else new
    limit = time.monotonic() + _PATIENCE
    while True:
        try:
            with Manager(bus=bus) as manager:
                job: bytes = manager.Manager.StartTransientUnit(unit.encode(), b"fail", properties)  # type: ignore[call-arg]  # extra_units has a default
            return job
        except DBusBaseError as error:
            # the unit of a pod that has just ended is gone a moment after the pod, and its name may be wanted again
            if abs(error.errno) != errno.EEXIST or time.monotonic() > limit:
                raise HostError(
                    f"the host's systemd did not start {unit}: {_text(error.err_message) or error}",
                    hint=f"see `systemctl status {unit}`",
                ) from None
        time.sleep(_PAUSE)


def unit_of(pid: int) -> str:
    """The unit of the host that a process of this machine lives in."""
    from pystemd.dbusexc import DBusBaseError  # noqa: PLC0415  see above
    from pystemd.dbuslib import DBus  # noqa: PLC0415
    from pystemd.systemd1 import Manager  # noqa: PLC0415

    try:
        with DBus() as bus, Manager(bus=bus) as manager:
            path: bytes = manager.Manager.GetUnitByPID(pid)
            found: bytes = bus.get_property(_BUS, path, b"org.freedesktop.systemd1.Unit", b"Id", b"s")
            return _text(found)
    except DBusBaseError as error:
        raise HostError(
            f"the host's systemd knows no unit of process {pid}: {_text(error.err_message) or error}",
            hint="has the pod just ended? see `pod status`",
        ) from None


def set_properties(unit: str, properties: Mapping[bytes, object]) -> None:
    """Change a unit until the next boot."""
    from pystemd.dbusexc import DBusBaseError  # noqa: PLC0415  see above
    from pystemd.systemd1 import Manager  # noqa: PLC0415

    _teach_signatures()
    try:
        with Manager() as manager:
            manager.Manager.SetUnitProperties(unit.encode(), True, dict(properties))
    except DBusBaseError as error:
        raise HostError(
            f"the host's systemd does not limit {unit}: {_text(error.err_message) or error}",
            hint=f"set the limits in {unit} itself",
        ) from None


def allow_devices(unit: str, listed: Sequence[tuple[bytes, bytes]]) -> None:
    """Change which devices a transient unit may use, if it may not use all: a unit of the user's own is the user's."""
    from pystemd.dbusexc import DBusBaseError  # noqa: PLC0415  see above
    from pystemd.dbuslib import DBus  # noqa: PLC0415
    from pystemd.systemd1 import Manager  # noqa: PLC0415

    kind = f"{_BUS.decode()}.{unit.rpartition('.')[2].capitalize()}".encode()
    try:
        with DBus() as bus, Manager(bus=bus) as manager:
            path: bytes = manager.Manager.GetUnit(unit.encode())
            transient = bus.get_property(_BUS, path, b"org.freedesktop.systemd1.Unit", b"Transient", b"b")
            policy = bus.get_property(_BUS, path, kind, b"DevicePolicy", b"s")
    except DBusBaseError as error:
        raise HostError(
            f"the host's systemd does not tell about {unit}: {_text(error.err_message) or error}",
            hint=f"see `systemctl status {unit}`",
        ) from None
    if transient and _text(policy) == "closed":
        set_properties(unit, {b"DeviceAllow": list(listed)})


def _teach_signatures(more: Sequence[Property] = ()) -> None:
    """Properties of units that pystemd has not heard of, or has otherwise than org.freedesktop.systemd1(5)."""
    from pystemd.systemd1.unit_signatures import KNOWN_UNIT_SIGNATURES  # noqa: PLC0415  see above

    rates = (b"IOReadBandwidthMax", b"IOWriteBandwidthMax", b"IOReadIOPSMax", b"IOWriteIOPSMax")
    numbers = (
        b"MemoryMax",
        b"MemoryHigh",
        b"MemoryLow",
        b"MemorySwapMax",
        b"CPUWeight",
        b"IOWeight",
        b"TasksMax",
    )
    KNOWN_UNIT_SIGNATURES.update(
        {
            **{one.name.encode(): one.signature.encode() for one in more},
            b"ExitType": b"s",
            b"PIDs": b"au",
            b"LogRateLimitIntervalUSec": b"t",
            b"LogRateLimitBurst": b"u",
            b"AllowedCPUs": b"ay",
            b"DeviceAllow": b"a(ss)",
            b"NetworkNamespacePath": b"s",
            **dict.fromkeys(rates, b"a(st)"),
            **dict.fromkeys(numbers, b"t"),
        }
    )


def reload() -> None:
    """Let the host's systemd read its unit files again; HostError if it does not run or refuses."""
    from pystemd.dbusexc import DBusBaseError  # noqa: PLC0415
    from pystemd.systemd1 import Manager  # noqa: PLC0415

    try:
        with Manager() as manager:
            manager.Manager.Reload()
    except DBusBaseError as error:
        raise HostError(
            f"the host's systemd did not read its units again: {_text(error.err_message) or error}",
            hint="is systemd PID 1 here? otherwise run `systemctl daemon-reload` where it is",
        ) from None


def _text(words: bytes | str) -> str:
    return words.decode(errors="replace") if isinstance(words, bytes) else words
