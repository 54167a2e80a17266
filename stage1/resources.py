"""PURE. Where the files that ship with the program are: beside the package when installed, in the tree otherwise."""

from __future__ import annotations

from pathlib import Path

from stage1 import programs

_HERE = Path(__file__).parent
_ADMIN_TEMPLATES = Path("/etc/pod/unit-templates")


def _shipped(name: str) -> Path:
    installed = _HERE / name
    return installed if installed.is_dir() else _HERE.parent / name


def template_path() -> tuple[Path, ...]:
    """Directories with templates, the first hit wins: the administrator's, then ours."""
    return (_ADMIN_TEMPLATES, _shipped("unit-templates"))


def template(name: str) -> Path:
    """One file of the template path."""
    places = template_path()
    return next((path for place in places if (path := place / name).is_file()), places[-1] / name)


def base_recipe(name: str = "contents") -> Path:
    """A list of what the pod's own root holds, or a file that goes there."""
    return _shipped("images") / "base" / name


def native(program: str) -> Path:
    """One of the C programs."""
    return Path(programs.native(program))
