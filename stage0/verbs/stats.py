"""EFFECT. `pod stats`: what pods and their apps use."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from stage0 import quantities, show
from stage0.pods import cgroups, lifecycle, results
from stage0.pods.cgroups import Usage
from stage0.pods.lifecycle import Pod
from stage0.settings import Settings
from stage1.contract import ConflictError, UsageError
from stage1.contract.values import NamedTuple

_HEADER = ("POD", "APP", "CPU", "CPU TIME", "MEMORY", "LIMIT", "TASKS", "READ", "WRITTEN")


class Sample(NamedTuple):
    """What one pod (`app` None) or app had used at a moment, in seconds of the monotonic clock."""

    pod: str
    app: str | None
    moment: float
    usage: Usage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods, once or again and again."""
    parser.add_argument(
        "pods", metavar="POD", nargs="*", help="name, UUID or the beginning of one (default: all)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on, until no pod is left")
    parser.add_argument(
        "--interval",
        metavar="TIME",
        default="1s",
        help="over which the processor's share is measured (default 1s)",
    )
    parser.add_argument("--json", action="store_true", help="one list of objects a sample, a line each")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """The processor's share is that of one processor over the interval; all else is the state at its end."""
    interval = quantities.seconds(arguments.interval, where="--interval")
    if interval <= 0:
        raise UsageError("--interval 0: no share can be measured over no time", hint="give 100ms or more")
    chosen = _chosen(arguments.pods, settings)
    before = _samples(chosen)
    while before:
        time.sleep(interval)
        now = _samples(chosen)
        _show(now, {(one.pod, one.app): one for one in before}, as_json=arguments.json)
        if not arguments.follow:
            break
        before = now
    return 0


def _chosen(references: list[str], settings: Settings) -> list[Pod]:
    if not references:
        return [pod for pod in lifecycle.pods(settings.data) if pod.word == "running"]
    found = [lifecycle.find(settings.data, reference) for reference in references]
    if idle := [pod.uuid for pod in found if not pod.running]:
        raise ConflictError(f"pod {', '.join(idle)} is not running", hint="`pod ps` lists the pods that are")
    return found


def _samples(pods: list[Pod]) -> list[Sample]:
    found = []
    for pod in pods:
        tree = results.groups(pod)
        if tree is None:  # it has ended, or has not booted yet
            continue
        label = lifecycle.read_manifest(pod.directory).get("name") or pod.uuid[:13]
        apps = [
            Sample(label, app, time.monotonic(), cgroups.usage(tree.app(app)))
            for app in results.app_names(pod)
        ]
        # looked at last, so that no part has used more than the whole
        found += [Sample(label, None, time.monotonic(), cgroups.usage(tree)), *apps]
    return found


def facts(sample: Sample, before: Sample | None) -> dict[str, Any]:
    """One row for programs: bytes, microseconds, and `cpu_share` where 1.0 is one processor."""
    share = None
    used, then = sample.usage.cpu, before.usage.cpu if before else None
    if before and used is not None and then is not None and sample.moment > before.moment:
        share = round(max(0, used - then) / 1e6 / (sample.moment - before.moment), 4)
    return {"pod": sample.pod, "app": sample.app, "cpu_share": share, **sample.usage._asdict()}


def _show(now: list[Sample], before: dict[tuple[str, str | None], Sample], *, as_json: bool) -> None:
    rows = [facts(sample, before.get((sample.pod, sample.app))) for sample in now]
    if as_json:
        sys.stdout.write(json.dumps(rows) + "\n")
    else:
        sys.stdout.write(show.table(_HEADER, [_row(row) for row in rows]))
    sys.stdout.flush()


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["pod"],
        row["app"] or "(all)",
        "-" if row["cpu_share"] is None else f"{100 * row['cpu_share']:.1f}%",
        "-" if row["cpu"] is None else f"{row['cpu'] / 1e6:.2f} s",
        *("-" if row[key] is None else show.amount(row[key]) for key in ("memory", "memory_limit")),
        str(row["tasks"] if row["tasks"] is not None else "-"),
        *("-" if row[key] is None else show.amount(row[key]) for key in ("read", "written")),
    )
