"""EFFECT. From what the user wrote to an image in the store: which registry a name means, and who fetches it."""

from __future__ import annotations

import os

from stage0.image import pull
from stage0.image.events import Listener, Note, nobody
from stage0.image.found import Found
from stage0.image.model import Image
from stage0.image.names import FETCHED, is_fetched, normalise
from stage0.image.platforms import host_platform, parse_platform
from stage0.image.reference import Reference, ShortNames, parse_reference
from stage0.image.registries import short_names
from stage0.image.shelves import StorePaths
from stage0.image.skopeo import Skopeo
from stage0.image.wish import NEWER, Wish
from stage1.contract.errors import HostError, NotFoundError


def fetch(
    paths: StorePaths, text: str, name: str | None, wish: Wish, say: Listener | None, known: Image | None
) -> Image:
    """Pull what `text` means; where `newer` finds no registry, `known` is good enough: what the store has so."""
    listener = say or nobody
    wanted = normalise(name) if name else ""
    platform = parse_platform(wish.platform) if wish.platform else host_platform()
    skopeo = Skopeo(wish, platform, text)
    if text.partition(":")[0] in FETCHED and is_fetched(text):
        from stage0.image.transfer import transfer  # noqa: PLC0415 (not for registries)

        return transfer(paths, skopeo, text, wanted, listener)
    try:
        found = _find(skopeo, text)
    except HostError as error:
        if known is None or wish.pull != NEWER:
            raise
        listener(Note(f"{error.message}; the image that is here is taken"))
        return known
    named = wanted or found.reference.name
    return pull.pull(paths, skopeo._replace(what=found.reference.name), found, named, listener)


def _find(skopeo: Skopeo, text: str) -> Found:
    """Ask the registries that a name may mean, one after the other."""
    reference = parse_reference(text)
    meanings = _meanings(reference)
    for meaning in meanings[:-1]:
        try:
            return pull.find(skopeo._replace(what=meaning.name), meaning)
        except NotFoundError:
            continue
    return pull.find(skopeo._replace(what=meanings[-1].name), meanings[-1])


def _meanings(reference: Reference) -> tuple[Reference, ...]:
    names = ShortNames() if reference.domain else short_names(os.environ)
    return names.meanings(reference)
