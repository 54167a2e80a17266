"""PURE. Names of pods, apps and hosts."""

from __future__ import annotations

import re

from stage0.image.names import is_source
from stage0.request import PodRequest
from stage1.contract import UsageError
from stage1.contract.text import NAME, POD_NAME


def app_names(request: PodRequest) -> tuple[str, ...]:
    """The apps' names in their order: given, or from the image; no two the same."""
    if request.empty and request.app:
        raise UsageError(
            "a pod that begins empty names no image",
            hint="leave out --empty, or add the app later: pod app add",
        )
    if not request.app and not request.empty:
        raise UsageError(
            "a pod needs an app", hint="name an image, or a manifest with -f, or begin with none: --empty"
        )
    names = [
        _name_of(wish.image) if wish.name is None else checked_name(wish.name, "app") for wish in request.app
    ]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two apps are called {name!r}", hint="give one of them another name: IMAGE --name NAME"
            )
    return tuple(names)


def _name_of(image: str) -> str:
    """`quay.io/x/web-server:1.2` and `oci:/images/web-server:latest` are the app `web-server`."""
    place = image.partition(":")[2] if is_source(image) else image
    last = place.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0]
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", last).strip("-_")[:63] or "app"


def checked_name(name: str, what: str) -> str:
    """The name of an `app` or a `pod`, if it is one."""
    if what == "app" and not re.fullmatch(NAME, name):
        raise UsageError(
            f"{name!r} is not a name for an app",
            hint="up to 63 letters, digits, - and _, beginning with a letter or digit",
        )
    if what == "pod" and not re.fullmatch(POD_NAME, name):
        raise UsageError(
            f"{name!r} is not a name for a pod",
            hint="up to 63 letters, digits and -, with a letter or digit at both ends",
        )
    return name


def checked_hostname(name: str) -> str:
    """A host name of 64 letters at most; `_` becomes `-`."""
    text = name.replace("_", "-")
    if len(text) > 64 or not all(re.fullmatch(POD_NAME, label) for label in text.split(".")):
        raise UsageError(
            f"{name!r} is not a host name", hint="letters, digits and -, up to 64; see --hostname"
        )
    return text
