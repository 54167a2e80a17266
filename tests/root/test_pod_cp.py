"""EFFECT. `pod cp`: files between host and apps, with their ids, and links that lead nowhere else."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.root.pods import TWO_APPS, Pods

pytestmark = pytest.mark.root


@pytest.fixture(params=["auto", "host", "auto-ended", "host-ended"])
def it(pods: Pods, request: pytest.FixtureRequest) -> Pods:
    """A pod named `it` with a volume and files in its root: of both kinds, running and ended."""
    userns, _, ended = str(request.param).partition("-")
    script = (
        "mkdir -p /d/sub; echo one > /d/one; echo two > /d/sub/two; chown 1000:7 /d/one; chmod 4750 /d/one; "
    )
    script += (
        "ln -s one /d/link; ln /d/one /d/hard; ln -s /etc/passwd /d/away; echo v > /vol/v; mkfifo /d/fifo; "
    )
    words = (
        "busybox",
        "--volume",
        "kept:/vol",
        "--",
        "sh",
        "-c",
        script + ("" if ended else "exec sleep 100000"),
    )
    if ended:
        pods.run("--name", "it", "--userns", userns, *words)
    else:
        pods.detach("--name", "it", "--userns", userns, *words)
        pods("exec", "it", "sh", "-c", "while ! test -p /d/fifo; do sleep 0.05; done")
    return pods


def owner(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def test_a_tree_comes_out_as_it_is(it: Pods, tmp_path: Path) -> None:
    it("cp", "it:/d", tmp_path)
    copied = tmp_path / "d"
    assert {path.name for path in copied.rglob("*")} == {"one", "sub", "two", "link", "hard", "away", "fifo"}
    assert owner(copied / "one") == (1000, 7, 0o750)  # without its set-user-ID bit
    assert (copied / "sub/two").read_text() == "two\n"
    assert os.readlink(copied / "link") == "one"
    assert os.readlink(copied / "away") == "/etc/passwd"
    assert (copied / "one").stat().st_ino == (copied / "hard").stat().st_ino
    assert stat.S_ISFIFO((copied / "fifo").stat().st_mode)


def test_a_tree_is_as_deep_as_an_app_makes_it(pods: Pods) -> None:
    """Deeper than a program can call itself."""
    levels = 1500
    deep = f"i=0; while [ $i -lt {levels} ]; do i=$((i+1)); p=$p/d; done; mkdir -p /deep$p"
    pods.run("--name", "it", "busybox", "--", "sh", "-c", deep)
    done = subprocess.run(pods.argv("cp", "it:/deep", "-"), capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert archive.getnames() == [f"deep{'/d' * level}" for level in range(levels + 1)]


def test_names_and_directories_as_in_cp(it: Pods, tmp_path: Path) -> None:
    it("cp", "it:/d/one", tmp_path / "new")
    assert (tmp_path / "new").read_text() == "one\n"
    it("cp", "it:/d/sub/two", tmp_path / "new")
    assert (tmp_path / "new").read_text() == "two\n"
    it("cp", "it:/d", tmp_path / "tree")
    assert (tmp_path / "tree/sub/two").exists()
    it("cp", "it:/d/sub/.", tmp_path)
    assert (tmp_path / "two").exists()
    it("cp", "it:/vol/v", tmp_path)
    assert (tmp_path / "v").read_text() == "v\n"
    for words, complaint in (
        (("it:/nothing", tmp_path), "it:/nothing: no such file"),
        (("it:/d", tmp_path / "new"), f"{tmp_path}/new is no directory"),
        (("it:/d/one", tmp_path / "none/x"), "none"),
        ((tmp_path / "none", "it:/"), f"{tmp_path}/none: no such file"),
    ):
        assert complaint.lower() in it("cp", *words, status=125).err.lower()


def test_a_tree_goes_in_with_its_owners(it: Pods, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "file").write_bytes(b"\0\xff" * 70_000)
    os.chown(tree / "file", 1000, 7)
    (tree / "file").chmod(0o640)
    (tree / "link").symlink_to("file")
    it("cp", tree, "it:/vol")
    it("cp", tree / "file", "it:/in/tree", status=125)
    it("cp", f"{tree}/.", "it:/d/sub")
    it("cp", "it:/vol/tree", tmp_path / "back")
    assert owner(tmp_path / "back/file") == (1000, 7, 0o640)
    assert (tmp_path / "back/file").read_bytes() == b"\0\xff" * 70_000
    it("cp", "it:/d/sub/link", tmp_path / "link")
    assert os.readlink(tmp_path / "link") == "file"


def test_a_stream_goes_both_ways(it: Pods) -> None:
    done = subprocess.run(it.argv("cp", "it:/d", "-"), capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        names = {member.name: member for member in archive}
    assert {"d", "d/one", "d/sub/two"} <= set(names)
    assert (names["d/one"].uid, names["d/one"].gid) == (1000, 7)
    subprocess.run(it.argv("cp", "-", "it:/vol"), input=done.stdout, check=True)
    again = subprocess.run(it.argv("cp", "it:/vol/d/.", "-"), capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(again.stdout)) as archive:
        assert {"./sub/two"} <= set(archive.getnames())


def test_links_lead_nowhere_else(it: Pods, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    (outside / "secret").write_text("secret")
    link = tmp_path / "evil"
    link.symlink_to(outside)
    it("cp", link, "it:/vol")  # a link of the pod's own now, to a path that only the host has
    assert it("cp", "it:/vol/evil/secret", tmp_path / "stolen", status=125)
    it("cp", "it:/d/one", "it:/vol/evil/new", status=125)
    assert [path.name for path in outside.iterdir()] == ["secret"]
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        up = tarfile.TarInfo("out")
        up.type, up.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(up)
        archive.addfile(tarfile.TarInfo("out/new"))
    subprocess.run(it.argv("cp", "-", "it:/vol"), input=data.getvalue(), check=False)
    subprocess.run(it.argv("cp", "it:/vol/.", tmp_path / "all"), check=False)
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_names_that_climb_are_refused(it: Pods) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../up"))
    done = subprocess.run(
        it.argv("cp", "-", "it:/vol"), input=data.getvalue(), capture_output=True, check=False
    )
    assert (done.returncode, b".." in done.stderr) == (125, True)
    done = subprocess.run(it.argv("cp", "-", "it:/vol"), input=b"no tar", capture_output=True, check=False)
    assert done.returncode == 125


def test_what_is_no_copy_is_refused(pods: Pods, tmp_path: Path) -> None:
    pods.detach("--name", "it", *TWO_APPS)
    assert "neither side" in pods("cp", "/etc", tmp_path, status=2).err
    assert "is no place" in pods("cp", "it:relative", tmp_path, status=2).err
    assert "has 2 apps" in pods("cp", "it:/etc", tmp_path, status=2).err
    assert "no app 'c'" in pods("cp", "it:c:/etc", tmp_path, status=125).err
    pods("cp", "it:a:/etc/passwd", "it:b:/copied")
    assert "root" in pods("exec", "--app", "b", "it", "cat", "/copied").out


def test_nothing_of_the_app_is_loaded(pods: Pods, tmp_path: Path) -> None:
    """CVE-2019-14271: docker cp loaded a library of the container's with the host's rights.

    Whoever asked the C library for the name of a user would open these files and wait for ever.
    """
    pods.detach("--name", "it", "--userns", "host", "busybox", "--", "sleep", "100000")
    script = "cd /etc; rm -f passwd group; mkfifo nsswitch.conf passwd group ld.so.cache; "
    script += "mkdir /t; touch /t/f; chown 4711 /t/f"
    pods("exec", "it", "sh", "-c", script)
    pods("cp", "it:/t", tmp_path)
    pods("cp", tmp_path / "t", "it:/back")
    assert (tmp_path / "t/f").stat().st_uid == 4711
