"""EFFECT. What is on a machine, taken down twice and compared: proof that something left nothing behind.

    before = Snapshot.take(Path("/var/lib/pod"))
    ...
    left = before.difference(Snapshot.take(Path("/var/lib/pod")))
    assert not left, left.report()

`enter` puts words before the command that takes the snapshot (`nsenter …`), to take it inside a lab.
There this file runs as a program (`leftovers.py ROOT` prints JSON) and so needs only the standard library.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePath
from typing import Self

KERNEL_THREAD = 0x00200000  # PF_KTHREAD of linux/sched.h
CACHES = frozenset(
    {"images", "layers", "base"}
)  # of the data root: grow by design, so only their entries count
CACHE_DEPTH = 2
# Services that D-Bus or systemd start when asked and that end when nobody asks any more.
ON_DEMAND = re.compile(
    r"systemd-(machined?|hostnamed?|timedated?|localed?|logind?|userdbd|userwork|coredump|udevd|tmpfile\w*)\b"
    r"|polkitd|dbus-daemon|user@0\.service|user-runtime-dir@0\.service|/user-0\.slice\b|\(sd-pam\)"
)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything that counts as left over, each fact as one line of text."""

    mounts: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]
    interfaces: frozenset[str]
    machines: frozenset[str]
    units: frozenset[str]
    files: frozenset[str]

    @classmethod
    def take(cls, root: Path, enter: Sequence[str] = ()) -> Self:
        """Take down the machine this process is on, or the one that `enter` leads to."""
        if enter:
            argv = [*enter, "python3", "-I", str(Path(__file__).resolve()), str(root)]
            said = subprocess.run(argv, check=True, capture_output=True, text=True, errors="replace")
            return cls.parse(said.stdout)
        return cls(
            mounts=frozenset(read_mounts()),
            cgroups=frozenset(read_cgroups()),
            processes=frozenset(read_processes()),
            interfaces=frozenset(entries(Path("/sys/class/net"))),
            machines=frozenset(entries(Path("/run/systemd/machines"))),
            units=frozenset(entries(Path("/run/systemd/transient"))),
            files=frozenset(read_files(root)),
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{name: frozenset(lines) for name, lines in json.loads(text).items()})

    def to_json(self) -> str:
        """Write it as JSON, sorted."""
        return json.dumps({name: sorted(lines) for name, lines in asdict(self).items()})

    def difference(
        self, after: Snapshot, *, only: str = "", ignore: re.Pattern[str] = ON_DEMAND
    ) -> Difference:
        """Compare with a later one. `only` keeps lines with this text, on a machine that others use too."""
        return Difference(
            added=tuple(compare(after, self, only, ignore)),
            removed=tuple(compare(self, after, only, ignore)),
        )


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Lines of the later snapshot that the earlier has not, and the reverse; false if there are none."""

    added: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def report(self) -> str:
        """Say it in lines a person can read."""
        left = [f"left behind: {line}" for line in self.added]
        gone = [f"gone: {line}" for line in self.removed]
        return "\n".join([*left, *gone]) or "no difference"


def compare(one: Snapshot, other: Snapshot, only: str, ignore: re.Pattern[str]) -> Iterator[str]:
    """List what only the first has, with the kind of thing in front."""
    for field in fields(Snapshot):
        lines = getattr(one, field.name) - getattr(other, field.name)
        for line in sorted(lines):
            if only in line and not ignore.search(line) and not is_below(line, lines):
                yield f"{field.name}: {line}"


def is_below(line: str, lines: Set[str]) -> bool:
    """Tell whether a directory that holds this path is among the lines: then it need not be said twice."""
    return line.startswith("/") and any(str(parent) in lines for parent in PurePath(line).parents)


def entries(directory: Path) -> list[str]:
    """Names in a directory, none if there is no such directory."""
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def read_mounts() -> Iterator[str]:
    """Mounts of the machine's first process: target, type and source."""
    for line in Path("/proc/1/mountinfo").read_text(errors="replace").splitlines():
        yield describe_mount(line)


def describe_mount(line: str) -> str:
    """Shorten one line of mountinfo to what does not change by itself."""
    before, _, after = line.partition(" - ")
    return f"{before.split()[4]} {' '.join(after.split()[:2])}"


def read_cgroups() -> Iterator[str]:
    """Directories of every cgroup hierarchy."""
    for directory, names, _ in os.walk("/sys/fs/cgroup"):
        yield from (f"{directory}/{name}" for name in names)


def read_processes() -> Iterator[str]:
    """Processes, kernel threads and this program's own ancestors left out."""
    own = set(ancestors(os.getpid()))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in own:
            line = describe_process(entry)
            if line:
                yield line


def ancestors(pid: int) -> Iterator[int]:
    """A process, its parent, and so on."""
    while pid > 0:
        yield pid
        pid = int(stat_fields(Path(f"/proc/{pid}"))[1])


def stat_fields(process: Path) -> list[str]:
    """Fields of /proc/PID/stat from the state on; the name before them may hold anything."""
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()


def describe_process(process: Path) -> str | None:
    """Say pid, start time, name, words and group of a process; nothing if it is gone or the kernel's own."""
    try:
        stat = stat_fields(process)
        name = (process / "comm").read_text(errors="replace").strip()
        words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        group = describe_group((process / "cgroup").read_text(errors="replace"))
    except OSError:
        return None
    if int(stat[6]) & KERNEL_THREAD:
        return None
    return f"pid {process.name} started {stat[19]} ({name}) {words[:200]} in {group}"


def describe_group(text: str) -> str:
    """Pick the group systemd manages, else the unified one."""
    groups = dict(line.split(":", 2)[1:] for line in text.splitlines())
    return groups.get("name=systemd") or groups.get("") or "no group"


def read_files(root: Path) -> Iterator[str]:
    """Paths below the data root; of a link also where it leads; of the caches only the entries."""
    for directory, folders, names in os.walk(root):
        here = Path(directory)
        inside = here.relative_to(root).parts
        if inside and inside[0] in CACHES and len(inside) >= CACHE_DEPTH:
            folders.clear()
            continue
        yield from (describe_file(here / name) for name in (*folders, *names))


def describe_file(path: Path) -> str:
    """Name a file, and what a link says."""
    return f"{path} -> {path.readlink()}" if path.is_symlink() else str(path)


def main(arguments: Iterable[str]) -> None:
    """Print the snapshot of this machine with the given data root."""
    (root,) = arguments
    sys.stdout.write(Snapshot.take(Path(root)).to_json())


if __name__ == "__main__":
    main(sys.argv[1:])
