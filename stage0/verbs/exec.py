"""EFFECT. `pod exec`: run a command inside an app of a running pod."""

from __future__ import annotations

import os

from stage0 import entering
from stage1.contract.errors import ConflictError, UsageError
from stage1.contract.places import ENTER, RUN, TWIN_SUFFIX, pod_directory

TYPE_CHECKING = False  # that of `typing`, which this has no time to import
if TYPE_CHECKING:
    import argparse

    from stage0.entering import EnterRequest
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
    from stage0 import finding, handoff  # noqa: PLC0415  not for the help

    options = entering.helper_options(request, dict(os.environ))
    state, uuid, running = finding.find(settings.place, request.pod)
    if state != RUN or not running:
        raise ConflictError(f"pod {request.pod} is not running", hint="`pod ps` lists the pods that are")
    directory = pod_directory(settings.place, state, uuid)
    app = "-" if request.whole_pod else finding.choose_app(directory, request.app)
    if not request.whole_pod:
        _need_filters(directory, app)
    handoff.enter(directory, options, app, list(request.command))


def _need_filters(directory: str, app: str) -> None:
    """Have the app's system call filters read if nobody entered one like it before."""
    record = _content(f"{directory}/{ENTER}/{app}").partition(b"\0\0filters\0")[2].partition(b"\0")[0]
    kept = os.fsdecode(record)
    known = _content(kept + TWIN_SUFFIX) if os.access(kept, os.F_OK) else b""
    if known != _content(f"{directory}/{ENTER}/{app}{TWIN_SUFFIX}"):
        from pathlib import Path  # noqa: PLC0415  once for each confinement

        from stage0.running import filters  # noqa: PLC0415
        from stage1.contract import PodDir  # noqa: PLC0415

        filters.ensure(PodDir(Path(directory)), app, Path(kept))


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
