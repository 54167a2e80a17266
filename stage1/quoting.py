"""PURE. Text that comes from an image or a user, written so that systemd reads back the same bytes.

Three grammars are in use (systemd.syntax(7), systemd 252): words of ExecStart= and Environment= (quotes, C escapes,
specifiers), words of BindPaths= (quotes and `\\` only, no escapes for control characters),
and settings that take the rest of the line (specifiers, nothing else). What a grammar cannot carry raises
`Unquotable`; the caller then takes another road or refuses.
"""

from __future__ import annotations

import re

# Patterns are text, which `re` compiles when it first needs one: compiling these took 3 ms of each `pod run`, and most
# texts are plain (`_is_plain`).

# systemd stops reading a unit at a line of more bytes than this (LONG_LINE_MAX, 1 MiB; some room for key and program)
LONGEST_LINE = 1_000_000
LONGEST_PATH, LONGEST_NAME = 4096, 255

_CONTROL = r"[\x00-\x1f\x7f]"
# A line with one of these is "not UTF-8 clean" and ignored as a whole: bytes that are none, and the code points that
# Unicode keeps out of texts (systemd's unichar_is_valid()).
_UNCLEAN_RANGES = r"\ud800-\udfff\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)
_UNCLEAN = f"[{_UNCLEAN_RANGES}]"
_NEEDS_ESCAPE = rf'["\\%\x00-\x1f\x7f\x85\u2028\u2029{_UNCLEAN_RANGES}]'
_NOT_FOR_PEOPLE = rf"[\\\x00-\x1f\x7f\x85\u2028\u2029{_UNCLEAN_RANGES}]"
_SHORT_ESCAPES = {"\n": r"\n", "\t": r"\t", "\r": r"\r", '"': r"\"", "\\": r"\\", "%": "%%"}

# What ExecStart= takes for its own in front of a program, after taking off the quotes: `+sh` would be `sh` with full
# privileges, whatever User= and CapabilityBoundingSet= say. `|` came with systemd 258.
_PREFIXES = ("-", "@", ":", "+", "!", "|")


class Unquotable(ValueError):  # noqa: N818  it is an answer, not a failure
    """The grammar has no way to write this text."""


class Escaped(str):
    """Text that is safe at its place in a unit; a template accepts no other."""

    __slots__ = ()


def _is_plain(text: str) -> bool:
    """Printable ASCII: neither control characters nor what is not UTF-8."""
    return text.isascii() and text.isprintable()


def _has_control(text: str) -> bool:
    return not _is_plain(text) and bool(re.search(_CONTROL, text))


def _is_unclean(text: str) -> bool:
    return not text.isascii() and bool(re.search(_UNCLEAN, text))


def _has_any(text: str, characters: str) -> bool:
    return any(character in text for character in characters)


def _escaped(text: str) -> str:
    if _is_plain(text):
        return text.replace("\\", r"\\").replace('"', r"\"").replace("%", "%%")
    return re.sub(_NEEDS_ESCAPE, _escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[char]
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))


def word(text: str) -> Escaped:
    """One word of ExecStart= behind a `:` prefix: any bytes but NUL."""
    if "\0" in text:
        raise Unquotable("NUL byte")
    return Escaped(f'"{_escaped(text)}"')


def words(texts: tuple[str, ...]) -> Escaped:
    """Several words on one line."""
    return _line(" ".join(word(text) for text in texts))


def _line(text: str) -> Escaped:
    if len(text) > LONGEST_LINE or len(text.encode()) > LONGEST_LINE:
        raise Unquotable("line too long")
    return Escaped(text)


def executable(text: str) -> Escaped:
    """The program of an ExecStart= line: systemd refuses quotes, backslashes and control characters in it.

    It also refuses what can be no file, and the unit with it; the launcher says so when the app is run.
    """
    if _has_any(text, "\"'\\") or _has_control(text) or _is_unclean(text) or not _is_path(text):
        raise Unquotable(f"a program systemd refuses: {text[:80]!r}")
    if text in {".", ".."} or text.endswith("/"):
        raise Unquotable(f"a program that is a directory: {text[-80:]!r}")
    if text.startswith(_PREFIXES):
        raise Unquotable(f"a program that begins like a prefix: {text[:80]!r}")
    return word(text)


def _is_path(text: str) -> bool:
    """PATH_MAX and NAME_MAX of the kernel, which systemd checks before."""
    data = text.encode(errors="surrogateescape")
    return 0 < len(data) < LONGEST_PATH and all(len(part) <= LONGEST_NAME for part in data.split(b"/"))


def assignment(text: str) -> Escaped:
    """One `NAME=value` of Environment=: UTF-8, no control characters but tab and newline in the value."""
    name, _, value = text.partition("=")
    if not (name.isascii() and name.isidentifier()) or _is_unclean(text):
        raise Unquotable("a variable systemd drops")
    if _has_control(value.replace("\t", "").replace("\n", "")):
        raise Unquotable("a value systemd drops")
    return words((text,))


def path_word(text: str) -> Escaped:
    """One path of BindPaths=, colons and spaces included."""
    if _has_control(text) or _is_unclean(text) or not _is_path(text):
        raise Unquotable(f"a path that no mount of systemd's can carry: {text[:80]!r}")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return Escaped(f'"{escaped}"')


def rest_of_line(text: str) -> Escaped:
    """A setting that takes the whole line, such as WorkingDirectory= or Description=."""
    if _has_control(text) or _is_unclean(text) or text != text.strip() or text.endswith("\\"):
        raise Unquotable(f"text that a plain line cannot carry: {text[:80]!r}")
    return _line(text.replace("%", "%%"))


def search_paths(path: str) -> Escaped:
    """The absolute directories of a PATH for ExecSearchPath=, which knows quotes but no way to write one."""
    if _has_any(path, "\"'\\"):
        raise Unquotable("a search path with quotes")
    return rest_of_line(":".join(part for part in path.split(":") if part.startswith("/")))


def lossy(text: str) -> Escaped:
    """For people only: what a line cannot carry is shown as `?`."""
    return Escaped(_shown(text.strip()).replace("%", "%%"))


def _shown(text: str) -> str:
    return text if _is_plain(text) and "\\" not in text else re.sub(_NOT_FOR_PEOPLE, "?", text)
