"""How runs are judged: paired bootstrap, drawdown, costs, months needed, direction statistic.

Sources: stationary bootstrap, Politis & Romano 1994.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.core.rules.rounding import from_units
from envs.core.trade import ClosedTrade
from envs.core.types import NS_PER_DAY, ExitReason, Float64Array, Int64Array
from envs.market.lines import week_blocks

MEAN_BLOCK_DAYS = 5.0
DRAWS = 10_000
MONTH_DAYS = 30.4375
_CHUNK = 500


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """The whole interval lies above 0."""
        return self.low > 0.0

    def months_needed(self, months: float) -> float:
        """Months until an interval of this spread would exclude 0 at this mean; inf at mean 0."""
        half = 0.5 * (self.high - self.low)
        return float("inf") if self.mean == 0.0 else months * (half / abs(self.mean)) ** 2


@dataclass(frozen=True)
class Costs:
    """Sums over closed trades in quote; slippage is contained in gross, fees are not."""

    gross: float
    fees: float
    slippage: float
    funding: float
    liquidation: float
    net: float


def bootstrap_difference(
    a: Float64Array, b: Float64Array, time_ns: Int64Array, seed: int, draws: int = DRAWS
) -> Interval:
    """Mean difference of decision rewards per candidate, stationary bootstrap of UTC days.

    ``a``, ``b`` (N,) rewards of two policies on the same candidates. Days without candidates
    between the first and the last count as 0.
    """
    if a.size == 0:
        return Interval(0.0, 0.0, 0.0)
    day = time_ns // NS_PER_DAY
    day = day - int(day.min())
    n_days = int(day.max()) + 1
    sums = np.bincount(day, weights=a - b, minlength=n_days)
    counts = np.bincount(day, minlength=n_days).astype(np.float64)
    rng = np.random.default_rng([seed, 20_260])
    means = np.empty(draws)
    for start in range(0, draws, _CHUNK):
        rows = _stationary(rng, min(_CHUNK, draws - start), n_days)
        total = counts[rows].sum(axis=1)
        means[start : start + rows.shape[0]] = sums[rows].sum(axis=1) / np.maximum(total, 1.0)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float((a - b).mean()), float(low), float(high))


def max_drawdown(equity: Float64Array) -> float:
    """Largest fall from a peak as a fraction of the peak."""
    peak = np.maximum.accumulate(equity)
    return float(np.max(1.0 - equity / peak, initial=0.0))


def costs_of(trades: Sequence[ClosedTrade]) -> Costs:
    """Costs of closed trades; a liquidation's fee stands under liquidation, not fees."""
    gross = fees = slip = funding = lost = net = 0
    for t in trades:
        gross += t.gross_units
        slip += t.slippage_units
        funding += t.funding_units
        net += t.net_units
        final = t.legs[-1].fee_units if t.reason is ExitReason.LIQUIDATION else 0
        fees += t.fee_units - final
        lost += final - t.insurance_units
    return Costs(*(from_units(x) for x in (gross, fees, slip, funding, lost, net)))


def liquidations(trades: Sequence[ClosedTrade]) -> int:
    """Number of liquidated positions."""
    return sum(t.reason is ExitReason.LIQUIDATION for t in trades)


def block_mean(values: Float64Array, close_ns: Int64Array) -> Interval:
    """Mean with a normal 95 % interval over calendar-week blocks."""
    if values.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    mean = float(values.mean())
    _, place = np.unique(week_blocks(close_ns), return_inverse=True)
    sums = np.bincount(place, weights=values - mean)
    half = 1.96 * float(np.sqrt(sums @ sums)) / values.size
    return Interval(mean, mean - half, mean + half)


def brier(p: Float64Array, y: Float64Array) -> float:
    """Mean squared error over rows where both are known."""
    ok = np.isfinite(p) & np.isfinite(y)
    return float(np.mean((p[ok] - y[ok]) ** 2)) if ok.any() else float("nan")


def calibration_error(p: Float64Array, y: Float64Array, bins: int = 10) -> float:
    """Expected calibration error over equally filled bins."""
    ok = np.isfinite(p) & np.isfinite(y)
    p, y = p[ok], y[ok]
    if p.size < bins:
        return float("nan")
    order = np.argsort(p, kind="stable")
    total = 0.0
    for part in np.array_split(order, bins):
        total += abs(float(p[part].mean() - y[part].mean())) * part.size
    return total / p.size


def _stationary(rng: np.random.Generator, draws: int, n: int) -> Int64Array:
    """Rows (draws, n) of a stationary bootstrap: geometric blocks, wrapped around."""
    fresh = rng.random((draws, n)) < 1.0 / MEAN_BLOCK_DAYS
    fresh[:, 0] = True
    starts = rng.integers(0, n, (draws, n))
    place = np.arange(n)
    last = np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
    begun = np.take_along_axis(starts, last, axis=1)
    return np.asarray((begun + place - last) % n, dtype=np.int64)
