"""Settings of the two advisers that learn from closed trades (spec 12.12, 12.13, 14).

The advisers act where they are seated in a hook chain; the training programs seat none, so none of
these settings shapes what training makes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envs.core.settings import setting
from envs.core.types import NS_PER_DAY, NS_PER_HOUR


@dataclass(frozen=True)
class PerformanceSettings:
    """Symbol Performance Manager: what is poor, what is good, and the way back."""

    enabled: bool = setting(
        False,
        "PERF_ENABLED",
        "bool",
        "the size follows each symbol's own closed trades; the training programs never ask it",
        hashed=False,
    )
    min_trades: int = setting(
        5,
        "PERF_MIN_TRADES",
        "trades",
        "decayed trades before the size follows them",
        ge=1,
        le=1000,
        hashed=False,
    )
    poor_win_rate: float = setting(
        0.35, "PERF_POOR_WINRATE", "frac", "a win rate below is poor", ge=0.0, le=1.0, hashed=False
    )
    good_win_rate: float = setting(
        0.55, "PERF_GOOD_WINRATE", "frac", "a win rate above is good", ge=0.0, le=1.0, hashed=False
    )
    poor_factor: float = setting(
        0.5, "PERF_POOR_MULT", "factor", "size of a poor symbol", gt=0.0, le=1.0, hashed=False
    )
    good_factor: float = setting(
        1.2, "PERF_GOOD_MULT", "factor", "size of a good symbol", ge=1.0, le=1.3, hashed=False
    )
    disable_after_losses: int = setting(
        10,
        "PERF_DISABLE_AFTER_LOSSES",
        "trades",
        "losses in a row that send a symbol to paper",
        ge=1,
        le=1000,
        hashed=False,
    )
    reenable_after_wins: int = setting(
        3,
        "PERF_REENABLE_AFTER_WINS",
        "trades",
        "wins on paper that lead back, their mean being positive",
        ge=1,
        le=1000,
        hashed=False,
    )
    probation_days: float = setting(
        14.0,
        "PERF_PROBATION_DAYS",
        "days",
        "longest time on paper, in event time",
        gt=0.0,
        le=365.0,
        hashed=False,
    )
    half_life_days: float = setting(
        14.0,
        "PERF_HALF_LIFE_DAYS",
        "days",
        "half-life of a symbol's statistics, in event time",
        gt=0.0,
        le=3650.0,
        hashed=False,
    )

    @property
    def half_life_ns(self) -> int:
        """Half-life in nanoseconds."""
        return round(self.half_life_days * NS_PER_DAY)

    @property
    def probation_ns(self) -> int:
        """Longest probation in nanoseconds."""
        return round(self.probation_days * NS_PER_DAY)


@dataclass(frozen=True)
class MemorySettings:
    """Memory State Manager: how fast it forgets and how long it blocks."""

    enabled: bool = setting(
        False,
        "MEMORY_ENABLED",
        "bool",
        "threshold and size follow the last trades, regimes and setups; the training programs "
        "never ask it",
        hashed=False,
    )
    half_life_h: float = setting(
        24.0,
        "MEMORY_HALF_LIFE_H",
        "h",
        "half-life of all remembered sums, in event time",
        gt=0.0,
        le=8760.0,
        hashed=False,
    )
    block_h: float = setting(
        12.0,
        "MEMORY_BLOCK_H",
        "h",
        "new entries stay blocked after a losing run, in event time",
        gt=0.0,
        le=8760.0,
        hashed=False,
    )
    path: Path = setting(
        Path("data/memory.json"),
        "MEMORY_CHECKPOINT_PATH",
        "path",
        "state of the memory",
        hashed=False,
    )

    @property
    def half_life_ns(self) -> int:
        """Half-life in nanoseconds."""
        return round(self.half_life_h * NS_PER_HOUR)

    @property
    def block_ns(self) -> int:
        """Length of a block in nanoseconds."""
        return round(self.block_h * NS_PER_HOUR)
