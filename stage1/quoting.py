"""PURE. Text that comes from an image or a user, written so that systemd reads back the same bytes.

Three grammars are in use (systemd.syntax(7), systemd 252): words of ExecStart= and Environment= (quotes, C escapes,
specifiers), words of BindPaths= and TemporaryFileSystem= (quotes and `\\` only, no escapes for control characters),
and settings that take the rest of the line (specifiers, nothing else). What a grammar cannot carry raises
`Unquotable`; the caller then takes another road or refuses.
"""

from __future__ import annotations

import re

# systemd stops reading a unit at a line longer than this (LONG_LINE_MAX is 1 MiB; some room for the key)
LONGEST_LINE = 1_000_000

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NEEDS_ESCAPE = re.compile(r'["\\%\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]')
_SHORT_ESCAPES = {"\n": r"\n", "\t": r"\t", "\r": r"\r", '"': r"\"", "\\": r"\\", "%": "%%"}


class Unquotable(ValueError):  # noqa: N818  it is an answer, not a failure
    """The grammar has no way to write this text."""


class Escaped(str):
    """Text that is safe at its place in a unit; a template accepts no other."""

    __slots__ = ()


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[char]
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))


def word(text: str) -> Escaped:
    """One word of ExecStart= behind a `:` prefix: any bytes but NUL."""
    if "\0" in text:
        raise Unquotable("NUL byte")
    return Escaped(f'"{_NEEDS_ESCAPE.sub(_escape, text)}"')


def words(texts: tuple[str, ...]) -> Escaped:
    """Several words on one line."""
    line = " ".join(word(text) for text in texts)
    if len(line) > LONGEST_LINE:
        raise Unquotable("line too long")
    return Escaped(line)


def executable(text: str) -> Escaped:
    """The program of an ExecStart= line: systemd refuses quotes, backslashes and control characters in it."""
    if re.search(r"[\"'\\\x00-\x1f\x7f]", text) or _SURROGATE.search(text):
        raise Unquotable("a program path systemd refuses")
    return word(text)


def assignment(text: str) -> Escaped:
    """One `NAME=value` of Environment=: UTF-8, no control characters but tab and newline in the value."""
    name, _, value = text.partition("=")
    if not _ENVIRONMENT_NAME.fullmatch(name) or _SURROGATE.search(text):
        raise Unquotable("a variable systemd drops")
    if _CONTROL.search(value.replace("\t", "").replace("\n", "")):
        raise Unquotable("a value systemd drops")
    return words((text,))


def path_word(text: str) -> Escaped:
    """One path of BindPaths= or TemporaryFileSystem=, colons and spaces included."""
    if _CONTROL.search(text) or _SURROGATE.search(text):
        raise Unquotable("a path with bytes that BindPaths= cannot carry")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return Escaped(f'"{escaped}"')


def rest_of_line(text: str) -> Escaped:
    """A setting that takes the whole line, such as WorkingDirectory= or Description=."""
    if _CONTROL.search(text) or _SURROGATE.search(text) or text != text.strip() or text.endswith("\\"):
        raise Unquotable("bytes that a plain line cannot carry")
    if len(text) > LONGEST_LINE:
        raise Unquotable("line too long")
    return Escaped(text.replace("%", "%%"))


def lossy(text: str) -> Escaped:
    """For people only: what a line cannot carry is shown as `?`."""
    return Escaped(re.sub(r"[\x00-\x1f\x7f\\\ud800-\udfff]", "?", text.strip()).replace("%", "%%"))
