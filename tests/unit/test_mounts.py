"""PURE. The grammar of --volume and --mount."""

from __future__ import annotations

import posixpath
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stage0.plan.mounts import MountRequest, parse_mount, parse_tmpfs, parse_volume
from stage1.contract import IdMap, Mount, Propagation, Tmpfs, UsageError, VolumeKind
from stage1.mounts import followers, follows
from tests import samples


def volume(text: str) -> MountRequest:
    return parse_volume(text, directory="/home/user")


def mount(text: str) -> MountRequest | Tmpfs:
    return parse_mount(text, directory="/home/user")


def host(source: str, target: str, **more: Any) -> MountRequest:
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


def ours(kind: VolumeKind, source: str | None, target: str, **more: Any) -> MountRequest:
    """A volume that lies in the data root: without set-user-ID bits and devices."""
    return MountRequest(kind, source, target, nosuid=True, nodev=True)._replace(**more)


def test_a_word_is_a_volume_that_outlives_pods() -> None:
    assert volume("cache:/x:ro") == ours(VolumeKind.NAMED, "cache", "/x", read_only=True)
    assert volume("cache:/x:suid,dev") == MountRequest(VolumeKind.NAMED, "cache", "/x")


def test_options_say_how_a_volume_is_mounted() -> None:
    assert volume("/s:/x:ro,noexec,nosuid,nodev,bind,slave") == MountRequest(
        VolumeKind.HOST, "/s", "/x", True, None, None, None, False, True, True, True, Propagation.SLAVE
    )
    assert volume("/s:/x:rw,exec,suid,dev,rbind,rprivate") == host("/s", "/x")


@pytest.mark.parametrize(
    "options", ["", "ro,ro", "ro,rw", "bind,rbind", "private,slave", "z", "ro ", "RO", "size=1"]
)
def test_options_are_known_and_said_once(options: str) -> None:
    with pytest.raises(UsageError, match="--volume") as caught:
        volume(f"/s:/x:{options}")
    assert caught.value.hint


def test_a_path_of_the_host_can_be_shared_with_it() -> None:
    shared = host("/s", "/x", propagation=Propagation.SHARED)
    assert volume("/s:/x:shared") == volume("/s:/x:rshared") == shared
    assert mount("source=/s,target=/x,propagation=shared") == shared


@pytest.mark.parametrize("text", ["cache:/x:shared", "/s:/x:shared,idmap=1-2", "/s:/x:shared,slave"])
def test_nothing_else_can_be_shared(text: str) -> None:
    with pytest.raises(UsageError, match="--volume"):
        volume(text)
    with pytest.raises(UsageError, match="only a path of the host"):
        mount("type=empty,target=/x,propagation=shared")


def test_owners_are_mapped_one_by_one_or_in_rows() -> None:
    assert parse_volume("/s:/x:ro,idmap=1000-33", directory="/").idmap == (IdMap(1000, 33, 1),)
    assert mount("source=/s,target=/x,idmap=0-100-5#1000-0").idmap == (IdMap(0, 100, 5), IdMap(1000, 0, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("idmap", "is no map of owners"),
        ("idmap=", "is no map of owners"),
        ("idmap=1000", "is no map of owners"),
        ("idmap=1-2-3-4", "is no map of owners"),
        ("idmap=a-b", "is no map of owners"),
        ("idmap=1-2#", "is no map of owners"),
        ("idmap=1-2-0", "are no 0 ids"),
        ("idmap=4294967290-0-10", "are no 10 ids"),
        ("idmap=1-2#1-3", "says twice"),
        ("idmap=0-0-10#20-9", "says twice"),
        ("idmap=1-2,idmap=3-4", "says again"),
        ("idmap=" + "#".join(f"{number}-{number}" for number in range(40)), "more than 32 maps"),
    ],
)
def test_what_is_no_map_of_owners_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_volume(f"/s:/x:{text}", directory="/")


def test_memory_and_images_have_no_owners_to_map() -> None:
    for kind in ("tmpfs,target=/x", "image,source=i,target=/x"):
        with pytest.raises(UsageError, match="idmap has no meaning"):
            mount(f"type={kind},idmap=1-2")


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
        "/a:/dev/b\nc",
        "/a:/dev/b\ufffe",
        "/a:/" + "x/" * 2100,
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
    assert mount("type=empty,source=cache,target=/c,mode=0700,uid=1,gid=2") == ours(
        VolumeKind.EMPTY, "cache", "/c", mode=0o700, uid=1, gid=2
    )
    assert mount("type=empty,target=/c") == ours(VolumeKind.EMPTY, None, "/c")
    assert mount("type=volume,source=cache,target=/c,uid=7") == ours(VolumeKind.NAMED, "cache", "/c", uid=7)
    assert mount("type=image,source=a/b:1,target=/c") == ours(
        VolumeKind.IMAGE, "a/b:1", "/c", read_only=True
    )


