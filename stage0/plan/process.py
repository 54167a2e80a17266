"""PURE. What an app executes, where, and with which environment."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from stage0.image import Image
from stage0.request import AppRequest
from stage1.contract import UsageError, User

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def argv(wish: AppRequest, image: Image, name: str) -> tuple[str, ...]:
    """The program and its arguments: the wish over the image's entry point and command."""
    if wish.exec is not None:
        program = wish.exec if isinstance(wish.exec, tuple) else (wish.exec,)
        words = (*program, *(wish.args or ()))
    else:
        words = (*image.config.entrypoint, *(wish.args if wish.args is not None else image.config.cmd))
    if not words or not words[0]:
        raise UsageError(
            f"app {name}: the image {image.name} names no program",
            hint="say one: --exec PROGRAM, or -- PROGRAM",
        )
    return words


def environment(
    image: Sequence[str], wish: dict[str, str] | tuple[str, ...], user: User, term: str
) -> tuple[str, ...]:
    """The complete environment of an app: defaults, then the image's, then the user's."""
    defaults = {
        "PATH": DEFAULT_PATH,
        "HOME": user.home,
        **({"SHELL": user.shell} if user.shell else {}),
        **({"TERM": term} if term else {}),
    }
    asked = wish if isinstance(wish, dict) else _assignments(wish)
    merged = {**defaults, **_assignments(image), **asked}
    if bad := [name for name in merged if not name or "=" in name]:
        raise UsageError(f"{bad[0]!r} is not the name of a variable", hint="write --env NAME=VALUE")
    return tuple(f"{name}={value}" for name, value in merged.items())


def _assignments(texts: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def workdir(path: str, name: str) -> str:
    """An absolute path without `..`."""
    if not path.startswith("/"):
        raise UsageError(
            f"app {name}: the working directory {path!r} is not absolute", hint="give --workdir /PATH"
        )
    return "/" + posixpath.normpath(path).lstrip("/")
