"""Real images are unpacked as umoci unpacks them, file by file: ours from recipes, and layers of Debian packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stage0.image import MergedTree, Store
from tests.conftest import needs_program, required
from tests.image_archives import archive, directory, file, hardlink, symlink, write_layout
from tests.image_trees import describe
from tests.root.test_image_overlay import describe_merged

pytestmark = pytest.mark.root

REPOSITORY = Path(__file__).parents[2]
IMAGES = REPOSITORY / "build/images"
# setuid and setgid programs, hard links, servers with many files, links and directories that are not root's
PACKAGES = (
    "passwd",
    "perl-base",
    "postgresql-common",
    "redis-server",
    "nginx-common",
    "postgresql-15|postgresql-17",
)
UPPER = archive(
    directory("usr/bin"),
    file("usr/bin/.wh.passwd", b""),
    file("usr/bin/gpasswd", b"another", mode=0o6711, uid=1, gid=2),
    hardlink("usr/bin/twin", "usr/bin/gpasswd"),
    file("usr/share/doc/.wh..wh..opq", b""),
    file("usr/share/doc/only", b"this"),
    file("etc/.wh.nginx", b""),
    symlink("etc/redis", "elsewhere"),
)


@pytest.fixture(scope="module")
def packages(network: list[str]) -> list[Path]:
    """The packages, as this machine's apt has them; kept with those of the recipes."""
    needs_program("dpkg-deb")
    cache = IMAGES / ".cache/packages"
    cache.mkdir(parents=True, exist_ok=True)
    return [package(cache, names.split("|"), network) for names in PACKAGES]


def package(cache: Path, names: list[str], network: list[str]) -> Path:
    for name in names:
        found = sorted(cache.glob(f"{name}_*.deb"))
        words = [*network, "apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", name]
        if found or subprocess.run(words, cwd=cache, capture_output=True, check=False).returncode == 0:
            return max(cache.glob(f"{name}_*.deb"))
    if required("root"):
        pytest.fail(f"apt cannot download {' or '.join(names)}; does it need an update?")
    pytest.skip(f"apt cannot download {' or '.join(names)}")


def capable(place: Path) -> bytes:
    """A layer with a file capability and an attribute, as GNU tar writes them."""
    for name in ("setcap", "setfattr"):
        needs_program(name)
    program = place / "tree/usr/bin/ping"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"#!/bin/true\n")
    program.chmod(0o755)
    subprocess.run(["/usr/sbin/setcap", "cap_net_raw,cap_net_admin+ep", program], check=True)
    subprocess.run(["setfattr", "-n", "user.note", "-v", "é", program], check=True)
    words = [
        "tar",
        "-C",
        place / "tree",
        "--format=posix",
        "--xattrs",
        "--xattrs-include=*",
        "-cf",
        "-",
        "usr",
    ]
    return subprocess.run(words, check=True, capture_output=True).stdout


def same_as_umoci(layout: Path, place: Path) -> dict[str, dict]:
    """Import and unpack, and compare all but the times of directories, which umoci loses when it writes to them."""
    needs_program("umoci")
    place.mkdir(exist_ok=True)
    store = Store(place / "data")
    image = store.import_(f"oci:{layout}:latest", "it")
    ours = describe_merged(MergedTree([store.layer_path(layer) for layer in image.layers]))
    words = ["umoci", "raw", "unpack", "--image", f"{layout}:latest", place / "umoci"]
    subprocess.run(words, check=True, capture_output=True)
    theirs = describe(place / "umoci")
    del theirs[""]
    for tree in (ours, theirs):
        for node in tree.values():
            if node["kind"] == 0o040000:
                del node["mtime"]
    assert ours.keys() == theirs.keys()
    assert {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]} == {}
    return ours


@pytest.mark.parametrize("name", ["web", "store", "database", "inspect", "busybox"])
def test_an_image_of_ours_is_what_umoci_makes_of_it(tmp_path: Path, name: str) -> None:
    subprocess.run([REPOSITORY / "images/build", IMAGES, name], check=True, capture_output=True)
    assert same_as_umoci(IMAGES / name, tmp_path / "it")


def test_layers_of_debian_packages_are_what_umoci_makes_of_them(
    packages: list[Path], tmp_path: Path
) -> None:
    layers = [
        subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, capture_output=True).stdout
        for path in packages
    ]
    layout = write_layout(tmp_path / "layout", [*layers, capable(tmp_path), UPPER])
    found = same_as_umoci(layout, tmp_path / "it")
    assert "security.capability" in found["usr/bin/ping"]["xattrs"]
    assert found["usr/bin/chage"]["mode"] & 0o2000, "shadow's programs are setgid"
    assert found["usr/bin/twin"]["first"] == found["usr/bin/gpasswd"]["first"]
    assert "usr/bin/passwd" not in found
    assert [name for name in found if name.startswith("usr/share/doc/")] == ["usr/share/doc/only"]
    assert not [name for name in found if name.startswith("etc/nginx")]
    assert len(found) > 2000
