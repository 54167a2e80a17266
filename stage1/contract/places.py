"""PURE. The names below the data root by which a pod is found: strings, for those who need to know nothing else of it.

`stage1.contract.paths` has all the others, as paths; importing `pathlib` and `enum` takes as long as starting Python.
"""

from __future__ import annotations

PODS, NAMES = "pods", "names"
# The directories below PODS, in the order of a pod's life.
STATES = EMBRYO, PREPARING, PREPARED, RUN, EXITED, GARBAGE = (
    "embryo", "preparing", "prepared", "run", "exited", "garbage",
)  # fmt: skip
# In a pod's directory: what entering its apps needs, a file an app.
ENTER = "run/enter"
# What follows an app's name in the name of the unit that its filters are read from; no app's name holds it.
TWIN_SUFFIX = "~twin"


def pod_directory(root: str, state: str, uuid: str) -> str:
    """A pod's directory in a state."""
    return f"{root}/{PODS}/{state}/{uuid}"


def is_uuid(text: str) -> bool:
    """True of a UUID as pods have it: small letters, and dashes."""
    return [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12] and is_start_of_uuid(text)


def is_start_of_uuid(text: str) -> bool:
    """True of anything that nothing but its length keeps from being a UUID."""
    return text != "" and not text.strip("0123456789abcdef-")
