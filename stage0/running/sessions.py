"""EFFECT. Commands that were detached: their records below `run/sessions`, and the process that keeps each."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stage0.pods import lifecycle
from stage0.pods.signals import Process
from stage1.contract import EXIT_RUNTIME, ConflictError, NotFoundError, PodDir
from stage1.contract.values import NamedTuple

# To the keeper: kill the command and all of its session (see stage1/contract/README.md).
_KILL_ALL = signal.SIGRTMIN + 1


class Session(NamedTuple):
    """One detached command; `status` None while it runs."""

    directory: Path
    id: str
    app: str | None
    command: tuple[str, ...]
    terminal: bool
    keeper: int
    keeper_start: int
    pid: int
    detached_at: str
    status: int | None
    ended_at: str | None

    @property
    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "id": self.id,
            "app": self.app,
            "command": list(self.command),
            "terminal": self.terminal,
            "pid": self.pid,
            "running": self.status is None,
            "status": self.status,
            "detached_at": self.detached_at,
            "ended_at": self.ended_at,
        }


def sessions(directory: PodDir) -> Iterator[Session]:
    """Every one of a pod, oldest first."""
    found = [read(directory.sessions / name) for name in lifecycle.listing(directory.sessions)]
    yield from sorted((one for one in found if one), key=lambda one: one.detached_at)


def find(directory: PodDir, reference: str) -> Session:
    """One by its id or the beginning of it."""
    found = [one for one in sessions(directory) if one.id.startswith(reference)]
    if len(found) > 1:
        raise ConflictError(f"{reference!r} begins {len(found)} ids", hint="write more of it")
    if not found:
        raise NotFoundError(
            f"pod {lifecycle.label(directory)} has no session {reference!r}",
            hint="`pod session ls POD` lists them",
        )
    return found[0]


def read(directory: Path) -> Session | None:
    """A record with its result; one whose keeper is gone without a result was killed with it."""
    try:
        said = json.loads((directory / "session.json").read_bytes())
        session = Session(
            directory=directory,
            id=directory.name,
            app=said["app"],
            command=tuple(said["command"]),
            terminal=said["terminal"],
            keeper=said["keeper"],
            keeper_start=said["keeper_start"],
            pid=said["pid"],
            detached_at=said["detached_at"],
            status=None,
            ended_at=None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with _keeper(session) as keeper:  # looked for first: it writes the result before it ends
        alive = keeper.alive
    try:
        result = json.loads((directory / "result.json").read_bytes())
        return session._replace(status=int(result["status"]), ended_at=str(result["ended_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return session if alive else session._replace(status=EXIT_RUNTIME)


def _keeper(session: Session) -> Process:
    return Process(session.keeper, session.keeper_start)


def wait(session: Session, seconds: float | None = None) -> int | None:
    """Its status once it has ended, None if it has not by then."""
    with _keeper(session) as keeper:
        if not keeper.wait(seconds):
            return None
    again = read(session.directory)
    return again.status if again else EXIT_RUNTIME


def stop(session: Session, number: int, seconds: float) -> int | None:
    """Signal it; if it has not ended by then, kill it and all of its session."""
    send(session, number)
    status = wait(session, seconds)
    if status is None:
        send(session, _KILL_ALL)
        status = wait(session)
    return status


def send(session: Session, number: int) -> None:
    """By way of its keeper; one that has ended is no error."""
    with _keeper(session) as keeper:
        keeper.send(number)


def resize(session: Session, columns: int, rows: int) -> None:
    """Give its terminal another size."""
    temporary = session.directory / f"size.{time.monotonic_ns()}"
    temporary.write_text(f"{columns}x{rows}\n")
    temporary.replace(session.directory / "size")
    send(session, signal.SIGWINCH)


def remove(session: Session) -> None:
    """Forget one that has ended."""
    for name in sorted(os.listdir(session.directory)):
        (session.directory / name).unlink()
    session.directory.rmdir()
