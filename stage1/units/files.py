"""PURE. What is mounted into an app's root."""

from __future__ import annotations

from typing import NamedTuple

from stage1.contract import App, Mount, NetworkMode, Tmpfs
from stage1.contract.paths import (
    LAUNCHER,
    LAUNCHER_IN_APP,
    REAPER,
    REAPER_IN_APP,
    VOLUMES,
    WORDS,
    WORDS_IN_APP,
)
from stage1.quoting import Escaped, path_word, tmpfs_path
from stage1.units.command import Command


class Files(NamedTuple):
    """What is mounted into its root."""

    binds: tuple[Escaped, ...]
    read_only_binds: tuple[Escaped, ...]
    tmpfs: tuple[Escaped, ...]


def tmpfs_word(tmpfs: Tmpfs) -> Escaped:
    """One TemporaryFileSystem= entry; `size` without a unit is bytes."""
    size = f",size={tmpfs.size}" if tmpfs.size is not None else ""
    return Escaped(f"{tmpfs_path(tmpfs.target)}:mode={tmpfs.mode:o}{size}")


def files(app: App, run: Command, network: NetworkMode) -> Files:
    """Hosts file and resolv.conf are read-only where they are bound from, and so here without another look."""
    own = [f"{LAUNCHER}:{LAUNCHER_IN_APP}", f"{WORDS}/{app.name}/words:{WORDS_IN_APP}"] if run.words else []
    own += [f"{REAPER}:{REAPER_IN_APP}"] if any(app.hooks) else []
    names = ("hosts", "resolv.conf") if network is not NetworkMode.NONE else ()
    taken = {mount.target for mount in app.mounts}
    return Files(
        binds=(
            *(_bind(mount) for mount in app.mounts if not mount.read_only),
            *(Escaped(f"/pod/etc/{name}:/etc/{name}") for name in names if f"/etc/{name}" not in taken),
        ),
        read_only_binds=(
            *(_bind(mount) for mount in app.mounts if mount.read_only),
            *(Escaped(bind) for bind in own),
        ),
        tmpfs=tuple(tmpfs_word(tmpfs) for tmpfs in app.tmpfs),
    )


def _bind(mount: Mount) -> Escaped:
    return Escaped(f"{VOLUMES}/{mount.volume}:{path_word(mount.target)}")
