"""PURE. How the user wants an image to be fetched: when, for which platform, and with whose authority."""

from __future__ import annotations

from stage1.contract.values import NamedTuple

MISSING, ALWAYS, NEVER, NEWER = POLICIES = ("missing", "always", "never", "newer")


class Wish(NamedTuple):
    """Options of fetching; None leaves the choice to this host's configuration of registries.

    `platform` is `linux/ARCHITECTURE[/VARIANT]`, `creds` `USER[:PASSWORD]`; files are those of
    containers-auth.json(5) and containers-certs.d(5).
    """

    pull: str = MISSING
    platform: str | None = None
    authfile: str | None = None
    creds: str | None = None
    cert_dir: str | None = None
    tls_verify: bool | None = None
