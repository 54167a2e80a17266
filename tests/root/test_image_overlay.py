"""Layers on disk are what the kernel's overlay makes an image of, and `MergedTree` reads them as it does."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stage0.image import ImageError, MergedTree, Store
from stage0.image.copy import copy_directory
from stage0.image.tree import Entry, children
from tests.image_archives import (
    archive,
    device,
    directory,
    fifo,
    file,
    hardlink,
    symlink,
    write_layout,
    xattrs,
)
from tests.image_trees import describe, describe_node, describe_overlay

pytestmark = pytest.mark.root

LOWER = archive(
    directory("./", mode=0o755),
    directory("etc", mode=0o751, uid=3, gid=4),
    file("etc/passwd", b"root:x:0:0:::\n"),
    file("etc/gone", b"1"),
    directory("etc/replaced-by-file"),
    file("etc/replaced-by-file/inner", b"2"),
    directory("etc/opaque"),
    file("etc/opaque/old", b"3"),
    directory("etc/merged", mode=0o700),
    file("etc/merged/old", b"4"),
    file("file-to-directory", b"5"),
    file("bin/setuid", b"6", mode=0o6755, uid=9, gid=9),
    hardlink("bin/twin", "bin/setuid"),
    symlink("bin/link", "../etc/merged", uid=11, gid=12),
    symlink("lib", "bin"),
    directory("sticky", mode=0o1777),
    file("attributes", b"7", pax_headers=xattrs({"user.a": b"1", "user.b": "é".encode()})),
    fifo("pipe", mode=0o600),
    device("zero", 1, 5, mode=0o666),
    device("disk", 7, 0, tarfile.BLKTYPE, mode=0o660, gid=6),
    file("n" * 255, b"8"),
    file(b"not-\xff-utf8", b"9"),
    file("new\nline", b"10"),
    file("tiny-time", b"11", mtime=1_500_000_000.123456789),
    directory("gone-directory"),
    file("gone-directory/x", b"12"),
)
MIDDLE = archive(
    directory("etc", mode=0o755, uid=3, gid=4),
    file("etc/.wh.gone", b""),
    file("etc/replaced-by-file", b"now a file"),
    directory("etc/opaque"),
    file("etc/opaque/.wh..wh..opq", b""),
    file("etc/opaque/new", b"13"),
    directory("etc/merged", mode=0o711),
    file("etc/merged/new", b"14"),
    directory("file-to-directory"),
    file("file-to-directory/x", b"15"),
    file(".wh.gone-directory", b""),
)
UPPER = archive(
    file("etc/gone", b"back again"), file("etc/merged/.wh.old", b""), directory("gone-directory")
)


def imported(place: Path, *layers: bytes) -> tuple[Store, list[Path]]:
    store = Store(place / "data")
    image = store.import_(f"oci:{write_layout(place / 'layout', list(layers))}", "it")
    return store, [store.layer_path(diff_id) for diff_id in image.layers]


def describe_merged(tree: MergedTree) -> dict[str, dict]:
    """What `MergedTree` shows, said in the same words as a walk over a mount."""
    found: dict[str, dict] = {}
    inodes: dict = {}
    top = tree.lookup("/")
    assert top is not None
    pending: list[tuple[str, Entry]] = [("", top)]
    paths = {}
    while pending:
        prefix, entry = pending.pop()
        for name, child in children(entry).items():
            path = f"{prefix}/{name}" if prefix else name
            paths[path] = child
            if child.is_directory:
                pending.append((path, child))
    for path in sorted(paths):
        status = paths[path].status
        found[path] = describe_node(os.fspath(paths[path].path))
        if not stat.S_ISDIR(status.st_mode):
            found[path]["first"] = inodes.setdefault((status.st_dev, status.st_ino), path)
    return found


def as_json(described: dict[str, dict]) -> dict[str, dict]:
    return {os.fsencode(name).decode("utf-8", "surrogateescape"): node for name, node in described.items()}


@pytest.mark.parametrize("layers", [[LOWER], [LOWER, MIDDLE], [LOWER, MIDDLE, UPPER]], ids=len)
def test_the_merged_tree_is_what_the_kernel_shows(tmp_path, layers):
    _, paths = imported(tmp_path, *layers)
    assert as_json(describe_merged(MergedTree(paths))) == describe_overlay(paths, tmp_path / "overlay")


@pytest.mark.parametrize("layers", [[LOWER], [LOWER, MIDDLE], [LOWER, MIDDLE, UPPER]], ids=len)
def test_the_merged_tree_is_what_umoci_unpacks(tmp_path, layers):
    _, paths = imported(tmp_path, *layers)
    argv = ["umoci", "raw", "unpack", "--image", f"{tmp_path / 'layout'}:latest", tmp_path / "umoci"]
    subprocess.run(argv, check=True, capture_output=True)
    ours, theirs = describe_merged(MergedTree(paths)), describe(tmp_path / "umoci")
    del theirs[""]
    for name in (
        "etc",
        "etc/opaque",
        "etc/merged",
        "bin",
    ):  # umoci loses times of directories it writes to again
        ours.get(name, {}).pop("mtime", None)
        theirs.get(name, {}).pop("mtime", None)
    assert ours == theirs


def test_lookup_follows_links_inside_the_root(tmp_path):
    _, paths = imported(tmp_path, LOWER, MIDDLE, archive(
        symlink("absolute", "/etc/merged"), symlink("climbing", "../../../../etc"), symlink("loop", "loop"),
        symlink("dangling", "nowhere"), symlink("etc/merged/up", "../../bin/link/new"),
    ))  # fmt: skip
    tree = MergedTree(paths)
    assert tree.read("/lib/link/new", 100) == b"14"
    assert tree.read("absolute/new", 100) == b"14"
    assert tree.read("climbing/merged/../../etc/merged/./new", 100) == b"14"
    assert tree.read("/etc/merged/up", 100) == b"14"
    assert tree.read("/etc/merged/new", 1) == b"1"
    for missing in ("loop", "loop/x", "dangling", "etc/passwd/x", "etc/passwd/..", "nothing", "a\0b"):
        assert tree.lookup(missing) is None, missing
    link = tree.lookup("lib", follow=False)
    assert link is not None
    assert stat.S_ISLNK(link.status.st_mode)
    assert tree.listdir("bin/link") == ["new", "old", "up"]
    assert tree.listdir("etc/passwd") == []
    assert tree.read("etc", 10) is None


def test_nothing_of_a_layer_leads_to_the_host(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    _, paths = imported(
        tmp_path, archive(symlink("l", str(secret)), symlink("d", str(tmp_path)), symlink("up", "../.."))
    )
    tree = MergedTree(paths)
    assert tree.read("l", 10) is None
    assert tree.read("d/secret", 10) is None
    assert tree.listdir("up") == ["d", "l", "up"]


def test_a_copy_for_a_volume_has_everything_of_the_merged_directory(tmp_path):
    _, paths = imported(tmp_path, LOWER, MIDDLE, UPPER)
    tree = MergedTree(paths)
    copy_directory(tree, "/", tmp_path / "copy")
    copied = describe(tmp_path / "copy")
    top = copied.pop("")
    assert copied == describe_merged(tree)
    assert top["mode"] == 0o755
    copy_directory(tree, "/lib/link", tmp_path / "merged")
    assert sorted(path.name for path in (tmp_path / "merged").iterdir()) == ["new"]
    assert stat.S_IMODE((tmp_path / "merged").stat().st_mode) == 0o711
    copy_directory(tree, "/nothing", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_copy_has_the_labels_of_the_place_it_is_made_in(tmp_path):
    source = tmp_path / "tree"
    source.mkdir()
    (source / "file").write_text("x")
    for path in (source, source / "file"):
        os.setxattr(path, "security.selinux", b"system_u:object_r:container_ro_file_t:s0")
        os.setxattr(path, "user.kept", b"1")
    (tmp_path / "made").mkdir()
    copy_directory(MergedTree([source]), "/", tmp_path / "made" / "copy")
    (tmp_path / "made" / "file").write_text("x")
    for copied in (tmp_path / "made" / "copy", tmp_path / "made" / "copy" / "file"):
        assert os.getxattr(copied, "user.kept") == b"1"
        assert label(copied) == label(tmp_path / "made" / "file")


def label(path):
    """None where the kernel gives none."""
    return os.getxattr(path, "security.selinux") if "security.selinux" in os.listxattr(path) else None


def test_a_copy_keeps_holes(tmp_path):
    source = tmp_path / "tree"
    (source / "v").mkdir(parents=True)
    with (source / "v/holes").open("wb") as stream:
        stream.seek(20 << 20)
        stream.write(b"end")
    store = Store(tmp_path / "data")
    image = store.import_(f"dir:{source}")
    copy_directory(MergedTree([store.layer_path(layer) for layer in image.layers]), "v", tmp_path / "copy")
    copied = tmp_path / "copy/holes"
    assert copied.read_bytes() == (source / "v/holes").read_bytes()
    assert copied.stat().st_blocks * 512 < 1 << 20


parts = st.sampled_from(["a", "b", "c"])
paths_ = st.lists(parts, min_size=1, max_size=3).map("/".join)


@st.composite
def entries(draw):
    name = draw(paths_)
    kind = draw(st.sampled_from(["file", "directory", "directory", "link", "whiteout", "opaque"]))
    mode, owner = draw(st.sampled_from([0o700, 0o755, 0o1777])), draw(st.integers(0, 3))
    match kind:
        case "file":
            return file(name, draw(st.binary(max_size=4)), mode=mode, uid=owner)
        case "directory":
            return directory(name, mode=mode, uid=owner)
        case "link":
            return symlink(name, draw(paths_))
        case "whiteout":
            above, _, last = name.rpartition("/")
            return file(f"{above}/.wh.{last}" if above else f".wh.{last}", b"")
        case _:
            return file(f"{name}/.wh..wh..opq", b"")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(layers=st.lists(st.lists(entries(), max_size=6), min_size=1, max_size=4))
def test_any_layers_are_read_as_the_kernel_shows_them(tmp_path_factory, layers):
    place = tmp_path_factory.mktemp("any")
    try:
        store, paths = imported(place, *[archive(*layer) for layer in layers])
    except ImageError:
        assume(False)  # a file where another member needs a directory
    try:
        assert as_json(describe_merged(MergedTree(paths))) == describe_overlay(paths, place / "overlay")
    finally:
        store.remove("it", frozenset())
