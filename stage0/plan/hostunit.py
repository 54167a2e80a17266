"""PURE. What a user wishes of the pod's unit on the host."""

from __future__ import annotations

import re

from stage0.request import PodRequest
from stage1.contract import UsageError

SLICE = r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\.slice"


def checked_slice(name: str | None) -> str | None:
    """`--slice`."""
    if name is not None and not re.fullmatch(SLICE, name):
        raise UsageError(f"--slice {name}: not a slice", hint="write a name such as web.slice")
    return name


def properties(request: PodRequest) -> tuple[str, ...]:
    """`--property`: only names and values that the unit can be given."""
    if not request.property:
        return ()
    from stage1.contract import unitproperties  # noqa: PLC0415  most pods wish for none

    for text in request.property:
        unitproperties.parse(text)
    if request.rm and unitproperties.restarts(request.property):
        raise UsageError(
            "--rm and --property Restart= exclude each other: what is removed cannot be started again",
            hint="leave one of them out",
        )
    return request.property
