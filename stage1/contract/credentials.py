"""PURE. Secrets of an app: where they come from. What they are is never written down."""

from __future__ import annotations

from enum import StrEnum

from stage1.contract.text import Text
from stage1.contract.values import NamedTuple


class CredentialKind(StrEnum):
    """A file of the host; a file that systemd-creds has encrypted; or what the unit that starts the pod was given."""

    FILE = "file"
    ENCRYPTED = "encrypted"
    UNIT = "unit"


class Credential(NamedTuple):
    """What the app finds as `$CREDENTIALS_DIRECTORY/NAME`; read anew at each start of the pod.

    `source` is a path of the host, or the unit's name for it.
    """

    name: str
    kind: CredentialKind
    source: Text
