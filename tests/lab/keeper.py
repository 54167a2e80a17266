"""EFFECT. Keeper of one lab: boots it, ends it and removes every trace, also when its owner died.

Runs as `python -m tests.lab.keeper NAME` in a session and a mount namespace of its own. It takes a word a
line on standard input (`boot`, `stop`, `kill`, `console`) and answers a line each (`up PID`, `down`,
`failed TEXT`, the last words of PID 1).
The end of its standard input means that the owner is gone, for whatever reason: the lab goes too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from tests.lab import machine
from tests.patience import SLOWNESS

MARKER = "this-is-a-pod-lab"
POWER_OFF = signal.SIGRTMIN + 4  # systemd(1), "SIGNALS"
PATIENCE = 15.0 * SLOWNESS
BOOT = (
    "setpriv", "--pdeathsig", "KILL",
    "unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts", "--",
    str(Path(__file__).with_name("boot.sh")),
)  # fmt: skip
NO_UPPER_LAYER = frozenset({"overlay", "nfs", "nfs4", "9p", "virtiofs"})


class LabDirectory:
    """The lab's directory; deleted only if it carries the lab's own marker."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = machine.BASE / name
        self.disk = self.path / "disk"
        self.lock: IO[str] | None = None

    def make(self) -> None:
        """Make it, mark it, and hold its lock for as long as this process lives."""
        machine.BASE.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.disk.mkdir(mode=0o700, parents=True)
        self.lock = (self.path / MARKER).open("w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.lock.write(self.name)
        self.lock.flush()
        if machine.file_system_of(self.disk) in NO_UPPER_LAYER:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "podlab", self.disk], check=True)

    def is_ours(self) -> bool:
        """Tell whether the marker says so and nothing is mounted below."""
        try:
            marked = (self.path / MARKER).read_text() == self.name
        except OSError:
            return False
        below = [mount for mount in machine.mounts() if self.path in mount.target.parents]
        return marked and not below and self.path.resolve().parent == machine.BASE.resolve()

    def is_abandoned(self) -> bool:
        """Tell whether its keeper is gone: the marker's lock is free."""
        try:
            with (self.path / MARKER).open() as marker:
                fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Delete it with all below, unless the marker is missing: then it is not known to be a lab's."""
        subprocess.run(["umount", "--quiet", self.disk], check=False, capture_output=True)
        if self.is_ours():
            shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            machine.BASE.rmdir()


class LabGroups:
    """The lab's cgroup in each hierarchy."""

    def __init__(self, name: str) -> None:
        self.by_controllers = {each.controllers: each.group(name) for each in machine.hierarchies()}

    def make(self) -> None:
        """Make them; a cpuset must be told its processors before a process may join."""
        for group in self.by_controllers.values():
            group.mkdir(exist_ok=True)
            if (group / "cgroup.clone_children").exists() and (group / "cpuset.cpus").exists():
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    (group / setting).write_text((group.parent / setting).read_text())
                (group / "cgroup.clone_children").write_text("1")

    def lines(self) -> str:
        """Say for boot.sh what to mount and what to join."""
        return "\n".join(f"{controllers} {group}" for controllers, group in self.by_controllers.items())

    def members(self) -> set[int]:
        """Every process in them, by its id on this machine."""
        pids: set[int] = set()
        for group in self.by_controllers.values():
            for listing in group.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    pids |= {int(word) for word in listing.read_text().split()}
        return pids - {0}

    def kill_members(self, deadline: float) -> None:
        """Kill until nobody is left: a process may fork between the look and the blow."""
        while (pids := self.members()) and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def remove(self, deadline: float) -> None:
        """Remove them from the leaves up; a group stays busy for a moment after its last process."""
        for group in self.by_controllers.values():
            while group.exists() and time.monotonic() < deadline:
                for directory, _, _ in os.walk(group, topdown=False):
                    with contextlib.suppress(OSError):
                        Path(directory).rmdir()
                if group.exists():
                    time.sleep(0.01)


class Keeper:
    """Boots and ends one lab; its parts stay the same from one boot to the next."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.directory = LabDirectory(name)
        self.groups = LabGroups(name)
        self.process: subprocess.Popen[bytes] | None = None
        self.leader = -1

    def boot(self) -> str:
        """Start PID 1 and answer with its id on this machine; readiness is for the owner to ask."""
        leader = self.directory.disk / "leader"
        leader.unlink(missing_ok=True)
        self.groups.make()
        with (self.directory.disk / "console.log").open("ab") as console:
            self.process = subprocess.Popen(
                BOOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        while not leader.exists():
            if self.process.poll() is not None:
                return f"failed {self._console()}"
            time.sleep(0.002)
        self.leader = os.pidfd_open(int(leader.read_text()))
        return f"up {leader.read_text().strip()}"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LAB_NAME": self.name,
            "LAB_DIR": str(self.directory.disk),
            "LAB_BASE": str(machine.BASE),
            "LAB_GROUPS": self.groups.lines(),
            "LAB_TREES": "\n".join(map(str, machine.further_trees())),
        }

    def _console(self) -> str:
        said = (self.directory.disk / "console.log").read_text(errors="replace").strip()
        return " / ".join(said.splitlines()[-3:]) or "nothing on the console"

    def stop(self, *, orderly: bool) -> str:
        """End PID 1, in order if asked, by force if that takes too long; then whoever is left."""
        if self.process is not None and self.leader >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.leader, POWER_OFF if orderly else signal.SIGKILL)
            if not select.select([self.leader], [], [], PATIENCE)[0]:
                signal.pidfd_send_signal(self.leader, signal.SIGKILL)
            os.close(self.leader)
            self.leader = -1
        if self.process is not None:
            self.process.wait(PATIENCE)
            self.process = None
        self.groups.kill_members(time.monotonic() + PATIENCE)
        self.groups.remove(time.monotonic() + PATIENCE)
        return "down"

    def clean(self) -> None:
        """Leave nothing behind."""
        self.stop(orderly=False)
        self.directory.remove()

    def serve(self, orders: IO[str], answers: IO[str]) -> None:
        """Carry out orders until there are no more."""
        for order in orders:
            match order.strip():
                case "boot":
                    answer = self.boot()
                case "stop":
                    answer = self.stop(orderly=True)
                case "console":
                    answer = self._console()
                case _:
                    answer = self.stop(orderly=False)
            answers.write(answer + "\n")
            answers.flush()


def sweep_abandoned() -> None:
    """Remove what labs left behind whose keepers were killed."""
    for path in machine.BASE.glob("podlab-*"):
        directory = LabDirectory(path.name)
        if directory.is_abandoned():
            groups = LabGroups(path.name)
            groups.kill_members(time.monotonic() + PATIENCE)
            groups.remove(time.monotonic() + PATIENCE)
            directory.remove()


def main() -> None:
    """Keep the lab named by the only argument."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sweep_abandoned()
    keeper = Keeper(sys.argv[1])
    keeper.directory.make()
    try:
        keeper.serve(sys.stdin, sys.stdout)
    finally:
        keeper.clean()


if __name__ == "__main__":
    main()
