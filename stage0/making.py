"""EFFECT. What `run`, `prepare` and `render` share: from a request to a locked pod directory."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
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
        created=utc_now(),
        directory=str(Path.cwd()),
        term=os.environ.get("TERM") or "xterm",
    )
    return plan_pod(request, images, now)


def utc_now() -> str:
    """RFC 3339 with microseconds, without the 2 ms that importing datetime costs."""
    now = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now // 1000 % 10**6:06d}Z"


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
    import shutil  # noqa: PLC0415  rare

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
