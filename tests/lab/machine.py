"""EFFECT. What this machine gives a lab: cgroup hierarchies, and paths an overlay of `/` does not show."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BASE = Path(os.environ.get("POD_LAB_DIR", "/var/tmp/podlab"))
DISK_FILE_SYSTEMS = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "xfs"})
HIDDEN_IN_A_LAB = (Path("/tmp"), Path("/run"), Path("/dev"), Path("/proc"), Path("/sys"), BASE)


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One line of mountinfo, as far as a lab asks."""

    target: Path
    file_system: str
    options: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Hierarchy:
    """A mounted cgroup hierarchy: `-` for v2, else what mount(8) takes as its option."""

    controllers: str
    mounted_at: Path

    def group(self, name: str) -> Path:
        """Directory of the lab of that name; at the top, where v2 lets controllers be handed down."""
        return self.mounted_at / name


def unescape(field: str) -> str:
    """Turn the octal escapes of mountinfo back into characters."""
    return field.encode().decode("unicode_escape").encode("latin-1").decode()


def parse_mount(line: str) -> Mount:
    """Read one line of mountinfo."""
    before, _, after = line.partition(" - ")
    file_system, _, options = after.split(" ", 2)
    return Mount(
        target=Path(unescape(before.split(" ")[4])),
        file_system=file_system,
        options=frozenset(options.split(",")),
    )


def mounts() -> list[Mount]:
    """Every mount this process sees, the later over the earlier."""
    return [parse_mount(line) for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def hierarchies() -> list[Hierarchy]:
    """Every cgroup hierarchy that is mounted, each once, v1 before v2."""
    seen = {mount.options: mount for mount in mounts() if mount.file_system == "cgroup"}
    known = [line.split(":", 2)[1] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    found = [
        Hierarchy(controllers=words, mounted_at=mount.target)
        for words in filter(None, known)
        for mount in seen.values()
        if set(words.split(",")) <= mount.options
    ]
    v2 = [mount.target for mount in mounts() if mount.file_system == "cgroup2"]
    return [*found, *(Hierarchy(controllers="-", mounted_at=target) for target in v2[:1])]


def is_hidden(path: Path) -> bool:
    """Tell whether a lab covers this path with something of its own."""
    return any(path == top or top in path.parents for top in HIDDEN_IN_A_LAB)


def further_trees() -> list[Path]:
    """Disks mounted below `/`, then this project and its Python where a lab would hide them."""
    disks = [mount.target for mount in mounts() if mount.file_system in DISK_FILE_SYSTEMS]
    wanted = [REPO, Path(sys.prefix), Path(sys.base_prefix)]
    trees = [path for path in disks if path != Path("/") and not is_hidden(path)]
    return list(dict.fromkeys([*trees, *(path for path in wanted if is_hidden(path))]))


def file_system_of(path: Path) -> str:
    """Type of the file system a path lies on."""
    resolved = path.resolve()
    covering = [mount for mount in mounts() if resolved.is_relative_to(mount.target)]
    return max(covering, key=lambda mount: len(mount.target.parts)).file_system
