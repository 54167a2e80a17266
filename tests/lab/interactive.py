"""EFFECT. A shell in a lab, for people: boots one, gives a shell or runs a command in it, and removes it."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys

from tests.lab.host import LabError, LabHost, children


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests/lab/shell", description=__doc__.partition(". ")[2])
    parser.add_argument(
        "-c", dest="command", metavar="CMD", help="run CMD with bash in place of a shell to type in"
    )
    return parser.parse_args(arguments)


def stay(lab: LabHost, command: str | None) -> int:
    """Run the shell and wait for its end; its exit status is ours."""
    # An rc file may put other paths before the project's.
    words = ["bash", "-c", command] if command else ["bash", "--norc", "-i"]
    if sys.stdin.isatty() and command is None:
        return connect(lab, words)
    process = subprocess.Popen(lab.enter_argv(words))
    try:
        return process.wait()
    except KeyboardInterrupt:
        for pid in children(process.pid):
            os.kill(pid, signal.SIGINT)
        return process.wait()


def connect(lab: LabHost, words: list[str]) -> int:
    """Give the shell a terminal of the lab's and copy between it and ours."""
    from tests.lab.terminal import relay

    with lab.terminal(words) as terminal:
        relay(terminal, sys.stdin.fileno(), sys.stdout.fileno())
        return terminal.process.wait()


def main() -> int:
    """Boot, stay, power off."""
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with LabHost() as lab:
            if options.command is None:
                sys.stderr.write(f"{lab.name}: booted in {lab.boot_seconds:.2f} s; ctrl-d powers it off\n")
            return stay(lab, options.command)
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 125


if __name__ == "__main__":
    sys.exit(main())
