"""EFFECT. `make bench`: what pod costs beside podman and raw systemd-nspawn, measured in turn in one run.

It runs in a mount namespace of its own and removes everything it made; what it could not remove is an error.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import cycle
from pathlib import Path

from stage0.cli import VERBS
from tests.bench import entering
from tests.bench.measure import BenchError, Result, Row, as_json, progress, run, run_row, table, timed
from tests.bench.pod import Pod, RawNspawn
from tests.bench.podman import Podman
from tests.bench.pull import Pulling
from tests.bench.store import IMAGES, Shelf
from tests.lab.machine import REPO
from tests.leftovers import Snapshot

INSIDE = "POD_BENCH_INSIDE"
PR_SET_CHILD_SUBREAPER = 36
PODS_ON_DISK = 1000
DISK = 16 << 30


class Bench:
    """The contestants, and what is needed to run them."""

    def __init__(self, scratch: Path, *, quick: bool) -> None:
        images = REPO / "build" / "images"
        self.scratch = scratch
        self.quick = quick
        self.pod = Pod(scratch, images)
        self.podman = Podman(scratch, images)
        self.nspawn = RawNspawn(self.pod)
        self.pulling = Pulling(scratch, self.pod, self.podman)
        self.shelf = Shelf(scratch, self.pod.program, self.podman)
        self.absent: dict[str, str] = {}

    def prepare(self) -> None:
        """Bring every contestant to where measuring begins; those that cannot are named in the table."""
        self.pod.prepare()
        for name, contestant in (("podman", self.podman), ("nspawn", self.nspawn)):
            try:
                contestant.prepare()
            except (BenchError, OSError) as error:
                self.absent[name] = str(error)

    def rows(self) -> Iterator[Row]:
        """All lines of the table."""
        yield self.row(
            "one app that exits 7", 15, pod=self.pod.exit_seven, podman=self.podman.exit_seven,
        )  # fmt: skip
        yield self.row(
            "the same with the host's ids", 15,
            pod=partial(self.pod.exit_seven, "--userns=host"), podman=self.podman.exit_seven,
            nspawn=self.nspawn.exit_seven,
        )  # fmt: skip
        for count, rounds in ((4, 5), (16, 3), (64, 2)):
            yield self.row(
                f"{count} apps until all have started", rounds,
                pod=partial(self.pod.start, count), podman=partial(self.podman.start, count),
            )  # fmt: skip
        for count in (1, 16):
            yield self.row(
                f"memory around {count} app{'s' * (count > 1)}", 3, unit="kB",
                pod=partial(self.pod.memory, count), podman=partial(self.podman.memory, count),
            )  # fmt: skip
        yield from self.exec_row()
        yield from self.store_rows()
        yield from self.pull_rows()
        yield self.help_row()
        yield self.list_row()

    def row(self, name: str, rounds: int, unit: str = "s", **contestants: partial[float] | object) -> Row:
        """A row of those contestants that there are."""
        there = {
            key: call
            for key, call in contestants.items()
            if key.partition("_")[0] not in self.absent and callable(call)
        }
        return Row(name=name, unit=unit, rounds=1 if self.quick else rounds, contestants=there)

    def exec_row(self) -> Iterator[Row]:
        """Run a command in what runs already."""
        with entering.running(self.pod, self.podman, with_podman="podman" not in self.absent) as contestants:
            yield self.row("exec of a command that does nothing", 30, **contestants)

    def store_rows(self) -> Iterator[Row]:
        """Bring an image of many files into a store, unpack it three ways, and list a store of many images."""
        shelf = self.shelf
        shelf.prepare()
        yield self.row(
            "import of 10,000 files, 300 MB", 3,
            pod=shelf.import_image, podman=shelf.load, podman_pull=shelf.pull, umoci=shelf.umoci,
        )  # fmt: skip
        yield self.row("unpacking its plain layers", 3, pod=shelf.unpack, tar=shelf.tar, bsdtar=shelf.bsdtar)
        shelf.fill()
        yield self.row(f"ls of {IMAGES} images", 7, pod=shelf.list)

    def pull_rows(self) -> Iterator[Row]:
        """Pull an image of many files and layers from a registry, and again when it is here."""
        try:
            self.pulling.prepare()
        except (BenchError, OSError) as error:
            sys.stderr.write(f"without a registry: {error}\n")
            return
        first, second = self.pulling.contestants()
        yield self.row("pull of 10,000 files, 300 MB", 3, **first)
        yield self.row("second pull of them", 5, **second)

    def help_row(self) -> Row:
        """Start every subcommand, another one in every round; the interpreter alone is the floor."""
        verbs = cycle(VERBS)
        floor = partial(timed, [sys.executable, "-I", "-S", "-c", ""])
        return self.row(
            "help of a command (each in turn)", len(VERBS),
            pod=lambda: self.pod.help(next(verbs)), python=floor,
        )  # fmt: skip

    def list_row(self) -> Row:
        """List many pods. It comes last, since they stay until the end."""
        before = 1 if "nspawn" not in self.absent else 0
        self.pod.fill(PODS_ON_DISK - before)
        return self.row(
            f"ps with {PODS_ON_DISK:,} pods on disk", 7, pod=partial(self.pod.list, PODS_ON_DISK)
        )

    def close(self) -> None:
        """Let go of what lies outside the scratch directory."""
        self.nspawn.close()
        self.podman.close()
        self.pulling.close()


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory on a real file system; nothing but this run's own is deleted."""
    path = Path(tempfile.mkdtemp(prefix="podbench-", dir="/var/tmp"))
    try:
        mount_own(path)
        yield path
    finally:
        unmount_below(path)
        shutil.rmtree(path)


