"""PURE. What is found out about a host."""

from __future__ import annotations

from enum import StrEnum

from stage1.contract.values import NamedTuple


class Cgroups(StrEnum):
    """How the kernel's control groups are mounted."""

    V2 = "v2"
    HYBRID = "hybrid"
    V1 = "v1"
    NONE = "none"


class Facts(NamedTuple):
    """A host as it was found; None: could not be found out."""

    root: bool
    kernel: str
    data_root: str
    filesystem: str | None
    writable: bool | None
    overlay: str | None  # what the kernel said to an overlay with its upper layer there, "" for yes
    free: int | None
    nspawn: str | None  # what `systemd-nspawn --version` prints
    booted: bool
    machined: bool
    cgroups: Cgroups
    cgroups_writable: bool
    controllers: tuple[str, ...]  # of control groups, by their names in v2
    seccomp: bool
    user_namespaces: bool
    mapped: str | None  # what was said to a mapped overlay there, "" for yes
    unbuilt: tuple[str, ...]  # C programs that are not there
    modules: tuple[str, ...]  # Python packages that are not there
    programs: tuple[str, ...]  # programs that are not there
    skopeo: str | None  # what `skopeo --version` prints
    image_policy: bool  # whether there is a signature policy
    inotify: int | None = None  # instances that root may have
    no_range: str = ""  # why no ids are free for a pod
    labels: tuple[str, ...] = ()  # security modules at work that label processes
    enforcing: bool = False  # whether SELinux forbids, or only logs
    bus: bool = True  # whether the host's D-Bus answers, where systemd is PID 1
