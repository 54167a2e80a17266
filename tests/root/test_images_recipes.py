"""The images that other tests rely on are what their recipes say, and inspect tells the truth."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.root

REPOSITORY = Path(__file__).parents[2]
NAMES = ("busybox", "client", "database", "debian", "hello", "inspect", "store", "web")

words = st.binary(min_size=1, max_size=200).filter(lambda word: b"\0" not in word)


def run(*argv: str | bytes | Path, **options) -> bytes:
    return subprocess.run(argv, check=True, capture_output=True, **options).stdout


@pytest.fixture(scope="module")
def images() -> Path:
    directory = REPOSITORY / "build/images"
    run(REPOSITORY / "images/build", directory)
    return directory


@pytest.fixture(scope="module")
def roots(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("roots")
    for name in NAMES:
        run("umoci", "unpack", "--image", f"{images / name}:latest", place / name)
    return {name: place / name / "rootfs" for name in NAMES}


@pytest.fixture(scope="module")
def inspect(roots: dict[str, Path]) -> Path:
    return roots["inspect"] / "inspect"


def config(images: Path, name: str) -> dict:
    return json.loads(run("skopeo", "inspect", "--config", f"oci:{images / name}:latest"))


def user_of(root: Path, name: str) -> tuple[int, int]:
    for line in (root / "etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2]), int(fields[3])
    raise AssertionError(f"no {name} in {root}/etc/passwd")


def owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


def test_a_second_build_gives_the_same_digests(images: Path, tmp_path: Path) -> None:
    run(REPOSITORY / "images/build", tmp_path, "client", "inspect")
    for name in ("client", "inspect"):
        assert (tmp_path / name / "index.json").read_bytes() == (images / name / "index.json").read_bytes()


def test_web_and_store_share_their_lowest_layer(images: Path) -> None:
    web, store = (config(images, name)["rootfs"]["diff_ids"] for name in ("web", "store"))
    assert web[0] == store[0]
    assert len(web) == 3
    assert web[1:] != store[1:]


def test_an_entrypoint_does_not_inherit_arguments(images: Path) -> None:
    assert config(images, "web")["config"]["Entrypoint"] == ["nginx", "-g", "daemon off;"]
    assert "Cmd" not in config(images, "web")["config"]
    assert "Cmd" not in config(images, "client")["config"]


def test_users_of_images_own_what_they_write_to(images: Path, roots: dict[str, Path]) -> None:
    assert config(images, "store")["config"]["User"] == "redis"
    assert owner(roots["store"] / "data") == user_of(roots["store"], "redis") == (999, 1000)
    assert (
        owner(roots["database"] / "var/lib/postgresql")
        == user_of(roots["database"], "postgres")
        == (999, 999)
    )
    assert owner(roots["web"] / "var/lib/nginx") == user_of(roots["web"], "nginx") == (101, 101)
    assert owner(roots["inspect"] / "home/app") == user_of(roots["inspect"], "app") == (1000, 1000)


def test_the_upper_layer_of_web_hides_what_lies_below(roots: dict[str, Path]) -> None:
    nginx = roots["web"] / "etc/nginx"
    assert (nginx / "mime.types").exists()
    assert not [name for name in ("koi-utf", "sites-enabled", "sites-available") if (nginx / name).exists()]
    assert os.listdir(roots["web"] / "usr/share/nginx/html") == ["index.html"]
    assert os.readlink(roots["web"] / "var/log/nginx/access.log") == "/dev/stdout"


@pytest.mark.parametrize(
    ("image", "argv"),
    [
        ("hello", ["/hello"]),
        ("busybox", ["/bin/sh", "-c", "id -u"]),
        ("debian", ["/bin/sh", "-c", "ls /etc"]),
        ("web", ["/usr/sbin/nginx", "-V"]),
        ("store", ["/usr/bin/redis-server", "--version"]),
    ],
)
def test_the_programs_of_each_image_find_all_their_libraries(
    image: str, argv: list[str], roots: dict[str, Path]
) -> None:
    done = subprocess.run(["chroot", roots[image], *argv], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout or done.stderr


@given(argument=words, value=words)
def test_inspect_reports_any_bytes_exactly(inspect: Path, argument: bytes, value: bytes) -> None:
    report = json.loads(
        run(inspect, b"print", argument, "report", env={b"V": value}).split(argument + b"\n", 1)[1]
    )
    assert base64.b64decode(report["argv"][2]["base64"]) == argument
    assert base64.b64decode(report["env"][0]["base64"]) == b"V=" + value
    try:
        assert report["argv"][2]["text"] == argument.decode()
    except UnicodeDecodeError:
        assert report["argv"][2]["text"] is None


def test_inspect_names_files_that_are_not_utf8(inspect: Path, tmp_path: Path) -> None:
    name = b'\xff"\n\xc3\xa9'
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    (entry,) = json.loads(run(inspect, "ls", tmp_path))
    assert os.fsencode(entry["name"]) == name


def test_inspect_reports_who_it_is_even_without_proc(roots: dict[str, Path]) -> None:
    root = roots["inspect"]
    report = json.loads(
        run("chroot", "--userspec=1000:1000", "--groups=2000,2001", root, "/inspect", umask=0o027)
    )
    assert (report["uid"], report["gid"], sorted(report["groups"])) == (1000, 1000, [2000, 2001])
    assert report["umask"] == "0027"
    assert report["capabilities"]["effective"]["names"] == []
    assert report["capabilities"]["bounding"]["names"]
    assert report["mounts"] is None


def test_the_setuid_inspect_runs_as_root_unless_new_privileges_are_forbidden(roots: dict[str, Path]) -> None:
    enter = ("chroot", "--userspec=1000:1000", roots["inspect"], "/inspect-setuid")
    assert json.loads(run(*enter))["euid"] == 0
    assert json.loads(run("setpriv", "--no-new-privs", *enter))["euid"] == 1000


@pytest.mark.parametrize(
    ("argv", "status", "output"),
    [
        (["exit", "5", "print", "never"], 5, b""),
        (["print", "a", "print-bare", "b"], 0, b"a\nb"),
        (["cat", "/nonexistent", "print", "on"], 1, b"on\n"),
        (["kill", "TERM"], -15, b""),
        (["segv"], -11, b""),
        (["abort"], -6, b""),
        (["trap", "USR1", "9", "kill", "SIGUSR1"], 9, b""),
        (["ignore", "TERM", "kill", "15", "print", "alive"], 0, b"alive\n"),
        (["lines", "2", "lines", "1", "x"], 0, b"line 1\nline 2\nx 1\n"),
        (["no-such-word"], 2, b""),
        (["print"], 2, b""),
        (["exec", "/bin/echo", "print", "x"], 0, b"print x\n"),
    ],
)
def test_words_of_inspect_run_from_left_to_right(
    inspect: Path, argv: list[str], status: int, output: bytes
) -> None:
    done = subprocess.run([inspect, *argv], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (status, output)
