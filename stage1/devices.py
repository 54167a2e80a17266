"""PURE. The devices that a pod's processes may use, in words of the host's systemd, which keeps a list of them.

What an app finds is made elsewhere: nodes in its own `/dev`. This is the lock behind that door, for whoever makes or
finds a node all the same, and the one that keeps root of the pod to the rights that were given: it passes by modes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stage1.contract import App, CredentialKind, NetworkMode, PodManifest

_ALL = "rwm"


def allowed(pod: PodManifest) -> Mapping[str, str]:
    """Device and rights, of all apps together; the monitor must be able to make the nodes."""
    return allowed_of(pod.apps)


def allowed_of(apps: Iterable[App]) -> Mapping[str, str]:
    """The same of some apps."""
    found: dict[str, set[str]] = {}
    for app in apps:
        for device in app.confinement.devices:
            found.setdefault(device.source, {"m"}).update(device.rights)
    return {source: "".join(right for right in _ALL if right in rights) for source, rights in found.items()}


def is_open(pod: PodManifest) -> bool:
    """Tell whether an app has all devices of the host."""
    return any(app.confinement.privileged for app in pod.apps)


def properties(pod: PodManifest) -> tuple[tuple[str, str], ...]:
    """For the scope of systemd-nspawn, which closes it by itself; see systemd.resource-control(5)."""
    if is_open(pod):
        return (("DevicePolicy", "auto"), ("DeviceAllow", ""))
    return tuple(("DeviceAllow", f"{source} {rights}") for source, rights in allowed(pod).items())


def bus_properties(pod: PodManifest) -> dict[bytes, object]:
    """For a unit on D-Bus, org.freedesktop.systemd1(5): closed but for `/dev/null` and its like, and for these."""
    if is_open(pod):
        return {}
    given = dict(allowed(pod))
    if pod.network in {NetworkMode.NONE, NetworkMode.PRIVATE}:
        # systemd-nspawn makes this node with a network, and since 257 a refusal is its end; nobody can open it
        given.setdefault("/dev/net/tun", "m")
    if any(one.kind is CredentialKind.ENCRYPTED for app in pod.apps for one in app.credentials):
        given["char-tpm"] = "rw"  # systemd-creds, which the monitor runs, may need the host's
    listed = _on_bus(given)
    return {b"DevicePolicy": b"closed", **({b"DeviceAllow": listed} if listed else {})}


def difference(had: Mapping[str, str], wanted: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """DeviceAllow that makes the one list the other: one that is gone cannot be opened (a list knows no removal)."""
    return _on_bus({**dict.fromkeys(had, "m"), **wanted})


def _on_bus(given: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(source.encode(errors="surrogateescape"), rights.encode()) for source, rights in given.items()]
