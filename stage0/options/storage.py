"""PURE. Options that say what an app finds mounted."""

from __future__ import annotations

from argparse import _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """Volumes and mounts."""
    option = group.add_argument
    option(
        "--volume",
        metavar="SOURCE:TARGET[:ro]",
        action="append",
        help="host path, or a volume of the pod by name",
    )
    option(
        "--mount",
        metavar="KEY=VALUE,…",
        action="append",
        help="type=bind|empty|tmpfs,source=…,target=…[,ro][,size=…]",
    )
