"""EFFECT. `pod kill`: end pods at once, or send their apps a signal."""

from __future__ import annotations

import argparse

from stage0 import quantities
from stage0.pods import lifecycle, results, signals
from stage0.settings import Settings
from stage1.contract import ConflictError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods, which signal, whom."""
    parser.add_argument("pods", metavar="POD", nargs="+", help="name, UUID or the beginning of one")
    parser.add_argument(
        "-s", "--signal", metavar="SIGNAL", help="send this to the main process of each app instead"
    )
    parser.add_argument(
        "--app", metavar="APP", help="only this app (SIGKILL unless --signal says otherwise)"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Without --signal and --app the pod ends at once, status 137."""
    name = quantities.signal_name(arguments.signal or "KILL", where="--signal")
    for reference in arguments.pods:
        pod = lifecycle.find(settings.data, reference)
        if not pod.running:
            raise ConflictError(f"pod {pod.label} is not running", hint="`pod ps` lists the pods that are")
        if arguments.signal is None and arguments.app is None:
            signals.kill(pod.directory)
        else:
            signals.signal_apps(pod.directory, _apps(pod, arguments.app), quantities.signal_number(name))
    return 0


def _apps(pod: lifecycle.Pod, wanted: str | None) -> list[str]:
    if wanted is None:
        return [name for name in results.app_names(pod) if not _is_over(pod, name)]
    results.require_app(pod, wanted)
    return [wanted]


def _is_over(pod: lifecycle.Pod, app: str) -> bool:
    """Of one that has ended or waits for its next run; one that has not begun is not left out without a word."""
    return pod.directory.result(app).exists() and not results.runs(pod, app)
