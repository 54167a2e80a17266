"""Whatever a layer contains, nothing outside the layer changes, and the user gets one clear sentence."""

from __future__ import annotations

import gzip
import json
import os
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stage0.image import Image, ImageError, Store
from stage1.contract.errors import PodError
from tests.image_archives import (
    archive,
    device,
    digest,
    directory,
    file,
    hardlink,
    member,
    symlink,
    write_layout,
    xattrs,
)
from tests.image_trees import describe

pytestmark = pytest.mark.root


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory a layer must not touch, with a file it must not write."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "file").write_text("untouched")
    return path


def unpack(store: Store, *members, source: Path | None = None) -> Path:
    layout = write_layout(source or store.root.parent / "layout", [archive(*members)])
    image = store.import_(f"oci:{layout}", "hostile")
    return store.layer_path(image.layers[0])


def nothing_left(store: Store) -> None:
    assert [path.name for path in store.paths.layers.iterdir()] == []
    assert [path.name for path in store.paths.images.iterdir() if path.name.startswith("tmp-")] == []
    assert store.images() == []


def test_an_absolute_name_lands_inside(store, outside):
    root = unpack(store, file(f"/{outside}/file", b"hostile"))
    assert (root / str(outside)[1:] / "file").read_bytes() == b"hostile"
    assert (outside / "file").read_text() == "untouched"


@pytest.mark.parametrize("name", ["../outside/file", "a/../../outside/file", "..", "/../x", "./../../x"])
def test_a_name_that_climbs_out_is_refused(store, outside, name):
    before = describe(outside)
    with pytest.raises(ImageError, match="leads out"):
        unpack(store, file(name, b"hostile"))
    assert describe(outside) == before
    nothing_left(store)


def test_dots_within_the_layer_are_resolved(store):
    assert (unpack(store, file("a/./b/../c", b"x")) / "a/c").read_bytes() == b"x"


@pytest.mark.parametrize(
    "target", ["{outside}", "../../../../../../../../../..{outside}", "/proc/self/root{outside}"]
)
def test_writing_through_a_link_stays_inside(store, outside, target):
    before = describe(outside)
    unpack(store, symlink("link", target.format(outside=outside)), file("link/file", b"hostile"),
           file("link/new", b"hostile"), directory("link/dir"), symlink("link/l", "x"))  # fmt: skip
    assert describe(outside) == before


def test_a_link_to_itself_as_a_directory_is_refused(store):
    with pytest.raises(ImageError, match="cannot unpack"):
        unpack(store, symlink("a", "b"), symlink("b", "a"), file("a/x"))
    nothing_left(store)


def test_a_hard_link_out_is_refused(store, outside):
    with pytest.raises(ImageError, match="cannot unpack"):
        unpack(store, hardlink("link", f"{outside}/file"))
    with pytest.raises(ImageError, match="leads out"):
        unpack(store, hardlink("link", "../../outside/file"), source=outside.parent / "second")
    assert (outside / "file").lstat().st_nlink == 1
    nothing_left(store)


def test_a_hard_link_through_a_link_out_is_refused(store, outside):
    with pytest.raises(ImageError, match="cannot unpack"):
        unpack(store, symlink("out", str(outside)), hardlink("link", "out/file"))
    assert (outside / "file").lstat().st_nlink == 1


def test_attributes_of_a_replaced_directory_do_not_go_through_the_link_in_its_place(store, outside):
    before = describe(outside)
    unpack(
        store, directory("d", mode=0o777, uid=9), directory("d/file", mode=0o777), symlink("d", str(outside))
    )
    assert describe(outside) == before


def test_a_file_replaces_a_device_instead_of_being_written_to_it(store):
    root = unpack(store, device("null", 1, 3), file("null", b"content"))
    assert (root / "null").read_bytes() == b"content"


def test_a_file_replaces_a_link_instead_of_being_written_through_it(store, outside):
    root = unpack(
        store, symlink("l", f"{outside}/file"), file("l", b"content"), hardlink("h", "l"), file("h", b"new")
    )
    assert (outside / "file").read_text() == "untouched"
    assert (root / "l").read_bytes() == b"content"


def test_a_directory_replaces_a_file_and_a_file_a_directory(store):
    root = unpack(
        store, file("a"), directory("a"), file("a/x"), directory("b/c/d"), file("b", b"now a file")
    )
    assert (root / "a/x").is_file()
    assert (root / "b").read_bytes() == b"now a file"


