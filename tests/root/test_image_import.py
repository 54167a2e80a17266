"""Images of every source end in the store, and other tools read it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard

from stage0.image import Image, ImageError, Store
from stage0.image.events import Note
from stage0.image.wish import Wish
from stage1.contract.errors import ConflictError, NotFoundError, UsageError
from tests.image_archives import (
    ARCHITECTURE,
    archive,
    device,
    digest,
    directory,
    fifo,
    file,
    hardlink,
    symlink,
    write_layout,
    xattrs,
)
from tests.image_trees import describe

pytestmark = pytest.mark.root

BASE = archive(
    directory("./", mode=0o755),
    directory("etc"),
    file("etc/passwd", b"root:x:0:0::/root:/bin/sh\nweb:x:33:33::/:/bin/false\n"),
    file("etc/group", b"root:x:0:\n"),
    file("bin/tool", b"#!" * 1000, mode=0o4755, uid=7, gid=8),
    hardlink("bin/other", "bin/tool"),
    symlink("bin/link", "/etc/passwd"),
)
CONFIG = {
    "Entrypoint": ["/bin/tool"],
    "Env": ["A=b"],
    "User": "web",
    "Volumes": {"/data": {}},
    "Labels": {"x": "y"},
}


def run(*argv: object) -> bytes:
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True).stdout


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return write_layout(tmp_path / "layout", [BASE], config=CONFIG)


def check(store: Store, image: Image) -> None:
    assert image.passwd.startswith("root:x:0:0::/root:/bin/sh\n")
    assert image.group == "root:x:0:\n"
    assert store.get(image.name) == image
    root = store.layer_path(image.layers[0])
    status = (root / "bin/tool").lstat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_nlink) == (0o4755, 7, 8, 2)
    assert os.readlink(root / "bin/link") == "/etc/passwd"
    assert not [path for path in root.parent.iterdir() if path.name.startswith("tmp-")]
    assert not list(store.paths.images.glob("tmp-*"))


def test_an_oci_layout_is_imported_with_all_its_config_says(store, layout):
    image = store.import_(f"oci:{layout}:latest", "web")
    check(store, image)
    assert image.name == "web:latest"
    assert image.config.entrypoint == ("/bin/tool",)
    assert image.config.env == ("A=b",)
    assert image.config.user == "web"
    assert image.config.volumes == ("/data",)
    assert image.config.labels == {"x": "y"}
    assert image.created == "2024-01-02T03:04:05Z"
    assert image.layers == (digest(BASE),)


@pytest.mark.parametrize(
    ("transport", "reference"),
    [("oci-archive", ""), ("docker-archive", ""), ("docker-archive", "example.org/a/b:v1")],
)
def test_archives_that_skopeo_writes_are_imported(store, layout, tmp_path, transport, reference):
    target = tmp_path / "saved.tar"
    run("skopeo", "copy", f"oci:{layout}:latest", f"{transport}:{target}:example.org/a/b:v1")
    image = store.import_(f"{transport}:{target}" + (f":{reference}" if reference else ""))
    check(store, image)
    assert image.name == "example.org/a/b:v1"
    assert image.layers == (digest(BASE),)


def test_a_compressed_archive_is_imported(store, layout, tmp_path):
    run("skopeo", "copy", f"oci:{layout}:latest", f"docker-archive:{tmp_path / 'saved.tar'}:a:1")
    packed = tmp_path / "saved.tar.gz"
    packed.write_bytes(gzip.compress((tmp_path / "saved.tar").read_bytes()))
    check(store, store.import_(f"docker-archive:{packed}:a:1"))


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress],
    ids=lambda f: f.__module__,
)
def test_a_tarball_of_any_compression_becomes_an_image_of_one_layer(store, tmp_path, compress):
    source = tmp_path / "My Root.tar.x"
    source.write_bytes(compress(BASE))
    image = store.import_(f"tar:{source}", "root:1")
    check(store, image)
    assert image.layers == (digest(BASE),)
    run("skopeo", "inspect", f"oci:{store.paths.images}:root:1")


def test_a_zstd_layer_of_a_layout_is_unpacked(store, layout, tmp_path):
    target = tmp_path / "zstd"
    run("skopeo", "copy", "--dest-compress-format", "zstd", f"oci:{layout}:latest", f"oci:{target}:v1")
    check(store, store.import_(f"oci:{target}"))


def test_skopeo_and_umoci_read_the_store(store, layout, tmp_path):
    store.import_(f"oci:{layout}", "example.org/web:v2")
    store.import_(f"oci:{layout}", "other")
    place = f"oci:{store.paths.images}:example.org/web:v2"
    assert json.loads(run("skopeo", "inspect", place))["Digest"] == store.get("web:v2").digest
    assert run("umoci", "ls", "--layout", store.paths.images).decode().split() == [
        "example.org/web:v2",
        "other:latest",
    ]
    run("skopeo", "copy", place, f"dir:{tmp_path / 'out'}")


def make_tree(root: Path) -> Path:
    root.mkdir()
    (root / "bin").mkdir()
    (root / "bin/a").write_bytes(b"program")
    os.link(root / "bin/a", root / "bin/b")
    os.setxattr(
        root / "bin/a", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000")
    )
    os.setxattr(root / "bin", "user.bytes", b"\xff\x00\n=")
    os.chown(root / "bin/a", 12, 3_000_000_000)
    os.chown(root / "bin", 1, 2)
    (root / "bin").chmod(0o2775)
    os.symlink("t" * 300, root / ("n" * 200))
    os.mknod(root / "null", stat.S_IFCHR | 0o622, os.makedev(1, 3))
    os.mknod(root / "disk", stat.S_IFBLK | 0o600, os.makedev(8, 300))
    os.mkfifo(root / "pipe", 0o640)
    (root / "new\nline").write_bytes(b"")
    (Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe"))).write_bytes(b"not text")
    with (root / "holes").open("wb") as stream:
        stream.seek(5 << 20)
        stream.write(b"end")
        stream.truncate(9 << 20)
    (root / "deep" / ("d" * 250)).mkdir(parents=True)
    (root / "deep" / ("d" * 250) / ("f" * 250)).write_bytes(b"x")
    for path in (root, *root.rglob("*")):
        os.utime(path, ns=(10**18, 1_500_000_000 * 10**9), follow_symlinks=False)
    return root


def test_a_directory_keeps_everything_on_the_way_into_the_store(store, tmp_path):
    root = make_tree(tmp_path / "tree")
    image = store.import_(f"dir:{root}")
    assert image.name == "tree:latest"
    unpacked = store.layer_path(image.layers[0])
    assert describe(unpacked) == describe(root)
    assert (unpacked / "holes").stat().st_blocks < 100
    assert store.import_(f"dir:{root}", "again").digest == image.digest


def test_umoci_and_tar_read_the_layer_made_of_a_directory(store, tmp_path):
    root = make_tree(tmp_path / "tree")
    store.import_(f"dir:{root}", "x:1")
    (tmp_path / "out").mkdir()
    blob = max(store.paths.blobs.iterdir(), key=lambda path: path.stat().st_size)
    run("tar", "-C", tmp_path / "out", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", blob)
    assert describe(tmp_path / "out") == describe(root)
    run("umoci", "raw", "unpack", "--image", f"{store.paths.images}:x:1", tmp_path / "umoci")


def test_of_several_images_one_must_be_chosen(store, tmp_path):
    layout = write_layout(tmp_path / "layout", [BASE], tag="one")
    write_layout(layout, [archive(file("x"))], tag="two")
    with pytest.raises(ImageError, match="2 images in") as raised:
        store.import_(f"oci:{layout}")
    assert "{one,two}" in raised.value.hint
    with pytest.raises(ImageError, match="no image 'three'"):
        store.import_(f"oci:{layout}:three")
    assert store.import_(f"oci:{layout}:two").name == "two:latest"


def test_an_index_leads_to_this_hosts_architecture(store, tmp_path):
    layout = write_layout(tmp_path / "layout", [BASE])
    write_layout(layout, [archive(file("x"))], tag="wrong", architecture="riscv128")
    entries = json.loads((layout / "index.json").read_text())["manifests"]
    for entry, architecture in zip(entries, (ARCHITECTURE, "riscv128"), strict=True):
        entry["platform"] = {"os": "linux", "architecture": architecture}
    fat = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    (layout / "blobs/sha256" / digest(fat)[7:]).write_bytes(fat)
    top = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest(fat), "size": len(fat)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    assert store.import_(f"oci:{layout}").layers == (digest(BASE),)


def test_an_image_of_another_architecture_is_imported_and_said_to_be_one(store, tmp_path):
    told = []
    layout = write_layout(tmp_path / "layout", [BASE], architecture="riscv128")
    store.import_(f"oci:{layout}", say=told.append)
    (note,) = [event for event in told if isinstance(event, Note)]
    assert "is for linux/riscv128, not for linux/" in note.text
    store.import_(f"oci:{layout}", wish=Wish(platform="linux/riscv128"), say=told.append)
    assert [event for event in told if isinstance(event, Note)] == [note]


def test_a_second_import_unpacks_nothing(store, layout):
    first = store.import_(f"oci:{layout}")
    inode = store.layer_path(first.layers[0]).stat().st_ino
    store.import_(f"oci:{layout}", "again")
    assert store.layer_path(first.layers[0]).stat().st_ino == inode


def test_a_layer_that_comes_twice_is_listed_once_and_an_image_without_layers_has_an_empty_one(
    store, tmp_path
):
    other = archive(file("other"))
    twice = store.import_(f"oci:{write_layout(tmp_path / 'twice', [BASE, other, BASE])}")
    assert twice.layers == (digest(other), digest(BASE))
    bare = store.import_(f"oci:{write_layout(tmp_path / 'bare', [])}")
    assert [list(store.layer_path(layer).iterdir()) for layer in bare.layers] == [[]]


def test_names_digests_and_prefixes_find_an_image(store, layout):
    image = store.import_(f"oci:{layout}", "example.org:5000/team/web:v1")
    hexadecimal = image.digest.removeprefix("sha256:")
    for ref in ("example.org:5000/team/web:v1", "web:v1", "team/web:v1", image.digest, hexadecimal[:4], hexadecimal,
                f"web:v1@{image.digest}", f"sha256:{hexadecimal[:12]}"):  # fmt: skip
        assert store.get(ref).digest == image.digest, ref
    for ref in ("web", "eb:v1", "web:v2", hexadecimal[:3], "", "f" * 64):
        with pytest.raises(NotFoundError) as raised:
            store.get(ref)
        assert raised.value.hint
    store.import_(f"oci:{layout}", "example.net/web:v1")
    with pytest.raises(ConflictError, match="may mean"):
        store.get("web:v1")


def test_obtain_imports_sources_and_finds_names(store, layout):
    assert store.obtain(f"oci:{layout}").name == "layout:latest"
    assert store.obtain("layout").layers == (digest(BASE),)
    with pytest.raises(UsageError):
        store.import_("docker://nginx")


def test_removing_a_name_deletes_what_nothing_needs(store, layout, tmp_path):
    store.import_(f"oci:{layout}", "a")
    image = store.import_(f"oci:{layout}", "b")
    other = store.import_(f"oci:{write_layout(tmp_path / 'two', [BASE, archive(file('x'))])}", "two")
    assert store.remove("a", frozenset()).names == ("a:latest",)
    assert store.get("b") == image
    assert store.remove("b", frozenset()).freed > 0
    with pytest.raises(NotFoundError):
        store.get(image.digest)
    assert store.layer_path(image.layers[0]).is_dir(), "the other image needs it too"
    assert store.get("two") == other
    assert store.remove(other.digest[7:15], frozenset()).names == ("two:latest",)
    assert list(store.paths.layers.iterdir()) == []
    assert list(store.paths.blobs.iterdir()) == []
    assert list(store.paths.digested.iterdir()) == []


def test_what_a_pod_uses_stays_until_the_pod_is_gone(store, layout):
    image = store.import_(f"oci:{layout}")
    store.remove(image.name, lambda: frozenset({image.digest}))
    assert store.images() == []
    assert store.get(image.digest).layers == image.layers
    assert store.layer_path(image.layers[0]).is_dir()
    assert store.gc(frozenset()) > 0
    assert not store.layer_path(image.layers[0]).exists()


def test_content_that_someone_holds_is_not_deleted(store, layout):
    image = store.import_(f"oci:{layout}")
    with store.hold():
        store.remove(image.name, frozenset())
        assert store.layer_path(image.layers[0]).is_dir()
    store.gc(frozenset())
    assert not store.layer_path(image.layers[0]).exists()


def test_directories_a_layer_only_implies_keep_what_a_lower_layer_said(store, tmp_path):
    lower = archive(
        directory("home", mode=0o2711, uid=5), directory("home/user", mode=0o700, uid=1000, gid=1000,
                                                         pax_headers=xattrs({"user.k": b"v"})),
        directory("gone"), file("gone/x"),
    )  # fmt: skip
    upper = archive(file("home/user/.profile"), file("gone/.wh.x", b""), file("new/file"))
    image = store.import_(f"oci:{write_layout(tmp_path / 'layout', [lower, upper])}")
    assert len(image.layers) == 3
    top = describe(store.layer_path(image.layers[2]))
    assert sorted(top) == ["", "gone", "home", "home/user"]
    assert (top["home"]["mode"], top["home"]["owner"]) == (0o2711, [5, 0])
    assert (top["home/user"]["mode"], top["home/user"]["owner"]) == (0o700, [1000, 1000])
    assert top["home/user"]["xattrs"] == {"user.k": b"v".hex()}
    again = store.import_(f"oci:{tmp_path / 'layout'}", "again")
    assert again.layers == image.layers


def test_a_root_declared_opaque_leaves_out_the_layers_below(store, tmp_path):
    upper = archive(file(".wh..wh..opq", b""), file("only"))
    image = store.import_(f"oci:{write_layout(tmp_path / 'layout', [BASE, upper])}")
    assert image.layers == (digest(upper),)
    assert image.passwd == ""


def test_devices_and_fifos_arrive(store, tmp_path):
    layer = archive(
        device("null", 1, 3, mode=0o666), device("sda", 8, 0, tarfile.BLKTYPE), fifo("pipe", mode=0o620)
    )
    image = store.import_(f"oci:{write_layout(tmp_path / 'layout', [layer])}")
    root = store.layer_path(image.layers[0])
    assert (root / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK((root / "sda").stat().st_mode)
    assert stat.S_IMODE((root / "pipe").stat().st_mode) == 0o620
