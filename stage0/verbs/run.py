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
from stage0.verbs import warn
from stage1.contract import ConflictError, NotFoundError, State, codec

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
    entering.add_detach_keys(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the pod's manifest and make nothing")
    add_pod_options(parser)


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
    from stage0.verbs.start import announce  # noqa: PLC0415  not in the foreground

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
