"""PURE. Ways for a pod to have a network: each is a driver, a small class behind one interface.

    plain     the host's network, or none at all
    named     a network namespace by its path
    neighbour the network of another pod
    private   a namespace of the pod's own; what its interfaces are on is one of `stage1.network.attachments`

One more way is a module here and a line in `driver`; its mode is the contract's, its word in `--net` stage0's.
"""

from __future__ import annotations

from stage1.contract import NetworkMode

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Protocol

    from stage1.contract import PodDir, PodManifest
    from stage1.network.model import Wiring
else:
    Protocol = object


class Driver(Protocol):
    """A way for a pod to have a network."""

    def wire(self, pod: PodManifest, directory: PodDir, *, start: bool) -> Wiring | None:
        """What the pod's network will be; None where systemd-nspawn needs to be told nothing.

        `start`: the pod starts now. What it needs of the host is made, and addresses and ports are taken for it.
        Without, nothing is made and nothing taken: it is what would be.
        """


def driver(mode: NetworkMode) -> Driver:
    """The driver of a mode; nobody pays for the import of another."""
    # ruff: noqa: PLC0415
    match mode:
        case NetworkMode.HOST | NetworkMode.NONE:
            from stage1.network.drivers.plain import Plain

            return Plain()
        case NetworkMode.NAMESPACE:
            from stage1.network.drivers.named import Named

            return Named()
        case NetworkMode.POD:
            from stage1.network.drivers.neighbour import Neighbour

            return Neighbour()
        case NetworkMode.PRIVATE:
            from stage1.network.drivers.private import Private

            return Private()
