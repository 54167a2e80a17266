"""EFFECT. What a pod directory says about how the pod and its apps are doing; facts on disk and in /proc only."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stage0 import moments
from stage0.pods import cgroups, lifecycle
from stage0.pods.cgroups import Groups
from stage0.pods.lifecycle import Pod
from stage1.contract import EXIT_RUNTIME, ConflictError, NotFoundError, PodDir
from stage1.contract.paths import REAPER
from stage1.contract.values import NamedTuple

if TYPE_CHECKING:
    from typing import Literal

    from stage0.pods.lifecycle import Word

    AppWord = Literal[
        "created", "starting", "listening", "running", "paused", "restarting", "exited", "lost"
    ]


class Outcome(NamedTuple):
    """How a pod ended; `reason` is `lost` if its monitor could not say (it was killed, or the host went down)."""

    status: int
    reason: str
    by: str | None
    started_at: str | None
    ready_at: str | None
    ended_at: str | None
    message: str | None = None  # why, where the rest does not say it


class AppState(NamedTuple):
    """One app; it is `lost` if no result was written."""

    name: str
    image: str
    digest: str
    state: AppWord
    pid: int | None
    result: Mapping[str, Any] | None
    message: str | None  # what it said last of itself (STATUS= of sd_notify)


# Ends of a pod that leave its apps no time for a result; after any other an app without one was never started.
_WITHOUT_RESULTS = {"lost", "killed", "supervisor-failed"}


def outcome(directory: PodDir) -> Outcome:
    """The monitor's record, or what can be said without one."""
    found = _json(directory.outcome)
    status = found.get("status")
    return Outcome(
        status=status if isinstance(status, int) else EXIT_RUNTIME,
        reason=str(found.get("reason", "lost")),
        by=found.get("by"),
        started_at=found.get("started_at"),
        ready_at=found.get("ready_at"),
        ended_at=found.get("ended_at"),
        message=found.get("message"),
    )


class Times(NamedTuple):
    """When a pod was last started, became ready and ended, as stamps; None for what has not been."""

    started_at: str | None = None
    ready_at: str | None = None
    ended_at: str | None = None


def times(pod: Pod, ended: Outcome | None) -> Times:
    """Of a pod that runs by the monitor's files, of one that has ended by its record."""
    if pod.word == "running":
        return Times(started(pod.directory), ready(pod.directory))
    if ended is not None:
        return Times(*map(moments.normal, (ended.started_at, ended.ready_at, ended.ended_at)))
    return Times()


def started(directory: PodDir) -> str | None:
    """The monitor's first file tells by its time; afterwards its last one tells as well."""
    with contextlib.suppress(OSError):
        return moments.stamp(directory.monitor.stat().st_mtime_ns)
    return None


def ready(directory: PodDir) -> str | None:
    """What the monitor wrote when the pod became ready."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return moments.normal(directory.ready.read_text().strip())
    return None


def app_states(pod: Pod) -> list[AppState]:
    """Each app of a pod, in the manifest's order."""
    apps = lifecycle.read_manifest(pod.directory).get("apps", [])
    leader = live_process(pod.directory.leader) if pod.word == "running" else None
    tree = cgroups.of_pod(leader) if leader else None
    return [_app_state(pod, app, leader, tree) for app in (apps if isinstance(apps, list) else [])]


def _app_state(pod: Pod, app: Mapping[str, Any], leader: int | None, tree: Groups | None) -> AppState:
    result = result_of(pod, app["name"])
    pid = main_process(leader, app["name"]) if leader else None
    return AppState(
        name=app["name"],
        image=app["image"]["name"],
        digest=app["image"]["digest"],
        state="paused"
        if pid and tree and _stands_still(tree, app["name"])
        else "listening"
        if not pid and _listens(pod, app)
        else _state_word(pod, result, pid),
        pid=pid,
        result=result,
        message=_message(pod.directory.message(app["name"])),
    )


def result_of(pod: Pod, app: str) -> Mapping[str, Any] | None:
    """The latest result of one app, if it has one."""
    return _json(pod.directory.result(app)) or None


