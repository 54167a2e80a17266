"""EFFECT. What `run`, `prepare` and `render` share: from a request to a locked pod directory."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from stage0 import layout
from stage0.image import Image, MergedTree, Store
from stage0.image.wish import POLICIES, Wish
from stage0.interruption import heed_sigterm, undisturbed
from stage0.plan import Circumstances, Host, plan_pod
from stage0.plan.identity import path_users
from stage0.plan.storage import image_sources
from stage0.pods import lifecycle, ranges
from stage0.request import PodRequest
from stage0.settings import Settings
from stage1.contract import NotFoundError, PodDir, PodManifest, UsageError, VolumeKind

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from stage0.image.events import Event, Listener


class Telling:
    """Shows on standard error what a pull does; nothing is imported for it before there is something to show."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._stack = contextlib.ExitStack()
        self._say: Listener | None = None

    def __call__(self, event: Event) -> None:
        """The first event comes before there are other threads."""
        if self._say is None:
            from stage0.progress import shown  # noqa: PLC0415
            from stage0.progress.notify import extending  # noqa: PLC0415

            self._say = extending(self._stack.enter_context(shown(sys.stderr, quiet=self._quiet)))
        self._say(event)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._stack.close()


def planned(request: PodRequest, store: Store, *, quiet: bool = False) -> PodManifest:
    """The manifest a request leads to; images that are sources (`oci:…`) are imported, others pulled as it says."""
    images, now = obtained(request, store, quiet=quiet)
    return plan_pod(request, images, now)


def obtained(request: PodRequest, store: Store, *, quiet: bool = False) -> tuple[list[Image], Circumstances]:
    """The images of the apps, and what else the plan takes from the moment it is made in."""
    wish = Wish(
        pull=checked_policy(request.pull),
        platform=request.platform,
        authfile=request.authfile,
        cert_dir=request.cert_dir,
        tls_verify=request.tls_verify,
    )
    with contextlib.closing(Telling(quiet=quiet)) as say:
        images = [store.obtain(app.image, wish, say) for app in request.app]
        mounted = {ref: store.obtain(ref, wish, say) for ref in image_sources(request)}
    paths = path_users(request)
    now = Circumstances(
        uuid=lifecycle.new_uuid(),
        created=utc_now(),
        directory=str(Path.cwd()),
        term=os.environ.get("TERM") or "xterm",
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        images=mounted,
        owners={
            (index, path): owner
            for index, path in paths
            if (owner := _owner(images[index], path, store)) is not None
        },
        host=_host(request),
    )
    return images, now


def _host(request: PodRequest) -> Host:
    """What the plan of confinement must know of the host, asked only where an app wishes for it."""
    lists = any(_is_list(app.seccomp) for app in request.app)
    labels = any(app.security_label for app in request.app)
    if not lists and not labels and not any(app.seccomp for app in request.app):
        return Host()
    from stage0 import asking  # noqa: PLC0415  rare
    from stage0.image.platforms import host_platform  # noqa: PLC0415

    return Host(
        architecture=host_platform().architecture,
        calls=asking.system_calls() if lists else None,
        labels=asking.labels() if labels else frozenset(),
    )


def _is_list(seccomp: str | None) -> bool:
    return seccomp is not None and seccomp not in {"default", "unconfined"} and not seccomp.startswith("{")


def checked_policy(text: str) -> str:
    """`--pull`, or the key of a manifest."""
    if text not in POLICIES:
        raise UsageError(f"--pull={text}: no such policy", hint=f"one of {', '.join(POLICIES)}")
    return text


def _owner(image: Image, path: str, store: Store) -> tuple[int, int] | None:
    """User and group of a path in an image; None if there is no such path."""
    entry = MergedTree([store.layer_path(layer) for layer in image.layers]).lookup(path)
    return (entry.status.st_uid, entry.status.st_gid) if entry else None


def holding(pod: PodManifest, settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Keeps the volumes that outlive pods, if this one uses any."""
    if not any(volume.kind is VolumeKind.NAMED for volume in pod.volumes):
        return contextlib.nullcontext()
    from stage0.pods import volumes  # noqa: PLC0415  most pods have none

    return volumes.hold(settings.data)


def utc_now() -> str:
    """RFC 3339 with microseconds, without the 2 ms that importing datetime costs."""
    now = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now // 1000 % 10**6:06d}Z"


@contextlib.contextmanager
def making(
    request: PodRequest, settings: Settings, uuid_file: str | None, *, quiet: bool = False
) -> Iterator[tuple[PodManifest, PodDir, int]]:
    """A laid out pod in `preparing` and its lock; if the body fails, nothing of it stays.

    Until `pod.json` says which images the pod uses, the store is held, so that none of them can be removed.
    """
    heed_sigterm()
    with contextlib.ExitStack() as undo:
        store = Store(settings.root)
        with store.hold():
            pod = planned(request, store, quiet=quiet)
            layout.check_sources(pod)
            write_uuid(uuid_file, pod.uuid)
            with undisturbed():
                directory, lock = lifecycle.create(settings.data, pod.uuid)
                undo.callback(discard, pod, settings)
                undo.callback(os.close, lock)  # runs first: what somebody else holds by then is left alone
            if pod.name:
                lifecycle.take_name(settings.data, pod.name, pod.uuid)
            pod = ranges.claimed(pod, settings)
            with holding(pod, settings):
                pod = layout.lay_out(pod, directory)
        yield pod, directory, lock
        undo.pop_all()


def discard(pod: PodManifest, settings: Settings) -> None:
    """Remove a pod that did not come to be, wherever it got to; one that runs after all is left alone."""
    from stage0.image.scratch import remove  # noqa: PLC0415  rare

    with undisturbed(), contextlib.suppress(NotFoundError):
        found = lifecycle.find(settings.data, pod.uuid)
        if not found.running:
            if pod.name:
                lifecycle.release_name(settings.data, pod.name, pod.uuid)
            ranges.release(settings.data, pod.uuid)
            remove(found.directory.path)


def write_uuid(path: str | None, uuid: str) -> None:
    """`--uuid-file`: written before anything starts, so that a supervisor always learns it."""
    if path:
        Path(path).write_text(f"{uuid}\n")
