"""Whatever a layer contains, nothing outside the layer changes, and the user gets one clear sentence."""

from __future__ import annotations

import gzip
import json
import os
import resource
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stage0.image import Image, ImageError, Store
from stage1.contract.errors import PodError
from tests.image_archives import (
    archive,
    device,
    digest,
    directory,
    fifo,
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


def limit(store: Store, **limits: object) -> None:
    store.root.mkdir(exist_ok=True)
    lines = [f"{key} = {value}" for key, value in limits.items()]
    (store.root / "images.toml").write_text("\n".join(["[limits]", *lines]))


@pytest.mark.parametrize("compress", [True, False])
def test_more_bytes_than_an_image_may_have_are_refused(store, tmp_path, compress):
    limit(store, size=3_000_000)
    layers = [archive(file(f"f{number}", bytes(2_000_000))) for number in range(2)]
    layout = write_layout(tmp_path / "layout", layers, compress=compress)
    with pytest.raises(ImageError, match="the limit 'size' is 3000000"):
        store.import_(f"oci:{layout}")
    nothing_left(store)
    limit(store, size=5_000_000)
    assert len(store.import_(f"oci:{layout}").layers) == 2


def test_more_files_than_an_image_may_have_are_refused_in_one_layer_and_in_several(store, tmp_path):
    limit(store, files=100)
    with pytest.raises(ImageError, match="the limit 'files' is 100"):
        unpack(store, *(file(f"f{number}", b"") for number in range(101)))
    layers = [archive(*(file(f"{layer}-{number}", b"") for number in range(60))) for layer in range(2)]
    layout = write_layout(tmp_path / "two", layers)
    with pytest.raises(ImageError, match="the limit 'files' is 100"):
        store.import_(f"oci:{layout}")
    nothing_left(store)


def test_directories_that_are_only_implied_count_as_files(store):
    limit(store, files=50)
    with pytest.raises(ImageError, match="the limit 'files' is 50"):
        unpack(store, file("/".join(["d"] * 60)))
    nothing_left(store)


def test_a_stream_that_grows_out_of_nothing_is_refused_by_its_ratio(store, tmp_path, monkeypatch):
    """Beyond the first GiB; so that the test need not write one, it begins sooner here."""
    monkeypatch.setattr("stage0.image.layers._FREE_OF_RATIO", 1 << 20)
    limit(store, ratio=100)
    layout = write_layout(tmp_path / "zeros", [archive(file("zeros", bytes(50_000_000)))])
    with pytest.raises(ImageError, match="the limit 'ratio' is 100"):
        store.import_(f"oci:{layout}")
    nothing_left(store)
    limit(store, ratio=2000)
    store.import_(f"oci:{layout}")


def test_a_bomb_in_a_zstd_layer_is_stopped_long_before_its_end(store, tmp_path):
    """40 GiB of zeros in a few hundred kB, which the default limits stop after one GiB."""
    limit(store, size=50_000_000)
    frame = zstandard.ZstdCompressor(level=3).compress(bytes(128 << 20))
    info = member("zeros", size=40 << 30)
    header = zstandard.ZstdCompressor().compress(info.tobuf(tarfile.PAX_FORMAT))
    (tmp_path / "bomb.tar.zst").write_bytes(header + frame * 320)
    assert (tmp_path / "bomb.tar.zst").stat().st_size < 10_000_000
    with pytest.raises(ImageError, match="the limit 'size'"):
        store.import_(f"tar:{tmp_path / 'bomb.tar.zst'}")
    nothing_left(store)


def test_a_thousand_layers_are_refused_since_no_overlay_has_so_many(store, tmp_path):
    layers = [archive(file(f"f{number}", b"")) for number in range(1000)]
    layout = write_layout(tmp_path / "many", layers, compress=False)
    with pytest.raises(ImageError, match="an image of 1000 layers: the limit 'layers' is 500"):
        store.import_(f"oci:{layout}")
    nothing_left(store)


def test_as_many_layers_as_an_overlay_has_are_unpacked_with_few_descriptors(store, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    layers = [archive(file(f"f{number}", b"")) for number in range(120)]
    layout = write_layout(tmp_path / "many", layers, compress=False)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 64), hard))
    try:
        image = store.import_(f"oci:{layout}")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(image.layers) == 120


@pytest.mark.parametrize(
    "name",
    [
        "new\nline",
        "tab\t",
        "\x1b[2J",
        "\x7f",
        "back\\slash",
        " ",
        "-rf",
        "\u202e",
        "\udcff\udcfe",
        "%s%n",
        "*",
    ],
)
def test_a_name_of_any_characters_is_a_name(store, name):
    root = unpack(
        store,
        file(name, b"1"),
        directory(f"d{name}"),
        file(f"d{name}/{name}", b"2"),
        symlink(f"l{name}", name),
    )
    assert (root / name).read_bytes() == b"1"
    assert (root / f"d{name}" / name).read_bytes() == b"2"
    assert os.readlink(root / f"l{name}") == name


def test_an_error_about_a_name_does_not_speak_to_the_terminal(store):
    with pytest.raises(ImageError) as raised:
        unpack(store, file("../\x1b[2J\n\u202e"))
    assert raised.value.message.isprintable() or "\x1b" not in raised.value.message
    assert "\n" not in raised.value.message


