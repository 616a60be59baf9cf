"""Agents as they stood: the newest checkpoint, and the journal after it (signatures)."""

from __future__ import annotations

from typing import Any

from runtime.learning.learning import OnlineLearning


def recover(journal: Any, learning: OnlineLearning) -> int:
    """Load the newest checkpoint into ``learning`` and learn the journal's records after it.

    Called after the bundle's fresh agents were put into ``learning`` and before ``signals.restore``
    and ``learning.restore``. ``journal`` is a ``SqlJournal`` or ``MemoryJournal`` (its ``read``).
    Returns the seq learned up to (0: nothing yet).

    Raises:
        DamagedArtifact: No usable checkpoint, and the journal does not hold what it had learned.
    """
    raise NotImplementedError
