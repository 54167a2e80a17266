"""PURE. The grammar of --volume and --mount."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stage0.mounts import MountRequest, parse_mount, parse_volume
from stage1.contract import Tmpfs, UsageError, VolumeKind


def volume(text: str) -> MountRequest:
    return parse_volume(text, directory="/home/user")


def mount(text: str) -> MountRequest | Tmpfs:
    return parse_mount(text, directory="/home/user")


def host(source: str, target: str, **more: bool) -> MountRequest:
    return MountRequest(kind=VolumeKind.HOST, source=source, target=target, **more)


def test_a_path_is_of_the_host() -> None:
    assert volume("/srv/data:/data") == host("/srv/data", "/data")
    assert volume("/srv/data:/data:rw") == host("/srv/data", "/data")
    assert volume("/srv/data:/data:ro") == host("/srv/data", "/data", read_only=True)


def test_a_relative_path_starts_where_the_user_is() -> None:
    assert volume("./here:/x") == host("/home/user/here", "/x")
    assert volume("../there:/x") == host("/home/there", "/x")
    assert volume(".:/x") == host("/home/user", "/x")
    assert volume(".hidden:/x") == host("/home/user/.hidden", "/x")


def test_a_word_is_a_volume_of_the_pod() -> None:
    assert volume("cache:/x:ro") == MountRequest(
        kind=VolumeKind.EMPTY, source="cache", target="/x", read_only=True
    )


def test_a_backslash_makes_a_colon_part_of_a_path() -> None:
    assert volume(r"/srv/a\:b:/c\:d:ro") == host("/srv/a:b", "/c:d", read_only=True)


def test_commas_spaces_and_percent_signs_are_nothing_special() -> None:
    assert volume("/a, b%n $X:/é") == host("/a, b%n $X", "/é")


def test_targets_are_tidied() -> None:
    assert volume("/s://a//b/../c/.").target == "/a/c"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a",
        "/a",
        "/a:",
        ":/a",
        "/a:b",
        "/a:/",
        "/a:/..",
        "/a://",
        "/a:/b:rx",
        "/a:/b:ro:z",
        "a/b:/c",
        "-x:/c",
        "/a:/b\nc",
        "/a:/b\ufffe",
    ],
)
def test_what_is_no_volume_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--volume") as caught:
        volume(text)
    assert caught.value.hint


def test_a_mount_says_the_same_with_names() -> None:
    assert mount("type=bind,source=/s,target=/t") == host("/s", "/t")
    assert mount("src=/s,dst=/t,ro") == host("/s", "/t", read_only=True)
    assert mount("src=s,destination=/t,readonly=true") == host("/home/user/s", "/t", read_only=True)
    assert mount("src=/s,dst=/t,ro=false") == host("/s", "/t")
    assert mount("type=empty,source=cache,target=/c,mode=0700,uid=1,gid=2") == MountRequest(
        kind=VolumeKind.EMPTY, source="cache", target="/c", mode=0o700, uid=1, gid=2
    )
    assert mount("type=empty,target=/c") == MountRequest(kind=VolumeKind.EMPTY, source=None, target="/c")


def test_a_mount_in_memory_may_have_a_size_and_a_mode() -> None:
    assert mount("type=tmpfs,target=/tmp") == Tmpfs(target="/tmp")
    assert mount("type=tmpfs,dst=/run/x,tmpfs-size=64k,mode=755") == Tmpfs(
        target="/run/x", size=65536, mode=0o755
    )


def test_a_value_with_a_comma_is_quoted_as_in_csv() -> None:
    assert mount('"src=/a,b",target=/c') == host("/a,b", "/c")


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "type=bind", "type=bind,target=/x", "type=bind,source=,target=/x", "type=nfs,target=/x",
        "type=bind,source=/a,target=b", "type=bind,source=/a,target=/b,size=1", "type=tmpfs,source=/a,target=/b",
        "type=tmpfs,target=/b,mode=9", "type=tmpfs,target=/b,size=lots", "type=empty,source=a/b,target=/c",
        "type=empty,target=/c,uid=root", "type=empty,target=/c,uid=4294967295",
        "type=empty,target=/c,uid=" + "9" * 5000,
        "type=empty,target=/c,target=/d", "type=empty,target=/c,dst=/d", "type=bind,source=/a,target=/b,ro=1x",
        "type=bind,source=/a,target=/b\nc", "a\nb",
        "type=bind,source=/a,target=/b,ro=perhaps", "type=bind,source=/a,target=/b,extra=1",
    ],
)  # fmt: skip
def test_what_is_no_mount_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        mount(text)
    assert caught.value.hint


@pytest.mark.parametrize("word", ["ro", "ro=true", "ro=yes", "ro=1", "readonly"])
def test_read_only_is_never_taken_for_writable(word: str) -> None:
    found = mount(f"type=bind,source=/a,target=/b,{word}")
    assert isinstance(found, MountRequest)
    assert found.read_only


KEYS = st.sampled_from(
    ["type", "source", "src", "target", "dst", "ro", "readonly", "size", "mode", "uid", "gid", "x", ""]
)
VALUES = st.sampled_from(
    ["bind", "empty", "tmpfs", "/a", "/b", "cache", "0755", "1", "true", '"', "\n", "²"]
) | st.text(max_size=4)
MOUNTS = st.lists(st.tuples(KEYS, VALUES).map("=".join) | KEYS, max_size=5).map(",".join)


@given(MOUNTS | st.text(max_size=20))
@example('"')
@example("x" * 200_000)
def test_any_mount_is_a_value_or_a_usage_error(text: str) -> None:
    try:
        found = mount(text)
    except UsageError as error:
        assert error.hint
        return
    assert_sound(found.target)


@given(st.text("/.:ab\\, \n\u2028\ufffe", max_size=12) | st.text(max_size=12))
def test_any_volume_is_a_value_or_a_usage_error(text: str) -> None:
    try:
        found = volume(text)
    except UsageError as error:
        assert error.hint
        return
    assert_sound(found.target)
    if found.kind is VolumeKind.HOST:
        assert found.source
        assert posixpath.isabs(found.source)


def assert_sound(target: str) -> None:
    """Absolute, below the root, without a way up, and nothing that a unit could not say."""
    assert target.startswith("/")
    assert target.strip("/")
    assert ".." not in target.split("/")
    assert not any(char < " " or char == "\x7f" for char in target)
