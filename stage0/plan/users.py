"""PURE. Who an app is: names looked up in the image's own passwd and group texts, never in the host's."""

from __future__ import annotations

from collections.abc import Sequence

from stage0 import quantities
from stage1.contract import UsageError, User

LARGEST_ID = 2**32 - 2


def resolve(user: str, group: str | None, passwd: str, groups: str, more: Sequence[str] = ()) -> User:
    """`USER[:GROUP]` of an image or of `--user`; `group` (`--group`) wins. An unknown name gives None as its id.

    `more` are further groups (`--group-add`): these must be known, since nothing later tells that one is missing.
    """
    name, _, own_group = user.partition(":")
    entry = _passwd_entry(name or "0", passwd)
    uid = int(entry[2]) if entry else _number(name or "0")
    wanted = group if group is not None else own_group
    primary = int(entry[3]) if entry else 0
    gid = _gid(wanted, groups) if wanted else primary
    own = () if wanted or not entry else _memberships(entry[0], gid, groups)
    added = {_known_gid(name, groups) for name in more} - {gid}
    return User(
        name=user or "0",
        uid=uid,
        gid=gid,
        groups=tuple(sorted({*own, *added})) if added else own,
        home=(entry[5] or "/") if entry else "/",
        shell=entry[6] if entry and len(entry) > 6 else "",
    )


def _known_gid(name: str, groups: str) -> int:
    if (gid := _gid(name, groups)) is None:
        raise UsageError(
            f"--group-add={name}: the image has no such group",
            hint="a group can also be named by its number",
        )
    return gid


def _lines(text: str, fields: int) -> list[list[str]]:
    """Well-formed lines only: an image's files may hold anything."""
    rows = [line.split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) >= fields and _number(row[2]) is not None]


def _passwd_entry(name: str, passwd: str) -> list[str] | None:
    rows = [row for row in _lines(passwd, 6) if _number(row[3]) is not None]
    by_name = next((row for row in rows if row[0] == name), None)
    return by_name or next(
        (row for row in rows if _number(name) is not None and int(row[2]) == int(name)), None
    )


def _gid(name: str, groups: str) -> int | None:
    return next((int(row[2]) for row in _lines(groups, 3) if row[0] == name), _number(name))


def _memberships(name: str, gid: int | None, groups: str) -> tuple[int, ...]:
    found = {int(row[2]) for row in _lines(groups, 4) if name in row[3].split(",")}
    return tuple(sorted(found - {gid}))


def _number(text: str) -> int | None:
    return quantities.whole(text, LARGEST_ID)
