"""EFFECT. `pod app update`: another image for one app; the others do not notice."""

from __future__ import annotations

import argparse

from stage0.image import Store
from stage0.making import obtained
from stage0.plan.changes import Change, with_image
from stage0.pods import lifecycle
from stage0.request import AppRequest
from stage0.request.options import fetching
from stage0.running import changing
from stage0.settings import Settings
from stage0.verbs.app.add import fetched, tell
from stage1.contract import NotFoundError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which app, and which image."""
    fetching.add(parser)
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument("--image", required=True, help="the image it is to run")
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("app", metavar="APP", help="name of an app")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the app's name when it runs the new image; if that does not start, the old one runs again."""
    name, store = arguments.app, Store(settings.root)
    request = fetched(arguments, AppRequest(image=arguments.image))
    with store.hold():
        (image, *_), now = obtained(request, store, quiet=arguments.quiet)
        with changing.held(settings.data, arguments.pod) as pod:
            before = lifecycle.manifest(pod.directory)
            app = next((one for one in before.apps if one.name == name), None)
            if app is None:
                known = ", ".join(one.name for one in before.apps) or "none"
                raise NotFoundError(f"pod {before.label} has no app {name!r}", hint=f"its apps: {known}")
            old = store.get(app.image.digest)
            after = changing.apply(pod, Change(before, with_image(before, name, (old, image), now)))
            changing.note(pod.directory, Change(before, after))
    tell(after, name, as_object=arguments.json)
    return 0
