"""PURE. `--credential` and `--encrypted-credential`: secrets of an app."""

from __future__ import annotations

import posixpath
import re

from stage0.request import AppRequest
from stage1.contract import Credential, CredentialKind, UsageError
from stage1.contract.text import FILE_NAME


def credentials(wish: AppRequest, app: str, directory: str) -> tuple[Credential, ...]:
    """Every credential of an app, no two with one name; relative files start at `directory`."""
    found = (
        *(_credential(text, directory) for text in wish.credential),
        *(_encrypted(text, directory) for text in wish.encrypted_credential),
    )
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"app {app}: two credentials are called {name!r}", hint="keep one of them")
    return found


def _credential(text: str, directory: str) -> Credential:
    name, equals, source = text.partition("=")
    if not re.fullmatch(FILE_NAME, name) or (equals and not source):
        raise UsageError(
            f"--credential {name}: not a credential",
            hint="write NAME=FILE, or NAME for one of the unit that starts the pod (LoadCredential=)",
        )
    if not equals:
        return Credential(name=name, kind=CredentialKind.UNIT, source=name)
    return Credential(name=name, kind=CredentialKind.FILE, source=posixpath.join(directory, source))


def _encrypted(text: str, directory: str) -> Credential:
    name, _, source = text.partition("=")
    if not re.fullmatch(FILE_NAME, name) or not source:
        raise UsageError(
            f"--encrypted-credential {name}: not a credential",
            hint="write NAME=FILE; `systemd-creds encrypt --name=NAME SECRET FILE` makes the file",
        )
    return Credential(name=name, kind=CredentialKind.ENCRYPTED, source=posixpath.join(directory, source))
