"""PURE. What a pull and an import tell while they work, as values; who shows them is no matter here."""

from __future__ import annotations

import json
from collections.abc import Callable

from stage1.contract.values import NamedTuple


class Resolved(NamedTuple):
    """It is known what will come: layers by digest with their size in bytes, and those that are here already.

    An import may not know the image's digest yet (""), nor sizes (-1), and call a layer by where it lies. `work` is
    what has to be done with layers that are not here: to fetch them, or only to unpack them.
    """

    name: str
    digest: str
    layers: tuple[tuple[str, int], ...]
    present: tuple[str, ...]
    work: str = "fetch"


class Waiting(NamedTuple):
    """Another pull fetches this blob already."""

    digest: str


class Fetching(NamedTuple):
    """So many of the bytes of a layer have come; `size` is -1 where the source does not say."""

    digest: str
    done: int
    size: int


class Unpacking(NamedTuple):
    """So many of the bytes of a layer, as they lie in its blob, have been unpacked."""

    digest: str
    done: int
    size: int


class Unpacked(NamedTuple):
    """A layer is unpacked and verified."""

    digest: str


class Note(NamedTuple):
    """Something the user should know, though all goes on."""

    text: str


class Done(NamedTuple):
    """The image is in the store."""

    name: str
    digest: str


Event = Resolved | Waiting | Fetching | Unpacking | Unpacked | Note | Done
Listener = Callable[[Event], None]


def nobody(_event: Event) -> None:
    """Listen to nothing."""


def as_json(event: Event) -> str:
    """One line: the kind of event in lower case, then its fields; layers as objects."""
    fields: dict[str, object] = {"event": type(event).__name__.lower(), **event._asdict()}
    if isinstance(event, Resolved):
        fields["layers"] = [
            {"digest": digest, "size": size, "present": digest in event.present}
            for digest, size in event.layers
        ]
        del fields["present"], fields["work"]
    return json.dumps(fields) + "\n"
