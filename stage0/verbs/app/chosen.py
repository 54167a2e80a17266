"""EFFECT. What the verbs of `pod app` share: a running pod, the apps named, and a change to each of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from stage0 import handoff
from stage0.pods import history, lifecycle, results
from stage0.pods.lifecycle import Pod
from stage0.running import changing
from stage0.settings import Settings
from stage1.contract import ConflictError
from stage1.contract.values import NamedTuple

if TYPE_CHECKING:
    from stage0.handoff import AppChange


class Chosen(NamedTuple):
    """A running pod, its PID 1, and some of its apps."""

    pod: Pod
    leader: int
    apps: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which apps of which pod."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("apps", metavar="APP", nargs="+", help="name of an app")


def chosen(arguments: argparse.Namespace, settings: Settings) -> Chosen:
    """Everything is checked before anything is changed."""
    pod = lifecycle.find(settings.data, arguments.pod)
    if pod.word != "running":
        raise ConflictError(f"pod {pod.label} is {pod.word}", hint=f"start it: pod start -d {pod.label}")
    with changing.held(settings.data, pod.uuid):
        pass  # what a killed command left half done is settled
    for app in arguments.apps:
        results.require_app(pod, app)
    changing.leader_of(pod)
    return Chosen(pod, results.leader(pod.directory), arguments.apps)


def change_each(found: Chosen, what: AppChange) -> None:
    """One app after the other, each recorded when it is done."""
    for app in found.apps:
        handoff.change(found.pod.directory, what, app, found.leader)
        history.note(found.pod.directory, f"app-{what}", app)
