"""EFFECT. Which pods use which images: read from the pods that are there."""

from __future__ import annotations

from typing import NamedTuple

from stage0 import lifecycle
from stage1.contract import DataRoot


class Use(NamedTuple):
    """A pod that was made from an image."""

    pod: str
    running: bool


def uses_of_images(root: DataRoot) -> dict[str, list[Use]]:
    """By manifest digest, the pods that were made from it, by name where they have one."""
    found: dict[str, list[Use]] = {}
    for pod in lifecycle.pods(root):
        manifest = lifecycle.read_manifest(pod.directory)
        use = Use(manifest.get("name") or pod.uuid, pod.running)
        for digest in {app["image"]["digest"] for app in manifest.get("apps", [])}:
            found.setdefault(digest, []).append(use)
    return found
