"""EFFECT. `pod logs`: what the apps of a pod printed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from heapq import merge
from pathlib import Path
from typing import BinaryIO

from stage0 import lifecycle
from stage0.lifecycle import Pod
from stage0.settings import Settings
from stage1.contract import NotFoundError, PodDir, UsageError

# One line of a log: time, app, stream, whether the line is complete, text. Sorting by time merges apps.
Line = tuple[bytes, str, bytes, bool, bytes]
_PAUSE = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which lines, and how."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the pod has ended")
    parser.add_argument("--app", metavar="APP", action="append", help="only this app; may be repeated")
    parser.add_argument("-t", "--timestamps", action="store_true", help="begin each line with its time")
    parser.add_argument("-n", "--tail", metavar="LINES", type=int, help="only the last LINES")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Lines of all apps in the order of their times; stdout and stderr of the apps stay apart."""
    if arguments.tail is not None and arguments.tail < 0:
        raise UsageError(
            f"--tail {arguments.tail}: fewer than no lines", hint="give the number of lines to show"
        )
    pod = lifecycle.find(settings.data, arguments.pod)
    apps = chosen_apps(pod, arguments.app)
    follower = Follower(pod.directory, apps)
    show = Writer(prefix=max(map(len, apps)) if len(apps) > 1 else 0, times=arguments.timestamps)
    lines = list(follower.lines()) if arguments.tail is not None else follower.lines()
    for line in lines[-arguments.tail or len(lines) :] if isinstance(lines, list) else lines:
        show.write(line)
    while arguments.follow and follower.wait():
        for line in follower.lines():
            show.write(line)
    show.flush()
    return 0


def chosen_apps(pod: Pod, wanted: list[str] | None) -> list[str]:
    """The apps asked for, or all; NotFoundError for one the pod does not have."""
    apps = lifecycle.read_manifest(pod.directory).get("apps", [])
    names = [app["name"] for app in apps] if isinstance(apps, list) else []
    for name in wanted or []:
        if name not in names:
            raise NotFoundError(f"pod {pod.uuid} has no app {name!r}", hint=f"its apps: {', '.join(names)}")
    return wanted or names


class Follower:
    """Reads logs from where it stopped the last time, across rotation."""

    def __init__(self, directory: PodDir, apps: list[str]) -> None:
        self._directory = directory
        self._tails = [Tail(directory.log(app), app) for app in apps]
        self._ended = False

    def lines(self) -> Iterator[Line]:
        """Everything new, merged by time."""
        return merge(*(tail.lines() for tail in self._tails), key=lambda line: line[0])

    def wait(self) -> bool:
        """True if there may be more; the last look comes after the pod's end, so no line is lost."""
        if self._ended:
            return False
        self._ended = not lifecycle.is_running(self._directory)
        if not self._ended:
            sys.stdout.flush()
            time.sleep(_PAUSE)
        return True


class Tail:
    """One app's log: first the older file, then the present one, then whatever is appended."""

    def __init__(self, path: Path, app: str) -> None:
        self._path = path
        self._app = app
        self._file: BinaryIO | None = None
        self._rest = b""

    def lines(self) -> Iterator[Line]:
        """New lines since the last call."""
        if self._file is None:
            for path in (self._path.with_name(self._path.name + ".1"), self._path):
                yield from self._read(path)
            return
        yield from self._more(self._file)
        try:
            rotated = self._path.stat().st_ino != _inode(self._file)
        except FileNotFoundError:
            return
        if rotated:
            yield from self._more(self._file)
            yield from self._read(self._path)

    def _read(self, path: Path) -> Iterator[Line]:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        if self._file:
            self._file.close()
        self._file = file
        yield from self._more(file)

    def _more(self, file: BinaryIO) -> Iterator[Line]:
        for raw in file:
            line = self._rest + raw
            self._rest = b"" if line.endswith(b"\n") else line
            fields = line[:-1].split(b" ", 3)
            if not self._rest and len(fields) == 4:
                yield fields[0], self._app, fields[1], fields[2] == b"F", fields[3]


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


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
