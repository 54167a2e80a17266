"""EFFECT. `pod run`: make a pod from images and run it."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from stage0 import entering, handoff
from stage0.image import Store
from stage0.making import making, planned
from stage0.parsing import Parser
from stage0.pods import lifecycle, ranges
from stage0.request.arguments import add_pod_options, request_of
from stage0.settings import Settings
from stage1.contract import ConflictError, NotFoundError, PodError, PodManifest, State, codec

USAGE = (
    "pod run [POD OPTIONS] IMAGE [APP OPTIONS] [-- ARGS] [--- IMAGE …]\n       pod run [POD OPTIONS] -f FILE"
)


def add_arguments(parser: Parser) -> None:
    """Pod options; those of apps are parsed after their images."""
    parser.add_argument(
        "-d", "--detach", action="store_true", help="return when the pod is ready, and print its UUID"
    )
    parser.add_argument("--rm", action="store_true", help="remove the pod when it is over")
    parser.add_argument(
        "--replace", action="store_true", help="a pod of the same name that has ended makes room"
    )
    parser.add_argument(
        "-i",
        "--interactive",
        action="store_true",
        help="give the only app this standard input (else: --stdin)",
    )
    parser.add_argument(
        "-t", "--tty", action="store_true", help="give the only app a terminal (else: --stdin)"
    )
    add_detach_keys(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the pod's manifest and make nothing")
    add_pod_options(parser)


def add_detach_keys(parser: argparse.ArgumentParser) -> None:
    """The option of all that take a terminal and may give it back."""
    parser.add_argument(
        "--detach-keys",
        metavar="KEYS",
        default=entering.DETACH_KEYS,
        help=f"keys that give the terminal back while the pod goes on ({entering.DETACH_KEYS}); empty: none",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """In the foreground this process becomes the pod's monitor and ends with the pod's status."""
    request = request_of(arguments, os.environ, settings.data.cache)
    keys = entering.key_codes(arguments.detach_keys)
    if arguments.dry_run:
        pod = planned(request, Store(settings.root), quiet=arguments.quiet)
        sys.stdout.write(codec.encode(ranges.foreseen(pod, settings)).decode())
        return 0
    if arguments.replace and request.name is not None:
        make_room(request.name, settings)
    with making(request, settings, arguments.uuid_file, quiet=arguments.quiet) as (pod, preparing, lock):
        handoff.require_native(preparing)
        directory = lifecycle.move(preparing, State.RUN)
        if not arguments.detach:
            handoff.foreground(pod, directory, lock, warn, detach_keys=keys)
        ready = handoff.detached(pod, directory, lock, warn)
    return announce(pod, lock, settings, ready=ready)


def make_room(name: str, settings: Settings) -> None:
    """Remove the pod of this name, if there is one; ConflictError if it runs."""
    if (uuid := lifecycle.owner_of(settings.data, name)) is None:
        return
    from stage0.pods import removal  # noqa: PLC0415  there is one after a crash, or where it was not made with --rm

    with contextlib.suppress(NotFoundError):
        found = lifecycle.find(settings.data, uuid)
        if not removal.remove(found) and found.running:
            raise ConflictError(f"pod {name} runs", hint=f"`pod stop {name}` ends it")


def warn(text: str) -> None:
    """Tell what is no error, before the pod prints anything."""
    sys.stderr.write(f"pod: {text}\n")
    sys.stderr.flush()


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
