"""PURE. Options that limit what an app, or all apps of a pod together, may use of the host."""

from __future__ import annotations

from argparse import ArgumentParser, _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """Limits of one app."""
    _limits(group, "the app")
    group.add_argument(
        "--ulimit",
        metavar="NAME=SOFT[:HARD]",
        action="append",
        help="limit of each process, such as nofile=1024:4096; unlimited is a value too",
    )
    group.add_argument(
        "--oom-score-adj",
        metavar="NUMBER",
        help="-1000 to 1000: whom the kernel kills first for want of memory",
    )


def add_pod(parser: ArgumentParser) -> None:
    """Limits of the pod; `--ulimit` and `--oom-score-adj` are what its apps have that name none of their own."""
    group = parser.add_argument_group("limits of the pod, its own systemd among what is counted")
    _limits(group, "the pod")
    group.add_argument(
        "--hugepages",
        metavar="SIZE=MAX",
        action="append",
        help="huge pages of a size, such as 2M=64M",
    )
    group.add_argument(
        "--ulimit", metavar="NAME=SOFT[:HARD]", action="append", help="for apps that set no such limit"
    )
    group.add_argument("--oom-score-adj", metavar="NUMBER", help="for apps that set none")
    group.add_argument(
        "--best-effort",
        action="store_true",
        help="run even if this host cannot enforce a limit, and say which",
    )


def add_changes(parser: ArgumentParser) -> None:
    """Limits of a pod or an app that is there; `none` takes one away."""
    group = parser.add_argument_group("limits; none takes one away")
    _limits(group, "the pod or app")
    group.add_argument(
        "--hugepages", metavar="SIZE=MAX", action="append", help="huge pages of a size, such as 2M=64M"
    )
    group.add_argument(
        "--best-effort",
        action="store_true",
        help="record also what this host cannot enforce, say so, and let the pod run without it",
    )


def _limits(group: _ArgumentGroup, whose: str) -> None:
    option = group.add_argument
    option("--memory", metavar="SIZE", help=f"most memory of {whose}, or it is killed: 64M, 1.5G, 25%%")
    option("--memory-high", metavar="SIZE", help="above this it is slowed down and its memory reclaimed")
    option("--memory-low", metavar="SIZE", help="below this its memory is not reclaimed if it can be helped")
    option("--memory-swap", metavar="SIZE", help="most of memory and swap together; max for any swap")
    option("--cpus", metavar="NUMBER", help="most processor time a second: 1.5, 500m, 50%%")
    option(
        "--cpu-weight",
        metavar="WEIGHT",
        help="share of processors that are wanted, 1 to 10000 (kernel: 100)",
    )
    option("--cpuset-cpus", metavar="LIST", help="only these processors: 0-3,8")
    option("--pids-limit", metavar="NUMBER", help="most processes and threads")
    option("--io-weight", metavar="WEIGHT", help="share of disks that are wanted, 1 to 10000 (kernel: 100)")
    option(
        "--io-max",
        metavar="DEVICE:KEY=VALUE,…",
        action="append",
        help="most bytes (rbps, wbps) and operations (riops, wiops) a second of a disk",
    )