def final_result(pod: Pod, app: str) -> Mapping[str, Any] | None:
    """The same of an app that will not be started again by itself."""
    found = result_of(pod, app)
    return found if found and found.get("final") else None


def _message(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def _stands_still(tree: Groups, app: str) -> bool:
    return cgroups.is_frozen(tree) or cgroups.is_frozen(tree.app(app))


def _listens(pod: Pod, app: Mapping[str, Any]) -> bool:
    """True for an app of a running pod that waits for its sockets to start it, again or for the first time."""
    sockets = app.get("sockets") or []
    over = final_result(pod, app["name"])
    return pod.word == "running" and not over and any(one.get("activated") for one in sockets)


def _state_word(pod: Pod, result: Mapping[str, Any] | None, pid: int | None) -> AppWord:
    if pod.word == "running" and pid:  # started again, if there is a result
        return "running"
    if result and result.get("final"):
        return "exited"
    if pod.word == "running":
        return "restarting" if result else "starting"
    if pod.word == "exited" and outcome(pod.directory).reason in _WITHOUT_RESULTS:
        return "lost"
    return "created"


def live_process(record: Path) -> int | None:
    """The process of a `PID STARTTIME` file if it is still the same one."""
    found = recorded(record)
    return found[0] if found and start_of(found[0]) == found[1] else None


def recorded(record: Path) -> tuple[int, int] | None:
    """Number and start of a process, as a `PID STARTTIME` file has them."""
    try:
        pid, start = map(int, record.read_text().split())
    except (OSError, ValueError):
        return None
    return pid, start


def start_of(pid: int) -> int | None:
    """When a process began, in ticks since the boot (proc_pid_stat(5)): a number is used again, the two are not."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return None


def leader(directory: PodDir) -> int:
    """PID 1 of a pod that can be spoken to."""
    found = live_process(directory.leader)
    if found is None:
        raise ConflictError(
            f"pod {lifecycle.label(directory)} is starting or ending", hint="try again in a moment"
        )
    return found


def main_process(leader: int, app: str) -> int | None:
    """The host's pid of an app's main process: in the app's cgroup, the oldest child of the pod's PID 1.

    Not the reaper, which is there when the app has ended: a signal meant for the app must not keep it from its work.
    """
    found = cgroups.of_pod(leader)
    best: tuple[int, int] | None = None
    for pid in cgroups.processes(found.app(app).processes) if found else ():
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == leader and os.readlink(f"/proc/{pid}/exe") != REAPER:
                best = min(best or (int(fields[19]), pid), (int(fields[19]), pid))
    return best[1] if best else None


def runs(pod: Pod, app: str) -> bool:
    """Whether an app has a main process now, whatever its result says: that may be the last run's."""
    leader = live_process(pod.directory.leader)
    return leader is not None and main_process(leader, app) is not None


def groups(pod: Pod) -> Groups | None:
    """The cgroups of a pod that runs and has booted, else None."""
    leader = live_process(pod.directory.leader) if pod.word == "running" else None
    return cgroups.of_pod(leader) if leader else None


def state_word(pod: Pod) -> Word | Literal["paused"]:
    """The state as people are told it, a pod that stands still included."""
    found = groups(pod)
    return "paused" if found and cgroups.is_frozen(found) else pod.word


def app_names(pod: Pod) -> list[str]:
    """The apps of a pod, in the manifest's order."""
    apps = lifecycle.read_manifest(pod.directory).get("apps", [])
    return [app["name"] for app in apps] if isinstance(apps, list) else []


def require_app(pod: Pod, name: str) -> None:
    """NotFoundError for an app that the pod does not have."""
    names = app_names(pod)
    if name not in names:
        raise NotFoundError(
            f"pod {pod.label} has no app {name!r}", hint=f"its apps: {', '.join(names) or 'none'}"
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def unenforced(directory: PodDir) -> list[str]:
    """The limits that the host could not enforce when the pod started, each with the reason."""
    try:
        return directory.unenforced.read_text().splitlines()
    except OSError:
        return []
