"""EFFECT. A network namespace by its path: whoever made it answers for what is in it."""

from __future__ import annotations

from pathlib import Path

from stage1.contract import NotFoundError, PodDir, PodManifest
from stage1.identity import entry_lines
from stage1.network import etc
from stage1.network.model import Entry, Namespace, Wiring


class Named:
    """`--net=ns:PATH`."""

    def wire(self, pod: PodManifest, directory: PodDir, *, start: bool) -> Wiring:  # noqa: ARG002  nothing is taken
        """See `Driver`."""
        path = pod.network_of or ""
        if not Path(path).exists():
            raise NotFoundError(
                f"no network namespace {path}", hint="`ip netns add NAME` makes /run/netns/NAME"
            )
        return Wiring(
            Entry(pod.uuid, str(directory.path), ()),
            Namespace(path),
            hosts=entry_lines(pod.names) + etc.hosts(),
            resolv=etc.resolver(),
        )
