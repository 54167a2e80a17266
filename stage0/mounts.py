"""PURE. The grammar of `--volume` and `--mount`."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from stage0 import quantities, users
from stage1.contract import Tmpfs, UsageError, VolumeKind

VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
_HINT = "write SOURCE:TARGET[:ro], where SOURCE is a path (/… or ./…) or the name of a volume of the pod"
_MOUNT_HINT = "write type=bind|empty|tmpfs,source=…,target=…[,ro][,size=…][,mode=…][,uid=…][,gid=…]"


class MountRequest(NamedTuple):
    """A volume wanted at a target; `source` is a host path or a volume's name, None for a volume of its own."""

    kind: VolumeKind
    source: str | None
    target: str
    read_only: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def parse_volume(text: str, *, directory: str) -> MountRequest:
    """`SOURCE:TARGET[:ro|rw]`; a backslash before a colon makes it part of the path. Relative to `directory`."""
    parts = [part.replace("\\:", ":") for part in re.split(r"(?<!\\):", text)]
    if len(parts) not in {2, 3} or (len(parts) == 3 and parts[2] not in {"ro", "rw"}):
        raise UsageError(f"--volume {text!r} is not a volume", hint=_HINT)
    read_only = parts[2:] == ["ro"]
    target = _target(parts[1], f"--volume {text!r}")
    if parts[0].startswith(("/", ".")):
        source = posixpath.normpath(posixpath.join(directory, parts[0]))
        return MountRequest(kind=VolumeKind.HOST, source=source, target=target, read_only=read_only)
    if VOLUME_NAME.fullmatch(parts[0]):
        return MountRequest(kind=VolumeKind.EMPTY, source=parts[0], target=target, read_only=read_only)
    raise UsageError(f"--volume {text!r}: {parts[0]!r} is neither a path nor a volume's name", hint=_HINT)


def parse_mount(text: str, *, directory: str) -> MountRequest | Tmpfs:
    """Comma-separated `key=value` words, quoted as in CSV where a value holds a comma."""
    where = f"--mount {text!r}"
    keys = _keys(text, where)
    kind = keys.pop("type", "bind")
    target = _target(keys.pop("target", ""), where)
    match kind:
        case "tmpfs":
            size = keys.pop("size", None)
            found: MountRequest | Tmpfs = Tmpfs(
                target=target,
                size=quantities.size(size, where=where) if size else None,
                mode=_octal(keys.pop("mode", "1777"), where),
            )
        case "bind":
            found = _bind(keys, target, where, directory)
        case "empty":
            found = _empty(keys, target, where)
        case _:
            raise UsageError(f"{where}: unknown type {kind!r}", hint=_MOUNT_HINT)
    if keys:
        raise UsageError(f"{where}: {', '.join(keys)} has no meaning for type={kind}", hint=_MOUNT_HINT)
    return found


def _bind(keys: dict[str, str], target: str, where: str, directory: str) -> MountRequest:
    source = keys.pop("source", "")
    if not source:
        raise UsageError(f"{where}: no source", hint=_MOUNT_HINT)
    path = posixpath.normpath(posixpath.join(directory, source))
    return MountRequest(kind=VolumeKind.HOST, source=path, target=target, read_only=_read_only(keys, where))


def _read_only(keys: dict[str, str], where: str) -> bool:
    """Nothing but a clear no is writable."""
    text = keys.pop("ro", "false")
    if text not in _TRUE and text not in _FALSE:
        raise UsageError(f"{where}: ro={text!r} is neither true nor false", hint=_MOUNT_HINT)
    return text in _TRUE


def _empty(keys: dict[str, str], target: str, where: str) -> MountRequest:
    name = keys.pop("source", None)
    if name is not None and not VOLUME_NAME.fullmatch(name):
        raise UsageError(f"{where}: {name!r} is not a volume's name", hint=_MOUNT_HINT)
    return MountRequest(
        kind=VolumeKind.EMPTY,
        source=name,
        target=target,
        read_only=_read_only(keys, where),
        mode=_octal(keys.pop("mode"), where) if "mode" in keys else None,
        uid=_id(keys.pop("uid"), where) if "uid" in keys else None,
        gid=_id(keys.pop("gid"), where) if "gid" in keys else None,
    )


_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}
_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "readonly": "ro",
    "tmpfs-size": "size",
}


def _keys(text: str, where: str) -> dict[str, str]:
    import csv  # noqa: PLC0415  most pods have no --mount

    found: dict[str, str] = {}
    try:
        items = next(csv.reader([text]), [])
    except csv.Error as error:
        raise UsageError(f"{where[:80]}: {error}", hint=_MOUNT_HINT) from None
    for item in items:
        key, equals, value = item.partition("=")
        key = _ALIASES.get(key, key)
        if key in found or (not equals and key != "ro"):
            raise UsageError(f"{where}: {item!r} is not understood or said twice", hint=_MOUNT_HINT)
        found[key] = value if equals else "true"
    return found


def _target(text: str, where: str) -> str:
    target = posixpath.normpath(text)
    if not text.startswith("/") or target in {"/", "//"}:
        raise UsageError(f"{where}: the target {text!r} is not an absolute path below /", hint=_HINT)
    if not is_sayable(target):
        raise UsageError(f"{where}: the target {text!r} is one that systemd cannot be told", hint=_HINT)
    return "/" + target.lstrip("/")


def is_sayable(path: str) -> bool:
    """BindPaths= has no escapes: no control characters, and only what systemd takes for UTF-8."""
    return not any(
        char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" or is_noncharacter(char)
        for char in path
    )


def is_noncharacter(char: str) -> bool:
    """Code points that Unicode keeps out of texts; systemd ignores a line with one."""
    return "\ufdd0" <= char <= "\ufdef" or ord(char) & 0xFFFE == 0xFFFE


def _octal(text: str, where: str) -> int:
    if not re.fullmatch(r"[0-7]{1,5}", text):
        raise UsageError(f"{where}: {text!r} is not a mode", hint="write it in octal, such as 0755")
    return int(text, 8)


def _id(text: str, where: str) -> int:
    number = quantities.whole(text, users.LARGEST_ID)
    if number is None:
        raise UsageError(f"{where}: {text[:80]!r} is not a user or group number", hint=_MOUNT_HINT)
    return number
