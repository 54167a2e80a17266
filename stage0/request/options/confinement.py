"""PURE. Options that say what an app may do."""

from __future__ import annotations

from argparse import ArgumentTypeError, _ArgumentGroup

from stage0.parsing import Once

_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def add(group: _ArgumentGroup) -> None:
    """Capabilities, system calls, devices, paths, labels."""
    option = group.add_argument
    option(
        "--cap-add", metavar="CAP,…", action="append", help="capabilities it has beyond the default, or all"
    )
    option("--cap-drop", metavar="CAP,…", action="append", help="capabilities it has not, or all")
    option("--cap-only", metavar="CAP,…", action="append", help="these capabilities in place of the default")
    option(
        "--privileged",
        action="store_true",
        default=None,
        help="all capabilities and system calls, and the host's devices: hardly confined at all",
    )
    option(
        "--seccomp",
        metavar="CALLS",
        action=Once,
        help="default, unconfined, a profile FILE.json, @SET,CALL,… (only these) or ~@SET,CALL,… (not these)",
    )
    option(
        "--no-new-privileges",
        metavar="BOOL",
        nargs="?",
        const=True,
        type=_boolean,
        help="set-user-ID programs give it nothing (default: yes, unless it is root)",
    )
    option(
        "--read-only",
        action="store_true",
        default=None,
        help="its root cannot be written, only volumes and tmpfs",
    )
    option(
        "--device",
        metavar="/dev/NODE[:PATH][:rwm]",
        action="append",
        help="a device of the host, for the app's user",
    )
    option("--mask-path", metavar="PATH", action="append", help="hide a file or directory from it")
    option("--unmask", metavar="PATH|all", action="append", help="show what would be hidden by default")
    option(
        "--security-label",
        metavar="apparmor:PROFILE|selinux:CONTEXT",
        action="append",
        help="its label, where the host has such labels",
    )


def _boolean(text: str) -> bool:
    if text.lower() not in _WORDS:
        raise ArgumentTypeError(f"{text!r} is neither yes nor no")
    return _WORDS[text.lower()]
