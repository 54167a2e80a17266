"""Names of images and of sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.image.names import default_name, hex_prefix, is_source, name_from_path, normalise, parse_source
from stage1.contract.errors import UsageError


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "nginx:latest"),
        ("nginx:1.27", "nginx:1.27"),
        ("example.org:5000/team/app", "example.org:5000/team/app:latest"),
        ("localhost:5000/app:v1", "localhost:5000/app:v1"),
        ("a__b/c.d-e:T_1", "a__b/c.d-e:T_1"),
        ("Registry.Example.org/app", "Registry.Example.org/app:latest"),
    ],
)
def test_a_name_without_a_tag_means_latest(name, full):
    assert normalise(name) == full


@pytest.mark.parametrize(
    "name",
    ["", ":", "a:", ":tag", "UPPER", "a/", "/a", "a//b", "a b",
     "a:b c", "a:b:c", "..", "a/../b", "-a", "a:-x", "é", "a\n",
     "sha256:" + "0" * 64, "oci:x", "dir:x", "tar", "a" * 300, "a@b", "a:" + "t" * 129],
)  # fmt: skip
def test_a_name_that_could_be_misread_is_refused(name):
    with pytest.raises(UsageError) as raised:
        normalise(name)
    assert raised.value.hint


@given(st.text())
def test_any_text_is_a_name_that_stays_the_same_or_is_refused(text):
    try:
        full = normalise(text)
    except UsageError:
        return
    assert normalise(full) == full
    assert not is_source(full)
    assert full.isascii()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("oci:dir", ("oci", "dir", "")),
        ("oci:/a/b:tag", ("oci", "/a/b", "tag")),
        ("docker-archive:x.tar:example.org/a:1", ("docker-archive", "x.tar", "example.org/a:1")),
        ("dir:/a:b", ("dir", "/a:b", "")),
        ("tar:a:b.tar", ("tar", "a:b.tar", "")),
    ],
)
def test_a_source_is_transport_place_and_reference(text, parts):
    source = parse_source(text)
    assert (source.transport, source.place, source.reference) == parts
    assert is_source(text)
    assert source.text == text


@pytest.mark.parametrize(
    "text", ["", "nginx", "oci", "oci:", "dir:", "docker://nginx", "OCI:x", "oci::tag", "tar:a\0b"]
)
def test_what_is_no_source_is_refused(text):
    with pytest.raises(UsageError):
        parse_source(text)


@pytest.mark.parametrize(
    ("transport", "place", "reference", "name"),
    [
        ("oci", "/srv/busybox", "latest", "busybox:latest"),
        ("oci", "/srv/busybox", "1.36-musl", "busybox:1.36-musl"),
        ("oci", "/srv/busybox", "v2", "busybox:v2"),
        ("oci", "/srv/layout/", "alpine", "alpine:latest"),
        ("oci", "/srv/layout", "example.org/alpine:3", "example.org/alpine:3"),
        ("oci", "/srv/My Layout", "", "my-layout:latest"),
        ("oci", "/srv/a", "sha256:" + "0" * 64, "a:latest"),
        ("docker-archive", "x.tar", "docker.io/library/busybox:1", "docker.io/library/busybox:1"),
        ("tar", "/srv/rootfs-1.2.tar.gz", "", "rootfs-1-2:latest"),
        ("dir", "/srv/root", "", "root:latest"),
    ],
)
def test_an_unnamed_image_is_named_by_its_reference_or_its_path(transport, place, reference, name):
    assert default_name(transport, place, reference) == name


@pytest.mark.parametrize(
    ("transport", "place", "reference"), [("dir", "/", ""), ("dir", "///", ""), ("tar", "-", "")]
)
def test_a_source_that_gives_no_name_asks_for_one(transport, place, reference):
    with pytest.raises(UsageError) as raised:
        default_name(transport, place, reference)
    assert "--name" in raised.value.hint


@given(st.text())
def test_a_path_gives_a_valid_name_or_none(path):
    name = name_from_path(path)
    assert name == "" or name.isascii()


def test_digests_and_their_starts_are_recognised():
    assert hex_prefix("sha256:" + "ab" * 32) == "ab" * 32
    assert hex_prefix("abcd") == "abcd"
    assert hex_prefix("sha256:abcd") == "abcd"
    for no in ("abc", "xyz1", "sha256:", "ABCD", "a" * 65, "md5:abcd"):
        assert hex_prefix(no) is None, no
