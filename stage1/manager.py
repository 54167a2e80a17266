"""EFFECT. pystemd's door: a detached pod on a systemd host is a transient service of the host's service manager."""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping, Sequence

from stage1.contract import HostError

_SECOND = 1_000_000
# What the host's manager adds to the pod's own stop times before it loses patience.
_PATIENCE = 15.0
_PAUSE = 0.05


def start_transient(  # the properties are one list, in the order of a unit file
    unit: str,
    argv: Sequence[str],
    *,
    description: str,
    lock: int,
    ready: int,
    stop_time: float,
    limits: Mapping[bytes, object],
) -> None:
    """Start the monitor as the main process of a new unit, which is gone from the host when it ends.

    The locked pod directory goes along as standard input and the pipe for the word `ready` as standard output: the
    only descriptors that StartTransientUnit() can pass (org.freedesktop.systemd1(5)).
    """
    from pystemd.dbusexc import DBusBaseError  # noqa: PLC0415  80 ms, and only for detached pods
    from pystemd.systemd1 import Manager  # noqa: PLC0415

    _teach_signatures()
    properties: dict[bytes, object] = {
        b"Description": description.encode(),
        b"CollectMode": b"inactive-or-failed",
        b"Type": b"notify",
        # if the monitor is killed, systemd-nspawn stops the pod in order, and the unit lives until that is done
        b"ExitType": b"cgroup",
        b"NotifyAccess": b"main",
        b"ExecStart": [(argv[0].encode(), [word.encode() for word in argv], False)],
        b"StandardInputFileDescriptor": lock,
        b"StandardOutputFileDescriptor": ready,
        b"Slice": b"machine.slice",
        b"Delegate": True,
        b"KillMode": b"mixed",
        b"TimeoutStartUSec": 2**64 - 1,
        b"TimeoutStopUSec": round((stop_time + _PATIENCE) * _SECOND),
        **limits,
    }
    limit = time.monotonic() + _PATIENCE
    while True:
        try:
            with Manager() as manager:
                manager.Manager.StartTransientUnit(unit.encode(), b"fail", properties)  # type: ignore[call-arg]  # extra_units has a default
            return
        except DBusBaseError as error:
            # the unit of a pod that has just ended is gone a moment after the pod, and its name may be wanted again
            if abs(error.errno) != errno.EEXIST or time.monotonic() > limit:
                raise HostError(
                    f"the host's systemd did not start {unit}: {_text(error.err_message) or error}",
                    hint=f"see `systemctl status {unit}`",
                ) from None
        time.sleep(_PAUSE)


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


def _teach_signatures() -> None:
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
            b"ExitType": b"s",
            b"AllowedCPUs": b"ay",
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
