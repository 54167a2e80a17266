"""PURE. Who an app is."""

from __future__ import annotations

from stage1.contract import App
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped, word

# A valid name that no image can put into the pod's own passwd: systemd then fails with 217/USER or 216/GROUP.
MISSING_ID = "no-such-id"


class Identity(NamedTuple):
    """Who it is."""

    user: Escaped
    group: Escaped
    groups: Escaped
    missing: Escaped  # the name that the image does not have, for the verdict


def identity(app: App) -> Identity:
    """User= is left out for root: systemd then asks no user database and adds no variables."""
    user, root = app.user, app.user.uid == 0
    user_name, _, group_name = user.name.partition(":")
    missing = user_name if user.uid is None else group_name if user.gid is None else ""
    return Identity(
        user=Escaped("" if root else MISSING_ID if user.uid is None else str(user.uid)),
        group=Escaped("" if root and user.gid == 0 else MISSING_ID if user.gid is None else str(user.gid)),
        groups=Escaped(" ".join(str(gid) for gid in user.groups)),
        missing=word(missing) if missing else Escaped(""),
    )
