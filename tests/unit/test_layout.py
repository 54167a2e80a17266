"""EFFECT. A manifest becomes a pod directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from stage0 import layout
from stage1.contract import (
    DataRoot,
    HostError,
    Mount,
    NotFoundError,
    PodDir,
    PodManifest,
    State,
    Volume,
    VolumeKind,
    codec,
)
from tests.samples import UUID, app, pod

LOW, HIGH = "sha256:low", "sha256:high"


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """A data root with an image of two layers: the upper one has /var again, with less in it."""
    found = DataRoot(tmp_path)
    low, high = found.layer(LOW), found.layer(HIGH)
    for directory in (low / "var/lib", low / "run", low / "srv/data/deep", high / "var/cache", low / "tmp"):
        directory.mkdir(parents=True)
    (low / "var/run").symlink_to("/run")
    (low / "loop").symlink_to("loop")
    (low / "out").symlink_to("../../../..")
    (low / "srv/data/deep/file").write_text("text")
    (low / "srv/data/link").symlink_to("/etc/passwd")
    (low / "srv/data").chmod(0o750)
    (low / "srv").chmod(0o711)
    (high / "var/cache").chmod(0o700)
    return found


def laid_out(root: DataRoot, *apps: Any, **changes: Any) -> PodDir:
    directory = root.pod(State.PREPARING, UUID)
    directory.path.mkdir(parents=True)
    layout.lay_out(whole(*apps, **changes), directory)
    return directory


def whole(*apps: Any, **changes: Any) -> PodManifest:
    return pod(*(one._replace(layers=(LOW, HIGH)) for one in apps or (app(),)), **changes)


def empty(name: str, **more: Any) -> Volume:
    return Volume(name=name, kind=VolumeKind.EMPTY, **more)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def tree(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*")}


def test_a_pod_has_the_places_the_contract_names(root: DataRoot) -> None:
    directory = laid_out(root, app("a"), app("b"))
    assert tree(directory.path) == {
        "pod.json", "rootfs", "base", "base/upper", "base/work", "apps", "apps/a", "apps/a/upper", "apps/a/work",
        "apps/b", "apps/b/upper", "apps/b/work",
    }  # fmt: skip
    assert codec.decode(directory.manifest.read_bytes(), where="x").apps[1].name == "b"


def test_places_are_open_to_apps_whatever_the_callers_umask(root: DataRoot) -> None:
    old = os.umask(0o077)
    try:
        directory = laid_out(root, app("a", workdir="/new/dir"), volumes=(empty("v"),))
    finally:
        os.umask(old)
    for path in (
        directory.rootfs,
        directory.base / "upper",
        directory.app("a") / "upper/new/dir",
        directory.volume("v"),
    ):
        assert mode(path) == 0o755, path


def test_a_working_directory_that_is_missing_is_made_below_those_there_are(root: DataRoot) -> None:
    upper = laid_out(root, app("a", workdir="/srv/app/x")).app("a") / "upper"
    assert tree(upper) == {"srv", "srv/app", "srv/app/x"}
    assert mode(upper / "srv") == 0o711
    assert mode(upper / "srv/app") == 0o755


def test_a_working_directory_that_is_there_needs_nothing(root: DataRoot) -> None:
    assert tree(laid_out(root, app("a", workdir="/var/run")).app("a") / "upper") == set()


def test_the_place_of_a_mount_is_made_by_who_mounts(root: DataRoot) -> None:
    one = app("a", mounts=(Mount(volume="v", target="/opt/x/y"),))
    assert tree(laid_out(root, one, volumes=(empty("v"),)).app("a") / "upper") == set()


def test_a_link_of_a_lower_layer_on_the_way_is_not_hidden_by_a_directory(root: DataRoot) -> None:
    """/var is in both layers, /var/run -> /run only in the lower one."""
    one = app("a", mounts=(Mount(volume="v", target="/var/run/x/y"),))
    upper = laid_out(root, one, volumes=(empty("v"),)).app("a") / "upper"
    assert not (upper / "var/run").exists()


@pytest.mark.parametrize(
    "target", ["/out/etc/x/y", "/loop/x/y", "/var/run/../../../../x/y", "/tmp/../../x/y"]
)
def test_no_link_of_an_image_leads_out_of_it(target: str, root: DataRoot, tmp_path: Path) -> None:
    before = tree(tmp_path.parent) - tree(tmp_path)
    one = app("a", mounts=(Mount(volume="v", target=target),), workdir=target)
    directory = laid_out(root, one, volumes=(empty("v"),))
    assert {path for path in tree(tmp_path.parent) if not path.startswith(tmp_path.name)} == {
        path for path in before if not path.startswith(tmp_path.name)
    }
    assert tree(root.layer(LOW)) == {
        "var", "var/lib", "var/run", "run", "srv", "srv/data", "srv/data/deep", "srv/data/deep/file", "srv/data/link",
        "tmp", "loop", "out",
    }  # fmt: skip
    assert directory.manifest.exists()


def test_an_empty_volume_takes_over_what_the_image_has_at_its_place(root: DataRoot) -> None:
    one = app("a", mounts=(Mount(volume="v", target="/srv/data"),))
    volume = laid_out(root, one, volumes=(empty("v"),)).volume("v")
    assert tree(volume) == {"deep", "deep/file", "link"}
    assert (volume / "deep/file").read_text() == "text"
    assert os.readlink(volume / "link") == "/etc/passwd"
    assert mode(volume) == 0o750


def test_the_first_app_that_mounts_a_volume_fills_it(root: DataRoot) -> None:
    apps = (
        app("a", mounts=(Mount(volume="v", target="/nothing"),)),
        app("b", mounts=(Mount(volume="v", target="/srv"),)),
    )
    volume = laid_out(root, *apps, volumes=(empty("v"),)).volume("v")
    assert tree(volume) == set()
    assert mode(volume) == 0o755


def test_an_asked_mode_wins_over_the_images(root: DataRoot) -> None:
    one = app("a", mounts=(Mount(volume="v", target="/srv/data"),))
    assert mode(laid_out(root, one, volumes=(empty("v", mode=0o1777),)).volume("v")) == 0o1777


@pytest.mark.root
def test_an_asked_owner_wins_over_the_images(root: DataRoot) -> None:
    one = app("a", mounts=(Mount(volume="v", target="/srv/data"),))
    os.chown(root.layer(LOW) / "srv/data", 5, 6)
    directory = laid_out(root, one, volumes=(empty("v", uid=7), empty("w", uid=8, gid=9)))
    found = directory.volume("v").stat()
    assert (found.st_uid, found.st_gid) == (7, 6)
    found = directory.volume("w").stat()
    assert (found.st_uid, found.st_gid) == (8, 9)


@pytest.mark.root
def test_owners_of_the_image_are_kept_on_the_way_to_a_new_place(root: DataRoot) -> None:
    os.chown(root.layer(LOW) / "srv", 5, 6)
    upper = laid_out(root, app("a", workdir="/srv/app")).app("a") / "upper"
    assert ((upper / "srv").stat().st_uid, (upper / "srv").stat().st_gid) == (5, 6)
    assert (upper / "srv/app").stat().st_uid == 0


def test_a_volume_of_the_host_has_no_place_here_but_must_exist(root: DataRoot, tmp_path: Path) -> None:
    source = tmp_path / "source"
    wanted = Volume(name="host.1", kind=VolumeKind.HOST, source=str(source))
    with pytest.raises(NotFoundError, match="source"):
        layout.check_sources(whole(volumes=(wanted,)))
    source.symlink_to("nowhere")
    with pytest.raises(NotFoundError, match="is a link to 'nowhere', which leads nowhere"):
        layout.check_sources(whole(volumes=(wanted,)))
    (tmp_path / "nowhere").write_text("")
    layout.check_sources(whole(volumes=(wanted,)))
    assert not (laid_out(root, volumes=(wanted,)).path / "volumes").exists()


def test_a_layer_that_is_not_unpacked_is_an_error(root: DataRoot) -> None:
    directory = root.pod(State.PREPARING, UUID)
    directory.path.mkdir(parents=True)
    with pytest.raises(HostError, match="is not unpacked") as caught:
        layout.lay_out(pod(app(layers=("sha256:gone",))), directory)
    assert "import" in caught.value.hint
    assert not directory.manifest.exists()
