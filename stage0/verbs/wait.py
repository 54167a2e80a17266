"""EFFECT. `pod wait`: wait until pods have ended, or for another state or the end of an app."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stage0 import quantities
from stage0.pods import history, lifecycle, results
from stage0.pods.lifecycle import Pod
from stage0.settings import Settings
from stage1.contract import ConflictError, NotFoundError, PodDir, PodError, State, UsageError

TIMED_OUT = 124
_SOON, _LATER = 0.01, 1.0


class TimeUpError(PodError):
    """What was waited for did not come in time."""

    exit_code = TIMED_OUT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods, for what, how long."""
    option = parser.add_argument
    option("pods", metavar="POD", nargs="+", help="name, UUID or the beginning of one")
    option(
        "--for",
        dest="condition",
        metavar="CONDITION",
        default="ended",
        help="ended (default), running, ready, paused, removed, or app:NAME (that app has ended)",
    )
    option("--timeout", metavar="TIME", help=f"give up after this time with status {TIMED_OUT}")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """`ended` and `app:NAME` print one status a line and exit with the last one; the others print nothing."""
    met = _condition(arguments.condition)
    limit = None
    if arguments.timeout:
        limit = time.monotonic() + quantities.seconds(arguments.timeout, where="--timeout")
    pods = [lifecycle.find(settings.data, reference) for reference in arguments.pods]
    if arguments.condition == "ended":
        for pod in pods:
            _require_started(pod)
    status = 0
    for pod in pods:
        found = _await(pod, settings, met, limit, arguments.condition)
        if found is not None:
            status = found
            sys.stdout.write(f"{status}\n")
            sys.stdout.flush()
    return status


def _require_started(pod: Pod) -> None:
    if pod.state is not State.RUN:
        raise ConflictError(
            f"pod {pod.label} is {pod.word}, not running", hint=f"start it: pod start {pod.label}"
        )


# What a condition says of a pod: (met, the status to tell); it raises where it can no longer be met.
Condition = Callable[[Pod], tuple[bool, int | None]]


def _condition(text: str) -> Condition:
    if (app := _app_of(text)) is not None:
        return lambda pod: _app_ended(pod, app)
    conditions: dict[str, Condition] = {
        "ended": lambda pod: (pod.word == "exited", results.outcome(pod.directory).status),
        "running": lambda pod: (pod.word == "running" or _over(pod), None),
        "ready": lambda pod: ((pod.word == "running" and pod.directory.ready.exists()) or _over(pod), None),
        "paused": lambda pod: (results.state_word(pod) == "paused" or _over(pod), None),
        "removed": lambda _: (False, None),
    }
    if text not in conditions:
        raise UsageError(
            f"--for {text}: there is no such condition",
            hint=f"one of {', '.join(conditions)} or app:NAME",
        )
    return conditions[text]


def _app_of(text: str) -> str | None:
    """NAME of `app:NAME`."""
    kind, _, app = text.partition(":")
    return app if kind == "app" and app else None


def _over(pod: Pod) -> bool:
    """False of a pod that may still get there; ConflictError of one that will not."""
    if pod.word in {"exited", "aborted", "deleting"}:
        raise ConflictError(f"pod {pod.label} is {pod.word}", hint=f"see `pod status {pod.label}`")
    return False


def _app_ended(pod: Pod, app: str) -> tuple[bool, int | None]:
    results.require_app(pod, app)
    state = next(state for state in results.app_states(pod) if state.name == app)
    if state.state in {"exited", "lost"} and state.result:
        return True, int(state.result.get("status") or 0)
    if pod.word == "exited":
        raise ConflictError(
            f"app {app} has no result: it is {state.state}", hint=f"see `pod status {pod.label}`"
        )
    return False, None


def _await(pod: Pod, settings: Settings, met: Condition, limit: float | None, what: str) -> int | None:
    if what == "ended" and limit is None:
        return _await_end(pod.directory)
    from stage0.pods.watching import Watch  # noqa: PLC0415  ctypes, and the end of a pod needs none of it

    with Watch() as watch:
        watch.add(*history.places(settings.root))
        app, ending, pause = _app_of(what), False, _SOON
        while True:
            try:
                pod = lifecycle.find(settings.data, pod.uuid)
            except NotFoundError:
                if what == "removed":
                    return None
                raise
            # first the watching, then the look: what comes between the two wakes us up
            watch.add(*history.watched(pod.directory))
            told = _told_by_the_kernel(pod, app)
            for path in told:
                watch.add_file(path)
            done, status = met(pod)
            if done:
                return status
            if limit is not None and time.monotonic() >= limit:
                raise TimeUpError(
                    f"pod {pod.label} is {results.state_word(pod)}, after the time given with --timeout",
                    hint=f"see `pod status {pod.label}`",
                )
            if pod.running and not ending:
                ending = True
                watch.also_call(partial(lifecycle.wait_for_end, pod.directory))
            left = None if limit is None else max(0.0, limit - time.monotonic())
            # its result is there, but commands after its end may run: without cgroup v2 nothing tells of theirs
            if not told and app and results.final_result(pod, app):
                left = pause if left is None else min(pause, left)
            pause = _SOON if watch.wait(left) else min(2 * pause, _LATER)


def _told_by_the_kernel(pod: Pod, app: str | None) -> list[Path]:
    """The files in which it tells a pause, and the end of an app's last process; none where it has no cgroup v2."""
    if (groups := results.groups(pod)) is None:
        return []
    trees = [groups, groups.app(app)] if app else [groups]
    return [tree.unified / "cgroup.events" for tree in trees if tree.unified]


def _await_end(directory: PodDir) -> int:
    lifecycle.wait_for_end(directory)
    return results.outcome(directory).status
