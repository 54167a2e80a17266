"""PURE. What can follow on the command line of `pod`: read out of the parsers, written for bash, zsh and fish.

The three scripts are one small reader of the line each, and tables made here. The reader goes through the words and
keeps a context: "" before the command, the command's name after it, `image VERB`, `of-image` after an image of `run`,
and `args` after `--`. For a context and an option there is a kind of value, for a context a kind of plain words.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from shlex import quote

from stage1.contract.values import NamedTuple

SHELLS = ("bash", "zsh", "fish")
NOTHING = "nothing"
_SIGNALS = "words HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH"
# Where the name of a value does not say what it is.
_BY_OPTION = {
    "--exit-policy": "words any-failure all first never app:",
    "--platform": "words linux/amd64 linux/arm64 linux/arm/v7 linux/riscv64 linux/s390x linux/ppc64le",
    "--tls-verify": "words true false",
    "--creds": NOTHING,
    "--net": "nets",
    "--hosts": "words host pod image none",
    "--dns": "words host image none",
    "--machine-id": "words image",
    "--timezone": "words local UTC",
    "--mount": "words type=bind, type=volume, type=empty, type=image, type=tmpfs,",
    "--ready": "words started notify tcp:",
    "--restart": "words no on-failure always",
    "--property": "words CPUQuota= CPUWeight= Environment= IOWeight= MemoryHigh= MemoryMax= Nice= OOMPolicy="
    " Restart=always Restart=on-failure RestartSec= RuntimeMaxSec= TasksMax= TimeoutStopSec= WatchdogSec=",
    "--slice": "words machine.slice system.slice user.slice",
    "--workdir": NOTHING,
    "--volume": "file",
    "--dir": "directory",
}
_BY_METAVAR = {
    "FILE": "file",
    "DIR": "directory",
    "SIGNAL": _SIGNALS,
    "IMAGE": "images",
    "NAME[:TAG]": "images",
    "VOLUME": "volumes",
    "NETWORK": "networks",
    "SOURCE": "sources",
    "NAME|SOURCE": "run",
}
_OF_RUNNING_PODS = {"stop", "reload", "kill", "wait", "exec", "enter", "port ls", "port add", "port rm"}


class Option(NamedTuple):
    """One option by all its names; `value` is the kind of its value, "" if it takes none."""

    flags: tuple[str, ...]
    value: str
    help: str


class Context(NamedTuple):
    """A place on the line: its options, the kind of its plain words, and those words' help where they are verbs."""

    name: str
    options: tuple[Option, ...]
    words: str = NOTHING
    verbs: tuple[tuple[str, str], ...] = ()


def contexts(
    verbs: Mapping[str, tuple[str, argparse.ArgumentParser]], app: argparse.ArgumentParser
) -> tuple[Context, ...]:
    """Every context; `verbs` holds the one-line help and the parser of each command."""
    found = [
        Context(
            name="",
            options=(
                Option(flags=("--dir",), value="directory", help="data root"),
                Option(flags=("--help",), value="", help="list the commands"),
                Option(flags=("--version",), value="", help="print versions"),
            ),
            verbs=tuple((name, summary) for name, (summary, _) in verbs.items()),
        )
    ]
    for name, (_, parser) in verbs.items():
        found += _of_parser(name, parser)
    return (
        *found,
        Context(name="of-image", options=tuple(_options(app)), words="words -- ---"),
        Context(name="next", options=(), words="run"),
        Context(name="args", options=(), words="file"),
    )


def _of_parser(name: str, parser: argparse.ArgumentParser) -> Iterator[Context]:
    below = _subparsers(parser)
    if below is None:
        yield Context(name=name, options=tuple(_options(parser)), words=_plain_words(name, parser))
        return
    helps = tuple((choice.dest, choice.help or "") for choice in below._get_subactions())
    yield Context(name=name, options=tuple(_options(parser)), verbs=helps)
    for verb, inner in below.choices.items():
        yield from _of_parser(f"{name} {verb}", inner)


def _subparsers(
    parser: argparse.ArgumentParser,
) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
    return next((one for one in parser._actions if isinstance(one, argparse._SubParsersAction)), None)


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        if action.option_strings:
            yield Option(
                flags=tuple(action.option_strings),
                value="" if action.nargs == 0 else _kind(action.option_strings[-1], action),
                help="this help" if action.dest == "help" else (action.help or ""),
            )