@pytest.mark.parametrize("name", [".wh..", ".wh...", ".wh.", "a/.wh.."])
def test_a_mark_that_would_delete_a_parent_is_refused(store, outside, name):
    with pytest.raises(ImageError, match="no meaning"):
        unpack(store, file(name, b""))
    nothing_left(store)
    assert (outside / "file").exists()


def test_a_mark_for_a_name_with_a_slash_in_a_link_stays_inside(store, outside):
    unpack(store, symlink("out", str(outside)), file("out/.wh.file", b""), file("out/.wh..wh..opq", b""))
    assert stat.S_ISREG((outside / "file").lstat().st_mode)
    assert "trusted.overlay.opaque" not in os.listxattr(outside)


def test_names_below_a_mark_are_refused(store):
    with pytest.raises(ImageError, match="below a deletion mark"):
        unpack(store, file(".wh.a/b"))


def test_a_mark_of_aufs_is_passed_over(store):
    root = unpack(
        store, directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file(".wh..wh.aufs", b""), file("kept")
    )
    assert [path.name for path in root.iterdir()] == ["kept"]


def test_a_mark_and_the_same_name_in_one_layer_hide_only_what_is_below(store):
    root = unpack(store, file(".wh.a", b""), file("a"), directory("b"), file(".wh.b", b""), file(".wh.c", b""),
                  file("c/x"), file(".wh.d", b""), directory("d"))  # fmt: skip
    assert (root / "a").is_file()
    for name in "bcd":
        assert os.getxattr(root / name, "trusted.overlay.opaque") == b"y", name


@pytest.mark.parametrize("key", ["trusted.overlay.redirect", "trusted.overlay.opaque", "trusted.overlay.metacopy",
                                 "user.overlay.opaque", "security.selinux", "com.apple.provenance"])  # fmt: skip
def test_attributes_that_the_host_would_act_on_are_left_out(store, key):
    headers = xattrs({key: b"/../../x", "user.mine": b"1"})
    root = unpack(store, file("f", pax_headers=headers), directory("d", pax_headers=headers))
    assert os.listxattr(root / "f") == ["user.mine"]
    assert os.listxattr(root / "d") == ["user.mine"]


def test_a_device_node_cannot_be_opened_by_the_unpacking_child(store):
    root = unpack(store, device("mem", 1, 1, mode=0o666), symlink("dir", "mem"))
    assert (root / "mem").lstat().st_rdev == os.makedev(1, 1)
    with pytest.raises(ImageError):
        unpack(store, device("kmsg", 1, 11, mode=0o666), file("kmsg/x"), source=store.root.parent / "second")


@pytest.mark.parametrize("cut", [1, 511, 512, 700, 1024, 1500])
def test_a_cut_archive_is_refused(store, tmp_path, cut):
    whole = archive(file("a", b"x" * 600), file("b", b"y"))
    (tmp_path / "cut.tar").write_bytes(whole[:cut])
    with pytest.raises(ImageError):
        store.import_(f"tar:{tmp_path / 'cut.tar'}")
    nothing_left(store)


def test_a_cut_compressed_archive_is_refused(store, tmp_path):
    (tmp_path / "cut.tar.gz").write_bytes(gzip.compress(archive(file("a", os.urandom(100_000))))[:-20])
    with pytest.raises(ImageError, match="cannot be decompressed"):
        store.import_(f"tar:{tmp_path / 'cut.tar.gz'}")
    nothing_left(store)


def corrupt(layout: Path, wanted: str) -> None:
    blob = next(path for path in (layout / "blobs/sha256").iterdir() if wanted in media_type(layout, path))
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 0xFF
    blob.write_bytes(bytes(data))


def media_type(layout: Path, blob: Path) -> str:
    entry = json.loads((layout / "index.json").read_text())["manifests"][0]
    manifest = json.loads((layout / "blobs/sha256" / entry["digest"][7:]).read_text())
    kinds = {entry["digest"]: "manifest", manifest["config"]["digest"]: "config"}
    return kinds.get(f"sha256:{blob.name}", "layer")


