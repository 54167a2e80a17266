"""EFFECT. `pod image pull`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Store
from stage0.image.names import TRANSPORTS
from stage0.image.wish import ALWAYS, Wish
from stage0.interruption import heed_sigterm
from stage0.progress import json_lines, shown
from stage0.progress.notify import extending
from stage0.request.options.fetching import add_access
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    sources = ", ".join(f"{transport}:…" for transport in TRANSPORTS)
    parser.add_argument(
        "sources", metavar="NAME|SOURCE", nargs="+",
        help=f"a name as nginx or quay.io/x/y:tag, docker://…, docker-daemon:…, containers-storage:…, {sources}",
    )  # fmt: skip
    parser.add_argument("--name", metavar="NAME[:TAG]", help="name it; otherwise the source says")
    add_access(parser)
    parser.add_argument("--creds", metavar="USER[:PASSWORD]", help="log in so; others can see it in ps(1)")
    parser.add_argument("-q", "--quiet", action="store_true", help="only print name and digest")
    parser.add_argument("--json", action="store_true", help="print events, one line of JSON each")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Pull one after the other, and print name and digest of each."""
    heed_sigterm()
    store = Store(settings.root)
    before = _names(store)
    wish = Wish(ALWAYS, args.platform, args.authfile, args.creds, args.cert_dir, args.tls_verify)
    if args.json:
        for source in args.sources:
            store.pull(source, args.name, wish, extending(json_lines(sys.stdout)))
    else:
        with shown(sys.stderr, quiet=args.quiet) as say:
            images = [store.pull(source, args.name, wish, extending(say)) for source in args.sources]
        sys.stdout.writelines(f"{image.name} {image.digest}\n" for image in images)
    sys.stdout.flush()
    if _names(store) != before:
        from stage0.pods.lifecycle import images_in_use  # noqa: PLC0415 (not where nothing was new)

        store.collect_automatically(lambda: images_in_use(settings.root))
    return 0


def _names(store: Store) -> int:
    """Something that is another each time a name has come to mean another image."""
    return store.paths.index.stat().st_ino if store.paths.index.exists() else 0
