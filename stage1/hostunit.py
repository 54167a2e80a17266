"""PURE. Units of the host for pods: what their templates take."""

from __future__ import annotations

from stage1.contract import UsageError, unitproperties
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped, Unquotable, assignment, executable, path_word, rest_of_line, word
from stage1.render import Job
from stage1.units.names import seconds

# Written into a directory of units as they are: any pod by its file, and the house-keeping.
SHARED = ("pod@.service", "pod-gc.service", "pod-gc.timer")
# What the host's manager adds to the pod's own stop times before it loses patience.
PATIENCE = 15.0
# A pod described in a file may have any apps; theirs is the time that counts, this is for one that hangs.
LONGEST_STOP = 300.0


class Wish(NamedTuple):
    """A unit somebody asks for: `file` is the pod's manifest, "" for a pod that exists."""

    program: str
    root: str
    name: str = ""
    file: str = ""
    restart: str = "on-failure"
    slice: str = "machine.slice"
    stop_time: float = LONGEST_STOP
    properties: tuple[str, ...] = ()
    systemd: int = 0


class HostUnit(NamedTuple):
    """The context of the templates below host/."""

    name: Escaped
    pod: Escaped
    program: Escaped
    root: Escaped
    environment: Escaped
    file: Escaped
    restart: Escaped
    slice: Escaped
    stop_time: Escaped
    in_unit: tuple[Escaped, ...]
    in_service: tuple[Escaped, ...]
    too_new: tuple[Escaped, ...]


def job(template: str, wish: Wish) -> Job:
    """What to render for this unit; UsageError for a path that no unit can hold."""
    later = unitproperties.too_new(wish.properties, wish.systemd)
    known = [text for text in wish.properties if text not in later]
    try:
        unit = HostUnit(
            name=Escaped(wish.name),
            pod=word(wish.name),
            program=executable(wish.program),
            root=path_word(wish.root),
            environment=assignment(f"POD_DIR={wish.root}"),
            file=word(wish.file) if wish.file else Escaped(),
            restart=Escaped(wish.restart),
            slice=Escaped(wish.slice),
            stop_time=seconds(wish.stop_time + PATIENCE),
            in_unit=tuple(_line(text) for text in known if _name(text) in unitproperties.OF_UNITS),
            in_service=tuple(_line(text) for text in known if _name(text) not in unitproperties.OF_UNITS),
            too_new=tuple(_line(text) for text in later),
        )
    except Unquotable as error:
        raise UsageError(
            f"pod {wish.name}: {error}", hint="no unit can say this; choose another path"
        ) from None
    return Job(f"host/{template}.j2", template, "host", unit)


def _name(text: str) -> str:
    return text.partition("=")[0]


def _line(text: str) -> Escaped:
    name, _, value = text.partition("=")
    value = value.strip()
    return Escaped(f"{name}={assignment(value) if name == 'Environment' else rest_of_line(value)}")
