"""PURE. What one call of the command is told by its environment: read once, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from stage1.contract.paths import DataRoot

DEFAULT_ROOT = "/var/lib/pod"


class Settings(NamedTuple):
    """Where the data lies, and which ids pods may have for their own (`POD_USERNS_RANGE`)."""

    root: Path
    userns_range: str = ""

    @property
    def data(self) -> DataRoot:
        """The paths below the data root."""
        return DataRoot(self.root)


def from_environment(environment: Mapping[str, str], directory: str | None) -> Settings:
    """`--dir` wins over `POD_DIR` wins over `/var/lib/pod`."""
    return Settings(
        root=Path(directory or environment.get("POD_DIR") or DEFAULT_ROOT).absolute(),
        userns_range=environment.get("POD_USERNS_RANGE", ""),
    )
