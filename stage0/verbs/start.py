"""EFFECT. `pod start`: start a prepared or ended pod."""

from __future__ import annotations

import argparse
import os

from stage0 import entering, handoff
from stage0.pods import lifecycle, ranges
from stage0.pods.lifecycle import Pod
from stage0.settings import Settings
from stage0.verbs.run import add_detach_keys, announce, warn
from stage1.contract import ConflictError, PodDir, PodManifest, State, codec

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
    add_detach_keys(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """An ended pod starts with the files it left; results and logs of the last time make room."""
    keys = entering.key_codes(arguments.detach_keys)
    found = lifecycle.find(settings.data, arguments.pod)
    handoff.require_native(found.directory)
    directory, lock = claim(found)
    pod = manifest_of(found._replace(directory=directory))
    ranges.claimed(pod, settings)
    if not arguments.detach:
        handoff.foreground(pod, directory, lock, warn, detach_keys=keys, ready=arguments.ready_fd)
    return announce(pod, lock, settings, ready=handoff.detached(pod, directory, lock, warn))


def manifest_of(pod: Pod) -> PodManifest:
    """The manifest of a pod, checked: somebody may have edited it."""
    manifest = pod.directory.manifest
    found: PodManifest = codec.decode(manifest.read_bytes(), where=str(manifest))
    return found


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