def mount_own(path: Path) -> None:
    """Mount an ext4 as its tools make it, so that figures do not depend on what /var/tmp lies on.

    An ext4 without a journal, as some build machines have it, looks for each new file past all that were deleted
    lately, and would measure only that.
    """
    disk = path.with_suffix(".disk")
    try:
        disk.touch()
        os.truncate(disk, DISK)
        run(["mkfs.ext4", "-q", "-F", disk])
        run(["mount", "-o", "loop", disk, path])
    except (BenchError, OSError) as error:
        sys.stderr.write(f"without a file system of its own: {error}\n")
    finally:
        disk.unlink(missing_ok=True)  # the kernel keeps what is mounted


def unmount_below(path: Path) -> None:
    """Unmount everything at and below a directory, the newest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    targets = [line.split()[4] for line in lines if f"{line.split()[4]}/".startswith(f"{path}/")]
    for target in reversed(targets):
        subprocess.run(["umount", "--lazy", target], check=False, capture_output=True)


def reap_orphans() -> None:
    """Wait for conmon processes, whose parent this process has become."""
    with contextlib.suppress(ChildProcessError):
        limit = time.monotonic() + 5
        while time.monotonic() < limit:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.05)


def machine_facts() -> dict[str, str]:
    """What the figures belong to."""
    versions = {
        name: subprocess.run([name, "--version"], check=False, capture_output=True, text=True).stdout
        for name in ("systemd-nspawn", "podman", "runc")
        if shutil.which(name)
    }
    facts = {name: text.splitlines()[0] for name, text in versions.items() if text}
    return {
        "kernel": platform.release(),
        "processors": str(os.cpu_count()),
        "python": platform.python_version(),
        **facts,
    }


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Compare pod with podman and systemd-nspawn."
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every sample as JSON")
    parser.add_argument("--quick", action="store_true", help="one round each: does it work at all")
    parser.add_argument("--only", metavar="TEXT", default="", help="rows with this text in their name")
    return parser.parse_args(arguments)


def measure_all(options: argparse.Namespace) -> list[Result]:
    """Run every row that was asked for."""
    with scratch_directory() as scratch:
        bench = Bench(scratch, quick=options.quick)
        try:
            bench.prepare()
            for name, why in bench.absent.items():
                sys.stderr.write(f"without {name}: {why}\n")
            return [run_row(row, progress) for row in bench.rows() if options.only in row.name]
        finally:
            bench.close()


def main() -> int:
    """Measure, print, and look whether anything stayed."""
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it tidies up
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = Snapshot.take(Path("/nonexistent"))
    results = measure_all(options)
    progress("")
    reap_orphans()
    sys.stdout.write(table(results) + "\n")
    if options.json:
        options.json.write_text(as_json(results, machine_facts()))
    left = [line for line in before.difference(Snapshot.take(Path("/nonexistent"))).added if is_ours(line)]
    sys.stderr.writelines(f"left behind: {line}\n" for line in left)
    return 1 if left or any(result.failures for result in results) else 0


def is_ours(line: str) -> bool:
    """Tell what this run may have left from what others do on the machine: their pods have processes."""
    kind, _, rest = line.partition(": ")
    if "podlab-" in rest:
        return False
    return "podbench-" in rest or (kind == "cgroups" and "/pod-" in rest and is_empty(Path(rest)))


def is_empty(group: Path) -> bool:
    """Tell whether no process is in a cgroup or below."""
    return not any(listing.read_text() for listing in group.rglob("cgroup.procs"))


if __name__ == "__main__":
    if os.environ.get(INSIDE) != "1":
        words = ["unshare", "--mount", "--propagation", "slave", "--", sys.executable, *sys.argv]
        os.execvpe(words[0], words, {**os.environ, INSIDE: "1"})
    sys.exit(main())
