"""EFFECT. `pod ps`: list pods."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from stage0 import show
from stage0.pods import lifecycle, reach, results
from stage0.pods.lifecycle import Pod
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to list and how."""
    parser.add_argument("-a", "--all", action="store_true", help="also pods that are not running")
    parser.add_argument("-q", "--quiet", action="store_true", help="only UUIDs")
    parser.add_argument("--json", action="store_true", help="a list of objects")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Running pods, or all."""
    found = [pod for pod in lifecycle.pods(settings.data) if arguments.all or pod.word == "running"]
    if arguments.quiet:
        sys.stdout.write("".join(f"{pod.uuid}\n" for pod in found))
        return 0
    rows = [summary(pod) for pod in found]
    if arguments.json:
        sys.stdout.write(show.as_json(rows))
    else:
        sys.stdout.write(
            show.table(
                ("UUID", "NAME", "STATE", "STATUS", "APPS", "PORTS", "SINCE"), [_row(row) for row in rows]
            )
        )
    return 0


def summary(pod: Pod) -> dict[str, Any]:
    """One pod, from its manifest and the monitor's record."""
    manifest: dict[str, Any] = lifecycle.read_manifest(pod.directory)
    ended = results.outcome(pod.directory) if pod.word == "exited" else None
    return {
        "uuid": pod.uuid,
        "name": manifest.get("name"),
        "state": results.state_word(pod),
        "ready": pod.word == "running" and pod.directory.ready.exists(),
        "status": ended.status if ended and ended.reason != "lost" else None,
        "reason": ended.reason if ended else None,
        "apps": [
            {"name": app["name"], "image": app["image"]["name"], "digest": app["image"]["digest"]}
            for app in manifest.get("apps", [])
        ],
        "ports": reach.ports(pod),
        "created": manifest.get("created"),
        **results.times(pod, ended)._asdict(),
    }


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    status = (
        row["status"] if row["status"] is not None else row["reason"] or ("ready" if row["ready"] else "-")
    )
    apps = ",".join(app["name"] for app in row["apps"])
    return (
        row["uuid"][:13],
        row["name"] or "-",
        row["state"],
        str(status),
        apps or "-",
        ",".join(map(reach.port_word, row["ports"])) or "-",
        show.ago(row["ended_at"] or row["started_at"] or row["created"]),
    )
