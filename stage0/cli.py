"""EFFECT. The command line: dispatch, and the only place where an error becomes text and an exit status."""

from __future__ import annotations

import errno
import gc
import os
import sys
from importlib import import_module

from stage0 import settings
from stage1.contract import EXIT_RUNTIME, EXIT_USAGE, PodError, UsageError

TYPE_CHECKING = False  # that of `typing`, which `pod exec` has no time to import
if TYPE_CHECKING:
    from typing import Any

    from stage0.parsing import Parser

VERSION = "0.1.0"

# Verb, module below stage0.verbs, one line of help. A verb's module is imported when it is called and not before.
VERBS: dict[str, tuple[str, str]] = {
    "run": ("run", "make a pod from images and run it"),
    "prepare": ("prepare", "make a pod, to be started later"),
    "start": ("start", "start a prepared or ended pod"),
    "reload": ("reload", "make a running pod what its manifest says now, as far as it can"),
    "restart": ("restart", "end pods, or apps of one, and start them again"),
    "stop": ("stop", "end pods in order and wait"),
    "kill": ("kill", "end pods at once, or send their apps a signal"),
    "pause": ("pause", "stop the processes of pods where they are"),
    "unpause": ("unpause", "let paused pods go on"),
    "wait": ("wait", "wait until pods have ended and tell their status"),
    "rm": ("rm", "remove pods and all they wrote"),
    "gc": ("gc", "remove ended pods and whatever was left half done"),
    "ps": ("ps", "list pods"),
    "list": ("ps", "the same as ps"),
    "status": ("status", "how a pod and each of its apps is doing"),
    "inspect": ("inspect", "everything known of a pod, as JSON"),
    "exec": ("exec", "run a command inside an app"),
    "attach": ("attach", "the streams or the terminal of a running app"),
    "enter": ("enter", "a shell inside an app or the pod itself"),
    "session": ("session", "commands that `pod exec` left running"),
    "limit": ("limit", "show or change what pods and apps may use"),
    "stats": ("stats", "what pods and apps use: processor, memory, tasks, disk"),
    "top": ("top", "the processes of a pod"),
    "events": ("events", "what has happened to pods, and what happens"),
    "cp": ("cp", "copy files between the host and apps"),
    "mount": ("mount", "bring files of the host into running apps"),
    "logs": ("logs", "what the apps of a pod printed"),
    "port": ("port", "list published ports, publish more, take some back"),
    "network": ("network", "make, list, mend and remove networks of pods"),
    "app": ("app", "add, remove, update, start, stop and restart the apps of a pod"),
    "image": ("image", "import, list, inspect and remove images"),
    "volume": ("volume", "make, list and remove volumes that outlive pods"),
    "render": ("render", "write a pod's units and systemd-nspawn arguments, run nothing"),
    "unit": ("unit", "a unit of the host for a pod"),
    "doctor": ("doctor", "what this host lacks, and how to get it"),
    "completion": ("completion", "print completion for bash, zsh or fish"),
    "version": ("version", "print versions"),
}

_OS_HINTS: dict[int | None, str] = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path: a part of it is a file",
    errno.EISDIR: "check the path: it is a directory",
    errno.EACCES: "check who may use this path",
    errno.EPERM: "check what root may do here; in a container it may be less",
    errno.EROFS: "name a path that can be written, with --dir or POD_DIR",
    errno.ENOSPC: "make room where the data root is: `pod gc` removes ended pods, `pod image gc` unused images",
    errno.EDQUOT: "make room in this quota: `pod gc` removes ended pods",
    errno.EMFILE: "raise the limit of open files: ulimit -n",
}
_OS_HINT = "the host's log may say more: journalctl -e, or dmesg"


def main(argv: list[str] | None = None) -> int:
    """Run one verb; the exit status is documented in pod(1)."""
    # A command makes objects and hardly garbage; to look for it at every 700 is a thirtieth of `pod run`'s Python.
    gc.set_threshold(20_000)
    _fill_standard_streams()
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except PodError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # whoever read our output has gone; the interpreter must not complain when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        _complain(PodError(_os_error(error), hint=_OS_HINTS.get(error.errno, _OS_HINT)))
        return EXIT_RUNTIME


