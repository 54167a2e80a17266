"""EFFECT. `pod reload`: a running pod becomes what its manifest says now, as far as it can while it runs."""

from __future__ import annotations

import argparse
import os
import sys

from stage0 import handoff
from stage0.image import Store
from stage0.making import holding, planned
from stage0.plan.reloading import Changes
from stage0.pods import lifecycle
from stage0.pods.lifecycle import Pod
from stage0.progress import notify
from stage0.request import arguments as words
from stage0.running import changing, reloading
from stage0.settings import Settings
from stage0.show import printable
from stage0.verbs import warn
from stage1.contract import ConflictError, PodManifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod, by which manifest."""
    option = parser.add_argument
    option("-f", "--file", metavar="FILE", help="the manifest that `pod run -f` took, read again")
    option("--dry-run", action="store_true", help="say what would be done, and do nothing")
    option("pod", metavar="POD", help="name, UUID or the beginning of one")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """A line for each change that was made and for each that needs a restart; a bad manifest changes nothing."""
    pod = lifecycle.find(settings.data, arguments.pod)
    if pod.word != "running":
        raise ConflictError(f"pod {pod.label} is {pod.word}", hint=f"start it: pod start {pod.label}")
    with notify.reloading() as said:
        lines = _reload(pod, arguments, settings)
        later = [line for line in lines if line.startswith("needs a restart")]
        said.append("; ".join(later) or "reloaded")
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    return 0


def _reload(pod: Pod, arguments: argparse.Namespace, settings: Settings) -> list[str]:
    if arguments.file is None:
        return [f"needs a restart: {name}" for name in _rendered(pod)]
    store = Store(settings.root)
    with store.hold():
        new = _wanted(lifecycle.manifest(pod.directory), arguments, settings, store)
        with changing.held(settings.data, pod.uuid) as pod, holding(new, settings):
            old = lifecycle.manifest(pod.directory)
            found = reloading.compare(old, new, pod.directory)
            if not arguments.dry_run:
                for reason in reloading.apply(pod, old, new, found):
                    warn(f"not enforced here: {reason}")
    return _told(found.changes)


def _wanted(
    old: PodManifest, arguments: argparse.Namespace, settings: Settings, store: Store
) -> PodManifest:
    """What `pod run -f FILE` would make of the file now, for this pod."""
    from stage0.request.file import read  # noqa: PLC0415  pydantic, and only for files

    request = words.with_files(read(arguments.file, settings.data.cache), os.environ)
    request = request._replace(name=old.name, rm=old.remove)
    return planned(request, store)._replace(uuid=old.uuid)  # groups of limits are named by it


def _rendered(pod: Pod) -> list[str]:
    """Files that another start would write otherwise."""
    text = handoff.changes(lifecycle.manifest(pod.directory), pod.directory)
    lines = (line for line in text.splitlines() if line.startswith("--- "))
    return [line.removeprefix("--- ").split("\t")[0] for line in lines]


def _told(found: Changes) -> list[str]:
    return [
        *(f"limits of {'the pod' if app is None else f'app {app}'}" for app in found.limits),
        *(f"published port {port.pod}/{port.protocol}" for port in found.publish),
        *(f"no longer published port {port.pod}/{port.protocol}" for port in found.unpublish),
        *(f"app {one.app}: mounted {one.source} at {one.target}" for one in found.mount),
        *(f"app {one.app}: unmounted {one.target}" for one in found.unmount if one not in found.mount),
        *(f"app {name}: added" for name in found.add),
        *(f"app {name}: replaced ({', '.join(why)})" for name, why in found.replace.items()),
        *(f"app {name}: removed" for name in found.remove),
        *(f"needs a restart: {text}" for text in found.later),
    ]