def test_a_mount_has_the_options_of_a_volume() -> None:
    assert mount("source=/s,target=/x,recursive=no,noexec,nosuid=yes,dev=no,propagation=rslave") == host(
        "/s", "/x", recursive=False, noexec=True, nosuid=True, nodev=True, propagation=Propagation.SLAVE
    )
    assert mount("source=/s,target=/x,bind,ro=no") == host("/s", "/x", recursive=False)
    assert mount("type=empty,target=/c,suid,noexec=no") == ours(VolumeKind.EMPTY, None, "/c", nosuid=False)
    assert mount("type=tmpfs,target=/c,ro,noexec,suid,uid=3,gid=4") == Tmpfs(
        "/c", uid=3, gid=4, read_only=True, noexec=True, nosuid=False
    )


@pytest.mark.parametrize(
    "text",
    [
        "type=volume,target=/x", "type=volume,source=a.b,target=/x", "type=image,target=/x",
        "source=/s,target=/x,ro,rw",
        "type=image,source=a,target=/x,rw", "type=image,source=a,target=/x,ro=no",
        "type=tmpfs,target=/x,recursive=no",
        "type=tmpfs,target=/x,propagation=slave", "source=/s,target=/x,propagation=ro", "source=/s,target=/x,slave",
        "source=/s,target=/x,slave=yes", "source=/s,target=/x,noexec=maybe", "source=/s,target=/x,exec,noexec",
        "source=/s,target=/x,mode=755", "type=volume,source=v,target=/x,size=1", "type=empty,target=/x,mode=10000",
    ],
)  # fmt: skip
def test_a_mount_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--mount") as caught:
        mount(text)
    assert caught.value.hint


def test_memory_has_a_short_form() -> None:
    assert parse_tmpfs("/run") == Tmpfs("/run")
    assert parse_tmpfs("/run:size=64m,mode=755,noexec") == Tmpfs(
        "/run", size=1 << 26, mode=0o755, noexec=True
    )
    for text in ("run", "/run:size", "/run:source=/x", "/", "/run:size=64m:noexec"):
        with pytest.raises(UsageError, match="--tmpfs"):
            parse_tmpfs(text)


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
    [
        "type",
        "source",
        "src",
        "target",
        "dst",
        "ro",
        "readonly",
        "size",
        "mode",
        "uid",
        "gid",
        "x",
        "",
        "noexec",
        "exec",
        "recursive",
        "propagation",
        "slave",
    ]
)
VALUES = st.sampled_from(
    [
        "bind",
        "empty",
        "tmpfs",
        "volume",
        "image",
        "slave",
        "no",
        "/a",
        "/b",
        "cache",
        "0755",
        "1",
        "true",
        '"',
        "\n",
        "²",
    ]
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
    """Absolute, below the root, without a way up, and said to a unit only where a unit can say it."""
    assert target.startswith("/")
    assert target.strip("/")
    assert ".." not in target.split("/")
    if target.startswith(("/dev/", "/proc/", "/sys/")):
        assert not any(char < " " or char == "\x7f" for char in target)


def test_what_follows_the_host_is_told_to_do_so_once_more() -> None:
    records = [
        ("bind", "/s", "/x", "rec,ro,slave,idmap", "rootfs/r"), ("bind", "/s", "/y", "slave", "rootfs/r"),
        ("bind", "/s", "/z", "rec,private", "rootfs/r"), ("bind", "run/slave", "rootfs/q", "-"),
        ("tmpfs", "/t", "mode=755", "rootfs/r"),
    ]  # fmt: skip
    assert list(followers(records)) == [
        ("follow", "/s", "/x", "rec", "rootfs/r"), ("follow", "/s", "/y", "-", "rootfs/r"),
    ]  # fmt: skip


@pytest.mark.parametrize("propagation", list(Propagation))
def test_a_pod_waits_for_mounts_that_follow(propagation: Propagation) -> None:
    one = samples.app(mounts=(Mount(volume="v", target="/m", propagation=propagation),))
    assert follows(samples.pod(one)) == (propagation is not Propagation.PRIVATE)
