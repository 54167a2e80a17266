"""EFFECT. `pod cp`: copy files between the host and apps, running or ended."""

from __future__ import annotations

import argparse
import contextlib
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stage0 import handoff
from stage0.pods import lifecycle, results
from stage0.running import copying
from stage0.running.copying import Root
from stage0.running.transfer import Place
from stage0.settings import Settings
from stage1.contract import ConflictError, NotFoundError, UsageError
from stage1.contract.values import NamedTuple

_HINT = "write POD:/path or POD:APP:/path for an app, /path or ./path for the host, - for a tar stream"
_ON_HOST = re.compile(r"[./]|[^:]*$")


class Where(NamedTuple):
    """One side of a copy: a path of an app, or of the host (`pod` None), or a stream (`path` is `-`)."""

    pod: str | None
    app: str | None
    path: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where, to where."""
    side = "POD:[APP:]/path, a path of the host, or - for a tar stream"
    parser.add_argument("source", metavar="SOURCE", help=side)
    parser.add_argument("target", metavar="TARGET", help="the same; an existing directory takes SOURCE in")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Copy a file or a tree; SOURCE/. means what is in it."""
    source, target = where(arguments.source), where(arguments.target)
    if source.pod is None and target.pod is None:
        raise UsageError("neither side is in a pod", hint=_HINT)
    with contextlib.ExitStack() as stack:
        root, path = stack.enter_context(_source(source, settings))
        name = base_name(source.path)
        into, place = stack.enter_context(_target(target, name, settings, archive=source.path == "-"))
        copying.copy(root, path, into, place, name if target.path == "-" else None)
    return 0


def where(text: str) -> Where:
    """`POD:/path`, `POD:APP:/path`, a path of the host, or `-`."""
    if _ON_HOST.match(text):
        return Where(None, None, text)
    pod, _, rest = text.partition(":")
    app, colon, path = rest.partition(":")
    if rest.startswith("/") or not colon:
        app, path = "", rest
    if not pod or not path.startswith("/"):
        raise UsageError(f"{text!r} is no place", hint=_HINT)
    return Where(pod, app or None, path)


def base_name(path: str) -> str | None:
    """What a copy of this path is called; None for the contents of a directory, and for the root."""
    return None if path.endswith("/.") else posixpath.basename(path.rstrip("/")) or None


@contextlib.contextmanager
def _source(side: Where, settings: Settings) -> Iterator[tuple[Root | int, str]]:
    if side.pod is not None:
        with app_root(side, settings) as root:
            yield root._replace(called=_called(side)), side.path
    elif side.path == "-":
        yield 0, ""
    elif side.path.endswith(("/", "/.")):
        yield copying.root_of_host(Path(os.path.realpath(side.path))), "/"
    else:
        path = Path(side.path).absolute()
        yield copying.root_of_host(Path(os.path.realpath(path.parent))), f"/{path.name}"


@contextlib.contextmanager
def _target(
    side: Where, name: str | None, settings: Settings, *, archive: bool
) -> Iterator[tuple[Root | int, Place]]:
    if side.pod is not None:
        with app_root(side, settings) as root:
            yield root._replace(called=_called(side)), Place(side.path, name, archive=archive)
        return
    if side.path == "-":
        yield 1, Place("", None)
        return
    path = Path(side.path).absolute()
    if path.is_dir():
        root, place = copying.root_of_host(Path(os.path.realpath(path))), "/"
    else:
        root = copying.root_of_host(Path(os.path.realpath(path.parent)))
        place = f"/{path.name}" + ("/" if side.path.endswith("/") else "")
    yield root, Place(place, name, archive=archive, to_host=True)


def _called(side: Where) -> str:
    return f"{side.pod}:{side.app}:" if side.app else f"{side.pod}:"


@contextlib.contextmanager
def app_root(side: Where, settings: Settings) -> Iterator[Root]:
    """The root of an app: of its process while it runs, mounted for the copy when the pod has ended."""
    pod = lifecycle.find(settings.data, side.pod or "")
    manifest = lifecycle.read_manifest(pod.directory)
    app = _chosen(pod, manifest, side.app)
    if pod.word == "running":
        leader = results.live_process(pod.directory.leader)
        pid = results.main_process(leader, app["name"]) if leader else None
        if leader is None or pid is None:
            raise ConflictError(
                f"app {app['name']} is not running",
                hint="its files can be copied when it runs, or the pod has ended",
            )
        root = copying.root_of_process(pid)
        if copying.is_same_directory(root, f"/proc/{leader}/root"):
            raise ConflictError(f"app {app['name']} is just being started or stopped", hint="try again")
        yield root
    elif pod.word == "exited":
        with _held(pod, app) as root:
            yield root
    else:
        raise ConflictError(f"pod {pod.label} is {pod.word}", hint="it has no files yet: start it first")


def _chosen(pod: lifecycle.Pod, manifest: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    apps = manifest.get("apps")
    found = [app for app in (apps if isinstance(apps, list) else []) if wanted in {None, app["name"]}]
    names = ", ".join(app["name"] for app in apps) if isinstance(apps, list) else ""
    if wanted is not None and not found:
        raise NotFoundError(f"pod {pod.label} has no app {wanted!r}", hint=f"its apps: {names}")
    if len(found) != 1:
        raise UsageError(
            f"pod {pod.label} has {len(found)} apps", hint=f"write POD:APP:/path; its apps: {names}"
        )
    chosen: dict[str, Any] = found[0]
    return chosen


@contextlib.contextmanager
def _held(pod: lifecycle.Pod, app: dict[str, Any]) -> Iterator[Root]:
    """While the pod's lock is ours, so that nobody starts it on the same files."""
    lock = lifecycle.lock_exclusive(pod.directory)
    if lock is None:
        raise ConflictError(f"pod {pod.label} is just being started or removed", hint="try again")
    mounts = app.get("mounts")
    volumes = [
        word
        for mount in (mounts if isinstance(mounts, list) else [])
        for word in (str(mount["volume"]), str(mount["target"]))
    ]
    try:
        with copying.holder(
            [handoff.native("mounter"), "hold", str(pod.directory.path), str(app["name"]), *volumes]
        ) as pid:
            yield copying.root_of_process(pid, "cwd")
    finally:
        os.close(lock)
