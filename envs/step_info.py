"""The ``info`` of a compiled environment: what is dear to compute waits until it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LATER: Any = object()
"""Stands for an entry that is computed when it is first asked for."""


class StepInfo(dict[str, Any]):
    """A dictionary whose ``LATER`` entries are computed at their first use, then kept.

    ``compute(step, name)`` gives an entry of that step; it may be asked for at any time after,
    whatever the environment has done since. Whoever makes one sets ``compute`` and ``step``.
    """

    __slots__ = ("compute", "step")

    compute: Callable[[int, str], Any]
    step: int

    def __getitem__(self, key: str) -> Any:
        """The entry, computed if it was not yet."""
        value = dict.__getitem__(self, key)
        if value is LATER:
            value = self.compute(self.step, key)
            dict.__setitem__(self, key, value)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """The entry, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def _complete(self) -> None:
        for name in self:
            self[name]

    def items(self) -> Any:
        """All entries, computed."""
        self._complete()
        return super().items()

    def values(self) -> Any:
        """All values, computed."""
        self._complete()
        return super().values()

    def pop(self, key: str, *default: Any) -> Any:
        """Remove an entry and return it."""
        self._complete()
        return super().pop(key, *default)

    def copy(self) -> dict[str, Any]:
        """A plain dictionary of all entries."""
        self._complete()
        return dict(super().items())

    def __eq__(self, other: object) -> bool:
        """Equality of all entries."""
        return self.copy() == (other.copy() if isinstance(other, StepInfo) else other)

    __hash__ = None

    def __repr__(self) -> str:
        """All entries."""
        return repr(self.copy())

    def __reduce__(self) -> Any:
        """Copies and pickles are plain dictionaries."""
        return (dict, (self.copy(),))
