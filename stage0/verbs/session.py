"""EFFECT. `pod session`: commands that `pod exec` left running, detached."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable

from stage0 import quantities
from stage0.pods import lifecycle
from stage0.running import sessions
from stage0.running.sessions import Session
from stage0.settings import Settings
from stage0.show import ago, as_json, printable, table
from stage1.contract import ConflictError, PodDir, UsageError

_STOP_TIME = "10"
_LARGEST = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    below = parser.add_subparsers(dest="session_verb", metavar="VERB", required=True)
    listing = _verb(below.add_parser("ls", help="list them"), "")
    listing.add_argument("--json", action="store_true", help="write JSON")
    _verb(below.add_parser("wait", help="wait for the end of one and end with its status"), "ID")
    stopping = _verb(
        below.add_parser("stop", help="signal one, and kill it if it has not ended in time"), "ID"
    )
    stopping.add_argument("-s", "--signal", metavar="SIGNAL", default="TERM", help="send this (TERM)")
    stopping.add_argument("--time", metavar="TIME", default=_STOP_TIME, help="kill it after this (10 s)")
    sizing = _verb(below.add_parser("resize", help="give the terminal of one another size"), "ID")
    sizing.add_argument("size", metavar="COLUMNSxROWS", help="such as 120x40")
    _verb(below.add_parser("rm", help="forget ended ones"), "ID", nargs="*")


def _verb(parser: argparse.ArgumentParser, word: str, nargs: str | None = None) -> argparse.ArgumentParser:
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    if word:
        several = "; without any, all that have ended" if nargs else ""
        help_text = f"what `pod exec -d` printed, or the beginning of it{several}"
        parser.add_argument("id", metavar=word, nargs=nargs, help=help_text)
    return parser


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    actions: dict[str, Callable[[PodDir, argparse.Namespace], int]] = {
        "ls": _list, "wait": _wait, "stop": _stop, "resize": _resize, "rm": _remove,
    }  # fmt: skip
    directory = lifecycle.find(settings.data, arguments.pod).directory
    return actions[arguments.session_verb](directory, arguments)


def _list(directory: PodDir, arguments: argparse.Namespace) -> int:
    found = list(sessions.sessions(directory))
    sys.stdout.write(as_json([one.facts for one in found]) if arguments.json else _table(found))
    return 0


def _table(found: list[Session]) -> str:
    rows = [
        (
            one.id,
            one.app or "-",
            "running" if one.status is None else f"exited {one.status}",
            ago(one.detached_at),
            printable(" ".join(one.command)),
        )
        for one in found
    ]
    return table(("ID", "APP", "STATE", "SINCE", "COMMAND"), rows)


def _wait(directory: PodDir, arguments: argparse.Namespace) -> int:
    status = sessions.wait(sessions.find(directory, arguments.id))
    sys.stdout.write(f"{status}\n")
    return status or 0


def _stop(directory: PodDir, arguments: argparse.Namespace) -> int:
    number = quantities.signal_number(quantities.signal_name(arguments.signal, where="--signal"))
    limit = quantities.seconds(arguments.time, where="--time")
    session = sessions.find(directory, arguments.id)
    if session.status is not None:
        raise ConflictError(f"session {session.id} has ended", hint="`pod session rm` forgets it")
    sessions.stop(session, number, limit)
    return 0


def _resize(directory: PodDir, arguments: argparse.Namespace) -> int:
    size = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", arguments.size)
    if not size or max(int(size[1]), int(size[2])) > _LARGEST:
        raise UsageError(f"{arguments.size!r} is no size", hint="write COLUMNSxROWS, such as 120x40")
    session = sessions.find(directory, arguments.id)
    if session.status is not None or not session.terminal:
        raise ConflictError(f"session {session.id} has no terminal", hint="`pod exec -dt` gives one")
    sessions.resize(session, int(size[1]), int(size[2]))
    return 0


def _remove(directory: PodDir, arguments: argparse.Namespace) -> int:
    named = [sessions.find(directory, reference) for reference in arguments.id]
    running = [one.id for one in named if one.status is None]
    for one in named or [each for each in sessions.sessions(directory) if each.status is not None]:
        if one.status is not None:
            sessions.remove(one)
    if running:
        raise ConflictError(f"session {', '.join(running)} still runs", hint="`pod session stop` ends it")
    return 0
