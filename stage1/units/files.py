"""PURE. What the unit itself mounts into its app's root: all else is there when the unit starts (stage1/mounts.py)."""

from __future__ import annotations

from stage1.contract import App
from stage1.contract.paths import (
    LAUNCHER,
    LAUNCHER_IN_APP,
    REAPER,
    REAPER_IN_APP,
    SHARE_IN_APP,
    STREAMS,
    WORDS,
    WORDS_IN_APP,
)
from stage1.contract.values import NamedTuple
from stage1.mounts import covered, shares
from stage1.quoting import Escaped, path_word
from stage1.units.command import Command


class Files(NamedTuple):
    """What the unit mounts into its root."""

    binds: tuple[Escaped, ...]
    read_only_binds: tuple[Escaped, ...]


def files(app: App, run: Command) -> Files:
    """The launcher and its words, and where it asks for shared mounts; and mounts that the unit would cover.

    Those lie below /dev, /proc and /sys, which are the unit's own, and are bound once more.
    """
    own = [f"{LAUNCHER}:{LAUNCHER_IN_APP}", f"{WORDS}/{app.name}/words:{WORDS_IN_APP}"] if run.words else []
    own += [f"{STREAMS}/{app.name}.share:{SHARE_IN_APP}"] if shares(app) else []
    own += [f"{REAPER}:{REAPER_IN_APP}"] if any(app.hooks) else []
    return Files(
        binds=tuple(Escaped(f"{place}:{path_word(target)}") for target, place in covered(app).items()),
        read_only_binds=tuple(Escaped(bind) for bind in own),
    )
