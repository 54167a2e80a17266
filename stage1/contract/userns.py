"""PURE. The ids a pod has of its own."""

from __future__ import annotations

from stage1.contract.values import NamedTuple


class UserNamespace(NamedTuple):
    """Ids 0, 1, … in the pod are `base`, `base + 1`, … of the host, `size` of them; all others mean nobody there."""

    base: int
    size: int = 65536
