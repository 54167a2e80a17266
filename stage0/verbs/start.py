"""EFFECT. `pod start`: start a prepared or ended pod."""

from __future__ import annotations

import argparse
import os
import sys

from stage0 import entering, handoff
from stage0.pods import lifecycle, ranges
from stage0.pods.lifecycle import Pod
from stage0.settings import Settings
from stage0.verbs import warn
from stage1.contract import ConflictError, NotFoundError, PodDir, PodError, PodManifest, State

STARTABLE = {State.PREPARED, State.RUN, State.EXITED}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod, and how."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument(
        "-d", "--detach", action="store_true", help="return when the pod is ready, and print its UUID"
    )
    parser.add_argument(
        "--ready-fd",
        metavar="FD",
        type=int,
        help="write the word ready to this descriptor when the pod is, for programs that start pods",
    )
    entering.add_detach_keys(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """An ended pod starts with the files it left; results and logs of the last time make room."""
    keys = entering.key_codes(arguments.detach_keys)
    found = lifecycle.find(settings.data, arguments.pod)
    handoff.require_native(found.directory)
    if arguments.detach:
        handoff.require_no_unit_file(found.label)
    directory, lock = claim(found)
    pod = lifecycle.manifest(directory)
    ranges.claimed(pod, settings)
    if not arguments.detach:
        handoff.foreground(pod, directory, lock, warn, detach_keys=keys, ready=arguments.ready_fd)
    return announce(pod, lock, settings, ready=handoff.detached(pod, directory, lock, warn))


def announce(pod: PodManifest, lock: int, settings: Settings, *, ready: bool) -> int:
    """Print the UUID of a pod that lives on its own now; `lock` was our share in its life."""
    os.close(lock)
    sys.stdout.write(f"{pod.uuid}\n")
    return 0 if ready else ended_early(pod, settings)


def ended_early(pod: PodManifest, settings: Settings) -> int:
    """The status of a pod that was over before it was ready: that may be as it should be."""
    from stage0.pods.results import outcome  # noqa: PLC0415  rare

    try:
        found = lifecycle.find(settings.data, pod.uuid)
    except NotFoundError:
        raise PodError(
            f"pod {pod.label} ended before it was ready, and --rm took its result with it",
            hint="leave out --rm to see what happened",
        ) from None
    ended = outcome(found.directory)
    if ended.status != 0:
        who = f", decided by its app {ended.by}" if ended.by else ""
        why = f": {ended.message}" if ended.message else f"{who}; `pod logs {pod.label}` may tell why"
        warn(f"pod {pod.label} ended with {ended.status} before it was ready{why}")
    return ended.status


def _settle(directory: PodDir) -> None:
    """A change of its apps may have been cut short: the pod starts as it was, or as was asked."""
    if directory.change.exists():
        from stage0.running import changing  # noqa: PLC0415  rare

        changing.settle_ended(directory)


def claim(pod: Pod) -> tuple[PodDir, int]:
    """Take the pod's lock and move it to `run`; ConflictError if it runs or is not whole."""
    lock = lifecycle.lock_exclusive(pod.directory) if pod.state in STARTABLE else None
    if lock is None:
        raise ConflictError(
            f"pod {pod.label} is {pod.word}", hint="only a prepared or ended pod can be started"
        )
    try:
        directory = pod.directory if pod.state is State.RUN else lifecycle.move(pod.directory, State.RUN)
        _settle(directory)
        return directory, lock
    except FileNotFoundError:
        os.close(lock)
        raise ConflictError(
            f"pod {pod.label} was moved by someone else", hint="look again: pod ps --all"
        ) from None
