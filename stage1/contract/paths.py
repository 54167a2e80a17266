"""PURE. Every path below the data root, and in the pod: the only place that spells them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from stage1.contract import places
from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from stage1.contract.userns import UserNamespace

APP_ROOTS = "/pod/apps"
VOLUMES = "/pod/volumes"
MOUNTS = "/pod/mounts"
STREAMS = "/pod/streams"
STATUS = "/pod/status"
DEVICE_NODES = "/pod/nodes"
CREDENTIALS = "/pod/credentials"
# Where the pod's root has something for an app, in a directory of its name.
OF_APPS = (APP_ROOTS, MOUNTS, DEVICE_NODES, CREDENTIALS)
HOST_DEVICES = "/pod/host-devices"
JOURNAL = "/var/log/journal"
JOURNAL_SOCKETS = "/run/systemd/journal"
ETC = "/pod/etc"
REAPER = "/pod/bin/reaper"
BEGIN = "/pod/bin/begin"
LAUNCHER = "/pod/bin/launcher"
WORDS = "/pod/words"
DEVICES = "/pod/devices"
OOM_CONTROL = "/pod/oom_control"
LAUNCHER_IN_APP = "/run/pod/launcher"
REAPER_IN_APP = "/run/pod/reaper"
WORDS_IN_APP = "/run/pod/words"
SHARE_IN_APP = "/run/pod/share"
UNITS = "/etc/systemd/system"

# Whose ids are whose on this machine, whatever data roots it has: a link for each range of ids that a pod has.
CLAIMS = Path("/var/lib/pod/userns")


def claim_of(own: UserNamespace) -> Path:
    """The link that takes a range."""
    return CLAIMS / f"{own.base}-{own.size}"


def propagation_of(machine: str) -> Path:
    """The directory that systemd-nspawn makes for mounts into a running pod, and leaves when it is killed."""
    return Path("/run/systemd/nspawn/propagate") / machine


class State(StrEnum):
    """The directories below `pods/`, in the order of a pod's life."""

    EMBRYO = places.EMBRYO
    PREPARING = places.PREPARING
    PREPARED = places.PREPARED
    RUN = places.RUN
    EXITED = places.EXITED
    GARBAGE = places.GARBAGE


class DataRoot(NamedTuple):
    """The data root, `/var/lib/pod` unless told otherwise."""

    path: Path

    def state(self, state: State) -> Path:
        """Where pods of a state lie."""
        return self.path / places.PODS / state.value

    def pod(self, state: State, uuid: str) -> PodDir:
        """A pod's directory in a state."""
        return PodDir(self.state(state) / uuid)

    @property
    def names(self) -> Path:
        """One symbolic link for each named pod."""
        return self.path / places.NAMES

    @property
    def base(self) -> Path:
        """Cached roots with the host's systemd."""
        return self.path / "base"

    @property
    def cache(self) -> Path:
        """What can be made again: rendered units, facts of this boot."""
        return self.path / "cache"

    @property
    def networks(self) -> Path:
        """Networks made by the administrator, one file each."""
        return self.path / "networks"

    @property
    def filters(self) -> Path:
        """System call filters that were read, each with its unit."""
        return self.cache / "filters"

    @property
    def volumes(self) -> Path:
        """Volumes that outlive pods."""
        return self.path / "volumes"

    def volume(self, name: str) -> VolumeDir:
        """A volume that outlives pods."""
        return VolumeDir(self.volumes / name)

    def layer(self, diff_id: str) -> Path:
        """An unpacked layer."""
        return self.path / "layers" / diff_id.replace(":", "-")


class VolumeDir(NamedTuple):
    """One volume that outlives pods."""

    path: Path

    @property
    def data(self) -> Path:
        """What apps see of it."""
        return self.path / "data"

    @property
    def record(self) -> Path:
        """Who made it, when, and its labels."""
        return self.path / "volume.json"


