"""EFFECT. stage1 by itself: `python -m stage1 run|render DIR`, for units and for pods written by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from stage1.contract import EXIT_USAGE, PodDir, PodError
from stage1.launch import MonitorOptions, again, become_monitor, load, prepare

_USAGE = "usage: python -m stage1 run|render DIR\n"


def main(arguments: list[str]) -> int:
    """Render a pod directory and, with `run`, become its monitor, which takes the lock.

    `again` is the monitor's own word for a pod that asked for a reboot, with the descriptors that it has.
    """
    match arguments:
        case ["run" | "render" as verb, name]:
            return _reported(lambda: _start(PodDir(Path(name).absolute()), run=verb == "run"))
        case ["again", lock, ready, quiet, keys, name]:
            found = () if keys == "-" else tuple(map(int, keys.split(",")))
            options = MonitorOptions(
                _descriptor(lock), _descriptor(ready), quiet == "quiet", found, again=True
            )
            return _reported(lambda: again(PodDir(Path(name).absolute()), options))
        case _:
            sys.stderr.write(_USAGE)
            return EXIT_USAGE


def _descriptor(word: str) -> int | None:
    return None if word == "-" else int(word)


def _reported(story: Callable[[], None]) -> int:
    try:
        story()
    except PodError as error:
        sys.stderr.write(f"pod: {error.message}\n" + (f"     {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


def _start(directory: PodDir, *, run: bool) -> None:
    for reason in prepare(load(directory), directory, start=run).refused:
        sys.stderr.write(f"pod: not enforced here: {reason}\n")
    if run:
        become_monitor(directory, MonitorOptions())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
