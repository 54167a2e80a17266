"""PURE. Finds the keys that detach among what is typed, however it is cut into pieces."""

from __future__ import annotations

from collections.abc import Sequence


class DetachKeys:
    """What may still become the sequence is held back; if it does not, it goes on before what follows."""

    def __init__(self, keys: Sequence[int]) -> None:
        """No keys: nothing ever detaches."""
        self._keys = bytes(keys)
        self._held = b""

    def typed(self, data: bytes) -> tuple[bytes, bool]:
        """What goes on to the app, and whether the sequence is complete: what was typed after it is dropped."""
        if not self._keys:
            return data, False
        data = self._held + data
        found = data.find(self._keys)
        if found >= 0:
            self._held = b""
            return data[:found], True
        kept = next(size for size in range(len(self._keys) - 1, -1, -1) if data.endswith(self._keys[:size]))
        self._held = data[len(data) - kept :]
        return data[: len(data) - kept], False
