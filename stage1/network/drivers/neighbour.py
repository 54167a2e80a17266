"""EFFECT. The network of another pod that runs."""

from __future__ import annotations

import os

from stage1.contract import ConflictError, NotFoundError, PodDir, PodManifest, State
from stage1.identity import entry_lines
from stage1.network import etc
from stage1.network.model import Entry, Namespace, Wiring
from stage1.network.registry import Registry


class Neighbour:
    """`--net=pod:POD`: its addresses are in use as long as anybody is in it."""

    def wire(self, pod: PodManifest, directory: PodDir, *, start: bool) -> Wiring:
        """See `Driver`."""
        other = _other(pod, directory)
        registry = Registry()
        try:
            pid, began = (int(word) for word in other.leader.read_text().split())
        except (FileNotFoundError, ValueError):
            raise ConflictError(f"pod {pod.network_of} is not running", hint="start it first") from None
        with registry.locked():
            found = registry.entry(other.uuid)
            entry = Entry(
                pod.uuid, str(directory.path), (), found.endpoints if found else (), joined=other.uuid
            )
            if start:
                registry.write(entry)
        return Wiring(
            entry,
            Namespace(f"/proc/{pid}/ns/net", pid, began),
            hosts=entry_lines(pod.names) + (etc.read(other.network / "hosts") or etc.hosts()),
            resolv=etc.read(other.network / "resolv.conf") or etc.resolver(),
            registered=str(registry.file(pod.uuid)),
        )


def _other(pod: PodManifest, directory: PodDir) -> PodDir:
    root, reference = directory.root, pod.network_of or ""
    try:
        uuid = os.readlink(root.names / reference)
    except OSError:
        uuid = reference
    found = root.pod(State.RUN, uuid)
    if "/" in reference or not found.manifest.exists():
        raise NotFoundError(f"no pod {reference!r} runs", hint="name it, or write its whole UUID")
    return found
