"""Checkpoints of everything that learns, one consistent generation at a time (signatures)."""

from __future__ import annotations

from pathlib import Path


class Checkpoints:
    """Generations of one folder; the newest two are kept."""

    def __init__(self, folder: Path) -> None:
        raise NotImplementedError
