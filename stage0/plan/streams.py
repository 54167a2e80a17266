"""PURE. `--stdin`, `--stdout`, `--stderr` of apps; `-i` and `-t` of pods of one."""

from __future__ import annotations

from collections.abc import Sequence

from stage0 import quantities
from stage0.request import AppRequest, PodRequest
from stage1.contract import App, Log, LogRate, Output, Restart, Stdin, UsageError
from stage1.contract.values import NamedTuple

_STDIN = {"null": Stdin.NONE, "stream": Stdin.STREAM, "tty": Stdin.TTY}


class Streams(NamedTuple):
    """The three of one app."""

    stdin: Stdin
    stdout: Output
    stderr: Output


def streams(pod: PodRequest, wish: AppRequest, app: str) -> Streams:
    """What the app asks for, else what `-i` and `-t` say."""
    stdin = _stdin(pod, wish)
    usual = Output.TTY if stdin is Stdin.TTY else Output.LOG
    found = Streams(stdin, _output(wish.stdout, "--stdout", usual), _output(wish.stderr, "--stderr", usual))
    if stdin is not Stdin.TTY and Output.TTY in found[1:]:
        raise UsageError(f"app {app}: output to a terminal needs one", hint="add --stdin=tty")
    if stdin is Stdin.TTY and found.stdout is not Output.TTY:
        raise UsageError(
            f"app {app}: --stdin=tty and --stdout={found.stdout.value} exclude each other",
            hint="a terminal answers what is typed; --stderr may go elsewhere",
        )
    return found


def _stdin(pod: PodRequest, wish: AppRequest) -> Stdin:
    if wish.stdin is not None and wish.stdin not in _STDIN:
        raise UsageError(f"--stdin={wish.stdin}: no such input", hint="null, stream or tty")
    if wish.stdin is not None:
        return _STDIN[wish.stdin]
    if len(pod.app) > 1:
        return Stdin.NONE
    return Stdin.TTY if pod.tty else Stdin.STREAM if pod.interactive else Stdin.NONE


def _output(text: str | None, option: str, usual: Output) -> Output:
    if text is None:
        return usual
    if text not in set(Output):
        raise UsageError(f"{option}={text}: no such output", hint=", ".join(Output))
    return Output(text)


def check_streams(pod: PodRequest, apps: Sequence[App]) -> None:
    """One app reads, and it runs once: what it has read nobody can give to another run."""
    readers = [app for app in apps if app.stdin is not Stdin.NONE]
    option = "--tty" if pod.tty else "--interactive"
    if (pod.tty or pod.interactive) and not readers:
        raise UsageError(
            f"{option} needs a pod of one app, or an app that is named",
            hint="give that app --stdin=stream or --stdin=tty",
        )
    if len(readers) > 1:
        raise UsageError(
            f"apps {readers[0].name} and {readers[1].name} both read the standard input",
            hint="--stdin=null for one of them",
        )
    for app in readers:
        if app.restart.when is not Restart.NO or any(socket.activated for socket in app.sockets):
            raise UsageError(
                f"app {app.name} reads the standard input and is started more than once (--restart, activated)",
                hint="input cannot be read twice",
            )


def log(text: str) -> Log:
    """Where lines are kept."""
    if text not in set(Log):
        raise UsageError(f"--log={text}: no such place for lines", hint=" or ".join(Log))
    return Log(text)


def log_rate(text: str) -> LogRate:
    """`10000/30s`, `500/1m`; a number alone is one a second. `none`: no bound."""
    if text == "none":
        return LogRate(lines=0)
    number, slash, time = text.partition("/")
    lines = quantities.whole(number, 2**32 - 1)
    seconds = quantities.seconds(time if slash else "1", where="--log-rate")
    if not lines or seconds != round(seconds) or not 1 <= seconds <= 86400:
        raise UsageError(
            f"--log-rate={text}: not a number of lines and a time of whole seconds, a day at most",
            hint="write 10000/30s, or none for no bound",
        )
    return LogRate(lines, round(seconds))
