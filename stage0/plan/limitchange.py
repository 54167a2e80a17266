"""PURE. Limits of a pod or an app that is there, changed: what a command names is new, all else stays."""

from __future__ import annotations

from typing import Any

from stage0 import quantities
from stage0.plan.resources import resources
from stage0.request import PodRequest
from stage1.contract import NotFoundError, PodManifest, Resources

# Takes a limit away; all but the first are what other programs call it.
NONE = frozenset({"none", "max", "unlimited", "infinity", "-1"})
_FIELDS = {
    "memory": "memory_max",
    "memory_high": "memory_high",
    "memory_low": "memory_low",
    "memory_swap": "swap_max",
    "cpus": "cpu_quota",
    "cpu_weight": "cpu_weight",
    "cpuset_cpus": "cpus",
    "pids_limit": "pids_max",
    "io_weight": "io_weight",
}
OPTIONS = (*_FIELDS, "io_max", "hugepages")


def limits_after(old: Resources, wish: PodRequest, host_memory: int) -> Resources:
    """What `wish` asks for over what there was; percentages of memory are of `host_memory` bytes."""
    named = [name for name in _FIELDS if getattr(wish, name) is not None]
    gone = [name for name in named if _is_none(str(getattr(wish, name)))]
    memory = None if "memory" in gone else old.memory_max if wish.memory is None else wish.memory
    plain: dict[str, Any] = {**dict.fromkeys(gone), "memory": memory}
    asked = resources(
        wish._replace(
            **plain,
            io_max=tuple(text for text in wish.io_max if not _is_none(text.rpartition(":")[2])),
            hugepages=tuple(text for text in wish.hugepages if not _is_none(text.rpartition("=")[2])),
        ),
        host_memory,
    )
    changed = {_FIELDS[name]: getattr(asked, _FIELDS[name]) for name in named}
    if "memory" in gone:  # memory and swap together cannot be limited without memory
        changed["swap_max"] = None
    return old._replace(**changed, **_lists(old, asked, wish))


def _is_none(text: str) -> bool:
    return text.strip().lower() in NONE


def _lists(old: Resources, asked: Resources, wish: PodRequest) -> dict[str, Any]:
    """A disk or a size of pages that is named gets new limits altogether; `none` alone means all of them."""
    devices = [text.rpartition(":")[0] for text in wish.io_max if _is_none(text.rpartition(":")[2])]
    sizes = [
        quantities.size(text.rpartition("=")[0] or "0", where="--hugepages")
        for text in wish.hugepages
        if _is_none(text.rpartition("=")[2])
    ]
    io_max = {one.device: one for one in old.io_max if "" not in devices and one.device not in devices}
    huge_pages = {one.size: one for one in old.huge_pages if 0 not in sizes and one.size not in sizes}
    return {
        "io_max": tuple((io_max | {one.device: one for one in asked.io_max}).values()),
        "huge_pages": tuple((huge_pages | {one.size: one for one in asked.huge_pages}).values()),
    }


def resources_of(pod: PodManifest, app: str | None) -> Resources:
    """The limits of an app, or of the pod."""
    if app is None:
        return pod.resources
    for one in pod.apps:
        if one.name == app:
            return one.resources
    raise NotFoundError(f"pod {pod.label} has no app {app!r}", hint=f"its apps: {_names(pod)}")


def with_resources(pod: PodManifest, app: str | None, found: Resources, *, best_effort: bool) -> PodManifest:
    """The pod with other limits; what it was content to go without it stays content with."""
    pod = pod._replace(best_effort=pod.best_effort or best_effort)
    if app is None:
        return pod._replace(resources=found)
    apps = (one._replace(resources=found) if one.name == app else one for one in pod.apps)
    return pod._replace(apps=tuple(apps))


def _names(pod: PodManifest) -> str:
    return ", ".join(app.name for app in pod.apps) or "none"
