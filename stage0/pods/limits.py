"""PURE. The limits of a pod or an app as its manifest has them, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stage0 import show

_WORDS = {
    "memory_max": "memory",
    "memory_high": "memory high",
    "memory_low": "memory low",
    "swap_max": "swap",
    "cpu_quota": "cpus",
    "cpu_weight": "cpu weight",
    "cpus": "processors",
    "pids_max": "pids",
    "io_weight": "io weight",
}
# What a pod or an app cannot have without a controller.
_CONTROLLERS = {
    "cpu": "--cpus, --cpu-weight",
    "cpuset": "--cpuset-cpus",
    "io": "--io-max, --io-weight",
    "memory": "--memory and its like",
    "pids": "--pids-limit",
}
_SIZES = {"memory_max", "memory_high", "memory_low", "swap_max"}


def limits_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that are set, of a manifest's pod or of one of its apps; empty if there are none."""
    found = {name: value for name, value in (part.get("resources") or {}).items() if value not in (None, [])}
    if part.get("ulimits"):
        found["ulimits"] = part["ulimits"]
    if part.get("oom_score_adjust") is not None:
        found["oom_score_adjust"] = part["oom_score_adjust"]
    return found


def without(controllers: Sequence[str]) -> list[str]:
    """Each controller that is not there, and what cannot be limited for want of it."""
    return [f"{name} ({options})" for name, options in _CONTROLLERS.items() if name not in controllers]


def sentence(limits: Mapping[str, Any]) -> str:
    """`memory 67.1 MB, cpus 1.5`."""
    return ", ".join(_phrases(limits))


def _phrases(limits: Mapping[str, Any]) -> Iterator[str]:
    for name, word in _WORDS.items():
        if (value := limits.get(name)) is not None:
            yield f"{word} {_number(name, value)}"
    for throttle in limits.get("io_max", ()):
        rates = (
            f"{key.replace('_', ' ')} {value}/s"
            for key, value in throttle.items()
            if key != "device" and value
        )
        yield f"{throttle['device']} {' '.join(rates)}"
    for pages in limits.get("huge_pages", ()):
        yield f"huge pages of {show.binary(pages['size'])} {show.binary(pages['max'])}"
    for ulimit in limits.get("ulimits", ()):
        soft, hard = (
            "unlimited" if number is None else number for number in (ulimit["soft"], ulimit["hard"])
        )
        yield f"{ulimit['name']} {soft}" if soft == hard else f"{ulimit['name']} {soft}:{hard}"
    if "oom_score_adjust" in limits:
        yield f"oom score {limits['oom_score_adjust']:+d}"


def _number(name: str, value: Any) -> str:  # noqa: ANN401  JSON
    if name in _SIZES:
        return show.binary(value)
    return f"{value / 1000:g}" if name == "cpu_quota" else str(value)
