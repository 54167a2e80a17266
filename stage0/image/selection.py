"""PURE. Which images a collection removes: decided here from facts, done elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from stage1.contract.values import NamedTuple

Item = tuple[str, str]  # ("blob", digest) or ("layer", diff id)


class Stored(NamedTuple):
    """An image as it lies on disk; `used` is when it came or was last taken for a pod, in seconds."""

    digest: str
    names: tuple[str, ...]
    used: float
    blobs: frozenset[str]
    layers: frozenset[str]

    @property
    def items(self) -> set[Item]:
        """All that is kept for it, perhaps for others too."""
        return {("blob", digest) for digest in self.blobs} | {("layer", diff_id) for diff_id in self.layers}


class Rules(NamedTuple):
    """What may go: ages in seconds since the last use, None for never; `keep_size` in bytes, 0 for any size.

    Images that pods use never go.
    """

    unnamed_older: float | None = 0.0
    named_older: float | None = None
    keep_size: int = 0


class Choice(NamedTuple):
    """An image that goes, why, and how many bytes that frees, after those before it."""

    digest: str
    names: tuple[str, ...]
    reason: str
    freed: int


def select(
    images: Sequence[Stored], in_use: Iterable[str], sizes: Mapping[Item, int], now: float, rules: Rules
) -> list[Choice]:
    """Choose what goes, the longest unused first; `images` come in that order. Without sizes nothing counts."""
    used = frozenset(in_use)
    holders = Counter(item for image in images for item in image.items)
    total = sum(sizes.get(item, 0) for item in holders)
    chosen: dict[str, Choice] = {}
    for by_size in (False, True):
        for image in images:
            if image.digest in used or image.digest in chosen:
                continue
            reason = _too_much(total, rules) if by_size else _too_old(image, now - image.used, rules)
            if reason:
                gone = [item for item in image.items if holders[item] == 1]
                holders.subtract(image.items)
                freed = sum(sizes.get(item, 0) for item in gone)
                total -= freed
                chosen[image.digest] = Choice(image.digest, image.names, reason, freed)
    return list(chosen.values())


def _too_old(image: Stored, age: float, rules: Rules) -> str:
    limit = rules.named_older if image.names else rules.unnamed_older
    if limit is None or age < limit:
        return ""
    return f"unused for {_days(age)}" if image.names else "no name"


def _too_much(total: int, rules: Rules) -> str:
    return "size" if 0 < rules.keep_size < total else ""


def _days(age: float) -> str:
    return f"{int(age // 86400)} days" if age >= 2 * 86400 else f"{int(age // 3600)} hours"
