"""EFFECT. Which pods use which images: read from the pods that are there."""

from __future__ import annotations

from stage0.pods import lifecycle
from stage1.contract import DataRoot
from stage1.contract.values import NamedTuple


class Use(NamedTuple):
    """A pod that uses an image."""

    pod: str
    running: bool


def uses_of_images(root: DataRoot) -> dict[str, list[Use]]:
    """By manifest digest, the pods that were made from it or have it as a volume, by name where they have one."""
    found: dict[str, list[Use]] = {}
    for pod in lifecycle.pods(root):
        manifest = lifecycle.read_manifest(pod.directory)
        use = Use(manifest.get("name") or pod.uuid, pod.running)
        for digest in set(lifecycle.image_digests(manifest)):
            found.setdefault(digest, []).append(use)
    return found
