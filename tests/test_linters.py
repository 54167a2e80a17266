"""EFFECT. Every linter is a test: a missing one fails in CI and is a skip with its reason elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import needs_program

TOP = Path(__file__).parent.parent
CODE = ("stage0", "stage1", "tests")
SKIPPED = {
    ".git",
    ".venv",
    "build",
    "dist",
    "__pycache__",
    ".hypothesis",
    ".mypy_cache",
    ".ruff_cache",
    "node_modules",
}


def check(*argv: str) -> None:
    """Run a linter; what it printed is the failure."""
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv[:4])} …\n{done.stdout}{done.stderr}"


def tool(name: str) -> str:
    """A linter of the environment these tests run in, else of PATH."""
    own = Path(sys.executable).parent / name
    if own.exists():
        return str(own)
    needs_program(name)
    return name


def files() -> Iterator[Path]:
    """Every file of the project, built ones excepted."""
    for directory, directories, names in os.walk(TOP):
        directories[:] = [
            name for name in directories if name not in SKIPPED and not name.endswith(".egg-info")
        ]
        yield from (Path(directory, name) for name in names if not Path(directory, name).is_symlink())


def shell_scripts() -> list[Path]:
    """Files whose first line names a shell."""
    found = []
    for path in files():
        with path.open("rb") as file:
            first = file.readline(80)
        words = first.removeprefix(b"#!").replace(b"/usr/bin/env", b"").split()
        if first.startswith(b"#!") and words and words[0].rpartition(b"/")[2] in {b"sh", b"bash", b"dash"}:
            found.append(path)
    return sorted(found)


def test_python_has_the_one_format() -> None:
    check(tool("ruff"), "format", "--check", "--quiet", "--diff", *CODE)


def test_python_is_clean() -> None:
    check(tool("ruff"), "check", "--quiet", *CODE)


def test_types_are_right() -> None:
    check(tool("mypy"))


def test_shell_scripts_are_clean() -> None:
    scripts = shell_scripts()
    assert TOP / ".ci/deps" in scripts
    needs_program("shellcheck")
    check(
        "shellcheck",
        "--external-sources",
        "--source-path=SCRIPTDIR",
        *(str(path.relative_to(TOP)) for path in scripts),
    )


def test_c_has_the_one_format() -> None:
    needs_program("clang-format")
    check("make", "--no-print-directory", "-C", "stage1/native", "format-check")


def test_every_script_that_is_executable_says_what_runs_it() -> None:
    silent = []
    for path in files():
        if path.stat().st_mode & 0o111:
            with path.open("rb") as file:
                if file.read(4)[:2] not in {b"#!", b"\x7fE"}:
                    silent.append(str(path.relative_to(TOP)))
    assert silent == []


def test_no_file_holds_a_conflict_or_a_line_that_ends_in_spaces() -> None:
    texts = {".py", ".c", ".h", ".sh", ".j2", ".toml", ".md", ".yml"}
    wrong = []
    for path in files():
        if path.suffix in texts:
            lines = path.read_text().splitlines()
            wrong += [
                f"{path.relative_to(TOP)}:{n}"
                for n, line in enumerate(lines, 1)
                if is_untidy(line, path.suffix)
            ]
    assert wrong == []


def is_untidy(line: str, suffix: str) -> bool:
    """Two spaces at the end of a line mean something in Markdown and nowhere else."""
    return line.startswith(("<" * 7 + " ", ">" * 7 + " ")) or (line != line.rstrip() and suffix != ".md")
