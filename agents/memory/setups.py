"""Market around a decision: regimes of the last bars, and the setup a trade was entered in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from math import isfinite
from typing import Any

from envs.core.errors import FixInput, RefusedArtifact
from envs.core.rules.regime import volatility_level
from envs.core.types import MarketState, Regime, SizingRegime

HELD_BARS = 128
STABILITY_BARS = 24
STABILITY_CHANGES = 6
UNKNOWN = "UNKNOWN"
_REGIMES = frozenset(int(r) for r in Regime)
_STATES = frozenset(int(s) for s in MarketState)
_LEVELS = ("LOW", "NORMAL", "HIGH", "EXTREME")
_TRENDS = (MarketState.BULL_STRONG, MarketState.BULL_WEAK, MarketState.BEAR_WEAK,
           MarketState.BEAR_STRONG)  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """What one closed bar tells the memory: confirmed regime, market state, 5-bar momentum (ATRs).

    ``regime`` and ``state`` are -1 while unknown, ``momentum`` is NaN then.
    """

    symbol: str
    close_ns: int
    regime: int
    state: int = -1
    momentum: float = float("nan")


@dataclass(frozen=True)
class Setup:
    """Regime and setup of one decision, in words."""

    symbol: str
    regime: str
    volatility: str
    momentum: str
    trend: str

    @property
    def hash(self) -> str:
        """First 16 hex digits of SHA-256 over the five words."""
        text = "|".join((self.symbol, self.regime, self.volatility, self.momentum, self.trend))
        return sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Held:
    close_ns: int
    regime: int
    state: int
    momentum: float | None


class MarketMemory:
    """The last bars of every symbol, by symbol."""

    def __init__(self) -> None:
        self._bars: dict[str, deque[_Held]] = {}

    def learn(self, bar: Bar) -> None:
        """Remember one bar; the same bar again is ignored.

        Raises:
            FixInput: An unknown regime or state, or a bar older than the last one.
        """
        name = f"bar of {bar.symbol} at {bar.close_ns}"
        if bar.regime not in _REGIMES or bar.state not in _STATES:
            raise FixInput(f"{name}: unknown regime {bar.regime} or market state {bar.state}")
        held = self._bars.get(bar.symbol)
        if held:
            if bar.close_ns == held[-1].close_ns:
                return
            if bar.close_ns < held[-1].close_ns:
                raise FixInput(
                    f"{name}: bars up to {held[-1].close_ns} are learned: bars are learned in "
                    "order of time"
                )
        momentum = bar.momentum if isfinite(bar.momentum) else None
        held = self._bars.setdefault(bar.symbol, deque(maxlen=HELD_BARS))
        held.append(_Held(bar.close_ns, bar.regime, bar.state, momentum))

    def stability(self, symbol: str, now_ns: int) -> float:
        """``1 - changes / 6`` over the last 24 bars closed by ``now_ns``, at least 0.

        A hole of unknown bars is no change, nor is the first regime after one; 1 without bars.
        """
        seen = [b.regime for b in self._bars.get(symbol, ()) if b.close_ns <= now_ns]
        last = seen[-STABILITY_BARS - 1 :]
        changes = 0
        for before, now in pairwise(last):
            changes += before != now and Regime.UNKNOWN not in (before, now)
        return max(0.0, 1.0 - changes / STABILITY_CHANGES)

    def setup(self, symbol: str, decided_ns: int, sizing_regime: int, atr_frac: float) -> Setup:
        """Setup of a decision at the close ``decided_ns``.

        Where that bar was not learned, the sizing regime of the decision's state stands for the
        regime, and momentum and trend are unknown.
        """
        level = _LEVELS[volatility_level(atr_frac)] if atr_frac == atr_frac else UNKNOWN
        held = self._bars.get(symbol, ())
        bar = next((b for b in reversed(held) if b.close_ns == decided_ns), None)
        if bar is None:
            return Setup(symbol, SizingRegime(sizing_regime).name, level, UNKNOWN, UNKNOWN)
        return Setup(symbol, Regime(bar.regime).name, level, _momentum(bar), _trend(bar))

    def values(self) -> dict[str, Any]:
        """Plain values for a saved state."""
        return {
            s: [[b.close_ns, b.regime, b.state, b.momentum] for b in held]
            for s, held in sorted(self._bars.items())
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> MarketMemory:
        """Rebuild from ``values()``.

        Raises:
            RefusedArtifact: Not such values.
        """
        out = cls()
        try:
            for symbol, rows in values.items():
                held = (_Held(int(t), int(r), int(s), m) for t, r, s, m in rows)
                out._bars[symbol] = deque(held, maxlen=HELD_BARS)
        except (AttributeError, TypeError, ValueError) as error:
            raise RefusedArtifact(f"remembered bars: {error}") from error
        return out


def _momentum(bar: _Held) -> str:
    if bar.momentum is None:
        return UNKNOWN
    if bar.momentum >= 1.0:
        return "UP"
    return "DOWN" if bar.momentum <= -1.0 else "FLAT"


def _trend(bar: _Held) -> str:
    if bar.state == MarketState.UNKNOWN:
        return UNKNOWN
    return MarketState(bar.state).name if bar.state in _TRENDS else "NONE"
