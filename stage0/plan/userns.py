"""PURE. Which ids of the host a pod has for its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stage0 import quantities
from stage1.contract import App, ConflictError, Propagation, UsageError, UserNamespace
from stage1.contract.values import NamedTuple

SIZE = 65536
LARGEST = 2**32 - 2
_HINT = "auto, host, or BASE:COUNT such as 1073741824:65536"


class Taken(NamedTuple):
    """Ids from `first` to `last` belong to somebody: `owner` says to whom, for people."""

    first: int
    last: int
    owner: str


class Bounds(NamedTuple):
    """Where ranges of pods may lie, first and last id.

    From above the ids that useradd(8) gives to users as subordinate ids (SUB_UID_MAX of login.defs(5)), so that no
    later user can come to lie in a pod; up to the end of what systemd has for containers (systemd's UIDS-GIDS.md).
    """

    first: int = 0x40000000
    last: int = 0x6FFFFFFF


def bounds(text: str | None) -> Bounds:
    """`POD_USERNS_RANGE`."""
    if not text:
        return Bounds()
    found = _range(text)
    if found is None or found.size < SIZE:
        raise UsageError(
            f"POD_USERNS_RANGE={text}: not a range of ids", hint=f"write BASE:COUNT with at least {SIZE} ids"
        )
    return Bounds(found.base, found.base + found.size - 1)


def wanted(text: str) -> UserNamespace | None:
    """`--userns`: None for the host's ids, a base of 0 for any range that is free."""
    if text == "host":
        return None
    if text == "auto":
        return UserNamespace(base=0, size=SIZE)
    if found := _range(text):
        return found
    raise UsageError(f"--userns={text}: no such user namespace", hint=_HINT)


def _range(text: str) -> UserNamespace | None:
    base, _, count = text.partition(":")
    first, length = quantities.whole(base, LARGEST), quantities.whole(count, LARGEST)
    if not first or not length or first + length - 1 > LARGEST:
        return None
    return UserNamespace(base=first, size=length)


def accounts(text: str, owner: str) -> Iterator[Taken]:
    """passwd(5) and group(5): the third field is an id."""
    for fields in (line.split(":") for line in text.splitlines()):
        if len(fields) > 3 and (number := quantities.whole(fields[2], LARGEST)):
            yield Taken(number, number, f"{fields[0]} in {owner}")


def subordinate(text: str, owner: str) -> Iterator[Taken]:
    """subuid(5) and subgid(5): a name, the first id, how many."""
    for fields in (line.split(":") for line in text.splitlines()):
        if len(fields) == 3 and (found := _range(f"{fields[1]}:{fields[2]}")):
            yield Taken(found.base, found.base + found.size - 1, f"{fields[0]} in {owner}")


def check_users(own: UserNamespace | None, apps: Iterable[App]) -> None:
    """Every user and group of an app, and who owns files on its volumes, is one of the pod's ids.

    And no mount is to lead to the host from a mount namespace of a lesser user namespace (mount_namespaces(7)).
    """
    for app in apps:
        if own is not None and (
            shared := [one for one in app.mounts if one.propagation is Propagation.SHARED]
        ):
            raise UsageError(
                f"app {app.name}: mounts at {shared[0].target} cannot reach the host from a pod with ids of its own",
                hint="--userns=host lets them (and root of the pod be the host's); slave lets the host's come in",
            )
        mapped = (one.inside + one.size - 1 for mount in app.mounts for one in mount.idmap)
        for number in (app.user.uid, app.user.gid, *app.user.groups, *mapped):
            if own is not None and number is not None and number >= own.size:
                raise UsageError(
                    f"app {app.name}: there is no id {number} in a user namespace of {own.size} ids",
                    hint="--userns=BASE:COUNT with more of them, or --userns=host",
                )


def choose(wish: UserNamespace, taken: Iterable[Taken], limits: Bounds) -> UserNamespace:
    """The range itself if nobody has it, or for a base of 0 the lowest one that is free."""
    others = sorted(taken)
    if wish.base:
        _check_free(wish, others)
        return wish
    base = limits.first
    for other in others:
        if other.first > base + wish.size - 1:
            break
        base = max(base, other.last + 1)
    if base + wish.size - 1 > limits.last:
        raise ConflictError(
            f"no {wish.size} ids are free from {limits.first} to {limits.last}",
            hint="`pod gc` frees those of ended pods; POD_USERNS_RANGE says where they may lie",
        )
    return wish._replace(base=base)


def _check_free(wish: UserNamespace, others: Iterable[Taken]) -> None:
    last = wish.base + wish.size - 1
    for other in others:
        if other.first <= last and wish.base <= other.last:
            raise ConflictError(
                f"ids {wish.base} to {last} are not free: {other.owner} has {other.first} to {other.last}",
                hint="choose others, or --userns=auto",
            )
