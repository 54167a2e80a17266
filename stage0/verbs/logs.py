"""EFFECT. `pod logs`: what the apps of a pod printed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator

from stage0 import moments
from stage0.pods import lifecycle, results
from stage0.pods.logfiles import Follower, Line
from stage0.settings import Settings
from stage1.contract import NotFoundError, PodDir, UsageError
from stage1.contract.values import NamedTuple

_MOMENT = 0.01


class Choice(NamedTuple):
    """Which lines are wanted: stamps, and the stream or None for both."""

    since: bytes
    until: bytes
    stream: bytes | None

    def has(self, line: Line) -> bool:
        """Whether a line is wanted."""
        return self.since <= line.moment <= self.until and self.stream in {None, line.stream}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which lines, and how."""
    option = parser.add_argument
    option("pod", metavar="POD", help="name, UUID or the beginning of one")
    option("-f", "--follow", action="store_true", help="go on until the pod has ended")
    option("-p", "--previous", action="store_true", help="what the start before the last one printed")
    option("--app", metavar="APP", action="append", help="only this app; may be repeated")
    option("--stream", choices=("stdout", "stderr"), help="only this stream")
    option("--since", metavar="WHEN", help="only lines from then on: 10m (ago), a date and time, @SECONDS")
    option("--until", metavar="WHEN", help="only lines up to then; ends --follow when it is past")
    option("-t", "--timestamps", action="store_true", help="begin each line with its time")
    option("-n", "--tail", metavar="LINES", type=int, help="only the last LINES")
    option("--json", action="store_true", help="an object a line: time, app, stream, text, complete")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Lines of all apps in the order of their times; stdout and stderr of the apps stay apart."""
    if arguments.tail is not None and arguments.tail < 0:
        raise UsageError(
            f"--tail {arguments.tail}: fewer than no lines", hint="give the number of lines to show"
        )
    if arguments.follow and arguments.previous:
        raise UsageError("--follow and --previous exclude each other", hint="what is over does not go on")
    choice = _choice(arguments)
    pod = _found(arguments, settings)
    for name in arguments.app or []:
        results.require_app(pod, name)
    apps = arguments.app or results.app_names(pod)
    follower = Follower(_life(pod, previous=arguments.previous), apps)
    show: Writer | JsonWriter = (
        JsonWriter()
        if arguments.json
        else Writer(prefix=max(map(len, apps)) if len(apps) > 1 else 0, times=arguments.timestamps)
    )
    _show(_last(follower.lines(), choice, arguments.tail), show)
    while arguments.follow and _stamp_now() <= choice.until and follower.wait():
        _show((line for line in follower.lines() if choice.has(line)), show)
    return 0


def _found(arguments: argparse.Namespace, settings: Settings) -> lifecycle.Pod:
    """Who follows a pod that is being made waits for the place where it will run, and until its apps are known."""
    pod = lifecycle.find(settings.data, arguments.pod)
    while arguments.follow and pod.word == "preparing":
        time.sleep(_MOMENT)
        pod = lifecycle.find(settings.data, pod.uuid)
    return pod


def _life(pod: lifecycle.Pod, *, previous: bool) -> PodDir:
    if not previous:
        return pod.directory
    if not pod.directory.before.monitor.exists():
        raise NotFoundError(
            f"pod {pod.label} was started no more than once", hint="leave out --previous: pod logs"
        )
    return pod.directory.before


def _choice(arguments: argparse.Namespace) -> Choice:
    now = time.time_ns()
    since, until = (
        moments.moment(text, where=where, now=now).encode() if text else default
        for text, where, default in (
            (arguments.since, "--since", b""),
            (arguments.until, "--until", b"\xff"),
        )
    )
    return Choice(since, until, arguments.stream.encode() if arguments.stream else None)


def _stamp_now() -> bytes:
    return moments.stamp(time.time_ns()).encode()


def _last(lines: Iterator[Line], choice: Choice, count: int | None) -> Iterable[Line]:
    chosen = (line for line in lines if choice.has(line))
    return chosen if count is None else deque(chosen, maxlen=count)


def _show(lines: Iterable[Line], show: Writer | JsonWriter) -> None:
    for line in lines:
        show.write(line)
    show.flush()


class JsonWriter:
    """Prints an object a line; bytes that are not UTF-8 become half characters, as in file names (`\\udc80`)."""

    def write(self, line: Line) -> None:
        """Print one line."""
        facts = {
            "time": line.moment.decode(errors="replace"),
            "app": line.app,
            "stream": line.stream.decode(errors="replace"),
            "text": os.fsdecode(line.text),
            "complete": line.complete,
        }
        sys.stdout.write(json.dumps(facts) + "\n")

    def flush(self) -> None:
        """Push everything out."""
        sys.stdout.flush()


class Writer:
    """Prints lines where the app printed them: to our stdout or our stderr."""

    def __init__(self, *, prefix: int, times: bool) -> None:
        self._prefix = prefix
        self._times = times
        self._inside: set[tuple[str, bytes]] = set()

    def write(self, line: Line) -> None:
        """Print one line; a part of a long one goes on where the part before it ended."""
        moment, app, stream, complete, text = line
        out = sys.stdout.buffer if stream == b"stdout" else sys.stderr.buffer
        if (app, stream) not in self._inside:
            out.write(moment + b" " if self._times else b"")
            out.write(f"{app:<{self._prefix}} | ".encode() if self._prefix else b"")
        out.write(text + b"\n" if complete else text)
        (self._inside.discard if complete else self._inside.add)((app, stream))

    def flush(self) -> None:
        """Push everything out."""
        sys.stdout.buffer.flush()
        sys.stderr.buffer.flush()