def test_the_last_of_several_entries_of_one_name_counts(store):
    root = unpack(store, *(file("a", str(number).encode(), mode=0o600 + number) for number in range(8)),
                  file("b"), directory("b"), symlink("b", "a"), fifo("b"), file("b", b"at last"))  # fmt: skip
    assert (root / "a").read_bytes() == b"7"
    assert stat.S_IMODE((root / "a").lstat().st_mode) == 0o607
    assert (root / "b").read_bytes() == b"at last"


def test_a_name_that_is_linked_and_then_replaced_does_not_change_the_other(store):
    root = unpack(store, file("a", b"first"), hardlink("b", "a"), file("a", b"second"))
    assert ((root / "a").read_bytes(), (root / "b").read_bytes()) == (b"second", b"first")


def test_setuid_and_setgid_are_what_the_image_says_and_no_more(store):
    root = unpack(
        store, file("u", mode=0o4755, uid=5, gid=6), file("g", mode=0o2750, gid=7),
        file("p", mode=0o755, uid=5), directory("d", mode=0o3777, uid=8), file("d/f", mode=0o644),
    )  # fmt: skip
    expected = {
        "u": (0o4755, 5, 6),
        "g": (0o2750, 0, 7),
        "p": (0o755, 5, 0),
        "d": (0o3777, 8, 0),
        "d/f": (0o644, 0, 0),
    }
    found = {name: (root / name).lstat() for name in expected}
    assert {
        name: (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) for name, status in found.items()
    } == expected


def test_a_data_root_with_a_group_and_access_list_of_its_own_does_not_leak_into_layers(store):
    store.root.mkdir()
    os.chown(store.root, 0, 1234)
    store.root.chmod(0o2775)
    entries = (
        "01000700ffffffff",
        "02000700e8030000",
        "04000500ffffffff",
        "10000700ffffffff",
        "20000500ffffffff",
    )
    acl = bytes.fromhex("02000000" + "".join(entries))
    os.setxattr(store.root, "system.posix_acl_default", acl)
    root = unpack(store, file("f", mode=0o640), directory("d", mode=0o750), file("d/g", mode=0o600))
    for path, mode in ((root / "f", 0o640), (root / "d", 0o750), (root / "d/g", 0o600)):
        assert stat.S_IMODE(path.lstat().st_mode) == mode, path
        assert (path.lstat().st_gid, os.listxattr(path)) == (0, [])


def test_an_extended_header_of_two_megabytes_is_refused(store):
    with pytest.raises(ImageError, match="extended header"):
        unpack(store, file("f", pax_headers={"comment": "x" * (2 << 20)}))
    nothing_left(store)


def test_many_small_extended_records_are_read(store):
    root = unpack(store, file("f", b"1", pax_headers={f"VENDOR.k{number}": "v" for number in range(20_000)}))
    assert (root / "f").read_bytes() == b"1"


def test_a_file_of_holes_takes_no_space_but_may_not_be_longer_than_an_image(store, tmp_path):
    with (tmp_path / "holes").open("wb") as stream:
        stream.truncate(60 << 30)
    subprocess.run(
        ["tar", "-C", tmp_path, "--format=posix", "-Scf", tmp_path / "h.tar", "holes"], check=True
    )
    image = store.import_(f"tar:{tmp_path / 'h.tar'}")
    found = (store.layer_path(image.layers[0]) / "holes").stat()
    assert (found.st_size, found.st_blocks) == (60 << 30, 0)
    limit(store, size=1 << 30)
    store.remove(image.name, frozenset())
    with pytest.raises(ImageError, match="a file of 64424509440 bytes: the limit 'size'"):
        store.import_(f"tar:{tmp_path / 'h.tar'}")


def raw_header(**fields: bytes) -> bytes:
    """A header whose fields are written as they are given; the checksum fits."""
    places = {"mode": 100, "uid": 108, "gid": 116, "size": 124, "mtime": 136}
    block = bytearray(member("f", size=0).tobuf(tarfile.USTAR_FORMAT)[:512])
    for key, value in fields.items():
        block[places[key] : places[key] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "fields",
    [
        {"size": b"\xff" * 12},  # -1 in base 256
        {"size": b"-0000000001\0"},
        {"size": b"\x80" + b"\xff" * 11},  # more than there is, and than a file can have
        {"uid": b"\xff" * 8},
        {"gid": b"\x80\0\0\x7f\xff\xff\xff\xff"},
        {"mode": b"99999999"},
    ],
)
def test_numbers_that_are_negative_or_too_large_are_refused(store, tmp_path, fields):
    (tmp_path / "x.tar").write_bytes(raw_header(**fields) + bytes(1024))
    with pytest.raises(ImageError):
        store.import_(f"tar:{tmp_path / 'x.tar'}")
    nothing_left(store)


@pytest.mark.parametrize(
    "record", ["size=-1", "size=99999999999999999999999", "uid=-5", "mtime=x", "path=", "size=1e3"]
)
def test_records_that_are_negative_or_no_numbers_are_refused_or_passed_over(store, record):
    key, _, value = record.partition("=")
    if not value:
        unpack(store, file("f", pax_headers={key: value}))
        return
    with pytest.raises(ImageError):
        unpack(store, file("f", pax_headers={key: value}))
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
