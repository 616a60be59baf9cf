"""What the memory says of one moment, and the rules that turn its figures into advice (12.13)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_DELTA = 0.20
MIN_FACTOR = 0.1
MAX_FACTOR = 1.3
COLD_DELTA = 0.10
COLD_FACTOR = 0.5
LOW_FACTOR = 0.7
TRIAL_FACTOR = 0.1
REGIME_TRADES = 10
BLOCK_STREAK = 7
BLOCK_SUM = -12.0
BLOCK_WINDOW = 30
BLOCK_WIN_RATE = 0.25


class Level(StrEnum):
    """How much the memory has seen: below 10, 50, 200 trades, and more."""

    COLD_START = "COLD_START"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


@dataclass(frozen=True)
class Pattern:
    """Outcome of one setup so far: exact number of trades, decayed win rate and mean net R."""

    setup: str
    trades: int
    win_rate: float
    mean_r: float


@dataclass(frozen=True)
class MemoryContext:
    """Advice at one event time.

    Attributes:
        delta: added to the confidence threshold, in [-.20, .20]; positive is stricter.
        risk_factor: of the size, in [.1, 1.3].
        pattern: what the present setup did before; None below 5 trades of it.
        regime_stability: 1 while the regime holds, 0 from six changes in the last 24 bars on.
        allow_new_entries: False while a losing run blocks them.
        blacklist: symbols on probation.
        level: how much was seen.
        loss_streak: losses in a row, faded by idle time.
    """

    delta: float
    risk_factor: float
    pattern: Pattern | None
    regime_stability: float
    allow_new_entries: bool
    blacklist: tuple[str, ...]
    level: Level
    loss_streak: int


@dataclass(frozen=True)
class Figures:
    """What the rules read, all decayed to one event time.

    ``sum_20`` and ``sum_50`` are sums of net R, ``regime_win_rate`` is None below 10 trades of the
    regime, ``regime_fade`` the share its evidence keeps.
    """

    trades: int
    streak: int
    sum_20: float
    sum_50: float
    regime_win_rate: float | None
    regime_fade: float
    stability: float


def level_of(trades: int) -> Level:
    """Level by the number of real trades."""
    if trades < 10:
        return Level.COLD_START
    if trades < 50:
        return Level.LOW
    return Level.MEDIUM if trades < 200 else Level.HIGH


def delta_of(f: Figures) -> float:
    """Change of the confidence threshold; a cold start asks for at least .10."""
    delta = _of_sum(f.sum_20)
    if f.streak >= 5:
        delta += 0.20
    elif f.streak >= 3:
        delta += 0.10
    if f.regime_win_rate is not None:
        if f.regime_win_rate < 0.40:
            delta += 0.10 * f.regime_fade
        elif f.regime_win_rate > 0.65:
            delta -= 0.05 * f.regime_fade
    if f.stability < 0.5:
        delta += 0.05
    if level_of(f.trades) is Level.COLD_START:
        delta = max(delta, COLD_DELTA)
    return min(MAX_DELTA, max(-MAX_DELTA, delta))


def risk_factor_of(f: Figures, on_trial: bool) -> float:
    """Size factor; a cold start allows at most .5, the trial after a block .1."""
    factor = 1.0
    if f.streak >= 5:
        factor = 0.2
    elif f.streak >= 3:
        factor = 0.5
    elif f.streak >= 2:
        factor = 0.7
    if f.sum_50 < -10.0:
        factor *= 0.3
    elif f.sum_50 < -4.0:
        factor *= 0.5
    elif f.sum_50 > 10.0:
        factor *= 1.3
    level = level_of(f.trades)
    if level is Level.COLD_START:
        factor = min(factor, COLD_FACTOR)
    elif level is Level.LOW:
        factor *= LOW_FACTOR
    if on_trial:
        factor = min(factor, TRIAL_FACTOR)
    return min(MAX_FACTOR, max(MIN_FACTOR, factor))


def _of_sum(sum_20: float) -> float:
    if sum_20 < -6.0:
        return 0.15
    if sum_20 < -3.0:
        return 0.10
    if sum_20 < -1.0:
        return 0.05
    return -0.05 if sum_20 > 6.0 else 0.0
