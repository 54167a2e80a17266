"""EFFECT. `pod top`: the processes of a pod."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stage0 import show
from stage0.pods import cgroups, lifecycle, results
from stage0.settings import Settings
from stage1.contract import ConflictError

_HEADER = ("APP", "PID", "INSIDE", "UID", "STATE", "TASKS", "CPU TIME", "MEMORY", "COMMAND")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod, which app."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("--app", metavar="APP", help="only this app")
    parser.add_argument("--json", action="store_true", help="a list of objects")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Each process once: those of the apps, then the pod's own (its systemd)."""
    pod = lifecycle.find(settings.data, arguments.pod)
    tree = results.groups(pod)
    if tree is None:
        raise ConflictError(f"pod {pod.label} is {pod.word}", hint="`pod ps` lists the pods that run")
    if arguments.app is not None:
        results.require_app(pod, arguments.app)
    rows = list(_rows(tree, [arguments.app] if arguments.app else [*results.app_names(pod), None]))
    if arguments.json:
        sys.stdout.write(show.as_json(rows))
    else:
        sys.stdout.write(show.table(_HEADER, [_cells(row) for row in rows]))
    return 0


def _rows(tree: cgroups.Groups, apps: list[str | None]) -> Iterator[dict[str, Any]]:
    seen: set[int] = set()
    for app in apps:
        for pid in sorted(cgroups.processes((tree.app(app) if app else tree).processes)):
            if pid not in seen and (row := process(pid)):
                seen.add(pid)
                yield {"app": app, **row}


def process(pid: int) -> dict[str, Any] | None:
    """What /proc says of a process (proc(5)); None if it has ended. `uid` is the one inside the pod."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        ids = Path(f"/proc/{pid}/uid_map").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    words = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    tick = os.sysconf("SC_CLK_TCK")
    return {
        "pid": pid,
        "pid_inside": int(words["NSpid"].split()[-1]),
        "uid": inside(int(words["Uid"].split()[1]), ids),
        "state": fields[0],
        "tasks": int(fields[17]),
        "cpu": (int(fields[11]) + int(fields[12])) * 1_000_000 // tick,
        "memory": int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        "elapsed": max(0.0, round(time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / tick, 2)),
        "command": words_of(command) or [f"[{words['Name']}]"],
    }


def words_of(command: bytes) -> list[str]:
    """/proc/PID/cmdline as words; none of a process that has just ended."""
    return [os.fsdecode(word) for word in command.rstrip(b"\0").split(b"\0")] if command else []


def inside(uid: int, uid_map: str) -> int:
    """A host's uid as a user namespace with this map sees it (user_namespaces(7)); 65534 where it has none."""
    for line in uid_map.splitlines():
        first, host, count = map(int, line.split())
        if host <= uid < host + count:
            return first + uid - host
    return 65534


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["app"] or "-",
        str(row["pid"]),
        str(row["pid_inside"]),
        str(row["uid"]),
        row["state"],
        str(row["tasks"]),
        f"{row['cpu'] / 1e6:.2f} s",
        show.amount(row["memory"]),
        show.printable(" ".join(row["command"]))[:200],
    )
