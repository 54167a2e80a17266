"""EFFECT. `pod port ls`."""

from __future__ import annotations

import argparse
import sys

from stage0 import handoff
from stage0.pods import history, lifecycle, reach
from stage0.running import changing
from stage0.settings import Settings
from stage0.show import as_json, table
from stage1.contract import ConflictError, PodDir, Port


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("--json", action="store_true", help="a list of objects")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """A line a port: the app it was published with, the pod's port, and where on the host it is."""
    found: list[Port] = handoff.networks().ports(running(args.pod, settings))
    if args.json:
        sys.stdout.write(as_json([port._asdict() for port in found]))
    else:
        rows = [(port.app or "-", f"{port.pod}/{port.protocol}", place(port)) for port in found]
        sys.stdout.write(table(("APP", "PORT", "HOST"), rows))
    return 0


def running(reference: str, settings: Settings, *, change: bool = False) -> PodDir:
    """A pod that runs; only these have ports."""
    pod = lifecycle.find(settings.data, reference)
    if pod.word != "running":
        raise ConflictError(
            f"pod {pod.label} is {pod.word}", hint="only a pod that runs has published ports"
        )
    if change:
        changing.require_mutable(pod)
    return pod.directory


def note(directory: PodDir, what: str, ports: list[Port]) -> None:
    """Record for `pod events` what has just been done: `publish`, or `unpublish`."""
    history.note(directory, "port", change=what, ports=[f"{place(port)}/{port.protocol}" for port in ports])


def place(port: Port) -> str:
    """Where on the host a port is."""
    return reach.place(port.address, port.host)
