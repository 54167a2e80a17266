"""EFFECT. `pod image`: import, list, show and remove images."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from stage0.image import Image, Store
from stage0.image.model import as_dict
from stage0.image.names import TRANSPORTS
from stage0.settings import Settings

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    verbs = parser.add_subparsers(dest="image_verb", metavar="VERB", required=True)
    importing = verbs.add_parser("import", help="bring an image of this host's disk into the store")
    sources = ", ".join(f"{transport}:PATH" for transport in TRANSPORTS)
    importing.add_argument(
        "source", metavar="SOURCE", help=f"{sources}; the first three may end in :REFERENCE"
    )
    importing.add_argument("--name", metavar="NAME[:TAG]", help="name it; otherwise the source says")
    listing = verbs.add_parser("ls", help="list images")
    listing.add_argument("--json", action="store_true", help="write JSON")
    inspecting = verbs.add_parser("inspect", help="write all that is known of images, as JSON")
    inspecting.add_argument(
        "images", metavar="IMAGE", nargs="+", help="name, digest or the beginning of one"
    )
    inspecting.add_argument("--json", action="store_true", help="the default and only format")
    removing = verbs.add_parser("rm", help="remove names, and the content nothing else needs")
    removing.add_argument("images", metavar="IMAGE", nargs="+", help="name, digest or the beginning of one")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    actions: dict[str, Callable[[argparse.Namespace, Settings], None]] = {
        "import": _import,
        "ls": _list,
        "inspect": _inspect,
        "rm": _remove,
    }
    actions[args.image_verb](args, settings)
    return 0


def _import(args: argparse.Namespace, settings: Settings) -> None:
    image = Store(settings.root).import_(args.source, args.name)
    sys.stdout.write(f"{image.name} {image.digest}\n")


def _list(args: argparse.Namespace, settings: Settings) -> None:
    images = Store(settings.root).images()
    sys.stdout.write(_as_json([_summary(image) for image in images]) if args.json else _as_table(images))


def _inspect(args: argparse.Namespace, settings: Settings) -> None:
    store = Store(settings.root)
    found = [store.get(ref) for ref in args.images]
    sys.stdout.write(_as_json([as_dict(image) | {"names": store.tags_of(image.digest)} for image in found]))


def _remove(args: argparse.Namespace, settings: Settings) -> None:
    from stage0.lifecycle import images_in_use  # noqa: PLC0415 (only this verb looks at pods)

    store = Store(settings.root)
    for ref in args.images:
        removal = store.remove(ref, lambda: images_in_use(settings.root))
        what = ", ".join(removal.names) or removal.digest
        sys.stdout.write(f"removed {what}, freed {_human(removal.freed)}\n")


def _summary(image: Image) -> dict[str, object]:
    return {
        "name": image.name,
        "digest": image.digest,
        "size": image.size,
        "created": image.created,
        "layers": len(image.layers),
        "architecture": image.config.architecture,
    }


def _as_json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _as_table(images: list[Image]) -> str:
    rows = [("NAME", "DIGEST", "CREATED", "SIZE")]
    rows += [(_plain(i.name), i.digest[7:19], _plain(i.created[:10]) or "-", _human(i.size)) for i in images]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ("  ".join([*(f"{row[at]:{widths[at]}}" for at in range(3)), row[3]]) for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _plain(text: str) -> str:
    """Show text of an image without letting it speak to the terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _human(size: float) -> str:
    for unit in _UNITS[:-1]:
        if size < _STEP:
            return f"{size:.3g} {unit}"
        size /= _STEP
    return f"{size:.3g} {_UNITS[-1]}"
