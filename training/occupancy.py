"""How often each state of the sizing agent occurs: among candidates, and among all usable bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.core.actions import ActionPreset
from envs.core.market_data import MarketData
from envs.core.rules.state import N_CONFIDENCE, N_REGIMES, confidence_bin
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape
from envs.core.types import Float64Array, Int64Array
from envs.market.indicators import QUANTILE_MIN, WARMUP_BARS, rolling_quantile

Shares = dict[str, list[float]]


@dataclass(frozen=True)
class Occupancy:
    """Shares of every value of every state axis over one span, summing to 1 an axis.

    ``candidates`` has all four axes, as an account met them; ``bars`` those that need no account
    (regime, confidence) over every bar with complete features and a quorum of votes.
    ``marks`` is per symbol the least edge that the rule of the best bars asked for within the
    span; None where that rule is off or never had enough bars.
    """

    candidates: Shares
    bars: Shares
    n_candidates: int
    n_bars: int
    marks: dict[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary; the shares of candidates stand at the top."""
        return {
            **self.candidates,
            "candidates": self.n_candidates,
            "all_bars": {**self.bars, "bars": self.n_bars},
            "least_mark": self.marks,
        }


def occupancy(counts: Int64Array) -> Shares:
    """Share of rows in every value of every state axis, from counts of the 300 states."""
    table = counts.reshape(5, 5, 4, 3).astype(np.float64)
    total = max(1.0, float(table.sum()))
    axes = {
        "regime": (1, 2, 3),
        "confidence": (0, 2, 3),
        "exposure": (0, 1, 3),
        "performance": (0, 1, 2),
    }
    return {name: (table.sum(axis=axis) / total).tolist() for name, axis in axes.items()}


def action_shares(preset: ActionPreset, counts: Int64Array) -> dict[str, dict[str, float]]:
    """Share of decisions (A counts) that chose each size (or skip), leverage and exit."""
    total = max(1, int(counts.sum()))
    out: dict[str, dict[str, float]] = {"size": {}, "leverage": {}, "exit": {}}
    for action, n in zip(preset.actions, counts.tolist(), strict=True):
        names = {"size": "skip"}
        if action.size > 0.0:
            names = {"size": f"{action.size:g}", "leverage": f"{action.leverage}x"}
            names["exit"] = action.exit.name.lower()
        for axis, name in names.items():
            out[axis][name] = out[axis].get(name, 0.0) + n / total
    return out


def occupancy_of(
    counts: Int64Array,
    tape: SignalTape,
    market: MarketData,
    settings: CoreSettings,
    first: int,
    last: int,
) -> Occupancy:
    """Occupancy of rows [first, last] and of the candidates counted there.

    Args:
        counts: (300,) candidate rows per state.
    """
    rows = slice(first, last + 1)
    usable = market.complete[rows] & np.isfinite(tape.edge[rows])
    # A bar on hold has confidence 0 by rule; what its pooled side is worth says more.
    worth = np.minimum(tape.edge[rows][usable], 1.0)
    marks = _marks(tape.edge, settings, market.symbols, rows)
    bars = {
        "regime": _shares(market.sizing_regime[rows][usable], N_REGIMES),
        "confidence": _shares(
            np.fromiter((confidence_bin(x) for x in worth.tolist()), np.int64, worth.size),
            N_CONFIDENCE,
        ),
    }
    return Occupancy(occupancy(counts), bars, int(counts.sum()), int(usable.sum()), marks)


def remarks(found: Occupancy, min_edge: float) -> list[str]:
    """Plain sentences on confidences that bars hold and candidates cannot."""
    if found.n_candidates == 0 or found.candidates["confidence"][0] > 0.0:
        return []
    share = found.bars["confidence"][0]
    known = {name: mark for name, mark in found.marks.items() if mark is not None}
    if share == 0.0 or (known and min(known.values()) < min(0.15, min_edge)):
        return []
    line = ", ".join(f"{name} {mark:.3f}" for name, mark in known.items())
    asked = f"or reach the line of its symbol's best bars (least: {line})" if line else ""
    return [
        f"Confidence below .15: {100 * share:.1f} % of the bars, no candidate. A candidate's edge "
        f"must be at least {min_edge:g} {asked}".rstrip()
        + "."
    ]


def _marks(
    edge: Float64Array, settings: CoreSettings, symbols: Sequence[str], rows: slice
) -> dict[str, float | None]:
    """The least of each symbol's line, as the rule of candidates draws it."""
    found: dict[str, float | None] = dict.fromkeys(symbols)
    for s, name in enumerate(symbols if settings.signal.top > 0.0 else ()):
        mark = rolling_quantile(edge[:, s], WARMUP_BARS, 1.0 - settings.signal.top, QUANTILE_MIN)
        mark = mark[rows]
        known = mark[np.isfinite(mark)]
        found[name] = float(known.min()) if known.size else None
    return found


def _shares(values: Any, n: int) -> list[float]:
    known = np.asarray(values, dtype=np.int64)
    known = known[known >= 0]
    share: list[float] = (np.bincount(known, minlength=n) / max(1, known.size)).tolist()
    return share
