"""EFFECT. What `run`, `prepare` and `render` share: from a request to a locked pod directory."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from stage0 import layout, lifecycle
from stage0.image import Store
from stage0.plan import Circumstances, plan_pod
from stage0.request import PodRequest
from stage0.settings import Settings
from stage1.contract import NotFoundError, PodDir, PodManifest


def planned(request: PodRequest, settings: Settings) -> PodManifest:
    """The manifest a request leads to; images that are sources (`oci:…`) are imported."""
    store = Store(settings.root)
    images = [store.obtain(app.image) for app in request.app]
    now = Circumstances(
        uuid=lifecycle.new_uuid(),
        created=datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        directory=str(Path.cwd()),
        term=os.environ.get("TERM") or "xterm",
    )
    return plan_pod(request, images, now)


@contextlib.contextmanager
def making(pod: PodManifest, settings: Settings) -> Iterator[tuple[PodDir, int]]:
    """A laid out pod directory in `preparing` and its lock; if the body fails, nothing of it stays."""
    layout.check_sources(pod)
    directory, lock = lifecycle.create(settings.data, pod.uuid)
    try:
        if pod.name:
            lifecycle.take_name(settings.data, pod.name, pod.uuid)
        layout.lay_out(pod, directory)
        yield directory, lock
    except BaseException:
        os.close(lock)
        discard(pod, settings)
        raise


def discard(pod: PodManifest, settings: Settings) -> None:
    """Remove a pod that did not come to be, wherever it got to; one that runs after all is left alone."""
    with contextlib.suppress(NotFoundError):
        found = lifecycle.find(settings.data, pod.uuid)
        if not found.running:
            if pod.name:
                lifecycle.release_name(settings.data, pod.name, pod.uuid)
            shutil.rmtree(found.directory.path, ignore_errors=True)


def write_uuid(path: str | None, uuid: str) -> None:
    """`--uuid-file`: written before anything starts, so that a supervisor always learns it."""
    if path:
        Path(path).write_text(f"{uuid}\n")
