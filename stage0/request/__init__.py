"""PURE. What a user asks for, before any image is known: the same values from the command line and from a file."""

from __future__ import annotations

from stage1.contract import Text
from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Literal

# One text, split as a shell would, or the words themselves.
Command = Text | tuple[Text, ...]
# Text as on the command line, or a number as files have them.
Quantity = str | int | float


class AppRequest(NamedTuple):
    """One app; None and empty mean: as the image says, or the default."""

    image: Text
    name: str | None = None
    exec: Text | tuple[Text, ...] | None = None
    args: tuple[Text, ...] | None = None
    user: Text | None = None
    group: Text | None = None
    workdir: Text | None = None
    env: dict[Text, Text] | tuple[Text, ...] = ()
    env_file: tuple[Text, ...] = ()
    after: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    ready: str | None = None
    start_time: Quantity | None = None
    run_time: Quantity | None = None
    restart: str = "no"
    restart_delay: Quantity = "1s"
    restart_max_delay: Quantity | None = None
    watchdog: Quantity | None = None
    stop_signal: str | None = None
    stop_time: Quantity = "10s"
    kill_mode: str = "mixed"
    pre_start: tuple[Command, ...] = ()
    post_start: tuple[Command, ...] = ()
    pre_stop: tuple[Command, ...] = ()
    post_stop: tuple[Command, ...] = ()
    init: bool = False
    sidecar: bool = False
    volume: tuple[Text, ...] = ()
    mount: tuple[Text, ...] = ()
    tmpfs: tuple[Text, ...] = ()
    group_add: tuple[Text, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    cap_only: tuple[str, ...] | None = None
    privileged: bool = False
    seccomp: Text | None = None
    no_new_privileges: bool | None = None
    read_only: bool = False
    device: tuple[Text, ...] = ()
    mask_path: tuple[Text, ...] = ()
    unmask: tuple[Text, ...] = ()
    security_label: tuple[str, ...] = ()
    socket: tuple[str, ...] = ()
    fd_store: Quantity | None = None
    publish: tuple[str, ...] = ()
    memory: Quantity | None = None
    memory_high: Quantity | None = None
    memory_low: Quantity | None = None
    memory_swap: Quantity | None = None
    cpus: Quantity | None = None
    cpu_weight: Quantity | None = None
    cpuset_cpus: Quantity | None = None
    pids_limit: Quantity | None = None
    io_weight: Quantity | None = None
    io_max: tuple[str, ...] = ()
    ulimit: tuple[str, ...] = ()
    oom_score_adj: Quantity | None = None
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    credential: tuple[Text, ...] = ()
    encrypted_credential: tuple[Text, ...] = ()


class PodRequest(NamedTuple):
    """A pod: its apps and what they share. `exit_policy` None: `never` if it begins empty, else `any-failure`."""

    app: tuple[AppRequest, ...] = ()
    name: str | None = None
    hostname: str | None = None
    machine_id: str | None = None
    timezone: str | None = None
    hosts: str | None = None
    add_host: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_option: tuple[str, ...] = ()
    userns: str = "auto"
    net: str | tuple[str, ...] = "private"
    ip: str | None = None
    ip6: str | None = None
    mac: str | None = None
    publish: tuple[str, ...] = ()
    sysctl: tuple[str, ...] = ()
    exit_policy: str | None = None
    empty: bool = False
    immutable: bool = False
    volume: tuple[Text, ...] = ()
    log_size: Quantity = "64M"
    log: str = "both"
    log_rate: str = "10000/30s"
    journal: bool = False
    bus: bool = False
    interactive: bool = False
    tty: bool = False
    rm: bool = False
    version: Literal[1] = 1
    pull: str = "missing"
    platform: str | None = None
    authfile: str | None = None
    cert_dir: str | None = None
    tls_verify: bool | None = None
    memory: Quantity | None = None
    memory_high: Quantity | None = None
    memory_low: Quantity | None = None
    memory_swap: Quantity | None = None
    cpus: Quantity | None = None
    cpu_weight: Quantity | None = None
    cpuset_cpus: Quantity | None = None
    pids_limit: Quantity | None = None
    io_weight: Quantity | None = None
    io_max: tuple[str, ...] = ()
    ulimit: tuple[str, ...] = ()
    oom_score_adj: Quantity | None = None
    hugepages: tuple[str, ...] = ()
    best_effort: bool = False
    slice: str | None = None
    property: tuple[str, ...] = ()
