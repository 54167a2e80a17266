"""PURE. Secrets on their way from the host through the pod's systemd into one app."""

from __future__ import annotations

from stage1.contract import App
from stage1.contract.paths import CREDENTIALS
from stage1.quoting import Escaped


def credential_id(app: str, name: str) -> str:
    """The name of an app's credential for the monitor: no app's name has a dot."""
    return f"{app}.{name}"


def load_credentials(app: App) -> tuple[Escaped, ...]:
    """LoadCredential= of the app's unit: what the monitor left for the pod's systemd, under the app's name for it."""
    return tuple(Escaped(f"{one.name}:{CREDENTIALS}/{app.name}/{one.name}") for one in app.credentials)
