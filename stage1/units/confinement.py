"""PURE. What an app may do, in words of its unit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stage1.contract import App, Device, PodManifest, Stdin, SystemCalls
from stage1.contract.paths import DEVICE_NODES, HOST_DEVICES
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped, path_word, rest_of_line

# What an app sees of its pod's devices when it has the host's: terminals and memory are the pod's own.
_OF_THE_POD = ("/dev/pts", "/dev/shm")  # noqa: S108


class Confinement(NamedTuple):
    """What it may do."""

    privileged: bool
    capabilities: Escaped
    ambient: Escaped
    no_new_privileges: bool
    filter: Filter
    private_devices: bool
    device_binds: tuple[Escaped, ...]
    devices: tuple[Escaped, ...]
    hidden: tuple[Escaped, ...]
    shields_sysrq: bool
    apparmor: Escaped


class Filter(NamedTuple):
    """System calls: `allow` and `deny` are lists; with the first the second takes from it, with errors of its own."""

    architectures: Escaped
    allow: Escaped
    deny: Escaped
    errno: Escaped
    families: Escaped
    restrict_namespaces: bool
    lock_personality: bool


def confinement(app: App, pod: PodManifest, numbers: Mapping[str, str]) -> Confinement:
    """What the app may do, in a pod that has ids of its own or has not."""
    wish, tty = app.confinement, app.stdin is Stdin.TTY
    # A /dev of the app's own would have labels that no domain for containers may use; the pod's has (nspawn.args).
    shares_devices = tty or wish.selinux is not None
    return Confinement(
        privileged=wish.privileged,
        capabilities=Escaped(" ".join(wish.capabilities)),
        ambient=Escaped(" ".join(wish.ambient)),
        no_new_privileges=wish.no_new_privileges,
        filter=system_calls(wish.system_calls),
        private_devices=not shares_devices and not wish.privileged,
        device_binds=_device_binds(app, tty=tty, shares=shares_devices),
        devices=() if wish.privileged else tuple(_allowed(wish.devices, numbers)),
        hidden=tuple(path_word(f"-+{path}") for path in wish.hidden),
        shields_sysrq=pod.userns is None and app.user.uid == 0 and not wish.privileged,
        apparmor=rest_of_line(wish.apparmor or ""),
    )


def system_calls(calls: SystemCalls) -> Filter:
    """The filter in the order in which systemd reads it."""
    return Filter(
        architectures=Escaped(" ".join(calls.architectures)),
        allow=Escaped(" ".join(calls.allow)),
        deny=Escaped(" ".join(calls.deny)),
        errno=Escaped(calls.errno if calls.allow or calls.deny else ""),
        families=Escaped(" ".join(calls.families)),
        restrict_namespaces=not calls.namespaces,
        lock_personality=not calls.personality,
    )


def _device_binds(app: App, *, tty: bool, shares: bool) -> tuple[Escaped, ...]:
    """`/dev` first, then what lies in it."""
    whole: tuple[Escaped, ...] = ()
    if app.confinement.privileged:
        whole = (Escaped(f"{HOST_DEVICES}:/dev"), *(Escaped(path) for path in _OF_THE_POD))
        whole += (Escaped("/dev/console"),) if tty else ()
    elif shares:
        whole = (Escaped("/dev"),)
    return (*whole, *(_bind(app, number, device) for number, device in enumerate(app.confinement.devices)))


def _allowed(devices: Iterable[Device], numbers: Mapping[str, str]) -> Iterator[Escaped]:
    """By number: the pod's systemd does not see the host's nodes, and takes these names without looking."""
    for device in devices:
        if number := numbers.get(device.source):
            yield Escaped(f"/dev/{number} {device.rights}")


def _bind(app: App, number: int, device: Device) -> Escaped:
    return Escaped(f"{DEVICE_NODES}/{app.name}/{number}:{path_word(device.target)}")
