"""PURE. The grammar of `--volume`, `--mount` and `--tmpfs`."""

from __future__ import annotations

import posixpath
import re
from itertools import combinations

from stage0 import quantities
from stage0.plan import users
from stage1.contract import IdMap, Propagation, Tmpfs, UsageError, VolumeKind
from stage1.contract.text import NAME
from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any

_HINT = (
    "write SOURCE:TARGET[:OPTION,…], where SOURCE is a path (/… or ./…) or the name of a volume, and an OPTION "
    "ro, noexec, nosuid, nodev, bind (without submounts), private, slave, shared or "
    "idmap=DISK-INSIDE[-COUNT]"
)
_MOUNT_HINT = (
    "write type=bind|volume|empty|image|tmpfs,source=…,target=…[,ro][,noexec][,nosuid][,nodev]"
    "[,recursive=no][,propagation=slave|shared][,idmap=DISK-INSIDE[-COUNT]][,size=…][,mode=…][,uid=…][,gid=…]"
)
_IDMAP_HINT = (
    "write idmap=DISK-INSIDE[-COUNT], the owner on disk and who that is in the pod; join several by #"
)
_ID_MAP = r"[0-9]{1,10}-[0-9]{1,10}(-[0-9]{1,10})?"
_NO_ID = 2**32 - 1  # -1 means no id to the kernel
_MOST_MAPS = 32


class MountRequest(NamedTuple):
    """A volume wanted at a target; `source` is a host path, a volume's name or an image, None for one of its own.

    Of files that others may have put there a pod takes no set-user-ID bits and no devices; a host path is mounted as
    the host has it.
    """

    kind: VolumeKind
    source: str | None
    target: str
    read_only: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    recursive: bool = True
    noexec: bool = False
    nosuid: bool = False
    nodev: bool = False
    propagation: Propagation = Propagation.PRIVATE
    idmap: tuple[IdMap, ...] = ()


# What a word says: a field and its value.
_WORDS: dict[str, tuple[str, object]] = {
    "ro": ("read_only", True),
    "rw": ("read_only", False),
    "noexec": ("noexec", True),
    "exec": ("noexec", False),
    "nosuid": ("nosuid", True),
    "suid": ("nosuid", False),
    "nodev": ("nodev", True),
    "dev": ("nodev", False),
    "rbind": ("recursive", True),
    "bind": ("recursive", False),
    "private": ("propagation", Propagation.PRIVATE),
    "rprivate": ("propagation", Propagation.PRIVATE),
    "slave": ("propagation", Propagation.SLAVE),
    "rslave": ("propagation", Propagation.SLAVE),
    "shared": ("propagation", Propagation.SHARED),
    "rshared": ("propagation", Propagation.SHARED),
}
_OURS = {"nosuid": True, "nodev": True}


def parse_volume(text: str, *, directory: str) -> MountRequest:
    """`SOURCE:TARGET[:OPTION,…]`; a backslash before a colon makes it part of the path. Relative to `directory`."""
    where = f"--volume {text!r}"
    parts = [part.replace("\\:", ":") for part in re.split(r"(?<!\\):", text)]
    if len(parts) not in {2, 3}:
        raise UsageError(f"{where} is not a volume", hint=_HINT)
    said = _said(parts[2].split(","), where) if len(parts) == 3 else {}
    target = _target(parts[1], where)
    if parts[0].startswith(("/", ".")):
        source = posixpath.normpath(posixpath.join(directory, parts[0]))
        return _shareable(MountRequest(VolumeKind.HOST, source, target)._replace(**said), where)
    if re.fullmatch(NAME, parts[0]):
        wish = MountRequest(kind=VolumeKind.NAMED, source=parts[0], target=target)
        return _shareable(wish._replace(**{**_OURS, **said}), where)
    raise UsageError(f"{where}: {parts[0]!r} is neither a path nor a volume's name", hint=_HINT)


def _said(words: list[str], where: str) -> dict[str, Any]:
    """Fields by the words of a list, none of them said twice."""
    found: dict[str, Any] = {}
    for word in words:
        value: object
        if word.startswith("idmap"):
            name, value = "idmap", _idmap(word, where)
        elif word in _WORDS:
            name, value = _WORDS[word]
        else:
            raise UsageError(f"{where}: unknown option {word!r}", hint=_HINT)
        if name in found:
            raise UsageError(f"{where}: {word!r} says again or otherwise what was said", hint=_HINT)
        found[name] = value
    return found


