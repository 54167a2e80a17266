"""PURE. What an app or a pod may use of the host, in the units of the kernel; None: no limit."""

from __future__ import annotations

from stage1.contract.values import NamedTuple


class Throttle(NamedTuple):
    """What one block device may do, in bytes and operations a second; `device` is a path below /dev."""

    device: str
    read_bytes: int | None = None
    write_bytes: int | None = None
    read_operations: int | None = None
    write_operations: int | None = None


class HugePages(NamedTuple):
    """How many bytes of huge pages of one size, itself in bytes."""

    size: int
    max: int


class Ulimit(NamedTuple):
    """A limit of setrlimit(2) for each process; `name` as in `ulimit`, such as nofile; None: unlimited."""

    name: str
    soft: int | None
    hard: int | None


class Resources(NamedTuple):
    """Limits of a control group (cgroups(7)): all processes of an app, or of a pod, together.

    Memory and swap in bytes, `swap_max` beside `memory_max`; `cpu_quota` in thousandths of a processor; weights 1 to
    10000, the kernel's own default is 100; `cpus` as in cpuset(7), `0-3,8`.
    """

    memory_max: int | None = None
    memory_high: int | None = None
    memory_low: int | None = None
    swap_max: int | None = None
    cpu_quota: int | None = None
    cpu_weight: int | None = None
    cpus: str | None = None
    pids_max: int | None = None
    io_weight: int | None = None
    io_max: tuple[Throttle, ...] = ()
    huge_pages: tuple[HugePages, ...] = ()
