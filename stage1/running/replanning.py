"""EFFECT. What a start would write of a pod that runs, before a change of it and after; nothing is written."""

from __future__ import annotations

from stage1 import launch
from stage1.contract import ConflictError, NetworkMode, PodDir, PodManifest
from stage1.contract.values import NamedTuple
from stage1.network.model import Wiring
from stage1.plan import OWN_FILES, LaunchPlan
from stage1.running.difference import lacking


class Planned(NamedTuple):
    """A pod as it is to be, what its `run/` then says, and what both were made of."""

    pod: PodManifest
    plan: LaunchPlan
    wiring: Wiring | None

    @property
    def own(self) -> tuple[str, ...]:
        """Files of /etc that the pod gives its apps."""
        return tuple(name.removeprefix(OWN_FILES) for name in self.plan.files if name.startswith(OWN_FILES))


class Plans:
    """The plans of one change to one pod: its steps ask for the same two, and each is made once."""

    def __init__(self, directory: PodDir) -> None:
        self.directory = directory
        self._known: list[tuple[PodManifest, Planned]] = []

    def of(self, pod: PodManifest) -> Planned:
        """What a start of this pod would write, in the network that it has already."""
        for known, found in self._known:
            if known == pod:
                return found
        self._known.append((pod, _planned(pod, self.directory)))
        return self._known[-1][1]

    def missing(self, before: PodManifest, after: PodManifest) -> list[str]:
        """What this pod can only get by another start, in words for people."""
        return lacking(self.of(before).plan, self.of(after).plan)

    def check(self, before: PodManifest, after: PodManifest) -> None:
        """ConflictError for what this pod can only get by another start; the first step of a change."""
        if more := self.missing(before, after):
            raise ConflictError(
                f"a running pod cannot get {'; '.join(more)}",
                hint="make the pod with it, or add the app while the pod does not run",
            )


def _planned(pod: PodManifest, directory: PodDir) -> Planned:
    keep = launch.stays_in_its_unit(directory)
    found = launch.drawn(pod, directory, lambda: _wiring(pod, directory), keep_unit=keep)
    return Planned(found.limited.pod, found.plan, found.wiring)


def _wiring(pod: PodManifest, directory: PodDir) -> Wiring | None:
    if pod.network in {NetworkMode.HOST, NetworkMode.NONE}:
        return None
    from stage1.network.memory import remembered  # noqa: PLC0415  not for pods on the host's network

    return remembered(pod, directory)
