"""PURE. The errors every room of the project raises: one sentence what and where, one what to do.

PodError                 125  the runtime failed
├── UsageError             2  the command line or a manifest is wrong
├── NotFoundError        125  a pod, an image, a volume that is not there
├── ConflictError        125  a name in use, a pod in the wrong state
└── HostError            125  this host lacks something or refused something

Only `stage0/cli.py` turns them into text and an exit status.
"""

from __future__ import annotations

EXIT_USAGE = 2
EXIT_RUNTIME = 125
EXIT_CANNOT_EXECUTE = 126
EXIT_NOT_FOUND = 127


class PodError(Exception):
    """A failure a user can act on: `message` names the object, `hint` says what to do next."""

    exit_code = EXIT_RUNTIME

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PodError):
    """The command line or a manifest asks for something that has no meaning."""

    exit_code = EXIT_USAGE


class NotFoundError(PodError):
    """Something named by the user does not exist."""


class ConflictError(PodError):
    """The request is good, the present state of a pod or name forbids it."""


class HostError(PodError):
    """The host lacks a program, a right or a kernel feature, or refused an operation."""
