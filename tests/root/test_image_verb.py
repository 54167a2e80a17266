"""`pod image` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image_archives import archive, directory, file, write_layout

pytestmark = pytest.mark.root

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return write_layout(tmp_path / "web", [archive(directory("etc"), file("etc/x", b"x" * 9000))], tag="v1")


def pod(tmp_path: Path, *words: object, status: int = 0, data: bytes = b"") -> tuple[str, str]:
    argv = [sys.executable, "-m", "stage0", "image", *map(str, words)]
    environment = {**os.environ, "POD_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        argv, cwd=REPOSITORY, input=data, env=environment, capture_output=True, check=False
    )
    assert done.returncode == status, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout.decode(), done.stderr.decode()


def test_an_image_is_imported_listed_shown_and_removed(tmp_path, layout):
    out, _ = pod(tmp_path, "import", f"oci:{layout}:v1")
    name, digest = out.split()
    assert name == "web:v1"
    assert pod(tmp_path, "ls", "--quiet")[0] == "web:v1\n"
    table, _ = pod(tmp_path, "ls")
    assert table.splitlines()[0].split() == ["NAME", "DIGEST", "CREATED", "SIZE"]
    assert table.splitlines()[1].split()[:3] == ["web:v1", digest[7:19], "2024-01-02"]
    listed = json.loads(pod(tmp_path, "ls", "--json")[0])
    assert [(image["name"], image["digest"], image["layers"]) for image in listed] == [("web:v1", digest, 1)]
    shown = json.loads(pod(tmp_path, "inspect", digest[7:15])[0])
    assert (shown[0]["names"], shown[0]["config"]["os"]) == (["web:v1"], "linux")
    out, _ = pod(tmp_path, "rm", "web:v1")
    assert out.startswith("removed web:v1, freed ")
    assert pod(tmp_path, "ls", "--json")[0] == "[]\n"


def test_a_tree_comes_through_a_pipe(tmp_path):
    pod(
        tmp_path,
        "import",
        "tar:/dev/stdin",
        "--name",
        "piped:1",
        data=archive(file("etc/passwd", b"root:x:0:0:::\n")),
    )
    assert json.loads(pod(tmp_path, "inspect", "piped:1")[0])[0]["passwd"] == "root:x:0:0:::\n"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["import", "docker://nginx"], 2, "is not an image source"),
        (["import", "oci:/nowhere"], 125, "there is no directory"),
        (["import", "tar:/nowhere"], 125, "No such file"),
        (["import", "oci-archive:/etc/passwd"], 125, "oci-archive:/etc/passwd: a header's checksum"),
        (["import", "dir:/", "--name", "Bad Name"], 2, "not a valid image name"),
        (["inspect", "nothing"], 125, "no image 'nothing'"),
        (["rm", "nothing"], 125, "no image 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_told_in_two_lines(tmp_path, words, status, message):
    _, err = pod(tmp_path, *words, status=status)
    assert message in err
    assert len(err.splitlines()) == 2


def test_text_of_an_image_does_not_speak_to_the_terminal(tmp_path):
    layout = write_layout(tmp_path / "x", [archive(file("a"))], created="\x1b[2Jnow")
    pod(tmp_path, "import", f"oci:{layout}")
    assert "\x1b" not in pod(tmp_path, "ls")[0]
