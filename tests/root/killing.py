"""EFFECT. Commands that get a signal at a system call of our choice, by strace(1)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence

from tests.conftest import needs_program
from tests.root.pods import LIMIT, Pods

# Whatever changes a file system, the pod's systemd, or begins a program; between two of them nothing happens.
CALLS = (
    "rename",
    "unlink",
    "unlinkat",
    "mkdir",
    "rmdir",
    "symlink",
    "fsync",
    "sendto",
    "write",
    "vfork",
    "clone",
)
Moment = tuple[str, int]
# All of them with POD_SWEEP=all: hundreds of kills, an hour.
WHOLE = os.environ.get("POD_SWEEP") == "all"


def moments(pods: Pods, *words: str, at: str = "") -> list[Moment]:
    """The system calls that a command makes, in their order, each with its number among those of its name.

    The command is carried out. `at`: only those that name such a path.
    """
    log = pods.there(pods.new_path("trace"))
    needs_program("strace")
    argv = ["strace", "-qq", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *pods.argv(*words)]
    subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT)
    count = dict.fromkeys(CALLS, 0)
    found = []
    for line in log.read_text(errors="replace").splitlines():
        name = line.partition("(")[0]
        if name in count:
            count[name] += 1
            if at in line:
                found.append((name, count[name]))
    return found


def some(found: Sequence[Moment], number: int) -> Iterator[Moment]:
    """So many of them, spread over the whole; or each of them."""
    number = len(found) if WHOLE else min(number, len(found))
    for index in range(number):
        yield found[(2 * index + 1) * len(found) // (2 * number)]


def killed_at(moment: Moment, pods: Pods, *words: str) -> bool:
    """Run a command and kill it before this system call; whether it came so far."""
    return status_when_sent(signal.SIGKILL, moment, pods, *words) in {
        -signal.SIGKILL,
        128 + signal.SIGKILL,
    }


def status_when_sent(what: signal.Signals, moment: Moment, pods: Pods, *words: str) -> int:
    """Run a command that gets this signal at this system call; its exit status."""
    name, number = moment
    inject = f"inject={name}:signal={what.name}:when={number}"
    argv = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={name}", "-e", inject, *pods.argv(*words)]
    done = subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT)
    return done.returncode
