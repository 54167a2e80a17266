"""EFFECT. `pod mount`: bring trees of the host into running apps, and take them away."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stage0 import finding
from stage0.pods import lifecycle
from stage0.pods.lifecycle import Pod
from stage0.running import changing, livemount, livemounts
from stage0.running.livemounts import Record, Removal
from stage0.settings import Settings
from stage0.show import as_json, printable, table
from stage1.contract import ConflictError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    below = parser.add_subparsers(dest="mount_verb", metavar="VERB", required=True)
    adding = below.add_parser("add", help="mount a file or directory of the host in a running app")
    adding.add_argument("--app", metavar="APP", help="which app; needed where the pod has several")
    adding.add_argument(
        "--propagate",
        action="store_true",
        help="by systemd-nspawn's propagation directory, as where the kernel has no open_tree(2)",
    )
    adding.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    adding.add_argument(
        "mount",
        metavar="SOURCE:TARGET[:OPTIONS]",
        help="OPTIONS: ro (read-only), rec (with what is mounted below), joined by commas",
    )
    listing = below.add_parser("ls", help="list them")
    listing.add_argument("--json", action="store_true", help="write JSON")
    listing.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    removing = below.add_parser("rm", help="unmount some")
    removing.add_argument("--app", metavar="APP", help="only of this app")
    removing.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    removing.add_argument("mounts", metavar="ID|TARGET", nargs="+", help="id, or the path in the app")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    actions: dict[str, Callable[[Pod, argparse.Namespace], int]] = {"add": _add, "ls": _list, "rm": _remove}
    pod = lifecycle.find(settings.data, arguments.pod)
    if pod.word != "running":
        raise ConflictError(
            f"pod {pod.label} is not running", hint="mounts of a pod that does not run: `pod run --volume`"
        )
    if arguments.mount_verb != "ls":
        changing.require_mutable(pod)
    return actions[arguments.mount_verb](pod, arguments)


def _add(pod: Pod, arguments: argparse.Namespace) -> int:
    wanted = livemount.parse(arguments.mount, directory=str(Path.cwd()))
    app = finding.choose_app(str(pod.directory.path), arguments.app)
    name = lifecycle.read_manifest(pod.directory).get("name")
    machine = name if isinstance(name, str) else f"pod-{pod.uuid}"
    with livemounts.locked(pod.directory):
        record = livemounts.add(pod.directory, app, wanted, machine=machine, propagate=arguments.propagate)
    sys.stdout.write(f"{record.id}\n")
    return 0


def _list(pod: Pod, arguments: argparse.Namespace) -> int:
    with livemounts.locked(pod.directory):
        found = [(one, livemounts.is_there(pod.directory, one)) for one in livemounts.records(pod.directory)]
    if arguments.json:
        sys.stdout.write(as_json([_facts(one, there=there) for one, there in found]))
        return 0
    rows = [
        (
            one.id,
            one.app,
            printable(one.target),
            printable(one.source),
            _options(one),
            "mounted" if there else "gone",
        )
        for one, there in found
    ]
    sys.stdout.write(table(("ID", "APP", "TARGET", "SOURCE", "OPTIONS", "STATE"), rows))
    return 0


def _options(record: Record) -> str:
    return livemount.LiveMount(record.source, record.target, record.read_only, record.recursive).options


def _facts(record: Record, *, there: bool) -> dict[str, Any]:
    return record._asdict() | {"mounted": there}


def _remove(pod: Pod, arguments: argparse.Namespace) -> int:
    with livemounts.locked(pod.directory):
        for reference in arguments.mounts:
            record = livemounts.find(pod.directory, reference, arguments.app)
            removal = livemounts.remove(pod.directory, record)
            if removal is Removal.BUSY and not record.recursive:
                sys.stdout.write(
                    f"{record.id}: in use; nobody can reach it any more, and it goes when who uses it does\n"
                )
            elif removal is Removal.GONE:
                sys.stdout.write(f"{record.id}: it was not mounted any more\n")
    return 0
