"""EFFECT. pystemd's door: a detached pod on a systemd host is a transient service of the host's service manager."""

from __future__ import annotations

from collections.abc import Sequence

from stage1.contract import HostError

_SECOND = 1_000_000
# What the host's manager adds to the pod's own stop times before it loses patience.
_PATIENCE = 15.0


def start_transient(  # the properties are one list, in the order of a unit file
    unit: str, argv: Sequence[str], *, description: str, lock: int, ready: int, stop_time: float
) -> None:
    """Start the monitor as the main process of a new unit, which is gone from the host when it ends.

    The locked pod directory goes along as standard input and the pipe for the word `ready` as standard output: the
    only descriptors that StartTransientUnit() can pass (org.freedesktop.systemd1(5)).
    """
    from pystemd.dbusexc import DBusError  # noqa: PLC0415  80 ms, and only for detached pods
    from pystemd.systemd1 import Manager  # noqa: PLC0415

    properties: dict[bytes, object] = {
        b"Description": description.encode(),
        b"CollectMode": b"inactive-or-failed",
        b"Type": b"notify",
        b"NotifyAccess": b"main",
        b"ExecStart": [(argv[0].encode(), [word.encode() for word in argv], False)],
        b"StandardInputFileDescriptor": lock,
        b"StandardOutputFileDescriptor": ready,
        b"Slice": b"machine.slice",
        b"Delegate": True,
        # the monitor ends the pod in order; if it is killed, systemd-nspawn does, and must not be killed after it
        b"KillMode": b"process",
        b"TimeoutStartUSec": 2**64 - 1,
        b"TimeoutStopUSec": round((stop_time + _PATIENCE) * _SECOND),
    }
    try:
        with Manager() as manager:
            manager.Manager.StartTransientUnit(unit.encode(), b"fail", properties)  # type: ignore[call-arg]  # extra_units has a default
    except DBusError as error:
        raise HostError(
            f"the host's systemd did not start {unit}: {error}", hint=f"see `systemctl status {unit}`"
        ) from None
