"""EFFECT. What is shipped: an sdist and a wheel, built without a network, installed where the tree is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import needs_program

TOP = Path(__file__).parent.parent
PROGRAMS = ("monitor", "reaper", "begin", "launcher", "keeper", "enter", "mounter")


def run(*argv: str, cwd: Path, **environment: str) -> str:
    """Run a program to its end; what it said is the failure."""
    plain = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        argv, cwd=cwd, capture_output=True, text=True, check=False, env=plain | environment
    )
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as git has it, with what is not committed yet: builds write into it, so it is a copy."""
    place = tmp_path_factory.mktemp("source") / "unitpod"
    listed = run(
        "git",
        "-c",
        f"safe.directory={TOP}",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        cwd=TOP,
    )
    for name in filter(None, listed.split("\0")):
        if os.path.lexists(TOP / name):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, place / name, follow_symlinks=False)
    run("git", "init", "--quiet", cwd=place)
    return place


@pytest.fixture(scope="module")
def dist(source: Path) -> Path:
    """Where the sdist and a wheel made of it are."""
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", cwd=source)
    (sdist,) = (source / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(source.parent, filter="data")
    (unpacked,) = source.parent.glob("unitpod-*")
    run(
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        str(source / "dist"),
        cwd=unpacked,
    )
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of the environment these tests run in."""
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, with_pip=False, symlinks=True)
    site = Path(
        run(
            str(place / "bin/python"), "-c", "import site; print(site.getsitepackages()[0])", cwd=place
        ).strip()
    )
    run(
        sys.executable, "-m", "pip", "--python", str(place / "bin/python"), "install", "--no-deps", "--no-index",
        "--no-compile", "--quiet", str(wheel), cwd=place,
    )  # fmt: skip
    # only what is installed there for real: the .pth of our own editable install must not lead back to the tree
    dependencies = place / "dependencies"
    dependencies.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.suffix != ".pth" and not entry.name.startswith(("unitpod", "_editable", "stage")):
            (dependencies / entry.name).symlink_to(entry)
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    return place


def pod(installed: Path, *words: str) -> str:
    return run(str(installed / "bin/pod"), *words, cwd=installed, POD_DIR=str(installed / "data"))


def asked(installed: Path, expression: str) -> str:
    """What Python of the new environment says, without the tree in its path."""
    code = f"from stage1 import resources, render; import stage0, stage1\nprint({expression})"
    return run(str(installed / "bin/python"), "-c", code, cwd=installed).strip()


def test_an_sdist_holds_what_is_needed_to_build_and_nothing_built(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "pyproject.toml", "README.md", "LICENSE", "Makefile", "requirements.lock", "stage0/cli.py",
        "stage1/native/Makefile", "stage1/native/monitor/monitor.c", "stage1/native/hatch_build.py",
        "unit-templates/pod/app.service.j2",
        "images/base/contents", "tests/conftest.py", "stage1/contract/pod.schema.json",
    ):  # fmt: skip
        assert name in names, name
    built = {f"stage1/native/bin/{program}" for program in PROGRAMS}
    assert not [
        name
        for name in names
        if name in built or "__pycache__" in name or name.startswith((".venv/", "build/"))
    ]


def test_a_wheel_holds_the_programs_and_templates_and_no_source_of_c(wheel: Path) -> None:
    assert "linux" in wheel.name
    assert wheel.name.startswith("unitpod-0.")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    templates = {f"stage1/{path.relative_to(TOP)}" for path in (TOP / "unit-templates").rglob("*.j2")}
    assert templates <= names
    assert {f"stage1/native/bin/{program}" for program in PROGRAMS} <= names
    assert {
        "stage1/images/base/contents",
        "stage1/contract/README.md",
        "stage1/contract/pod.schema.json",
    } <= names
    assert {f"stage0/completion/reader.{shell}" for shell in ("bash", "zsh", "fish")} <= names
    assert not [
        name
        for name in names
        if name.endswith((".c", ".h", ".o")) or name.startswith("tests/") or "__pycache__" in name
    ]


def test_every_python_module_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {
        str(path.relative_to(TOP))
        for stage in ("stage0", "stage1")
        for path in (TOP / stage).rglob("*.py")
        if path.name != "hatch_build.py"
    }
    assert wanted <= names


def test_the_installed_command_answers(installed: Path) -> None:
    assert "usage: pod" in pod(installed, "--help")
    assert pod(installed, "version").startswith("unitpod 0.")
    assert pod(installed, "ps", "--json", "-a") == "[]\n"
    assert "complete" in pod(installed, "completion", "bash")


def test_the_installed_command_is_not_the_tree(installed: Path) -> None:
    assert asked(installed, "stage1.__file__").startswith(str(installed))
    assert asked(installed, "stage0.__file__").startswith(str(installed))


def test_templates_and_the_base_recipe_are_found_from_the_installed_copy(installed: Path) -> None:
    templates = Path(asked(installed, "resources.template_path()[-1]"))
    assert templates.is_relative_to(installed)
    assert (templates / "pod/app.service.j2").read_text() == (
        TOP / "unit-templates/pod/app.service.j2"
    ).read_text()
    recipe = Path(asked(installed, "resources.base_recipe()"))
    assert recipe.is_relative_to(installed)
    assert recipe.read_text() == (TOP / "images/base/contents").read_text()


@pytest.mark.parametrize("program", PROGRAMS)
def test_native_programs_are_installed_as_static_programs_that_run(program: str, installed: Path) -> None:
    path = Path(asked(installed, f"resources.native({program!r})"))
    assert path.is_relative_to(installed)
    assert os.access(path, os.X_OK)
    assert b"/ld-linux" not in path.read_bytes()
    done = subprocess.run([path], capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode != 0
    assert "usage" in done.stderr


@pytest.mark.root
def test_the_installed_copy_renders_a_pod(installed: Path, tmp_path: Path) -> None:
    """`pod render` of a golden pod: templates, host facts and the base root, all from the installed copy."""
    needs_program("systemd-nspawn")
    uuid = "00112233-4455-4677-8899-aabbccddeeff"
    directory = tmp_path / "data/pods/prepared" / uuid
    directory.mkdir(parents=True)
    shutil.copy(TOP / "tests/golden/one-app/pod.json", directory)
    run(str(installed / "bin/pod"), "--dir", str(tmp_path / "data"), "render", uuid, cwd=tmp_path)
    wanted = (TOP / "tests/golden/one-app/expected/units/app-web.service").read_text()
    assert (directory / "run/units/app-web.service").read_text() == wanted


def test_an_environment_without_the_dependencies_lists_pods_all_the_same(
    wheel: Path, tmp_path: Path
) -> None:
    """What `pod ps` needs is the standard library: a broken pydantic must not hide running pods."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    found = run(
        sys.executable, "-S", "-m", "stage0", "--dir", str(tmp_path / "data"), "ps", "--json", "-a",
        cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"),
    )  # fmt: skip
    assert found == "[]\n"