def _kind(option: str, action: argparse.Action) -> str:
    if action.choices:
        return f"words {' '.join(map(str, action.choices))}"
    return _BY_OPTION.get(option) or _BY_METAVAR.get(str(action.metavar), NOTHING)


def _plain_words(verb: str, parser: argparse.ArgumentParser) -> str:
    for action in parser._actions:
        if not action.option_strings:
            if str(action.metavar).startswith("POD"):
                return "running" if verb in _OF_RUNNING_PODS else "pods"
            return "run" if action.nargs == argparse.REMAINDER else _kind("", action)
    return NOTHING


def script(shell: str, reader: str, found: tuple[Context, ...]) -> str:
    """What `pod completion SHELL` prints; `reader` is the text of `completion.SHELL`."""
    return reader.replace("# @TABLES@\n", "".join(_TABLES[shell](found)))


def _case(name: str, entries: Iterator[tuple[str, str]]) -> Iterator[str]:
    """A function that prints a text for its first argument; the syntax is that of bash and of zsh."""
    yield f"{name}() {{\n        case $1 in\n"
    for pattern, text in entries:
        yield f"        {quote(pattern)}) printf '%s\\n' {quote(text)} ;;\n"
    yield "        esac\n}\n"


def _values(found: tuple[Context, ...]) -> Iterator[tuple[str, str]]:
    for context in found:
        for option in context.options:
            if option.value:
                yield from ((f"{context.name} {flag}", option.value) for flag in option.flags)


def _words(found: tuple[Context, ...]) -> Iterator[tuple[str, str]]:
    for context in found:
        kind = f"words {' '.join(name for name, _ in context.verbs)}" if context.verbs else context.words
        if kind != NOTHING:
            yield context.name, kind


def _bash(found: tuple[Context, ...]) -> Iterator[str]:
    flags = ((one.name, "\n".join(flag for option in one.options for flag in option.flags)) for one in found)
    yield from _case("__pod_options", flags)
    yield from _case("__pod_value", _values(found))
    yield from _case("__pod_plain", _words(found))


def _zsh(found: tuple[Context, ...]) -> Iterator[str]:
    """As for bash, but options and verbs with their help, one a line."""
    helps = {one.name: [(f, o.help) for o in one.options for f in o.flags] for one in found}
    yield from _case("__pod_options", ((name, _described(pairs)) for name, pairs in helps.items()))
    yield from _case("__pod_value", _values(found))
    yield from _case("__pod_plain", _words(found))
    verbs = ((one.name, _described(one.verbs)) for one in found if one.verbs)
    yield from _case("__pod_verbs", verbs)


def _described(pairs: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"{name.replace(':', chr(92) + ':')}:{text}" for name, text in pairs)


def _fish(found: tuple[Context, ...]) -> Iterator[str]:
    with_verbs = {context.name for context in found if context.verbs}
    plain = ((name, kind) for name, kind in _words(found) if name not in with_verbs)
    yield from _switch("__pod_value", _values(found))
    yield from _switch("__pod_plain", plain)
    names = " ".join(_fish_quote(one.name) for one in found)
    yield f"function __pod_is_context\n    contains -- $argv[1] {names}\nend\n"
    for context in found:
        where = f"complete -c pod -n {_fish_quote(f'__pod_at {_fish_quote(context.name)}')}"
        yield from (f"{where} -a {name} -d {_fish_quote(text)}\n" for name, text in context.verbs)
        for option in context.options:
            yield f"{where} {_fish_flags(option)} -d {_fish_quote(option.help)}\n"


def _switch(name: str, entries: Iterator[tuple[str, str]]) -> Iterator[str]:
    yield f"function {name}\n    switch $argv[1]\n"
    for pattern, text in entries:
        yield f"        case {_fish_quote(pattern)}\n            echo {_fish_quote(text)}\n"
    yield "    end\nend\n"


def _fish_flags(option: Option) -> str:
    names = " ".join(
        f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags
    )
    offer = _fish_quote(f"(__pod_offer {_fish_quote(option.value)})")
    return f"{names} -x -a {offer}" if option.value else names


def _fish_quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_TABLES = {"bash": _bash, "zsh": _zsh, "fish": _fish}
