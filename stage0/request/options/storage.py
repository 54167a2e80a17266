"""PURE. Options that say what an app finds mounted."""

from __future__ import annotations

from argparse import _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """Volumes and mounts."""
    option = group.add_argument
    option(
        "-v",
        "--volume",
        metavar="SOURCE:TARGET[:OPTION,…]",
        action="append",
        help="mount a host path, or a volume that outlives pods by its name",
    )
    option(
        "--mount",
        metavar="KEY=VALUE,…",
        action="append",
        help="type=bind|volume|empty|image|tmpfs,source=…,target=…[,ro][,noexec][,size=…][,mode=…]",
    )
    option(
        "--tmpfs",
        metavar="TARGET[:KEY=VALUE,…]",
        action="append",
        help="a file system in memory: size, mode, uid, gid, ro, noexec",
    )