def _idmap(word: str, where: str) -> tuple[IdMap, ...]:
    """`idmap=DISK-INSIDE[-COUNT]`, several joined by `#`."""
    found = []
    for part in word.removeprefix("idmap").removeprefix("=").split("#"):
        if not re.fullmatch(_ID_MAP, part):
            raise UsageError(f"{where}: {word!r} is no map of owners", hint=_IDMAP_HINT)
        one = IdMap(*map(int, part.split("-")))
        if one.size == 0 or max(one.disk, one.inside) + one.size > _NO_ID:
            raise UsageError(f"{where}: {part!r} are no {one.size} ids", hint=_IDMAP_HINT)
        found.append(one)
    for first, second in combinations(found, 2):
        if _overlap(first.disk, first.size, second.disk, second.size) or _overlap(
            first.inside, first.size, second.inside, second.size
        ):
            raise UsageError(f"{where}: {word!r} says twice what an id is", hint=_IDMAP_HINT)
    if len(found) > _MOST_MAPS:
        raise UsageError(f"{where}: more than {_MOST_MAPS} maps", hint="map a volume of its own for each")
    return tuple(found)


def _overlap(first: int, first_count: int, second: int, second_count: int) -> bool:
    return first < second + second_count and second < first + first_count


def parse_tmpfs(text: str) -> Tmpfs:
    """`TARGET[:KEY=VALUE,…]`, the keys of `--mount type=tmpfs`."""
    target, _, options = text.partition(":")
    return _tmpfs(_keys(options, f"--tmpfs {text!r}"), target, f"--tmpfs {text!r}")


def parse_mount(text: str, *, directory: str) -> MountRequest | Tmpfs:
    """Comma-separated `key=value` words, quoted as in CSV where a value holds a comma."""
    where = f"--mount {text!r}"
    keys = _keys(text, where)
    kind = keys.pop("type", "bind")
    target = keys.pop("target", "")
    match kind:
        case "tmpfs":
            return _tmpfs(keys, target, where)
        case "bind":
            source = posixpath.normpath(posixpath.join(directory, _needed(keys, where)))
            found = MountRequest(kind=VolumeKind.HOST, source=source, target=_target(target, where))
        case "volume":
            name = _volume_name(_needed(keys, where), where)
            found = _owned(MountRequest(VolumeKind.NAMED, name, _target(target, where)), keys, where)
        case "empty":
            given = keys.pop("source", None)
            own = _volume_name(given, where) if given is not None else None
            found = _owned(MountRequest(VolumeKind.EMPTY, own, _target(target, where)), keys, where)
        case "image":
            ref = _needed(keys, where)
            found = MountRequest(VolumeKind.IMAGE, ref, _target(target, where), read_only=True)
        case _:
            raise UsageError(f"{where}: unknown type {kind!r}", hint=_MOUNT_HINT)
    ours = {} if kind == "bind" else _OURS
    found = found._replace(**{**ours, **_flags(keys, where)})
    if keys:
        raise UsageError(f"{where}: {', '.join(keys)} has no meaning for type={kind}", hint=_MOUNT_HINT)
    if kind == "image" and found.idmap:
        raise UsageError(f"{where}: idmap has no meaning for type=image", hint=_MOUNT_HINT)
    if kind == "image" and not found.read_only:
        raise UsageError(f"{where}: an image is only mounted to be read", hint="leave out ro=no or rw")
    return _shareable(found, where)


def _shareable(wish: MountRequest, where: str) -> MountRequest:
    """Only a tree of the host can be shared with it, and only as it is."""
    if wish.propagation is Propagation.SHARED and wish.kind is not VolumeKind.HOST:
        raise UsageError(f"{where}: only a path of the host can be shared with it", hint=_MOUNT_HINT)
    if wish.propagation is Propagation.SHARED and wish.idmap:
        raise UsageError(
            f"{where}: what is shared has the owners that the host sees", hint="leave out idmap"
        )
    return wish


def _needed(keys: dict[str, str], where: str) -> str:
    if not (source := keys.pop("source", "")):
        raise UsageError(f"{where}: no source", hint=_MOUNT_HINT)
    return source


