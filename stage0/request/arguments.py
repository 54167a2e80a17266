"""EFFECT. The grammar of `pod run` and `pod prepare`: words of the command line become a PodRequest.

    pod run [POD OPTIONS] IMAGE [APP OPTIONS] [-- ARGS] [--- IMAGE [APP OPTIONS] [-- ARGS]]…

Options follow what they belong to: the pod's come before the first image, an app's after its image. The only effect
is reading the files named by `--env-file`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from stage0.parsing import Parser
from stage0.request import AppRequest, PodRequest
from stage0.request.options import (
    confinement,
    credentials,
    fetching,
    identity,
    life,
    network,
    pod,
    process,
    resources,
    sockets,
    storage,
    streams,
    userns,
)
from stage1.contract import UsageError

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any

    from stage0.mistakes import Place

ARGUMENTS = "--"
NEXT_APP = "---"


def _process_and_identity(group: argparse._ArgumentGroup) -> None:
    process.add(group)
    identity.add(group)


_POD_OPTIONS = tuple(name for name in PodRequest._fields if name not in {"app", "version"})
_APP_OPTIONS = (
    ("program and user", _process_and_identity),
    ("life", life.add),
    ("streams", streams.add),
    ("sockets", sockets.add),
    ("secrets", credentials.add),
    ("files", storage.add),
    ("confinement", confinement.add),
    ("network", network.add),
    ("limits", resources.add),
)


def add_pod_options(parser: Parser) -> None:
    """Options of the pod, then the first image and the rest, which is parsed by `request_of`."""
    pod.add(parser)
    fetching.add(parser)
    userns.add(parser)
    network.add_pod(parser)
    resources.add_pod(parser)
    identity.add_pod(parser)
    parser.add_argument("words", metavar="IMAGE …", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(pod_options=parser.options)
    parser.other_place = _behind_the_image
    parser.appendix = lambda: app_parser().format_help().partition("\n")[2]


def _behind_the_image() -> Place:
    from stage0.mistakes import Place  # noqa: PLC0415  for mistakes only

    return Place(
        app_parser().options(),
        "options of an app come after its image: pod run [POD OPTIONS] IMAGE [APP OPTIONS]",
    )


def _before_the_image(options: Sequence[str] = ()) -> Place:
    from stage0.mistakes import Place  # noqa: PLC0415  for mistakes only

    return Place(
        options,
        "options of the pod come before its first image: pod run [POD OPTIONS] IMAGE [APP OPTIONS]",
        "an app's arguments come after --, another program by --exec: IMAGE --exec PROGRAM -- ARGUMENTS",
    )


@cache
def app_parser() -> Parser:
    """Options of one app, after its image."""
    parser = Parser("pod run IMAGE", usage="IMAGE [APP OPTIONS] [-- ARGS]")
    parser.other_place = _before_the_image
    for title, room in _APP_OPTIONS:
        room(parser.add_argument_group(f"app options, after the image they belong to: {title}"))
    return parser


def request_of(
    arguments: argparse.Namespace, environment: Mapping[str, str], cache: Path | None = None
) -> PodRequest:
    """The pod the parsed command line asks for; `cache`: where manifests that were read before are kept."""
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name in _POD_OPTIONS
        if (value := getattr(arguments, name, None)) is not None
        and (value is not False or PodRequest._field_defaults[name] is not False)  # a flag nobody gave
    }
    if arguments.file is not None:
        if arguments.words:
            raise UsageError(
                "-f and images on the command line exclude each other", hint="put the apps into the file"
            )
        from stage0.request.file import read  # noqa: PLC0415  pydantic and a parser, only when asked for

        return with_files(read(arguments.file, cache)._replace(**given), environment)
    app_parser().other_place = lambda: _before_the_image(arguments.pod_options())
    words = apps_of(arguments.words) if arguments.words or not arguments.empty else ()
    apps = tuple(_with_files(app, environment) for app in words)
    return PodRequest(app=apps, **given)


def with_files(request: PodRequest, environment: Mapping[str, str]) -> PodRequest:
    """A manifest's request with what it takes from other files and from the caller's environment."""
    return request._replace(app=tuple(_with_files(app, environment) for app in request.app))


def apps_of(words: Sequence[str]) -> Iterator[AppRequest]:
    """One AppRequest for each group of words between `---`."""
    for group in _groups(words):
        image, *rest = group
        if image.startswith("-"):
            raise UsageError(
                f"{image}: not an option of the pod", hint="options of an app come after its image"
            )
        split = rest.index(ARGUMENTS) if ARGUMENTS in rest else len(rest)
        given: dict[str, Any] = {}
        for name, value in vars(app_parser().parse_args(rest[:split])).items():
            if value is not None:
                given[name] = tuple(value) if isinstance(value, list) else value
        if split < len(rest):
            given["args"] = tuple(rest[split + 1 :])
        yield AppRequest(image=image, **given)


def one_app(words: Sequence[str], environment: Mapping[str, str]) -> AppRequest:
    """The app of `IMAGE [APP OPTIONS] [-- ARGS]`."""
    (app,) = apps_of(words)
    return _with_files(app, environment)


def _groups(words: Sequence[str]) -> Iterator[list[str]]:
    if not words:
        raise UsageError(
            "no image named", hint="pod run IMAGE; `pod image ls` lists the images of this host"
        )
    group: list[str] = []
    for word in [*words, NEXT_APP]:
        if word != NEXT_APP:
            group.append(word)
        elif not group:
            raise UsageError("no image after ---", hint="write IMAGE [OPTIONS] [-- ARGS] --- IMAGE …")
        else:
            yield group
            group = []


def _with_files(app: AppRequest, environment: Mapping[str, str]) -> AppRequest:
    """Resolve `--env NAME` and `--env-file`, so that a request says everything by itself."""
    if isinstance(app.env, dict):
        if bad := [name for name in app.env if "=" in name]:
            raise UsageError(f"{bad[0]!r} is not the name of a variable", hint="write it as NAME = VALUE")
        own = tuple(f"{name}={value}" for name, value in app.env.items())
    else:
        own = tuple(
            _from_caller(text, environment) for text in app.env if "=" in text or text in environment
        )
    files = tuple(text for name in app.env_file for text in _env_file(name, environment))
    return app._replace(env=(*files, *own), env_file=(), seccomp=_profile(app.seccomp))


def _profile(text: str | None) -> str | None:
    """`--seccomp FILE.json` as the text of that file."""
    if text is None or "{" in text or not ("/" in text or text.endswith(".json")):
        return text
    try:
        return Path(text).read_text()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"--seccomp {text}: {reason}", hint="name a profile in JSON") from None


def _from_caller(text: str, environment: Mapping[str, str]) -> str:
    return text if "=" in text else f"{text}={environment[text]}"


def _env_file(name: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Raw lines, no quotes: `NAME=VALUE`, or `NAME` for the caller's value."""
    try:
        lines = os.fsdecode(Path(name).read_bytes()).splitlines()
    except OSError as error:
        raise UsageError(
            f"--env-file {name}: {error.strerror}", hint="name a file of NAME=VALUE lines"
        ) from None
    for line in lines:
        text = line.lstrip()
        if text and not text.startswith("#") and ("=" in text or text in environment):
            yield _from_caller(text, environment)
