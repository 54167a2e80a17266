"""EFFECT. stage1 by itself: `python -m stage1 run|render DIR`, for units and for pods written by hand."""

from __future__ import annotations

import sys
from pathlib import Path

from stage1.contract import EXIT_USAGE, PodDir, PodError
from stage1.launch import MonitorOptions, become_monitor, load, prepare

_USAGE = "usage: python -m stage1 run|render DIR\n"


def main(arguments: list[str]) -> int:
    """Render a pod directory and, with `run`, become its monitor, which takes the lock."""
    match arguments:
        case ["run" | "render" as verb, name]:
            directory = PodDir(Path(name).absolute())
            try:
                for reason in prepare(load(directory), directory, start=verb == "run").refused:
                    sys.stderr.write(f"pod: not enforced here: {reason}\n")
                if verb == "run":
                    become_monitor(directory, MonitorOptions())
            except PodError as error:
                sys.stderr.write(f"pod: {error.message}\n" + (f"     {error.hint}\n" if error.hint else ""))
                return error.exit_code
            return 0
        case _:
            sys.stderr.write(_USAGE)
            return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
