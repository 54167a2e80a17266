"""PURE. `--pre-start` and its kin: commands around an app's life."""

from __future__ import annotations

from collections.abc import Sequence

from stage0.request import AppRequest, Command
from stage1.contract import Hooks, UsageError


def hooks(wish: AppRequest, name: str) -> Hooks:
    """The commands of an app; an init app has no stop of its own."""
    found = Hooks(
        pre_start=_commands(wish.pre_start, "--pre-start"),
        post_start=_commands(wish.post_start, "--post-start"),
        pre_stop=_commands(wish.pre_stop, "--pre-stop"),
        post_stop=_commands(wish.post_stop, "--post-stop"),
    )
    if wish.init and (found.pre_stop or found.post_stop):
        raise UsageError(
            f"init app {name} runs to its end and is not stopped: it has no --pre-stop and no --post-stop",
            hint="use --post-start, which runs when it has ended well",
        )
    return found


def _commands(commands: Sequence[Command], option: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_words(command, option) for command in commands)


def _words(command: Command, option: str) -> tuple[str, ...]:
    """The words of a text as a shell splits them: quotes and backslashes, but no variables and no operators."""
    if isinstance(command, str):
        import shlex  # noqa: PLC0415  2 ms, and most apps have no hooks

        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise UsageError(
                f"{option} {command!r}: {str(error).lower()}", hint="quote as in a shell"
            ) from None
    else:
        words = tuple(command)
    if not words or not words[0]:
        raise UsageError(f"{option} {command!r} names no program", hint="write PROGRAM [ARGUMENTS]")
    return words
