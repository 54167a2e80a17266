"""EFFECT. `pod unit`: a unit of the host for a pod, to be enabled, started and changed like any other."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from stage0 import handoff
from stage0.plan.hostunit import checked_slice
from stage0.plan.hostunit import properties as properties_of
from stage0.pods import lifecycle
from stage0.settings import Settings
from stage1.contract import ConflictError, UsageError
from stage1.contract.text import POD_NAME

RESTARTS = ("no", "on-success", "on-failure", "on-abnormal", "on-abort", "always")
_SYSTEM = Path("/etc/systemd/system")
_TRANSIENT = Path("/run/systemd/transient")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For which pod, and where to."""
    option = parser.add_argument
    option("pod", metavar="POD", nargs="?", help="a pod that exists: each start is a start of the same pod")
    option("-f", "--file", metavar="FILE", help="a manifest: each start makes the pod anew")
    option("--name", help="name of the pod that -f makes (default: the manifest's, or the file's)")
    option(
        "--restart", metavar="POLICY", choices=RESTARTS, help=f"{', '.join(RESTARTS)} (default on-failure)"
    )
    option(
        "--slice",
        metavar="SLICE",
        help="where its limits belong (default: the manifest's, or machine.slice)",
    )
    option("--install", action="store_true", help=f"write it to {_SYSTEM} and let systemd read it")
    option("--shared", metavar="DIR", help="write pod@.service, pod-gc.service and pod-gc.timer there")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the unit, or install it and print what to do next."""
    program, root = str(Path(sys.argv[0]).absolute()), str(settings.root.absolute())
    if arguments.shared is not None:
        for name, text in handoff.shared_host_units(program, root).items():
            (Path(arguments.shared) / name).write_text(text)
        return 0
    if (arguments.pod is None) == (arguments.file is None):
        raise UsageError("name a pod, or a manifest with -f", hint="see `pod unit --help`")
    checked_slice(arguments.slice)
    wish = _of_file(arguments) if arguments.file is not None else _of_pod(arguments, settings)
    name, text = handoff.host_unit(program=program, root=root, **_given(arguments, wish))
    if not arguments.install:
        sys.stdout.write(text)
        return 0
    if (_TRANSIENT / name).exists():
        # it would hide the file, also from `systemctl enable`, and systemd 252 would go on looking for it afterwards
        raise ConflictError(
            f"{name} is there: `pod run -d` or `pod start -d` made it, and it stays until the pod ends",
            hint=f"pod stop {wish['name']}, then this again",
        )
    (_SYSTEM / name).write_text(text)
    handoff.reload_host()
    sys.stdout.write(f"{_SYSTEM / name}\nstart it now and at each boot: systemctl enable --now {name}\n")
    return 0


def _given(arguments: argparse.Namespace, wish: dict[str, Any]) -> dict[str, Any]:
    """What the command line says goes over what the manifest says, and that over our defaults."""
    properties = wish.pop("properties")
    if arguments.restart is not None:
        properties = [text for text in properties if not text.startswith("Restart=")]
    return {
        **wish,
        "properties": tuple(properties),
        "restart": arguments.restart or "on-failure",
        "slice": arguments.slice or wish["slice"] or "machine.slice",
    }


def _of_pod(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    if arguments.name is not None:
        raise UsageError("--name goes with -f", hint="a pod that exists keeps its name")
    pod = lifecycle.find(settings.data, arguments.pod)
    manifest = lifecycle.read_manifest(pod.directory)
    if manifest.get("remove"):
        raise ConflictError(
            f"pod {pod.label} was made with --rm: it is gone after its first end",
            hint="make it again without --rm",
        )
    stops = [app.get("stop_time", 10.0) for app in manifest.get("apps", [])]
    return {
        "name": manifest.get("name") or pod.uuid,
        "stop_time": sum(stops),
        "slice": manifest.get("slice"),
        "properties": manifest.get("unit_properties", []),
    }


def _of_file(arguments: argparse.Namespace) -> dict[str, Any]:
    from stage0.request.file import found_file, read  # noqa: PLC0415  pydantic, and only for files

    path = found_file(arguments.file)
    request = read(str(path))
    name = arguments.name or request.name or path.stem
    if not re.fullmatch(POD_NAME, name):
        raise UsageError(f"{name!r} is not a name for a pod", hint="give one with --name")
    return {
        "name": name,
        "file": str(path.absolute()),
        "slice": checked_slice(request.slice),
        "properties": properties_of(request),
    }
