"""PURE. What systemd reads back is what was written: an own reader of systemd.syntax(7) stands against our writer."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stage1.quoting import (
    Escaped,
    Unquotable,
    assignment,
    executable,
    lossy,
    path_word,
    rest_of_line,
    search_paths,
    word,
    words,
)

WHITESPACE = " \t\n\r"
ONE_CHARACTER = {
    "a": 7,
    "b": 8,
    "f": 12,
    "n": 10,
    "r": 13,
    "t": 9,
    "v": 11,
    "\\": 92,
    '"': 34,
    "'": 39,
    "s": 32,
}
NUMBERS = (("x", 2, 16), ("u", 4, 16), ("U", 8, 16), ("", 3, 8))

# Any bytes a program can be given; as text they are what Python makes of them.
ANY = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"\1").decode(errors="surrogateescape"))
# Characters that have a meaning somewhere in a unit, and those that only look like the end of a line.
NASTY = st.text(
    "\"'\\%$;:,=#[]{}@!+-|&<>~*? \t\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x7fa1né\udcff\ufffe\ufdd0\U0001ffff",
    max_size=20,
)
TEXTS = ANY | NASTY


class Bad(Exception):  # noqa: N818
    """systemd would ignore this line or refuse it."""


def as_bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def is_unclean(text: str) -> bool:
    """True of what systemd does not take for UTF-8: other bytes, and code points that Unicode sets apart."""
    return any(
        0xD800 <= ord(char) <= 0xDFFF or 0xFDD0 <= ord(char) <= 0xFDEF or ord(char) & 0xFFFE == 0xFFFE
        for char in text
    )


def unit_lines(text: str) -> list[str]:
    """Lines as the manager sees them: only a newline (or NUL) ends one, a backslash at the end goes on."""
    assert "\0" not in text
    logical, rest = [], ""
    for line in re.split(r"\r\n|\n|\r", text):
        if is_unclean(line):
            raise Bad("not UTF-8 clean")
        if rest and line.lstrip(WHITESPACE).startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            rest += line[:-1] + " "
            continue
        logical.append(rest + line)
        rest = ""
    return logical


def settings_of(text: str) -> list[tuple[str, str]]:
    """Key and value of each setting; a line that is none is an error, as a made-up directive would be."""
    found = []
    for line in unit_lines(text):
        stripped = line.strip(WHITESPACE)
        if not stripped or stripped[0] in "#;" or re.fullmatch(r"\[[A-Za-z]+\]", stripped):
            continue
        key, equals, value = stripped.partition("=")
        if not equals:
            raise Bad(line)
        found.append((key.rstrip(WHITESPACE), value.lstrip(WHITESPACE)))
    return found


def unescaped(text: str, at: int) -> tuple[bytes, int]:
    """The bytes of the escape whose backslash is before `at`, and where it ends."""
    for letter, digits, base in NUMBERS:
        code = text[at + len(letter) : at + len(letter) + digits]
        if text.startswith(letter, at) and re.fullmatch(r"[0-9a-fA-F]+" if base == 16 else r"[0-7]+", code):
            if len(code) != digits or int(code, base) == 0:
                raise Bad("escape")
            number = int(code, base)
            data = chr(number).encode() if letter in {"u", "U"} else bytes([number])
            return data, at + len(letter) + digits
    if at < len(text) and text[at] in ONE_CHARACTER:
        return bytes([ONE_CHARACTER[text[at]]]), at + 1
    raise Bad("escape")


def split(text: str, separators: str = WHITESPACE, *, c_escapes: bool) -> list[bytes]:
    """Words by quotes and separators; a backslash begins a C escape or merely protects one character."""
    found: list[bytes] = []
    at, quote, current = 0, "", None
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\":
            if at == len(text):
                raise Bad("backslash at the end")
            data, at = unescaped(text, at) if c_escapes else (as_bytes(text[at]), at + 1)
            current = (current or b"") + data
        elif quote:
            quote = "" if char == quote else quote
            current = (current or b"") + (b"" if not quote else as_bytes(char))
        elif char in "\"'":
            quote, current = char, current or b""
        elif char in separators:
            if current is not None:
                found.append(current)
            current = None
        else:
            current = (current or b"") + as_bytes(char)
    if quote:
        raise Bad("quote without end")
    return found if current is None else [*found, current]


def specified(data: bytes) -> bytes:
    """What specifier expansion leaves: `%%` is a percent sign, anything else would be replaced."""
    if re.search(rb"(?<!%)(%%)*%([^%]|$)", data):
        raise Bad("specifier")
    return data.replace(b"%%", b"%")


def read_words(text: str) -> list[bytes]:
    """Words of ExecStart= behind `:` (no $ expansion), and of Environment=."""
    return [specified(data) for data in split(text, c_escapes=True)]


@given(st.lists(TEXTS, min_size=1, max_size=6))
@example(
    [
        "",
        " ",
        "\\",
        '"',
        "'",
        "%n",
        "$HOME",
        "a\nExecStart=/bad",
        "\u2028[Service]",
        "\ufffe",
        "-",
        ";",
        "\x7f",
    ]
)
def test_words_come_back_as_the_bytes_they_were(texts: list[str]) -> None:
    line = words(tuple(texts))
    assert settings_of(f"ExecStart={line}\n") == [("ExecStart", line)]
    assert read_words(line) == [as_bytes(text) for text in texts]


@given(TEXTS)
def test_a_word_is_one_line_however_lines_are_counted(text: str) -> None:
    assert len(word(text).splitlines()) == 1


@given(TEXTS)
def test_a_word_is_valid_utf8_whatever_it_says(text: str) -> None:
    assert word(text).encode().isascii() or word(text).encode().decode()


def test_a_100_kb_argument_stays_whole() -> None:
    text = "x% \\\"'\n" * 15_000
    assert read_words(word(text)) == [text.encode()]


def test_a_nul_byte_and_a_line_that_systemd_would_not_read_are_refused() -> None:
    with pytest.raises(Unquotable):
        word("a\0b")
    with pytest.raises(Unquotable):
        words(("x" * 600_000, "y" * 600_000))
    with pytest.raises(Unquotable):
        words(("é" * 600_000,))


@given(TEXTS)
def test_a_program_comes_back_or_is_refused(text: str) -> None:
    """systemd 252 takes the program's path without quotes, backslashes and control characters only."""
    try:
        written = executable(text)
    except Unquotable:
        assert (
            re.search(r"[\"'\\\x00-\x1f\x7f]", text)
            or is_unclean(text)
            or text in {"", ".", ".."}
            or text[-1] == "/"
            or text[0] in "-@:+!|"
        )
        return
    assert read_words(written) == [text.encode()]