def _fill_standard_streams() -> None:
    """A caller may have closed some: the lock of a pod must not become its standard output, nor Python lack one."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number is this one's
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def _main(argv: list[str]) -> int:
    directory, rest = _global_options(argv)
    if not rest or rest[0] in {"-h", "--help", "help"}:
        sys.stdout.write(overview())
        return 0 if rest else EXIT_USAGE
    if rest[0] == "--version":
        rest = ["version"]
    if rest[0] not in VERBS:
        from stage0.mistakes import no_command  # noqa: PLC0415  difflib, for mistakes only

        raise no_command(rest[0], VERBS)
    verb = import_module(f"stage0.verbs.{VERBS[rest[0]][0]}")
    chosen = settings.from_environment(os.environ, directory)
    status: int | None = _run_words(verb, rest, chosen)
    if status is not None:
        return status
    parser = verb_parser(rest[0])
    try:
        arguments = parser.parse_args(rest[1:])
    except SystemExit as done:  # --help
        return int(done.code or 0)
    _need_root(verb, rest[0])
    try:
        status = verb.run(arguments, chosen)
    except UsageError as error:
        raise _of_file(error, getattr(arguments, "file", None)) from None
    sys.stdout.flush()
    return status or 0


def _of_file(error: UsageError, file: object) -> UsageError:
    """A mistake in a manifest, with the manifest's name."""
    if not isinstance(file, str) or file in error.message:
        return error
    from stage0.request.file import in_words_of_a_file  # noqa: PLC0415  a file, and something wrong with it

    return in_words_of_a_file(error, file)


def _run_words(verb: Any, rest: list[str], chosen: settings.Settings) -> int | None:  # noqa: ANN401  a module
    """For verbs that are called so often that they read their words without argparse; None if this is none of them."""
    if not hasattr(verb, "run_words"):
        return None
    help_wanted = {"-h", "--help"} & set(rest[1:2])
    if not help_wanted:
        _need_root(verb, rest[0])
    status: int | None = verb.run_words(rest[1:], chosen)
    return status


def _need_root(verb: Any, name: str) -> None:  # noqa: ANN401  a module
    if os.geteuid() != 0 and getattr(verb, "NEEDS_ROOT", True):
        raise PodError(f"pod {name} needs root", hint=f"try `sudo pod {name} …`")


def verb_parser(name: str) -> Parser:
    """The parser of one verb, with its options."""
    from stage0.parsing import Parser  # noqa: PLC0415  argparse, which not every verb needs

    module, summary = VERBS[name]
    verb = import_module(f"stage0.verbs.{module}")
    parser = Parser(
        f"pod {name}", description=summary[0].upper() + summary[1:] + ".", usage=getattr(verb, "USAGE", None)
    )
    verb.add_arguments(parser)
    return parser


def _global_options(argv: list[str]) -> tuple[str | None, list[str]]:
    """`--dir DIR` before the verb; everything else belongs to the verb."""
    directory = None
    while argv and argv[0].startswith("--dir"):
        name, equals, value = argv[0].partition("=")
        if name != "--dir" or (not equals and len(argv) < 2):
            break
        directory, argv = (value, argv[1:]) if equals else (argv[1], argv[2:])
    return directory, argv


def overview() -> str:
    """The text of `pod --help`."""
    width = max(map(len, VERBS))
    lines = [f"  {name:<{width}}  {summary}" for name, (_, summary) in VERBS.items()]
    return (
        "usage: pod [--dir DIR] COMMAND …\n\n"
        "Run pods: OCI images under a systemd of their own, in one systemd-nspawn machine.\n\n"
        + "\n".join(lines)
        + "\n\n  --dir DIR  data root (POD_DIR, default /var/lib/pod)\n\n"
        "`pod COMMAND --help` tells the options; pod(1) tells the rest.\n"
    )


def _os_error(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _complain(error: PodError) -> None:
    from stage0.show import printable  # noqa: PLC0415  only when something went wrong

    sys.stderr.write(f"pod: {printable(error.message)}\n")
    if error.hint:
        sys.stderr.write(f"     {printable(error.hint)}\n")
