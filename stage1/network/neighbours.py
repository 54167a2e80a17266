"""EFFECT. What changes for pods that run when others come and go: names in their hosts files, and what these left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stage1.network import filter as packet_filter
from stage1.network import names, rules
from stage1.network.model import Entry
from stage1.network.registry import Registry


def sweep(registry: Registry, gone: Sequence[Entry]) -> None:
    """Tidy up after pods whose monitor was killed. Needs the lock."""
    text = "".join(map(rules.down, gone))
    if text and registry.repair.exists():
        packet_filter.apply(registry.repair.read_text() + text, registry)
    for entry in gone:
        registry.forget(entry)


def tell(living: Sequence[Entry], changed: Entry | None = None) -> None:
    """Write who is there into the hosts files of all others.

    In place: the file is mounted in their apps, and a new one would not be seen there.
    """
    everyone = [*living, *((changed,) if changed else ())]
    for entry in living:
        path = Path(entry.directory) / "run" / "network" / "hosts"
        try:
            before = path.read_text()
            after = names.with_peers(before, entry, everyone)
            if after != before:
                with path.open("r+") as file:
                    file.write(after)
                    file.truncate()
        except FileNotFoundError:
            continue  # it is just being started, or shares a network
