"""Which weight algorithm forecasts best: all of them scored before the tape is made (spec 6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

import numpy as np

from agents.reinforcement.algorithms import EXPONENTIAL
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, VoteTable
from envs.core.types import BoolArray, Float64Array, Int64Array
from training.scores import Interval, block_mean
from training.weights import reference_of, run_weights

AUTO = "auto"
_SCORED_SHARE = 0.20


@dataclass(frozen=True)
class Score:
    """One algorithm on the scored votes.

    ``brier`` is the mean over forecasts of the games U and D; ``minus_uniform`` and ``minus_best``
    are paired differences with 95 % intervals over calendar-week blocks. ``regret`` is the
    cumulative loss above the best expert of the pool over the training votes, ``bound`` what is
    proved for it (None where nothing is). ``trades`` are those of its reference account.
    """

    algorithm: str
    brier: float
    minus_uniform: Interval
    minus_best: Interval
    regret: float
    bound: float | None
    trades: int


@dataclass(frozen=True)
class Selection:
    """Scores of all algorithms, best first; ``auto`` is what the rule would take."""

    scores: tuple[Score, ...]
    forecasts: int
    auto: str
    reason: str

    def taken(self, wanted: str) -> str:
        """Resolve a configured algorithm: ``auto`` follows the rule, a name stands."""
        return self.auto if wanted == AUTO else wanted

    def remark(self, wanted: str) -> str:
        """One plain sentence for the report."""
        if wanted == AUTO:
            return f"Weight algorithm: {self.auto}, taken by auto ({self.reason})."
        if self.auto == wanted:
            return f"Weight algorithm: {wanted}, as auto would have chosen ({self.reason})."
        return f"Weight algorithm: {wanted}; auto would have chosen {self.auto} ({self.reason})."

    def to_json(self, wanted: str) -> dict[str, Any]:
        """Plain dictionary for metrics.json."""
        return {
            "scores": [_plain(asdict(score)) for score in self.scores],
            "forecasts": self.forecasts,
            "auto": self.auto,
            "reason": self.reason,
            "wanted": wanted,
            "taken": self.taken(wanted),
            "auto_differs": self.auto != self.taken(wanted),
        }


def select(
    data: MarketSeries,
    votes: VoteTable,
    settings: CoreSettings,
    learning: ReinforcementSettings,
    edges: Int64Array,
    train_last: int,
    first_line: EvLine | None = None,
) -> Selection:
    """Score every algorithm by mean Brier on the last purged 20 % of the training votes.

    All forecasts are prequential, and no row after ``train_last`` and no label that ends after it
    is read. The exponential family runs a reference account of its own.

    Args:
        edges: rows at which pool lines are refitted, as for the tape.
        train_last: last row of training.
    """
    stop = train_last + 1
    reference = reference_of(data, votes, settings)
    scored = scored_rows(votes, train_last)
    losses: dict[str, Float64Array] = {}
    runs: dict[str, tuple[float, float | None, int]] = {}
    for name in ALGORITHMS:
        manager = ReinforcementManager(replace(learning, algorithm=name), votes.horizon_bars)
        given = reference if name in EXPONENTIAL else None
        made = run_weights(data, votes, settings, manager, edges, first_line, given, stop)
        losses[name] = forecast_losses(votes, made.pool.p_up, made.pool.p_down, scored)
        regret = made.manager.regret()
        runs[name] = (regret.used, regret.bound, len(made.trades))
    when = data.market.close_ns[np.nonzero(scored)[0]]
    return judge(losses, when, runs)


def scored_rows(votes: VoteTable, train_last: int) -> BoolArray:
    """Votes (T, S) of the last fifth of the voted training rows whose labels end in training.

    Nothing is purged at the start: forecasts are prequential and know no label that ends later.
    """
    known = votes.valid.any(axis=2) & (votes.label_end >= 0) & (votes.label_end <= train_last)
    known &= np.isfinite(votes.y_long) & np.isfinite(votes.y_short)
    rows = np.flatnonzero(known.any(axis=1))
    out = np.zeros_like(known)
    if rows.size:
        first = int(rows[0]) + int((1.0 - _SCORED_SHARE) * (train_last - int(rows[0])))
        out[first:] = known[first:]
    return out


def forecast_losses(
    votes: VoteTable, p_up: Float64Array, p_down: Float64Array, scored: BoolArray
) -> Float64Array:
    """Mean squared error of both games for each scored forecast (N,)."""
    up = p_up[scored] - votes.y_long[scored]
    down = p_down[scored] - votes.y_short[scored]
    return np.asarray(0.5 * (up * up + down * down))


def judge(
    losses: Mapping[str, Float64Array],
    close_ns: Int64Array,
    runs: Mapping[str, tuple[float, float | None, int]],
) -> Selection:
    """Scores and choice from the losses (N,) of each algorithm on the same forecasts.

    The lowest mean is taken, but ``uniform`` whenever the interval of its difference to the best
    contains 0.
    """
    means = {name: float(x.mean()) if x.size else float("nan") for name, x in losses.items()}
    best = min(means, key=lambda name: means[name])
    scores = [
        Score(
            name,
            means[name],
            block_mean(loss - losses["uniform"], close_ns),
            block_mean(loss - losses[best], close_ns),
            *runs[name],
        )
        for name, loss in losses.items()
    ]
    auto, reason = _choose(best, {s.algorithm: s for s in scores})
    return Selection(tuple(sorted(scores, key=lambda s: s.brier)), int(close_ns.size), auto, reason)


def _choose(best: str, scores: Mapping[str, Score]) -> tuple[str, str]:
    uniform = scores["uniform"]
    if best == "uniform":
        return "uniform", "lowest Brier score"
    gap = uniform.minus_best
    if not gap.low > 0.0:
        return "uniform", f"not told apart from the best, {best}: {_span(gap)}"
    return best, f"lowest Brier score, uniform above it by {_span(gap)}"


def _plain(value: Any) -> Any:
    """What is not finite becomes null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value


def _span(gap: Interval) -> str:
    return f"{gap.mean:+.6f} [{gap.low:+.6f}, {gap.high:+.6f}]"
