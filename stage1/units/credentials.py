"""PURE. Secrets on their way from the host through systemd-nspawn into one app."""

from __future__ import annotations

from stage1.contract import App, PodManifest
from stage1.quoting import Escaped


def credential_id(app: str, name: str) -> str:
    """The name of an app's credential between the host and its unit: no app's name has a dot."""
    return f"{app}.{name}"


def load_credentials(app: App) -> tuple[Escaped, ...]:
    """LoadCredential= of the app's unit: what the pod's systemd was given, under the app's own name for it."""
    return tuple(Escaped(f"{one.name}:{credential_id(app.name, one.name)}") for one in app.credentials)


def passed_credentials(pod: PodManifest) -> tuple[Escaped, ...]:
    """What systemd-nspawn passes to the pod's systemd, app by app."""
    return tuple(Escaped(credential_id(app.name, one.name)) for app in pod.apps for one in app.credentials)
