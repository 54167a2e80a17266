"""EFFECT. What this host knows of its networks and of the pods on them: /run/unitpod/net-INODE.

The host's network namespace is what addresses and ports are unique in, whatever data roots there are; so the place
is named by it, and gone with the next boot as bridges and rules are. An entry counts as long as the lock of its pod's
directory is held: the kernel says who lives, and nothing leaks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from stage1.contract import HostError
from stage1.contract.running import is_locked
from stage1.network.model import Entry, Network, entry_from, entry_to, network_from, network_to

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any

_RUN = Path("/run/unitpod")


class Registry:
    """Files of the network namespace this process is in."""

    def __init__(self) -> None:
        self.place = _RUN / f"net-{Path('/proc/self/ns/net').stat().st_ino}"
        self.pods = self.place / "pods"
        self.networks = self.place / "networks"
        self.repair = self.place / "repair.nft"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Between looking what is free and taking it, nobody else may."""
        for path in (self.pods, self.networks):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def entries(self) -> tuple[list[Entry], list[Entry]]:
        """Pods that live, the oldest first, and those that are gone without having tidied up."""
        living: list[Entry] = []
        gone: list[Entry] = []
        for path in _by_age(self.pods):
            with contextlib.suppress(FileNotFoundError):
                entry = entry_from(_read(path))
                (living if is_locked(entry.directory) else gone).append(entry)
        return living, gone

    def entry(self, uuid: str) -> Entry | None:
        """One pod's entry, whether it lives or not."""
        try:
            return entry_from(_read(self.file(uuid)))
        except FileNotFoundError:
            return None

    def file(self, uuid: str) -> Path:
        """Where a pod's entry lies."""
        return self.pods / uuid

    def write(self, entry: Entry) -> None:
        """Add or change an entry."""
        write_whole(self.file(entry.uuid), json.dumps(entry_to(entry)))

    def forget(self, entry: Entry) -> None:
        """Remove an entry."""
        self.file(entry.uuid).unlink(missing_ok=True)

    def forget_unfinished(self) -> None:
        """Remove what writers left that were killed; who has the lock knows that none is at work."""
        for place in (self.place, self.pods, self.networks):
            for path in place.iterdir():
                if _is_unfinished(path.name):
                    path.unlink(missing_ok=True)

    def network(self, name: str) -> Network | None:
        """A network that has its bridge now."""
        try:
            network = network_from(_read(self.networks / name))
        except FileNotFoundError:
            return None
        return network if is_interface(network.bridge) else None

    def all_networks(self) -> list[Network]:
        """Networks that have their bridges now."""
        return [network for network in self.noted_networks() if is_interface(network.bridge)]

    def noted_networks(self) -> list[Network]:
        """Networks that had their bridges once since the boot."""
        names = sorted(os.listdir(self.networks)) if self.networks.is_dir() else []
        return [network_from(_read(self.networks / name)) for name in names if "." not in name]

    def write_network(self, network: Network) -> None:
        """Note a network that has been made."""
        write_whole(self.networks / network.name, json.dumps(network_to(network)))

    def last(self, name: str) -> str:
        """The address given last on a network; the next one is looked for behind it."""
        try:
            return (self.networks / f"{name}.last").read_text()
        except FileNotFoundError:
            return ""

    def write_last(self, name: str, address: str) -> None:
        """Note it."""
        (self.networks / f"{name}.last").write_text(address)

    def forget_network(self, name: str) -> None:
        """Note that it is no more."""
        (self.networks / name).unlink(missing_ok=True)


def _is_unfinished(name: str) -> bool:
    """A name with the number of a process at its end: of `write_whole`, or a text for nft(8)."""
    return name.removesuffix(".nft").rpartition(".")[2].isdigit() and "." in name


def is_interface(name: str) -> bool:
    """True if this network namespace has such an interface; /sys may show another namespace's."""
    return os.path.exists(f"/proc/sys/net/ipv4/conf/{name}")  # noqa: PTH110  a system call, no more


def _by_age(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as found:
            entries = [(entry.stat().st_mtime_ns, entry.path) for entry in found if "." not in entry.name]
    except FileNotFoundError:
        return []
    return [Path(path) for _, path in sorted(entries)]


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError:
        raise HostError(
            f"{path} is damaged", hint="remove it; `pod network reload` mends the rules"
        ) from None
    return found


def write_whole(path: Path, text: str) -> None:
    """By rename: a reader sees the old content or the new one."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)
