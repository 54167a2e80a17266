"""PURE. What entries of the host's journal say of the app whose line they are (systemd.journal-fields(7))."""

from __future__ import annotations

from collections.abc import Iterator

from stage1.contract import App, Log, PodManifest
from stage1.mounts import Record

# Who says what was left out: the pod itself, and none of its apps.
_POD = "-"


def records(pod: PodManifest) -> Iterator[Record]:
    """The monitor's instructions: fields for each app, and how many lines may go; none for a pod of files alone."""
    if pod.log is Log.FILE:
        return
    yield ("journal", _POD, f"SYSLOG_IDENTIFIER={pod.label}", *_pod_fields(pod))
    for app in pod.apps:
        yield ("journal", app.name, *app_fields(pod, app))
    yield ("journal-rate", str(pod.log_rate.lines), str(pod.log_rate.seconds))


def app_fields(pod: PodManifest, app: App) -> tuple[str, ...]:
    """NAME=VALUE of one app's entries; the monitor adds MESSAGE, PRIORITY and POD_STREAM."""
    return (
        f"SYSLOG_IDENTIFIER={pod.label}/{app.name}",
        *_pod_fields(pod),
        f"POD_APP={app.name}",
        f"POD_IMAGE={app.image.name}",
        f"POD_IMAGE_DIGEST={app.image.digest}",
    )


def _pod_fields(pod: PodManifest) -> tuple[str, ...]:
    """A pod without a name has its UUID for one: everybody can ask for POD_NAME."""
    return (f"POD_NAME={pod.label}", f"POD_UUID={pod.uuid}")
