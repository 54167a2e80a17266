"""EFFECT. `pod exec`: run a command inside an app of a running pod."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stage0 import entering
from stage0.entering import EnterRequest
from stage1.contract import ConflictError, NotFoundError, PodDir, UsageError
from stage1.contract.paths import TWIN_SUFFIX

if TYPE_CHECKING:
    import argparse

    from stage0.settings import Settings

USAGE = "pod exec [OPTION …] POD COMMAND [ARGUMENT …]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For the help and the completion; the words are read by `stage0.entering`."""
    for option in entering.OPTIONS:
        if option.metavar:
            action = "append" if option.several else "store"
            parser.add_argument(
                *option.flags, dest=option.field, metavar=option.metavar, action=action, help=option.help
            )
        else:
            parser.add_argument(*option.flags, dest=option.field, action="store_true", help=option.help)
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("command", metavar="COMMAND", nargs="...", help="the program and its arguments")


def run_words(words: list[str], settings: Settings) -> int | None:
    """Become the command, with its exit status; None to be shown the help."""
    request = entering.parse(words)
    if request is None:
        return None
    if not request.command:
        raise UsageError("no command", hint="`pod exec POD COMMAND …`; `pod enter POD` starts a shell")
    return enter(request, settings)


def enter(request: EnterRequest, settings: Settings) -> int:
    """Find the pod and the app, and become the program that joins them."""
    from stage0 import handoff, lifecycle  # noqa: PLC0415  not for the help

    options = entering.helper_options(request, dict(os.environ))
    pod = lifecycle.find(settings.data, request.pod)
    if pod.word != "running":
        raise ConflictError(f"pod {pod.uuid} is not running", hint="`pod ps` lists the pods that are")
    app = "-" if request.whole_pod else choose_app(pod.directory, request.app)
    if not request.whole_pod:
        _need_filters(pod.directory, app)
    handoff.enter(pod.directory, options, app, list(request.command))


def choose_app(directory: PodDir, wanted: str | None) -> str:
    """The app asked for, or the only one."""
    try:
        names = sorted(name for name in os.listdir(directory.enter) if not name.endswith(TWIN_SUFFIX))
    except FileNotFoundError:
        raise ConflictError(
            f"pod {directory.uuid} is not up yet, or was started by an older version", hint="try again"
        ) from None
    if wanted is None and len(names) != 1:
        raise UsageError(
            f"pod {directory.uuid} has {len(names)} apps", hint=f"choose: --app {'|'.join(names)}"
        )
    if wanted is not None and wanted not in names:
        raise NotFoundError(
            f"pod {directory.uuid} has no app {wanted!r}", hint=f"its apps: {', '.join(names)}"
        )
    return wanted or names[0]


def _need_filters(directory: PodDir, app: str) -> None:
    """Have the app's system call filters read if nobody entered one like it before."""
    from pathlib import Path  # noqa: PLC0415  not for the help

    record = (directory.enter / app).read_bytes().partition(b"\0\0filters\0")[2].partition(b"\0")[0]
    kept = Path(os.fsdecode(record))
    try:
        known = kept.with_name(kept.name + TWIN_SUFFIX).read_bytes()
    except FileNotFoundError:
        known = b""
    if not kept.exists() or known != (directory.enter / f"{app}{TWIN_SUFFIX}").read_bytes():
        from stage0 import filters  # noqa: PLC0415  once for each confinement

        filters.ensure(directory, app, kept)
