"""EFFECT. The contestant `pod`, and raw systemd-nspawn booting what `pod render` wrote."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import BenchError, run, timed
from tests.lab.machine import REPO

JOIN = REPO / "tests" / "lab" / "join.sh"
APP = "inspect"
SLEEP = ("sleep", "100000")
# A pod as systemd-nspawn alone can start it: what unitpod's monitor adds is left out.
PLAIN = ("--net=none", "--userns=host")
# Records that say what the monitor itself does, and those that `RawNspawn.carry_out` follows.
OF_THE_MONITOR = {"version", "pod", "journal", "journal-rate", "log-limit", "remove"}
FOLLOWED = {"cgroup", "overlay", "bind", "app", "env", "exec"}


class Pod:
    """The product, with a data root of its own."""

    def __init__(self, scratch: Path, images: Path) -> None:
        self.data = scratch / "pod"
        self.images = images
        self.program = [shutil.which("pod", path=f"{Path(sys.executable).parent}") or "pod"]

    def argv(self, *words: str | Path) -> list[str]:
        """A command line of pod on this data root."""
        return [*self.program, "--dir", str(self.data), *map(str, words)]

    def prepare(self) -> None:
        """Import the image that the pods are made of."""
        run(self.argv("image", "import", f"oci:{self.images / APP}:latest"))

    def exit_seven(self, *options: str) -> float:
        """Run a pod of one app from nothing to its exit status."""
        return timed(self.argv("run", "--rm", "--net=none", *options, APP, "--", "exit", "7"), expect=7)

    def start(self, count: int) -> float:
        """Run a pod of so many apps until it is ready."""
        try:
            return timed(self.many(count))
        finally:
            self.remove()

    def many(self, count: int) -> list[str]:
        """Command line of a detached pod of so many sleeping apps."""
        apps = [[APP, "--name", f"a{number}", "--", *SLEEP] for number in range(count)]
        words = [word for app in apps for word in (*app, "---")][:-1]
        return self.argv("run", "-d", "--name", "bench", "--net=none", *words)

    def remove(self) -> None:
        """End and remove the pod."""
        run(self.argv("stop", "bench"))
        run(self.argv("rm", "bench"))

    def memory(self, count: int) -> float:
        """Memory of everything that is there for the pod but is not an app: monitor, systemd-nspawn, PID 1."""
        run(self.many(count))
        try:
            (directory,) = (self.data / "pods" / "run").iterdir()
            monitor = int((directory / "run" / "monitor").read_text().split()[0])
            return sum(pss(pid) for pid in [monitor, *descendants(monitor)] if not runs(pid, "/inspect"))
        finally:
            self.remove()

    def fill(self, count: int) -> None:
        """Put so many pods on the disk: one is prepared, the others are copies under names of their own."""
        first = run(self.argv("prepare", APP, "--", "exit", "0")).strip()
        (original,) = (self.data / "pods").glob(f"*/{first}")
        manifest = (original / "pod.json").read_text()
        for _ in range(count - 1):
            other = str(uuid.uuid4())
            shutil.copytree(original, original.parent / other, symlinks=True)
            (original.parent / other / "pod.json").write_text(manifest.replace(first, other))

    def list(self, count: int) -> float:
        """List all pods."""
        seconds = timed(self.argv("ps", "--all", "--quiet"))
        listed = len(run(self.argv("ps", "--all", "--quiet")).split())
        if listed != count:
            raise BenchError(f"pod ps lists {listed} pods in place of {count}")
        return seconds

    def help(self, verb: str) -> float:
        """Start a subcommand as far as its help."""
        return timed([*self.program, verb, "--help"])


class RawNspawn:
    """systemd-nspawn on a pod that `pod` rendered: what no runtime around it could save.

    The pod has the host's ids and no network, since what is made once for it here, off the clock, outlives each run.
    """

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.directory = Path()
        self.groups: list[Path] = []
        self.words: list[str] = []
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self.streams: list[int] = []

    def prepare(self) -> None:
        """Do once, and off the clock, all that stands before `exec` in the rendered instructions."""
        identifier = run(self.pod.argv("prepare", *PLAIN, APP, "--", "exit", "7")).strip()
        run(self.pod.argv("render", identifier))
        (self.directory,) = (self.pod.data / "pods").glob(f"*/{identifier}")
        for verb, *words in records(self.directory / "run" / "launch"):
            self.carry_out(verb, words)

    def carry_out(self, verb: str, words: list[str]) -> None:
        """Follow one instruction as the monitor does."""
        match verb:
            case "cgroup":
                self.groups.append(Path(words[0]))
            case "overlay":
                target, data, *lower = (self.path(word) for word in words)
                layers = f"lowerdir={':'.join(map(str, lower))},upperdir={data}/upper,workdir={data}/work"
                target.mkdir(parents=True, exist_ok=True)
                run(["mount", "-t", "overlay", "-o", layers, "overlay", target])
            case "bind":
                self.bind(self.path(words[0]), self.path(words[1]), words[2].split(","))
            case "app":
                self.make_streams(words[0])
            case "env":
                name, _, value = words[0].partition("=")
                self.environment[name] = value
            case "exec":
                self.words = words
            case _ if verb not in OF_THE_MONITOR:
                raise BenchError(f"run/launch says {verb!r}, which the benchmark cannot do")

    def path(self, word: str) -> Path:
        """Paths that are not absolute start at the pod."""
        return self.directory / word

    def bind(self, source: Path, target: Path, options: list[str]) -> None:
        """Bind, making what is missing at the target."""
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.mkdir() if source.is_dir() else target.touch()
        run(["mount", "--rbind" if "rec" in options else "--bind", source, target])
        if "ro" in options:
            run(["mount", "-o", "remount,bind,ro", target])

    def make_streams(self, app: str) -> None:
        """Make and hold the FIFOs of an app."""
        for stream in ("out", "err", "in"):
            fifo = self.directory / "run" / "streams" / f"{app}.{stream}"
            if not fifo.exists():
                os.mkfifo(fifo, 0o600)
            self.streams.append(os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))

    def exit_seven(self) -> float:
        """Boot the pod until its supervisor has ended. What the app did is in the records, not in its exit status."""
        status = self.directory / "run" / "status"
        for group in self.groups:
            group.mkdir(exist_ok=True)
        for record in status.iterdir():
            record.unlink()
        try:
            seconds = timed([JOIN, *self.groups, "--", *self.words], expect=None, env=self.environment)
        finally:
            for group in self.groups:
                remove_group(group)
        verdict = (status / "verdict").read_text()
        if not verdict.startswith("7 "):
            raise BenchError(f"the pod's verdict is {verdict!r}")
        return seconds

    def close(self) -> None:
        """Let go of what `prepare` made outside the data root."""
        while self.streams:
            os.close(self.streams.pop())


def records(path: Path) -> Iterator[list[str]]:
    """Records of `run/launch`: words end with a NUL, records with one more."""
    words: list[str] = []
    for word in path.read_text(errors="surrogateescape").split("\0")[:-1]:
        if word:
            words.append(word)
        elif words:
            yield words
            words = []


def remove_group(group: Path) -> None:
    """Remove a cgroup with all below, from the leaves up."""
    for directory, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(directory).rmdir()


def descendants(pid: int) -> Iterator[int]:
    """All processes below a process."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield int(child)
        yield from descendants(int(child))


def runs(pid: int, program: str) -> bool:
    """Tell whether a process was started as that program."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] == program.encode()


def pss(pid: int) -> int:
    """Proportional share of memory of a process, in kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
