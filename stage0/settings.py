"""PURE. What one call of the command is told by its environment: read once, frozen."""

from __future__ import annotations

import os

from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod exec` has no time to import
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stage1.contract import DataRoot

DEFAULT_ROOT = "/var/lib/pod"


class Settings(NamedTuple):
    """Where the data lies, and which ids pods may have for their own (`POD_USERNS_RANGE`)."""

    place: str
    userns_range: str = ""

    @property
    def root(self) -> Path:
        """The data root as a path."""
        return self.data.path

    @property
    def data(self) -> DataRoot:
        """The paths below the data root."""
        from pathlib import Path  # noqa: PLC0415  see above

        from stage1.contract import DataRoot  # noqa: PLC0415

        return DataRoot(Path(self.place))


def from_environment(environment: Mapping[str, str], directory: str | None) -> Settings:
    """`--dir` wins over `POD_DIR` wins over `/var/lib/pod`."""
    given = directory or environment.get("POD_DIR") or DEFAULT_ROOT
    return Settings(
        place=os.path.join(os.getcwd(), given),
        userns_range=environment.get("POD_USERNS_RANGE", ""),
    )
