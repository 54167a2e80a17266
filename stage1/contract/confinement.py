"""PURE. What an app may do: rights, system calls, devices, and what of the kernel it sees."""

from __future__ import annotations

from stage1.contract.text import Text
from stage1.contract.values import NamedTuple


class SystemCalls(NamedTuple):
    """Which system calls an app can make; both lists empty: all of them.

    Names, systemd's `@sets`, or either with `:ERRNO` or `:kill` for what happens in place of the call. With `allow`
    all others end with `errno`, and `deny` takes from it; `deny` alone allows all others. `architectures` in systemd's
    words, empty for all. `families`: kinds of sockets that cannot be made. What no list of names can say: `namespaces`
    (it may make and join some) and `personality` (it may change its own).
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    errno: str = "EPERM"
    architectures: tuple[str, ...] = ("native",)
    families: tuple[str, ...] = ()
    namespaces: bool = False
    personality: bool = True


class Device(NamedTuple):
    """A device node of the host at a place in the app's root; `rights` of `r`, `w` and `m` (make its node)."""

    source: Text
    target: Text
    rights: str = "rwm"


class Confinement(NamedTuple):
    """What an app may do; `privileged` says that the rest was opened as far as it goes, devices of the host included.

    `capabilities` bound what it can ever have, `ambient` are those that an app which is not root has from its start.
    `hidden` paths of the app's root cannot be looked into; with `read_only` its root cannot be changed.
    """

    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    ambient: tuple[str, ...] = ()
    no_new_privileges: bool = False
    system_calls: SystemCalls = SystemCalls()
    devices: tuple[Device, ...] = ()
    hidden: tuple[Text, ...] = ()
    read_only: bool = False
    apparmor: Text | None = None
    selinux: Text | None = None
