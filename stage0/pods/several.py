"""EFFECT. One command for several pods: what is wrong with one does not keep the others from their turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stage1.contract import ConflictError, NotFoundError


def each(references: Sequence[str], act: Callable[[str], None]) -> None:
    """Do it to all in their order; then one error that names every pod it could not be done to."""
    if (trouble := attempt(references, act)) is not None:
        raise trouble


def attempt(references: Sequence[str], act: Callable[[str], None]) -> NotFoundError | ConflictError | None:
    """The same for who has more to do before that error is raised."""
    troubles: list[NotFoundError | ConflictError] = []
    for reference in references:
        try:
            act(reference)
        except (NotFoundError, ConflictError) as error:
            troubles.append(error)
    if not troubles:
        return None
    first = troubles[0]
    return type(first)("; ".join(trouble.message for trouble in troubles), hint=first.hint)
