"""PURE. What one call of the command is told by its environment: read once."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # that of `typing`, which is more than `pod exec` has time for
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stage1.contract import DataRoot

DEFAULT_ROOT = "/var/lib/pod"


class Settings:
    """Where the data lies, and which ids pods may have for their own (`POD_USERNS_RANGE`)."""

    __slots__ = ("place", "userns_range")

    def __init__(self, root: str | Path, userns_range: str = "") -> None:
        self.place = str(root)
        self.userns_range = userns_range

    @property
    def root(self) -> Path:
        """The data root."""
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
        root=os.path.join(os.getcwd(), given),
        userns_range=environment.get("POD_USERNS_RANGE", ""),
    )