@pytest.mark.parametrize("what", ["config", "layer"])
@pytest.mark.parametrize("compress", [True, False])
def test_a_blob_that_is_not_what_its_digest_says_is_refused(store, tmp_path, what, compress):
    layout = write_layout(tmp_path / "layout", [archive(file("a", os.urandom(5000)))], compress=compress)
    corrupt(layout, what)
    with pytest.raises(ImageError):
        store.import_(f"oci:{layout}")
    nothing_left(store)
    assert list(store.paths.blobs.iterdir()) == []


def test_a_layer_with_another_diff_id_than_promised_is_refused(store, tmp_path):
    wrong = {"type": "layers", "diff_ids": [digest(b"something else")]}
    layout = write_layout(tmp_path / "layout", [archive(file("a"))], rootfs=wrong)
    with pytest.raises(ImageError, match="in place of"):
        store.import_(f"oci:{layout}")
    nothing_left(store)


def test_a_missing_blob_is_named(store, tmp_path):
    layout = write_layout(tmp_path / "layout", [archive(file("a"))])
    next(p for p in (layout / "blobs/sha256").iterdir() if media_type(layout, p) == "layer").unlink()
    with pytest.raises(ImageError, match="is missing"):
        store.import_(f"oci:{layout}")


def test_paths_deeper_than_a_path_may_be_long_are_refused_and_cleaned_up(store):
    with pytest.raises(ImageError, match="a path of 6029 bytes: the limit 'path' is 4096"):
        unpack(store, file("/".join(["d" * 200] * 30)))
    nothing_left(store)


def test_a_deep_tree_is_unpacked_and_removed_again(store):
    root = unpack(store, file("/".join(["d"] * 1500)))
    assert root.is_dir()
    store.remove("hostile", frozenset())
    nothing_left(store)


parts = st.sampled_from(
    ["a", "b", "c", "..", ".", "", "a b", "\n", "é", ".wh.a", ".wh.b", ".wh..wh..opq", "x" * 120]
)
names = st.lists(parts, min_size=1, max_size=5).map("/".join).filter(bool)
kinds = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
                         tarfile.FIFOTYPE, tarfile.CONTTYPE, b"Z"])  # fmt: skip


@st.composite
def members(draw, targets):
    kind, content = draw(kinds), b""
    if kind in (tarfile.REGTYPE, tarfile.CONTTYPE):
        content = draw(st.binary(max_size=600))
    link = draw(targets) if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    info = member(draw(names), kind, linkname=link, size=len(content), mode=draw(st.integers(0, 0o7777)),
                  uid=draw(st.sampled_from([0, 1000, 70_000, 2**31])), mtime=draw(st.integers(0, 2**32)),
                  devmajor=draw(st.integers(0, 3)), devminor=draw(st.integers(0, 3)))  # fmt: skip
    return info, content


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_sequence_of_members_changes_anything_outside(tmp_path_factory, data):
    place = tmp_path_factory.mktemp("fuzz")
    outside = place / "outside"
    outside.mkdir()
    (outside / "a").write_text("untouched")
    before = describe(outside)
    climbing = [str(outside), "../outside", "../../outside", "../../../outside", "../../outside/a"]
    targets = st.one_of(names, st.sampled_from(climbing))
    layers = data.draw(st.lists(st.lists(members(targets), max_size=6), min_size=1, max_size=3))
    layout = write_layout(place / "layout", [archive(*layer) for layer in layers], compress=False)
    store = Store(place / "data")
    try:
        image: Image | None = store.import_(f"oci:{layout}")
    except PodError as error:
        image = None
        assert error.message
    assert describe(outside) == before
    assert sorted(path.name for path in place.iterdir()) == ["data", "layout", "outside"]
    if image is None:
        nothing_left(store)
    else:
        assert store.get(image.digest).layers == image.layers
        store.remove(image.name, frozenset())
        nothing_left(store)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_damage_to_an_archive_ends_in_an_image_or_in_one_sentence(tmp_path_factory, data):
    place = tmp_path_factory.mktemp("damage")
    whole = bytearray(archive(directory("d"), file("d/f", b"x" * 700), symlink("d/l", "f"), file("é" * 80)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, 4500))] = data.draw(st.integers(0, 255))
    (place / "x.tar").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    store = Store(place / "data")
    try:
        store.import_(f"tar:{place / 'x.tar'}")
    except PodError as error:
        assert error.message.startswith("tar:")
        assert error.hint
        nothing_left(store)
