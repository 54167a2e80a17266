"""PURE. The grammar of `--volume` and `--mount`."""

from __future__ import annotations

import csv
import posixpath
import re
from typing import NamedTuple

from stage0 import quantities
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
            source = posixpath.normpath(posixpath.join(directory, keys.pop("source", "")))
            found = MountRequest(
                kind=VolumeKind.HOST, source=source, target=target, read_only=keys.pop("ro", "") == "true"
            )
        case "empty":
            found = _empty(keys, target, where)
        case _:
            raise UsageError(f"{where}: unknown type {kind!r}", hint=_MOUNT_HINT)
    if keys:
        raise UsageError(f"{where}: {', '.join(keys)} has no meaning for type={kind}", hint=_MOUNT_HINT)
    return found


def _empty(keys: dict[str, str], target: str, where: str) -> MountRequest:
    name = keys.pop("source", None)
    if name is not None and not VOLUME_NAME.fullmatch(name):
        raise UsageError(f"{where}: {name!r} is not a volume's name", hint=_MOUNT_HINT)
    return MountRequest(
        kind=VolumeKind.EMPTY,
        source=name,
        target=target,
        read_only=keys.pop("ro", "") == "true",
        mode=_octal(keys.pop("mode"), where) if "mode" in keys else None,
        uid=_id(keys.pop("uid"), where) if "uid" in keys else None,
        gid=_id(keys.pop("gid"), where) if "gid" in keys else None,
    )


_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "readonly": "ro",
    "tmpfs-size": "size",
}


def _keys(text: str, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in next(csv.reader([text]), []):
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
    return "/" + target.lstrip("/")


def _octal(text: str, where: str) -> int:
    if not re.fullmatch(r"[0-7]{1,5}", text):
        raise UsageError(f"{where}: {text!r} is not a mode", hint="write it in octal, such as 0755")
    return int(text, 8)


def _id(text: str, where: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 2**32 - 2:
        raise UsageError(f"{where}: {text!r} is not a user or group number", hint=_MOUNT_HINT)
    return int(text)
