"""PURE. What an image runs on, `linux/ARCHITECTURE[/VARIANT]`, and which of an index's images fits."""

from __future__ import annotations

import os
import re

from stage1.contract.errors import UsageError
from stage1.contract.values import NamedTuple

LINUX = "linux"
_ARCHITECTURES = {
    "x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386",
    "loongarch64": "loong64", "armhf": "arm", "armel": "arm",
}  # fmt: skip
_VARIANTS = {"armv7l": "v7", "armhf": "v7", "armv6l": "v6", "armel": "v5"}
_IMPLIED = {"amd64": "v1", "arm64": "v8"}
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Platform(NamedTuple):
    """An architecture and its variant in the words of OCI; "" is any variant."""

    architecture: str
    variant: str = ""

    @property
    def text(self) -> str:
        """As the user would type it."""
        return "/".join(part for part in (LINUX, self.architecture, self.variant) if part)

    def suits(self, architecture: str, system: str) -> bool:
        """Whether an image whose configuration says this runs here; one may say nothing."""
        return (
            not architecture or self.rank({"architecture": architecture, "os": system or LINUX}) is not None
        )

    def rank(self, offered: dict[str, str]) -> int | None:
        """Say how well an offer fits, 0 best; None if it does not run here."""
        if offered.get("architecture") != self.architecture or offered.get("os", LINUX) != LINUX:
            return None
        variant = offered.get("variant", "") or _IMPLIED.get(self.architecture, "")
        wanted = self.variant or _IMPLIED.get(self.architecture, "")
        if variant == wanted or not variant:
            return 0
        if not wanted:
            return 1
        older = _generation(wanted) - _generation(variant)
        return 1 + older if older > 0 else None


def _generation(variant: str) -> int:
    digits = variant.removeprefix("v")
    return int(digits) if digits.isdigit() and len(digits) < 4 else 0


def host_platform() -> Platform:
    """What this host is."""
    machine = os.uname().machine
    return Platform(_ARCHITECTURES.get(machine, machine), _VARIANTS.get(machine, ""))


def parse_platform(text: str) -> Platform:
    """Read `linux/ARCHITECTURE[/VARIANT]`; names that kernels and Debian use are understood."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(_WORD.fullmatch(part) for part in parts):
        raise UsageError(f"--platform={text}: not a platform", hint="write linux/amd64 or linux/arm/v7")
    if parts[0] != LINUX:
        raise UsageError(f"--platform={text}: pods run Linux", hint="write linux/ARCHITECTURE[/VARIANT]")
    variant = parts[2] if len(parts) == 3 else _VARIANTS.get(parts[1], "")
    return Platform(_ARCHITECTURES.get(parts[1], parts[1]), variant)
