"""PURE. Options of everything that may pull an image: when, for which platform, and whom to trust."""

from __future__ import annotations

from argparse import ArgumentParser

from stage0.image.wish import POLICIES


def add(parser: ArgumentParser) -> None:
    """What the images of a pod share."""
    option = parser.add_argument
    option("--pull", choices=POLICIES, help="when to ask the registry (default: missing)")
    option("-q", "--quiet", action="store_true", help="say nothing of pulling")
    add_access(parser)


def add_access(parser: ArgumentParser) -> None:
    """What a pull itself takes."""
    option = parser.add_argument
    option("--platform", metavar="OS/ARCH[/VARIANT]", help="image for this platform (default: this host's)")
    option("--authfile", metavar="FILE", help="logins (default: where skopeo and podman have them)")
    option("--cert-dir", metavar="DIR", help="certificates to trust, and to show to registries")
    option(
        "--tls-verify", metavar="BOOL", type=_truth, help="true, or false: trust any certificate, and plain HTTP"
    )  # fmt: skip


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


_truth.__name__ = "true or false"
