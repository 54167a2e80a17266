"""EFFECT. stage1's door to other programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stage1.contract import HostError


def run(argv: Sequence[str], *, data: bytes | None = None) -> str:
    """Run a program to its end and return what it printed; HostError if it cannot start or fails.

    `data` is its standard input.
    """
    import subprocess  # noqa: PLC0415  12 ms that most runs do not need

    try:
        stdin = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        done = subprocess.run(argv, check=True, capture_output=True, **stdin)
    except OSError as error:
        raise HostError(
            f"cannot run {argv[0]}: {error.strerror}", hint="`pod doctor` says what to install"
        ) from None
    except subprocess.CalledProcessError as error:
        lines = os.fsdecode(error.stderr).strip().splitlines() or [f"exit status {error.returncode}"]
        said = lines[-1].removeprefix("pod: ")
        raise HostError(
            f"{Path(argv[0]).name} failed: {said}", hint=f"the command was: {' '.join(argv)}"
        ) from None
    return os.fsdecode(done.stdout)
