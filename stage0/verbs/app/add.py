"""EFFECT. `pod app add`: one more app for a pod, while it runs or before it does."""

from __future__ import annotations

import argparse
import os
import sys

from stage0.image import Store
from stage0.making import holding, obtained
from stage0.parsing import Parser
from stage0.plan.changes import Change, with_app
from stage0.pods import lifecycle
from stage0.request import AppRequest, PodRequest
from stage0.request.arguments import ARGUMENTS, NEXT_APP, one_app
from stage0.request.options import fetching
from stage0.running import changing
from stage0.settings import Settings
from stage0.show import as_json
from stage1.contract import PodManifest, UsageError

USAGE = "pod app add [OPTIONS] POD IMAGE [APP OPTIONS] [-- ARGS]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to fetch the image, which pod; the app's options are those of `run`, after its image."""
    parser.usage = USAGE
    fetching.add(parser)
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("words", metavar="IMAGE …", nargs=argparse.REMAINDER, help="as of pod run")
    if isinstance(parser, Parser):
        from stage0.request.arguments import app_parser  # noqa: PLC0415  only for --help

        parser.appendix = lambda: app_parser().format_help().partition("\n")[2]


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the app's name when it has started; if it does not, the pod is as it was."""
    wish = _wish(arguments)
    store = Store(settings.root)
    request = fetched(arguments, wish)
    with store.hold():
        (image, *_), now = obtained(request, store, quiet=arguments.quiet)
        with changing.held(settings.data, arguments.pod) as pod:
            before = lifecycle.manifest(pod.directory)
            after = with_app(before, wish, image, now)
            with holding(after, settings):
                after = changing.apply(pod, Change(before, after))
            changing.note(pod.directory, Change(before, after))
    tell(after, after.apps[-1].name, as_object=arguments.json)
    return 0


def _wish(arguments: argparse.Namespace) -> AppRequest:
    words = arguments.words
    split = words.index(ARGUMENTS) if ARGUMENTS in words else len(words)
    if NEXT_APP in words[:split]:
        raise UsageError("one app at a time", hint="add the others by more calls of `pod app add`")
    return one_app(words, os.environ)


def fetched(arguments: argparse.Namespace, wish: AppRequest) -> PodRequest:
    """What fetching needs to know."""
    given = {
        name: value
        for name in ("pull", "platform", "authfile", "cert_dir", "tls_verify")
        if (value := getattr(arguments, name, None)) is not None
    }
    return PodRequest(app=(wish,), **given)


def tell(pod: PodManifest, name: str, *, as_object: bool) -> None:
    """Which app of which pod."""
    app = next(one for one in pod.apps if one.name == name)
    facts = {"pod": pod.uuid, "app": name, "image": app.image.name, "digest": app.image.digest}
    sys.stdout.write(as_json(facts) if as_object else f"{name}\n")