def _volume_name(name: str, where: str) -> str:
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{where}: {name!r} is not a volume's name", hint=_MOUNT_HINT)
    return name


def _owned(wish: MountRequest, keys: dict[str, str], where: str) -> MountRequest:
    return wish._replace(
        mode=_octal(keys.pop("mode"), where) if "mode" in keys else None,
        uid=_id(keys.pop("uid"), where) if "uid" in keys else None,
        gid=_id(keys.pop("gid"), where) if "gid" in keys else None,
    )


def _tmpfs(keys: dict[str, str], target: str, where: str) -> Tmpfs:
    size = keys.pop("size", None)
    found = Tmpfs(
        target=_target(target, where),
        size=quantities.size(size, where=where) if size else None,
        mode=_octal(keys.pop("mode", "1777"), where),
        uid=_id(keys.pop("uid", "0"), where),
        gid=_id(keys.pop("gid", "0"), where),
    )
    said = _flags(keys, where)
    if unfit := [*keys, *sorted(said.keys() & {"recursive", "propagation", "idmap"})]:
        raise UsageError(f"{where}: {', '.join(unfit)} has no meaning for type=tmpfs", hint=_MOUNT_HINT)
    return found._replace(**said)


def _flags(keys: dict[str, str], where: str) -> dict[str, Any]:
    """The fields that `ro`, `noexec=yes`, `recursive=no`, `propagation=slave` and their like say."""
    words = [word for word in _WORDS if word in keys]
    said = [word for word in words if _true(keys.pop(word), word, where)]
    said += [_opposite(word) for word in words if word not in said]
    if "recursive" in keys:
        said.append("rbind" if _true(keys.pop("recursive"), "recursive", where) else "bind")
    if "idmap" in keys:
        said.append(f"idmap={keys.pop('idmap')}")
    if "propagation" in keys:
        word = keys.pop("propagation")
        if _WORDS.get(word, ("", ""))[0] != "propagation":
            raise UsageError(
                f"{where}: propagation={word!r} is not private, slave or shared", hint=_MOUNT_HINT
            )
        said.append(word)
    return _said(said, where)


def _opposite(word: str) -> str:
    """`ro=no` is `rw`: the other word of the same field."""
    name, value = _WORDS[word]
    return next(
        (other for other, (field, said) in _WORDS.items() if field == name and said is not value), word
    )


def _true(text: str, key: str, where: str) -> bool:
    """Nothing but a clear no is no."""
    if text not in _TRUE and text not in _FALSE:
        raise UsageError(f"{where}: {key}={text!r} is neither true nor false", hint=_MOUNT_HINT)
    return text in _TRUE


_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}
_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "readonly": "ro",
    "tmpfs-size": "size",
    "tmpfs-mode": "mode",
    "bind-propagation": "propagation",
}
_FLAGS = {*(word for word, (name, _) in _WORDS.items() if name != "propagation"), "recursive"}


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
        if key in found or (not equals and key not in _FLAGS) or key in _WORDS.keys() - _FLAGS:
            raise UsageError(f"{where}: {item!r} is not understood or said twice", hint=_MOUNT_HINT)
        found[key] = value if equals else "true"
    return found


def _target(text: str, where: str) -> str:
    target = posixpath.normpath(text)
    if not text.startswith("/") or target in {"/", "//"}:
        raise UsageError(f"{where}: the target {text!r} is not an absolute path below /", hint=_HINT)
    if len(text) > 1000 and len(text.encode(errors="surrogateescape")) >= 4096:
        raise UsageError(f"{where[:80]}…: the target is longer than any path can be", hint=_HINT)
    target = "/" + target.lstrip("/")
    if target.startswith(("/dev/", "/proc/", "/sys/")) and not is_sayable(target):
        raise UsageError(f"{where}: the target {text!r} is one that systemd cannot be told", hint=_HINT)
    return target


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
    if not re.fullmatch(r"[0-7]{1,5}", text) or int(text, 8) > 0o7777:
        raise UsageError(f"{where}: {text!r} is not a mode", hint="write it in octal, such as 0755")
    return int(text, 8)


def _id(text: str, where: str) -> int:
    number = quantities.whole(text, users.LARGEST_ID)
    if number is None:
        raise UsageError(f"{where}: {text[:80]!r} is not a user or group number", hint=_MOUNT_HINT)
    return number
