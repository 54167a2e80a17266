"""EFFECT. `LabHost`: this machine's own system booted as a real systemd host, for tests.

    with LabHost() as lab:
        lab.run(["systemctl", "is-system-running"])

Everything that lives outside the process (PID 1, cgroups, directories) belongs to the keeper (keeper.py),
which ends it when this process does.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import machine
from tests.lab.terminal import Terminal, open_terminal
from tests.leftovers import Snapshot
from tests.patience import SLOWNESS

JOIN = Path(__file__).with_name("join.sh")
SESSION = "user.slice/lab-session.service"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEEPER = ("unshare", "--mount", "--propagation", "slave", "--", sys.executable, "-m", "tests.lab.keeper")
BOOT_LIMIT = 60.0 * SLOWNESS
Argv = Sequence[str | Path]


class LabError(Exception):
    """The lab itself failed, not what was tested in it."""


class LabHost:
    """One systemd host in namespaces of its own; any number may run at once."""

    def __init__(self) -> None:
        self.name = f"podlab-{secrets.token_hex(4)}"
        self.leader = 0
        self.boots = 0
        self.boot_seconds = 0.0
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        try:
            self.boot()
        except BaseException:
            self.poweroff(orderly=False)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.poweroff(orderly=False)  # what a broken test left running could hold up an orderly end

    def boot(self) -> None:
        """Boot, and return when every unit of the boot has started and machined answers on the bus."""
        start = time.monotonic()
        if self._keeper is None:
            self._keeper = subprocess.Popen(
                [*KEEPER, self.name],
                cwd=machine.REPO,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        self.leader = int(self._order("boot").removeprefix("up "))
        self._wait_until_up(start + BOOT_LIMIT)
        self.boots += 1
        self.boot_seconds = time.monotonic() - start

    def reboot(self, *, orderly: bool = True) -> None:
        """Stop and boot again over the same file systems; without order it is a power cut."""
        self._order("stop" if orderly else "kill")
        self.boot()

    def poweroff(self, *, orderly: bool = True) -> None:
        """End the lab and everything in it; safe to call twice."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        with contextlib.suppress(BrokenPipeError):
            keeper.communicate("stop\n" if orderly else "kill\n")
        self.leader = 0

    def run(
        self,
        argv: Argv,
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 (named as in subprocess.run)
        timeout: float = 60 * SLOWNESS,
        check: bool = True,
        tty: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the lab; with `tty`, on a terminal of the lab, whose screen is the stdout."""
        if tty:
            with self.terminal(argv, env=env) as terminal:
                output = terminal.converse(input or "", timeout)
                code = terminal.process.wait(timeout)
            done = subprocess.CompletedProcess([str(word) for word in argv], code, output, "")
        else:
            done = self._run_plain(argv, env, input, timeout)
        if check and done.returncode != 0:
            raise LabError(describe(done))
        return done

    def popen(
        self,
        argv: Argv,
        *,
        env: Mapping[str, str] | None = None,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.PIPE,
        stderr: int | None = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start a command in the lab. The process is nsenter; `end` ends the command and so both."""
        return subprocess.Popen(
            self.enter_argv(argv, env),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            errors="replace",
        )

    def terminal(self, argv: Argv, *, env: Mapping[str, str] | None = None) -> Terminal:
        """Start a command on a new terminal of the lab."""
        master, slave = open_terminal(Path(f"/proc/{self.leader}/root/dev/pts/ptmx"))
        try:
            words = self.enter_argv(["setsid", "--ctty", "--wait", *argv], env)
            process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave)
        finally:
            os.close(slave)
        return Terminal(process=process, master=master)

    def enter_argv(self, argv: Argv = (), env: Mapping[str, str] | None = None) -> list[str]:
        """Words that run `argv` in the lab from this machine."""
        if not self.leader:
            raise LabError(f"{self.name} is not running")
        environment = {**self.environment(), **(env or {})}
        return [
            str(JOIN), *map(str, self._session_groups()), "--",
            "nsenter", f"--target={self.leader}",
            "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--",
            "env", "-i", "--default-signal", f"--chdir={machine.REPO}",
            *(f"{name}={value}" for name, value in environment.items()),
            *map(str, argv),
        ]  # fmt: skip

    @staticmethod
    def environment() -> dict[str, str]:
        """Environment of every command: a root login's, with the project's own programs first."""
        return {
            "PATH": f"{machine.REPO}/.venv/bin:{Path(sys.executable).parent}:{PATH}",
            "HOME": "/root",
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": "/bin/bash",
            "TERM": os.environ.get("TERM", "dumb"),
            "LANG": "C.UTF-8",
        }

    def write(self, path: str | Path, text: str, *, mode: int = 0o644) -> None:
        """Write a file in the lab, making its directory."""
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
        self.run(["sh", "-c", script, "write", path, f"{mode:o}"], input=text)

    def read(self, path: str | Path) -> str:
        """Read a file of the lab."""
        return self.run(["cat", "--", path]).stdout

    def journal(self, *arguments: str, since: float | None = None) -> str:
        """Print the journal of this boot; `since` is a time.time()."""
        moment = [] if since is None else [f"--since=@{since:.3f}"]
        return self.run(
            ["journalctl", "--no-pager", "--boot", "-o", "short-precise", *moment, *arguments]
        ).stdout

    def snapshot(self, root: str | Path = "/var/lib/pod") -> Snapshot:
        """Take down what is in the lab now: mounts, cgroups, processes, files."""
        return Snapshot.take(Path(root), enter=self.enter_argv())

    def end(self, process: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> None:
        """End what `popen` started: the command itself, not the nsenter in front of it."""
        for pid in children(process.pid) or [process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        with process:
            pass

    def _run_plain(
        self, argv: Argv, env: Mapping[str, str] | None, text: str | None, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        process = self.popen(argv, env=env, stdin=subprocess.DEVNULL if text is None else subprocess.PIPE)
        try:
            out, err = process.communicate(text, timeout)
        except BaseException:
            self.end(process)
            raise
        return subprocess.CompletedProcess([str(word) for word in argv], process.returncode, out, err)

    def _order(self, word: str) -> str:
        if self._keeper is None or self._keeper.stdin is None or self._keeper.stdout is None:
            raise LabError(f"{self.name} is not running")
        self._keeper.stdin.write(word + "\n")
        self._keeper.stdin.flush()
        answer = self._keeper.stdout.readline().strip()
        if not answer or answer.startswith("failed"):
            raise LabError(f"{self.name}: {word}: {answer.removeprefix('failed ') or 'the keeper died'}")
        return answer

    def _session_groups(self) -> Iterator[Path]:
        """Cgroups of the unit in which the commands run, as this machine sees them."""
        for hierarchy in machine.hierarchies():
            lab = hierarchy.group(self.name)
            yield lab / SESSION if (lab / SESSION).is_dir() else lab

    def _wait_until_up(self, limit: float) -> None:
        session = [each.group(self.name) / SESSION for each in machine.hierarchies()]
        while not any(group.is_dir() for group in session):
            if time.monotonic() > limit or not Path(f"/proc/{self.leader}").exists():
                raise LabError(f"{self.name}: PID 1 did not come up: {self._order('console')}")
            time.sleep(0.01)
        remaining = limit - time.monotonic()
        state = self.run(
            ["systemctl", "is-system-running", "--wait"], check=False, timeout=remaining
        ).stdout.strip()
        if state not in {"running", "degraded"}:
            raise LabError(f"{self.name}: the system is {state or 'unreachable'}")
        self.run(["machinectl", "list", "--no-legend"])


def children(pid: int) -> list[int]:
    """Processes a process has forked."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def describe(done: subprocess.CompletedProcess[str]) -> str:
    """Say what a command was and how it failed, for a test's report."""
    said = "\n".join(filter(None, (done.stdout.rstrip(), done.stderr.rstrip())))
    return f"exit status {done.returncode} from {done.args}\n{said}"
