"""PURE. Commands around an app's life, as lines of its unit."""

from __future__ import annotations

from stage1.contract import App
from stage1.contract.paths import REAPER, REAPER_IN_APP
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped, Unquotable
from stage1.units.command import Command, line


class HookUnit(NamedTuple):
    """Lines of ExecStartPre= and its kin.

    With hooks every command of the unit runs in the app's root, the reaper too: it is bound there. `seen`: a failure
    of one can be told from others by what systemd says of the run.
    """

    pre_start: tuple[Escaped, ...]
    post_start: tuple[Escaped, ...]
    pre_stop: tuple[Escaped, ...]
    post_stop: tuple[Escaped, ...]
    present: bool
    seen: bool
    reaper: Escaped


def hooks(app: App, run: Command) -> HookUnit:
    """Every hook of the app; Unquotable if a unit cannot say it, or cannot carry the environment it needs."""
    some = any(app.hooks)
    if some and not run.carried:
        raise Unquotable("its hooks need its environment, and that no unit can carry")
    own = app.hooks
    return HookUnit(
        pre_start=_lines(app, own.pre_start),
        post_start=_lines(app, own.post_start),
        pre_stop=_lines(app, own.pre_stop),
        post_stop=_lines(app, own.post_stop),
        present=some,
        seen=bool(own.pre_start or (own.post_start and app.readiness.port is None)),
        reaper=Escaped(REAPER_IN_APP if some else REAPER),
    )


def _lines(app: App, commands: tuple[tuple[str, ...], ...]) -> tuple[Escaped, ...]:
    return tuple(line(app, command) for command in commands)
