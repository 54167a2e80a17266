"""PURE. What `pod.json` says: frozen values, every default resolved.

Named tuples, because they cost a tenth of what frozen dataclasses do when a module is imported, and pydantic models
cost more than all the rest of `pod run` before systemd-nspawn; `stage1.contract.codec` makes pydantic models of these
types where something comes from outside. See `values` for what a named tuple is here.
"""

from __future__ import annotations

from stage1.contract.confinement import Confinement
from stage1.contract.credentials import Credential
from stage1.contract.identity import Identity, Names
from stage1.contract.life import Dependency, ExitPolicy, Hooks, KillMode, Readiness, RestartPolicy
from stage1.contract.network import Interface, NetworkMode, Port
from stage1.contract.resources import Resources, Ulimit
from stage1.contract.sockets import Socket
from stage1.contract.storage import Mount, Tmpfs, Volume
from stage1.contract.streams import Log, LogRate, Output, Stdin
from stage1.contract.text import Text
from stage1.contract.userns import UserNamespace
from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Literal


class Image(NamedTuple):
    """Which image an app runs, known by digest; stage1 only repeats this to people."""

    name: str
    digest: str


class User(NamedTuple):
    """Who an app is. `uid` or `gid` None: the image has no such name, and the app's result will say so."""

    name: Text
    uid: int | None
    gid: int | None
    groups: tuple[int, ...] = ()
    home: Text = "/"
    shell: Text = ""


class App(NamedTuple):
    """One app: an image's tree and everything decided about the process in it."""

    name: str
    image: Image
    layers: tuple[str, ...]
    argv: tuple[Text, ...]
    env: tuple[Text, ...]
    user: User
    workdir: Text
    labels: dict[Text, Text]
    stop_signal: str = "SIGTERM"
    stop_time: float = 10.0
    kill_mode: KillMode = KillMode.MIXED
    run_time: float | None = None
    watchdog: float | None = None
    restart: RestartPolicy = RestartPolicy()
    readiness: Readiness = Readiness()
    hooks: Hooks = Hooks()
    init: bool = False
    sidecar: bool = False
    after: tuple[Dependency, ...] = ()
    wants: tuple[Dependency, ...] = ()
    requires: tuple[Dependency, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    sockets: tuple[Socket, ...] = ()
    credentials: tuple[Credential, ...] = ()
    stdin: Stdin = Stdin.NONE
    stdout: Output = Output.LOG
    stderr: Output = Output.LOG
    resources: Resources = Resources()
    ulimits: tuple[Ulimit, ...] = ()
    oom_score_adjust: int | None = None
    confinement: Confinement = Confinement()
    ports: tuple[str, ...] = ()
    etc_is_link: bool = False
    revision: int = 0
    fd_store: int = 0

    @property
    def is_watched(self) -> bool:
        """Whether it says when it is ready and systemd ends it when it falls silent: then it can be `healthy`."""
        return self.watchdog is not None and self.readiness.is_told

    @property
    def data(self) -> str:
        """The name of the directory with its writable layer: another one for each image it was given."""
        return f"{self.name}.{self.revision}" if self.revision else self.name


class PodManifest(NamedTuple):
    """A pod, complete: what `run/` is made from. `userns` None: the pod has the host's ids.

    Without apps it idles until it is stopped. `immutable`: what runs is what was planned, and nothing is changed.
    """

    version: Literal[1]
    uuid: str
    name: str | None
    hostname: str
    created: str
    apps: tuple[App, ...]
    volumes: tuple[Volume, ...] = ()
    network: NetworkMode = NetworkMode.HOST
    userns: UserNamespace | None = None
    network_of: Text | None = None
    interfaces: tuple[Interface, ...] = ()
    published: tuple[Port, ...] = ()
    sysctls: tuple[str, ...] = ()
    exit_policy: ExitPolicy = ExitPolicy()
    remove: bool = False
    immutable: bool = False
    log_limit: int = 64 * 1024 * 1024
    log: Log = Log.BOTH
    log_rate: LogRate = LogRate()
    journal: bool = False
    bus: bool = False
    resources: Resources = Resources()
    best_effort: bool = False
    names: Names = Names()
    identity: Identity = Identity()
    slice: str | None = None
    unit_properties: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What people call the pod: its name, or the UUID of one without."""
        return self.name or self.uuid

    @property
    def machine(self) -> str:
        """The pod's name for systemd-machined."""
        return self.name or f"pod-{self.uuid}"
