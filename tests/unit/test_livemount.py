"""PURE. The grammar of live mounts and the reading of mount tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.running.livemount import LiveMount, Mounted, mount_table, parse
from stage1.contract import UsageError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/a:/b", LiveMount("/a", "/b")),
        ("/a:/b:ro", LiveMount("/a", "/b", read_only=True)),
        ("/a:/b:rw,rec", LiveMount("/a", "/b", recursive=True)),
        ("a/./b:/c//d/", LiveMount("/here/a/b", "/c/d")),
        ("../x://y", LiveMount("/x", "/y")),
        ("/a\\:b:/c\\:d", LiveMount("/a:b", "/c:d")),
    ],
)
def test_a_mount_is_read(text: str, wanted: LiveMount) -> None:
    assert parse(text, directory="/here") == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a",
        ":/b",
        "/a:",
        "/a:/",
        "/a:b",
        "/a:/b:",
        "/a:/b:rx",
        "/a:/b:ro,rw",
        "/a:/b:ro:ro",
        "/a:/b/../c",
    ],
)
def test_what_is_no_mount_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text, directory="/here")


@given(st.text(max_size=30))
def test_any_text_is_a_mount_below_the_root_or_an_error(text: str) -> None:
    try:
        found = parse(text, directory="/here")
    except UsageError:
        return
    assert found.target.startswith("/")
    assert found.target != "/"
    assert ".." not in found.target.split("/")


def test_a_mount_table_is_read() -> None:
    text = "36 35 98:0 /m /a\\040b\\134c rw,noatime master:1 - ext3 /dev/root rw\nshort line\n"
    assert list(mount_table(text)) == [Mounted(id=36, path="/a b\\c")]
