"""EFFECT. Where a pod is in its life: the directory it lies in, and whether that directory's flock is held.

No daemon and no database: transitions are rename(2), liveness is the lock, and losing a race means looking again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from stage0 import finding
from stage0.finding import listing as listing
from stage1.contract import ConflictError, DataRoot, PodDir, State
from stage1.contract.places import is_uuid
from stage1.contract.running import is_locked
from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any, Literal

    from stage1.contract import PodManifest

    Word = Literal["preparing", "aborted", "prepared", "running", "exited", "deleting"]

_TRIES, _MOMENT = 100, 0.001


class Pod(NamedTuple):
    """A pod as it was when looked at."""

    directory: PodDir
    state: State
    running: bool

    @property
    def uuid(self) -> str:
        """The pod's UUID."""
        return self.directory.uuid

    @property
    def label(self) -> str:
        """What people call it, for messages: looked for among the names of all pods."""
        return label(self.directory)

    @property
    def word(self) -> Word:
        """The state as people are told it."""
        match self.state:
            case State.RUN:
                return "running" if self.running else "exited"
            case State.EMBRYO | State.PREPARING:
                return "preparing" if self.running else "aborted"
            case State.PREPARED:
                return "prepared"
            case State.EXITED:
                return "exited"
            case State.GARBAGE:
                return "deleting"


def label(directory: PodDir) -> str:
    """The name of a pod, or its UUID where it has none."""
    return finding.label(str(directory.root.path), directory.uuid)