@pytest.mark.parametrize("text", ["+sh", "!sh", "!!sh", "-sh", "@sh", ":sh", "|sh"])
def test_a_program_that_begins_like_a_prefix_is_refused_since_it_would_be_one(text: str) -> None:
    """systemd takes the quotes off first: `+sh` would be `sh` with full privileges."""
    with pytest.raises(Unquotable):
        executable(text)


@pytest.mark.parametrize("text", ["", "/", "/bin/", ".", "..", "x" * 256, "/x" * 2048, "/ok/" + "é" * 128])
def test_what_can_be_no_program_is_refused_since_it_would_break_the_unit(text: str) -> None:
    with pytest.raises(Unquotable):
        executable(text)


@given(st.text("ABC_abc09-. é", max_size=4), TEXTS)
def test_a_variable_comes_back_or_is_refused(name: str, value: str) -> None:
    text = f"{name}={value}"
    try:
        written = assignment(text)
    except Unquotable:
        # what systemd's env_assignment_is_valid() drops: such apps get the launcher
        usual = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=[^\x00-\x08\x0b-\x1f\x7f]*", text)
        assert not usual or is_unclean(text)
        return
    assert settings_of(f"Environment={written}") == [("Environment", written)]
    assert read_words(written) == [text.encode()]


@given(TEXTS)
@example("/a:b")
@example('/a "b" \\c')
@example("/line\u2028BindPaths=/etc")
def test_a_path_comes_back_or_is_refused(text: str) -> None:
    try:
        written = path_word(text)
    except Unquotable:
        assert re.search(r"[\x00-\x1f\x7f]", text) or is_unclean(text) or text == ""
        return
    line = f"/pod/volumes/x:{written}"
    assert settings_of(f"BindPaths={line}") == [("BindPaths", line)]
    assert [specified(data) for data in split(line, f":{WHITESPACE}", c_escapes=False)][1:] == [
        text.encode()
    ]


@given(TEXTS)
def test_the_rest_of_a_line_comes_back_or_is_refused(text: str) -> None:
    try:
        written = rest_of_line(text)
    except Unquotable:
        return
    assert settings_of(f"WorkingDirectory={written}\nNext=1") == [
        ("WorkingDirectory", written),
        ("Next", "1"),
    ]
    assert specified(written.encode()) == text.encode()


@pytest.mark.parametrize(
    "text", ["/srv/app", "/a b/c", "/a:b,c", "/é", "/100%", "/$HOME", '/a"b', "/it's", "/x\\y"]
)
def test_a_usual_directory_needs_no_launcher(text: str) -> None:
    assert rest_of_line(text) == text.replace("%", "%%")


@given(TEXTS)
def test_text_for_people_never_leaves_its_line(text: str) -> None:
    written = lossy(text)
    assert settings_of(f"Description={written}\nNext=1")[-1] == ("Next", "1")
    specified(written.encode())
    assert len(f"x{written}".splitlines()) == 1


@given(st.lists(st.text("/ab %é\"'\\:$\t", min_size=1, max_size=6).map(lambda part: "/" + part), max_size=4))
def test_directories_to_search_come_back_or_are_refused(parts: list[str]) -> None:
    kept = [part for part in ":".join(parts).split(":") if part.startswith("/")]
    try:
        written = search_paths(":".join(parts))
    except Unquotable:
        assert re.search(r"[\"'\\\x00-\x1f]", ":".join(parts)) or kept[-1] != kept[-1].strip()
        return
    assert [specified(data) for data in split(written, ":", c_escapes=False)] == [
        part.encode() for part in kept
    ]


def test_relative_directories_are_not_searched() -> None:
    assert search_paths("/usr/bin:bin::/bin:.") == "/usr/bin:/bin"


def test_what_is_escaped_is_text_like_any_other() -> None:
    assert isinstance(word("x"), Escaped)
    assert word("x") == '"x"'
