"""PURE. The host's network, or none: systemd-nspawn does either by itself."""

from __future__ import annotations

from stage1.contract import PodDir, PodManifest


class Plain:
    """Nothing to make, nothing to take."""

    def wire(self, pod: PodManifest, directory: PodDir, *, start: bool) -> None:
        """See `Driver`."""
