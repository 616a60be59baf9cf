"""Which labels were learned already, by symbol and bar."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from envs.core.types import Int64Array


class AppliedLabels:
    """Ids (symbol, bar close in ns) of learned labels, and when the last of them ended."""

    def __init__(self) -> None:
        self.last_ns = -1
        self._bars: dict[str, set[int]] = {}

    def __contains__(self, label_id: tuple[str, int]) -> bool:
        symbol, bar = label_id
        return bar in self._bars.get(symbol, ())

    def __len__(self) -> int:
        return sum(len(bars) for bars in self._bars.values())

    def add(self, symbol: str, bars_ns: Iterable[int], ended_ns: int) -> None:
        """Mark labels of one symbol as learned; the latest of them ended at ``ended_ns``."""
        self._bars.setdefault(symbol, set()).update(bars_ns)
        self.last_ns = max(self.last_ns, ended_ns)

    def copy(self) -> AppliedLabels:
        """Independent copy."""
        out = AppliedLabels()
        out.last_ns = self.last_ns
        out._bars = {symbol: set(bars) for symbol, bars in self._bars.items()}
        return out

    def to_arrays(self) -> tuple[list[str], Int64Array]:
        """Symbols, and (N, 2) rows of symbol number and bar close, in order."""
        symbols = sorted(self._bars)
        parts = []
        for i, name in enumerate(symbols):
            bars = self._bars[name]
            part = np.full((len(bars), 2), i, dtype=np.int64)
            part[:, 1] = np.sort(np.fromiter(bars, dtype=np.int64, count=len(bars)))
            parts.append(part)
        return symbols, np.concatenate(parts) if parts else np.empty((0, 2), dtype=np.int64)

    @classmethod
    def from_arrays(cls, symbols: list[str], rows: Int64Array, last_ns: int) -> AppliedLabels:
        """Rebuild what ``to_arrays`` gave."""
        out = cls()
        for i, name in enumerate(symbols):
            out._bars[name] = set(rows[rows[:, 0] == i, 1].tolist())
        out.last_ns = last_ns
        return out
