"""EFFECT. `pod pause`: stop all processes of pods or of one app where they are, without their knowing."""

from __future__ import annotations

import argparse

from stage0.pods import cgroups, history, lifecycle, results
from stage0.settings import Settings
from stage1.contract import ConflictError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods, or which app of one."""
    parser.add_argument("pods", metavar="POD", nargs="+", help="name, UUID or the beginning of one")
    parser.add_argument("--app", metavar="APP", help="only this app; the others and the pod's systemd go on")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Return when everything stands still; pausing what is paused changes nothing."""
    return set_frozen(arguments, settings, frozen=True)


def set_frozen(arguments: argparse.Namespace, settings: Settings, *, frozen: bool) -> int:
    """Both verbs; every pod is looked at before one is touched."""
    chosen = []
    for reference in arguments.pods:
        pod = lifecycle.find(settings.data, reference)
        found = results.groups(pod)
        if found is None:
            raise ConflictError(f"pod {pod.label} is {pod.word}", hint="`pod ps` lists the pods that run")
        if arguments.app is not None:
            results.require_app(pod, arguments.app)
            found = found.app(arguments.app)
        chosen.append((pod, found))
    for pod, found in chosen:
        cgroups.set_frozen(found, frozen, f"app {arguments.app}" if arguments.app else f"pod {pod.label}")
        history.note(pod.directory, "pause" if frozen else "unpause", arguments.app)
    return 0
