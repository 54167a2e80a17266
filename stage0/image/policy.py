"""EFFECT. What the administrator allows images: limits against bombs, and what goes by itself.

Read from `images.toml` of the data root, or from /etc/pod/images.toml. Only what differs from the defaults need be
said there; what is not understood is an error, since a limit that is not heard protects nobody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stage0.image.model import ImageError
from stage1.contract.errors import UsageError
from stage1.contract.values import NamedTuple

SYSTEM_FILE = Path("/etc/pod/images.toml")
FILE = "images.toml"
_HINT = (
    "see 'Limits' and 'Collection' in docs/images.md; a size may be written as \"20G\", an age as \"30d\""
)
_RAISE = "if this image is to be trusted, raise {!r} under [limits] in /etc/pod/images.toml"
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AGES = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Limits(NamedTuple):
    """What one image may be at most; more is taken for an attack.

    `size`: bytes unpacked. `files`: names in all layers. `path`: bytes of a name. `layers`: what overlayfs mounts.
    `ratio`: bytes unpacked for each byte of a compressed layer, counted from the first GiB on.
    """

    size: int = 100 << 30
    files: int = 5_000_000
    path: int = 4096
    layers: int = 500
    ratio: int = 500


class Collection(NamedTuple):
    """What goes by itself after an image came: unnamed images unused for `older_than` seconds.

    `keep_size`: bytes; when the store is larger, unused images go, the longest unused first, until it is not.
    0 stands for no such goal.
    """

    automatic: bool = True
    older_than: int = 7 * 86400
    keep_size: int = 0


class Policy(NamedTuple):
    """All of images.toml."""

    limits: Limits = Limits()
    collection: Collection = Collection()


def over(limit: str, value: int, what: str) -> ImageError:
    """Make the error of an image that is more than it may be."""
    return ImageError(f"{what}: the limit {limit!r} is {value}", hint=_RAISE.format(limit))


def read_policy(root: Path) -> Policy:
    """Read the policy of a data root."""
    for path in (root / FILE, SYSTEM_FILE):
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            continue
        except UnicodeDecodeError:
            raise UsageError(f"{path} is not text in UTF-8", hint=_HINT) from None
        return parse_policy(text, str(path))
    return Policy()


def parse_policy(text: str, where: str) -> Policy:
    """Understand the text of images.toml."""
    import tomllib  # noqa: PLC0415 (most hosts have no such file)

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: {error}", hint=_HINT) from None
    _only(document, {"limits", "gc"}, where)
    limits, collection = (_section(document, key, where) for key in ("limits", "gc"))
    _only(limits, set(Limits._fields), f"{where}: [limits]")
    _only(collection, {"automatic", "older-than", "keep-size"}, f"{where}: [gc]")
    return Policy(
        Limits(**{key: _number(value, _SIZES, f"{where}: {key}", 1) for key, value in limits.items()}),
        _collection(collection, where),
    )


def _collection(section: dict[str, Any], where: str) -> Collection:
    default = Collection()
    automatic = section.get("automatic", default.automatic)
    if not isinstance(automatic, bool):
        raise UsageError(f"{where}: automatic is neither true nor false", hint=_HINT)
    older = section.get("older-than", default.older_than)
    keep = section.get("keep-size", default.keep_size)
    return Collection(
        automatic,
        _number(older, _AGES, f"{where}: older-than", 0),
        _number(keep, _SIZES, f"{where}: keep-size", 0),
    )


def _section(document: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"{where}: {key} is not a table", hint=f"write [{key}]")
    return value


def _only(found: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise UsageError(f"{where}: there is no {unknown[0]!r}", hint=f"known: {', '.join(sorted(known))}")


def _number(value: object, units: dict[str, int], where: str, least: int) -> int:
    """A whole number, or a text of digits and a unit."""
    if isinstance(value, str):
        digits = value.rstrip("KMGTsmhd")
        unit = value[len(digits) :]
        if digits.isascii() and digits.isdigit() and len(digits) < 16 and unit in units:
            value = int(digits) * units[unit]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 1 << 62:
        raise UsageError(f"{where}: {value!r} is no such number", hint=_HINT)
    return value
