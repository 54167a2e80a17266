"""PURE. What `pod exec` and `pod enter` are asked for: their options, read without argparse (15 ms), as one value."""

from __future__ import annotations

from stage1.contract.errors import UsageError
from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod exec` has no time to import
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

DETACH_KEYS = "ctrl-p,ctrl-q"
_MOST_KEYS = 16


class Option(NamedTuple):
    """One option: its names, the field it sets, the name of its value ("" for none), its help."""

    flags: tuple[str, ...]
    field: str
    metavar: str
    help: str
    several: bool = False


OPTIONS = (
    Option(("-i", "--interactive"), "interactive", "", "hand the standard input on"),
    Option(("-t", "--tty"), "tty", "", "give the command a terminal of its own"),
    Option(
        ("-d", "--detach"), "detach", "", "leave it running; print the id that `pod session` knows it by"
    ),
    Option(("--detach-keys",), "detach_keys", "KEYS", f"keys that detach from a terminal ({DETACH_KEYS})"),
    Option(("--app",), "app", "APP", "which app; needed where the pod has several"),
    Option(("-u", "--user"), "user", "USER[:GROUP]", "another user, by the app's own passwd"),
    Option(("-w", "--workdir"), "workdir", "DIR", "the directory it begins in (default: the app's)"),
    Option(("-e", "--env"), "env", "KEY[=VALUE]", "one more variable; without a value ours", several=True),
    Option(
        ("--cap-add",),
        "cap_add",
        "CAPABILITY",
        "one more capability of those the app's bounding set allows",
        several=True,
    ),
    Option(
        ("--privileged",),
        "privileged",
        "",
        "root with the pod's capabilities, without the app's system call filter: more than the app may",
    ),
    Option(("--preserve-fds",), "preserve_fds", "N", "hand on descriptors 3 to 2 + N as well"),
    Option(("--pod",), "whole_pod", "", "the pod's own root and its PID 1's rights, in place of an app's"),
    Option(
        ("--with-host-tools",),
        "host_tools",
        "",
        "bring the host's programs along, read-only; the app's root is at /app",
    ),
)
_BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}


class EnterRequest(NamedTuple):
    """What one call asks for; `command` empty: a shell."""

    pod: str
    command: tuple[str, ...]
    interactive: bool = False
    tty: bool = False
    detach: bool = False
    detach_keys: str = DETACH_KEYS
    app: str | None = None
    user: str | None = None
    workdir: str | None = None
    env: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    privileged: bool = False
    preserve_fds: str | None = None
    whole_pod: bool = False
    host_tools: bool = False


def add_detach_keys(parser: argparse.ArgumentParser) -> None:
    """The option of all other verbs that take a terminal and may give it back."""
    parser.add_argument(
        "--detach-keys",
        metavar="KEYS",
        default=DETACH_KEYS,
        help=f"keys that give the terminal back while the pod goes on ({DETACH_KEYS}); empty: none",
    )


def parse(words: list[str]) -> EnterRequest | None:
    """The request in the words after the verb, or None if they ask for help; the command begins after POD."""
    found: dict[str, bool | str | tuple[str, ...]] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] not in {"-", "--"}:
        word = rest.pop(0)
        for option, value in _read(word, rest):
            if option is None:
                return None
            before = found.get(option.field, ())
            found[option.field] = (
                (*before, value)
                if option.several and isinstance(before, tuple) and isinstance(value, str)
                else value
            )
    if rest[:1] == ["--"]:
        rest.pop(0)
    if not rest:
        raise UsageError("which pod?", hint="see `pod exec --help`")
    pod, *command = rest
    if command[:1] == ["--"]:
        command.pop(0)
    return EnterRequest(pod=pod, command=tuple(command), **found)  # type: ignore[arg-type]  # fields of OPTIONS


def _read(word: str, rest: list[str]) -> Iterator[tuple[Option | None, bool | str]]:
    """The options of one word and their values; a value may be the next word."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        yield _one(name, value if equals else None, rest)
        return
    for index, letter in enumerate(word[1:], 1):
        option, value_or_flag = _one(
            f"-{letter}", None if index == len(word) - 1 else word[index + 1 :], rest
        )
        yield option, value_or_flag
        if option is None or option.metavar:
            return


def _one(name: str, value: str | None, rest: list[str]) -> tuple[Option | None, bool | str]:
    if name in {"-h", "--help"}:
        return None, True
    option = _BY_FLAG.get(name)
    if option is None:
        raise UsageError(f"there is no option {name}", hint="see `pod exec --help`")
    if not option.metavar:
        if value is not None and name.startswith("--"):
            raise UsageError(f"{name} takes no value", hint=f"leave ={value} out")
        return option, True
    if value is None:
        if not rest:
            raise UsageError(f"{name} needs a value: {option.metavar}", hint="see `pod exec --help`")
        value = rest.pop(0)
    return option, value


def key_codes(text: str) -> tuple[int, ...]:
    """`ctrl-p,ctrl-q` as bytes; empty: nothing detaches."""
    codes = tuple(_key_code(word, text) for word in text.split(",")) if text else ()
    if len(codes) > _MOST_KEYS:
        raise UsageError(f"--detach-keys {text}: more than {_MOST_KEYS} keys", hint="two will do")
    return codes


def _key_code(word: str, text: str) -> int:
    letter = word.removeprefix("ctrl-").upper() if word.startswith("ctrl-") else ""
    if len(letter) == 1 and "@" <= letter <= "_":
        return ord(letter) - ord("@")
    if len(word) == 1 and word.isascii():
        return ord(word)
    raise UsageError(
        f"--detach-keys {text}: {word!r} is no key", hint="write a character or ctrl-X, joined by commas"
    )


def helper_options(request: EnterRequest, environment: dict[str, str]) -> list[str]:
    """The request in the words of the program that joins the pod; `environment` is the caller's."""
    flags = {
        "--input": request.interactive,
        "--terminal": request.tty,
        "--detach": request.detach,
        "--privileged": request.privileged,
        "--pod": request.whole_pod,
        "--host-tools": request.host_tools,
    }
    values = {"--user": request.user, "--workdir": request.workdir, "--preserve-fds": request.preserve_fds}
    found = [flag for flag, wanted in flags.items() if wanted]
    found += [f"{name}={value}" for name, value in values.items() if value is not None]
    found += [f"--env={text}" for text in _assignments(request.env, environment)]
    found += [f"--add-cap={name}" for name in request.cap_add]
    if request.tty:
        found.append(f"--detach-keys={','.join(map(str, key_codes(request.detach_keys)))}")
    return found


def _assignments(words: tuple[str, ...], environment: dict[str, str]) -> Iterator[str]:
    """KEY alone takes the caller's value; a variable the caller has not is left out, as everywhere."""
    for word in words:
        name, equals, _ = word.partition("=")
        if not name:
            raise UsageError(f"--env {word!r}: no name", hint="write KEY=VALUE or KEY")
        if equals:
            yield word
        elif name in environment:
            yield f"{name}={environment[name]}"
