"""Shaped reward of closed trades, its baseline and the advantage (spec 6.1)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import isfinite, sqrt

from agents.reinforcement.settings import ReinforcementSettings
from envs.core.errors import FixInput

MAX_QUOTE = 9e7
_HISTORY = 100
_MIN_Z = 10
_MIN_GROUP = 5
_BASELINE = 20
_PART_CLIP = 3.0


@dataclass(frozen=True)
class TradeResult:
    """What the reward reads of a closed trade; amounts in quote, ``exit_ns`` its close (UTC)."""

    symbol: str
    regime: int
    pnl: float
    notional: float
    net_r: float
    exit_ns: int = 0

    def __post_init__(self) -> None:
        for name in ("pnl", "notional", "net_r"):
            value = getattr(self, name)
            if not (isfinite(value) and abs(value) <= MAX_QUOTE):
                raise FixInput(
                    f"trade of {self.symbol}: {name} = {value}: a finite number up to "
                    f"{MAX_QUOTE:g} is needed"
                )
        if self.notional <= 0.0:
            raise FixInput(f"trade of {self.symbol}: notional = {self.notional}: must be above 0")


@dataclass(frozen=True)
class ReinforcementSignal:
    """Reward of one trade and what it did; ``contributions`` per model.

    ``applied`` is False for a skip or a decision that was not executed: nothing was learned.
    """

    raw_reward: float
    shaped: float
    baseline: float
    advantage: float
    contributions: tuple[float, ...]
    weights: tuple[float, ...]
    applied: bool = True


class RewardShaper:
    """Last 100 trades of the weight source, the current one excluded."""

    def __init__(self, settings: ReinforcementSettings) -> None:
        self._settings = settings
        self.history: deque[TradeResult] = deque(maxlen=_HISTORY)
        self.shaped: deque[float] = deque(maxlen=_BASELINE)

    def score(self, trade: TradeResult) -> tuple[float, float, float]:
        """Return (shaped, baseline, advantage) and remember the trade."""
        s = self._settings
        shaped = (
            s.reward_alpha * _cut(self._z(trade), _PART_CLIP)
            + s.reward_beta * _cut(self._sharpe(trade), _PART_CLIP)
            + s.reward_gamma * _cut(trade.pnl / (0.05 * trade.notional), _PART_CLIP)
        )
        baseline = sum(self.shaped) / len(self.shaped) if self.shaped else 0.0
        advantage = _cut(shaped - baseline, s.advantage_clip)
        self.history.append(trade)
        self.shaped.append(shaped)
        return shaped, baseline, advantage

    def copy(self) -> RewardShaper:
        """Independent copy."""
        out = RewardShaper(self._settings)
        out.history.extend(self.history)
        out.shaped.extend(self.shaped)
        return out

    def _z(self, trade: TradeResult) -> float:
        past = [t.pnl for t in self.history]
        if len(past) >= _MIN_Z:
            mean, sd = _moments(past)
            return (trade.pnl - mean) / sd if sd > 0.0 else 0.0
        if self._settings.z_scale > 0.0:
            return trade.pnl / self._settings.z_scale
        return trade.net_r

    def _sharpe(self, trade: TradeResult) -> float:
        group = [
            t.pnl for t in self.history if t.symbol == trade.symbol and t.regime == trade.regime
        ]
        sd = _moments(group)[1] if len(group) >= _MIN_GROUP else 0.0
        return trade.pnl / (sd if sd > 0.0 else 0.02 * trade.notional)


def _moments(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, sqrt(sum((v - mean) * (v - mean) for v in values) / len(values))


def _cut(x: float, bound: float) -> float:
    return max(-bound, min(bound, x))