class PodDir(NamedTuple):
    """One pod's directory; see README.md of this package for who writes what. `life` names what one start wrote."""

    path: Path
    life: str = "run"

    @property
    def uuid(self) -> str:
        """A pod's directory is named by its UUID."""
        return self.path.name

    @property
    def root(self) -> DataRoot:
        """The data root this pod lies in."""
        return DataRoot(self.path.parent.parent.parent)

    @property
    def manifest(self) -> Path:
        """`pod.json`."""
        return self.path / "pod.json"

    @property
    def rootfs(self) -> Path:
        """The mount point of the pod's root."""
        return self.path / "rootfs"

    @property
    def base(self) -> Path:
        """The writable layer of the pod's root."""
        return self.path / "base"

    @property
    def apps(self) -> Path:
        """The writable layers of the apps' roots."""
        return self.path / "apps"

    def app(self, data: str) -> Path:
        """The writable layer of an app's root, by `App.data`."""
        return self.apps / data

    @property
    def volumes(self) -> Path:
        """Volumes that live with the pod."""
        return self.path / "volumes"

    def volume(self, name: str) -> Path:
        """A volume that lives with the pod."""
        return self.path / "volumes" / name

    @property
    def journal(self) -> Path:
        """The journal of a pod that has one of its own."""
        return self.path / "journal"

    @property
    def change(self) -> Path:
        """A change of the pod's apps that is under way: the manifest before and after."""
        return self.path / "change.json"

    @property
    def run(self) -> Path:
        """Everything stage1 and its helpers write."""
        return self.path / self.life

    @property
    def before(self) -> PodDir:
        """The same pod as the start before this one left it, for `pod logs --previous` and `pod events`."""
        return self._replace(life="before")

    @property
    def units(self) -> Path:
        """Rendered units."""
        return self.run / "units"

    @property
    def identity(self) -> Path:
        """What the pod puts over the images: files of the apps' /etc."""
        return self.run / "identity"

    @property
    def etc(self) -> Path:
        """What may change while the pod runs: accounts of its own root, and what the reaper decides by."""
        return self.run / "etc"

    def words(self, app: str) -> Path:
        """Argument and environment block of an app whose words no unit can carry."""
        return self.run / "apps" / app / "words"

    @property
    def enter(self) -> Path:
        """What entering an app needs, a file an app."""
        return self.path / places.ENTER

    @property
    def mounts(self) -> Path:
        """Records of live mounts."""
        return self.run / "mounts"

    @property
    def sessions(self) -> Path:
        """Commands that were detached."""
        return self.run / "sessions"

    @property
    def nspawn(self) -> Path:
        """The exact argv, for people."""
        return self.run / "nspawn.json"

    @property
    def launch(self) -> Path:
        """The monitor's instructions."""
        return self.run / "launch"

    @property
    def policy(self) -> Path:
        """What the reaper decides by."""
        return self.etc / "policy"

    @property
    def streams(self) -> Path:
        """FIFOs of the apps."""
        return self.run / "streams"

    @property
    def status(self) -> Path:
        """Results of the apps."""
        return self.run / "status"

    def result(self, app: str) -> Path:
        """The latest result of one app."""
        return self.status / f"{app}.json"

    def message(self, app: str) -> Path:
        """What an app last said of itself (STATUS= of sd_notify)."""
        return self.status / f"{app}.message"

    def runs(self, app: str) -> Path:
        """One result a line for each run of an app."""
        return self.status / f"{app}.runs"

    @property
    def stopping(self) -> Path:
        """Exists from the moment the pod is being ended."""
        return self.status / "stopping"

    def log(self, app: str) -> Path:
        """What an app printed; older lines in the file of the same name with `.1`."""
        return self.run / "logs" / f"{app}.log"

    @property
    def console(self) -> Path:
        """What systemd-nspawn and the pod's PID 1 said."""
        return self.run / "console.log"

    @property
    def network(self) -> Path:
        """The pod's network: facts, rules, and the files its apps find names by."""
        return self.run / "network"

    @property
    def monitor(self) -> Path:
        """PID and start time of the monitor."""
        return self.run / "monitor"

    @property
    def control(self) -> Path:
        """Where the monitor is asked, while the pod runs."""
        return self.run / "control"

    @property
    def leader(self) -> Path:
        """PID and start time of the pod's PID 1."""
        return self.run / "leader"

    @property
    def ready(self) -> Path:
        """Exists from the moment every app has started or is ready."""
        return self.run / "ready"

    def held(self, app: str) -> Path:
        """The invocation id of the run that somebody asked to stop: its end is not the pod's."""
        return self.status / f"{app}.held"

    @property
    def changing(self) -> Path:
        """Locked by whoever changes the running pod: one at a time."""
        return self.run / "changing"

    @property
    def limiting(self) -> Path:
        """Limits that are just being changed; left by a call that was killed."""
        return self.run / "limiting.json"

    @property
    def groups(self) -> Path:
        """Control groups that were made for the running pod later than it, one a line."""
        return self.run / "groups"

    @property
    def history(self) -> Path:
        """What commands did to the pod while it ran, one record a line."""
        return self.run / "history"

    @property
    def unenforced(self) -> Path:
        """Limits that this host could not enforce and that the pod runs without, one a line."""
        return self.run / "unenforced"

    @property
    def outcome(self) -> Path:
        """How the pod ended."""
        return self.run / "result.json"
