"""EFFECT. Who has which ids: ranges that pods have for their own, and all others of this host that must not be theirs.

A range is taken by a symbolic link `BASE-COUNT` whose text names a pod, and is free again when that pod's directory is
gone. One directory serves the whole machine, whatever data roots it has: ids are the machine's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from stage0.plan.userns import SIZE, Taken, accounts, bounds, choose, subordinate
from stage0.pods.lifecycle import listing, locked
from stage0.settings import Settings
from stage1.contract import DataRoot, PodError, PodManifest, State, UserNamespace
from stage1.contract.paths import CLAIMS, claim_of
from stage1.contract.values import NamedTuple

_ACCOUNTS = (Path("/etc/passwd"), Path("/etc/group"))
_SUBORDINATE = (Path("/etc/subuid"), Path("/etc/subgid"))
_NSPAWN = Path("/run/systemd/nspawn-uid")  # of `systemd-nspawn --private-users=pick`


class Claim(NamedTuple):
    """A range of a pod, as its link says."""

    range: UserNamespace
    root: DataRoot
    uuid: str

    @property
    def link(self) -> Path:
        """Where it is written down."""
        return claim_of(self.range)

    @property
    def text(self) -> str:
        """What the link says."""
        return f"{self.root.path}:{self.uuid}"

    def is_stale(self) -> bool:
        """True if the pod is gone."""
        return not any(self.root.pod(state, self.uuid).path.exists() for state in State)


def foreseen(pod: PodManifest, settings: Settings) -> PodManifest:
    """The pod with the range it would get now."""
    if pod.userns is None:
        return pod
    return pod._replace(userns=choose(pod.userns, _taken(), bounds(settings.userns_range)))


def claimed(pod: PodManifest, settings: Settings) -> PodManifest:
    """The pod with a range that is its own from now on; the one it had already, if that is still its own."""
    if pod.userns is None:
        return pod
    with _locked():
        if pod.userns.base and Claim(pod.userns, settings.data, pod.uuid) in _claims():
            return pod
        found = choose(pod.userns, _taken(), bounds(settings.userns_range))
        claim = Claim(found, settings.data, pod.uuid)
        claim.link.symlink_to(claim.text)
    return pod._replace(userns=found)


def complaint(settings: Settings) -> str:
    """Why the next pod would get no range of its own, empty if it would."""
    try:
        choose(UserNamespace(0, SIZE), _taken(), bounds(settings.userns_range))
    except PodError as error:
        return error.message
    return ""


def release(root: DataRoot, uuid: str) -> None:
    """Free what this pod has."""
    _forget(lambda claim: claim.uuid == uuid and claim.root == root)


def release_stale() -> None:
    """Free what pods have that are gone."""
    _forget(Claim.is_stale)


def _forget(is_free: Callable[[Claim], bool]) -> None:
    if not CLAIMS.is_dir():
        return
    with _locked():
        for claim in _claims():
            if is_free(claim):
                claim.link.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Between looking which ids are free and taking some, nobody else may."""
    CLAIMS.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(CLAIMS):
        yield


def _claims() -> Iterator[Claim]:
    """Every claim; what is no link of ours is left alone."""
    for name in listing(CLAIMS):
        with contextlib.suppress(OSError, ValueError):
            base, count = map(int, name.split("-"))
            root, _, uuid = os.readlink(CLAIMS / name).rpartition(":")
            yield Claim(UserNamespace(base, count), DataRoot(Path(root)), uuid)


def _taken() -> Iterator[Taken]:
    """What pods, accounts, users' subordinate ids and other containers have."""
    for claim in _claims():
        yield Taken(claim.range.base, claim.range.base + claim.range.size - 1, f"pod {claim.uuid}")
    for path in _ACCOUNTS:
        yield from accounts(_text(path), str(path))
    for path in _SUBORDINATE:
        yield from subordinate(_text(path), str(path))
    for name in listing(_NSPAWN):
        if name.isdecimal():
            yield Taken(int(name), int(name) + SIZE - 1, "a container of systemd-nspawn")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