def new_uuid() -> str:
    """A random UUID (RFC 9562, version 4), without the 8 ms that importing uuid costs."""
    octets = bytearray(os.urandom(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    text = octets.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def create(root: DataRoot, uuid: str) -> tuple[PodDir, int]:
    """Make the directory of a new pod, locked; return it in `preparing` and the descriptor that holds the lock."""
    for state in State:
        root.state(state).mkdir(mode=0o700, parents=True, exist_ok=True)
    embryo = root.pod(State.EMBRYO, uuid)
    for _ in range(_TRIES):
        with contextlib.suppress(FileExistsError):
            embryo.path.mkdir(mode=0o700)
        lock = lock_exclusive(embryo)
        if lock is None:
            time.sleep(_MOMENT)  # a gc took it for something left over, in the moment before it was locked
            continue
        try:
            return move(embryo, State.PREPARING), lock
        except FileNotFoundError:
            os.close(lock)
    raise ConflictError(f"pod {uuid} was taken by a gc each time it was made", hint="try again")


def move(directory: PodDir, state: State, *, durable: bool = False) -> PodDir:
    """Rename a pod into another state; FileNotFoundError when someone else moved it first.

    `durable` syncs both parents: wanted where a power cut must not undo the step (`prepared`). A pod that runs does
    not survive a power cut anyway, and whatever the disk then says it is, its lock is free.
    """
    target = directory.root.pod(state, directory.uuid)
    target.path.parent.mkdir(
        mode=0o700, parents=True, exist_ok=True
    )  # a data root may have been made by hand
    directory.path.rename(target.path)
    if durable:
        sync_directory(target.path.parent)
        sync_directory(directory.path.parent)
    return target


def sync_directory(path: Path) -> None:
    """fsync(2) a directory, so that the names in it survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_exclusive(directory: PodDir) -> int | None:
    """The pod's lock if nobody has it: an open descriptor, released when its last copy is closed.

    None as well if the pod is no longer at this place. Whoever merely looks whether a pod runs holds a shared lock
    for a moment: that is waited for.
    """
    for _ in range(_TRIES):
        descriptor = _lock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if descriptor is not None and _is_at(descriptor, directory.path):
            return descriptor
        if descriptor is not None:
            os.close(descriptor)
        elif is_running(directory):
            return None
        if not directory.path.exists():
            return None
        time.sleep(_MOMENT)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    """False if the directory was moved or removed between being opened and being locked."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(directory: PodDir, how: int) -> int | None:
    try:
        descriptor = os.open(directory.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, how)
    except OSError as error:
        os.close(descriptor)
        if error.errno != errno.EWOULDBLOCK:
            raise
        return None
    return descriptor


def is_running(directory: PodDir) -> bool:
    """Probe the lock without keeping it."""
    return is_locked(str(directory.path))


def wait_for_end(directory: PodDir) -> None:
    """Sleep in the kernel until the pod's lock is free."""
    descriptor = _lock(directory, fcntl.LOCK_SH)
    if descriptor is not None:
        os.close(descriptor)


def pods(root: DataRoot) -> Iterator[Pod]:
    """Every pod, in life order: one that moves on while we look is seen at least once, and told once."""
    seen: set[str] = set()
    for state in State:
        try:
            names = sorted(os.listdir(root.state(state)))
        except FileNotFoundError:
            continue
        for name in names:
            if name not in seen and is_uuid(name):
                directory = root.pod(state, name)
                running = is_running(directory)
                if directory.path.exists():
                    seen.add(name)
                    yield Pod(directory, state, running)


def find(root: DataRoot, reference: str) -> Pod:
    """A pod by name, UUID or unique beginning of a UUID."""
    state, uuid, running = finding.find(str(root.path), reference)
    return Pod(root.pod(State(state), uuid), State(state), running)


def owner_of(root: DataRoot, name: str) -> str | None:
    """The UUID a name stands for; what leads elsewhere is not a name."""
    return finding.owner_of(str(root.path), name)


def take_name(root: DataRoot, name: str, uuid: str) -> None:
    """Give a pod a name; ConflictError if another pod has it. The name of a pod that is gone is free."""
    with _names_locked(root):
        owner = owner_of(root, name)
        if owner and any(
            root.pod(state, owner).path.exists() for state in State if state is not State.GARBAGE
        ):
            raise ConflictError(
                f"the name {name!r} is taken by pod {owner}",
                hint=f"choose another, or `pod rm {name}`, with --force if it runs",
            )
        (root.names / name).unlink(missing_ok=True)
        os.symlink(uuid, root.names / name)


def release_name(root: DataRoot, name: str, uuid: str) -> None:
    """Free a name if this pod still has it."""
    with _names_locked(root):
        if owner_of(root, name) == uuid:
            (root.names / name).unlink()


@contextlib.contextmanager
def locked(directory: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the flock of a directory alone, or with others that share it; whoever is in the way is waited for."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _names_locked(root: DataRoot) -> Iterator[None]:
    """Between looking whose a name is and changing that, nobody else may."""
    root.names.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(root.names):
        yield


def manifest(directory: PodDir) -> PodManifest:
    """`pod.json`, checked: somebody may have edited it."""
    from stage1.contract import codec  # noqa: PLC0415  who only looks for a pod needs none

    return codec.decode(directory.manifest.read_bytes(), where=str(directory.manifest))


def read_manifest(directory: PodDir) -> dict[str, Any]:
    """`pod.json` unvalidated, for listing; what is damaged in it is left out, so that it cannot hide other pods."""
    import json  # noqa: PLC0415  who only looks for a pod needs none

    try:
        found = json.loads(directory.manifest.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    apps = found.get("apps")
    texts = {key: found[key] if isinstance(found.get(key), str) else None for key in ("name", "created")}
    return found | texts | {"apps": [app for app in apps if _is_app(app)] if isinstance(apps, list) else []}


def _is_app(app: object) -> bool:
    image = app.get("image") if isinstance(app, dict) else None
    return (
        isinstance(app, dict)
        and isinstance(app.get("name"), str)
        and isinstance(image, dict)
        and all(isinstance(image.get(key), str) for key in ("name", "digest"))
    )


def images_in_use(root: Path) -> frozenset[str]:
    """Manifest digests of the images that pods were made from or have as volumes."""
    return frozenset(
        digest for pod in pods(DataRoot(root)) for digest in image_digests(read_manifest(pod.directory))
    )


def image_digests(manifest: dict[str, Any]) -> Iterator[str]:
    """Of a manifest as `read_manifest` gives it: images of apps, and those that are volumes."""
    yield from (app["image"]["digest"] for app in manifest.get("apps", []))
    volumes = manifest.get("volumes")
    for volume in volumes if isinstance(volumes, list) else []:
        if isinstance(volume, dict) and isinstance(digest := volume.get("digest"), str):
            yield digest
