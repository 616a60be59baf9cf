"""What a user should know of the market a run stands on: defects, shares of regimes, identity."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from envs.core.market_data import MarketData
from envs.core.types import NS_PER_SECOND, BoolArray, Int8Array, MarketState, Regime, SizingRegime
from envs.market.bars import BarReport

REPORT_HEADER = (
    "symbol", "from", "to", "bars", "missing", "longest gap", "no volume", "flat", "usable",
    "default funding", "without mark",
)  # fmt: skip


@dataclass(frozen=True)
class Occupancy:
    """How often each regime occurs among one symbol's complete rows, as fractions by name."""

    symbol: str
    complete: int
    regime: dict[str, float]
    sizing_regime: dict[str, float]
    market_state: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return dict(vars(self))


@dataclass(frozen=True)
class MarketReport:
    """Validation of all symbols, the data's fingerprint and how many rows are usable."""

    bars: tuple[BarReport, ...]
    fingerprint: str
    complete_rows: int
    occupancy: tuple[Occupancy, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {
            "fingerprint": self.fingerprint,
            "complete_rows": self.complete_rows,
            "bars": [b.to_json() for b in self.bars],
            "occupancy": [o.to_json() for o in self.occupancy],
        }

    def rows(self) -> list[tuple[str, ...]]:
        """One row of text per symbol, in the order of ``REPORT_HEADER``."""
        usable = {o.symbol: o.complete for o in self.occupancy}
        out = []
        for b in self.bars:
            counts = (
                b.bars, b.missing_bars, b.longest_gap_bars, b.zero_volume_bars, b.flat_bars,
                usable.get(b.symbol, 0), b.default_funding_stamps, b.bars_without_mark,
            )  # fmt: skip
            span = (_day(b.first_open_ns), _day(b.last_open_ns))
            out.append((b.symbol, *span, *(f"{x:,}" for x in counts)))
        return out


def occupancy_of(market: MarketData) -> tuple[Occupancy, ...]:
    """Shares of all regimes among each symbol's complete rows."""
    out = []
    for i, symbol in enumerate(market.symbols):
        known = market.complete[:, i]
        shares = [
            _shares(column[:, i], known, kinds)
            for column, kinds in (
                (market.regime, Regime),
                (market.sizing_regime, SizingRegime),
                (market.market_state, MarketState),
            )
        ]
        out.append(Occupancy(symbol, int(np.count_nonzero(known)), *shares))
    return tuple(out)


def fingerprint(market: MarketData) -> str:
    """SHA-256 over the prices, funding and marks a run used."""
    h = hashlib.sha256(repr((market.symbols, market.interval_ns)).encode())
    for name in ("close_ns", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume",
                 "mark", "funding_rate", "funding_stamp", "valid"):  # fmt: skip
        h.update(np.ascontiguousarray(getattr(market, name)).tobytes())
    return h.hexdigest()


def _shares(column: Int8Array, known: BoolArray, kinds: Any) -> dict[str, float]:
    values = column[known]
    total = max(1, values.shape[0])
    return {kind.name: int(np.count_nonzero(values == kind)) / total for kind in kinds if kind >= 0}


def _day(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).strftime("%Y-%m-%d")
