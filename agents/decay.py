"""Sums that lose half of themselves in every half-life of event time."""

from __future__ import annotations

from dataclasses import dataclass, replace


def weight(age_ns: int, half_life_ns: int) -> float:
    """Share that is left after ``age_ns``; 1 for an age below 0."""
    return float(2.0 ** (-max(0, age_ns) / half_life_ns))


@dataclass(frozen=True)
class DecayedTally:
    """Trades of one kind: exact count ``n``, and decayed count, wins, sum of R and of quote.

    The decayed numbers are those of event time ``at_ns``.
    """

    n: int = 0
    count: float = 0.0
    wins: float = 0.0
    total_r: float = 0.0
    quote: float = 0.0
    at_ns: int = 0

    @property
    def win_rate(self) -> float:
        """Decayed share of wins; 0.5 before the first trade."""
        return self.wins / self.count if self.count > 0.0 else 0.5

    @property
    def mean_r(self) -> float:
        """Decayed mean net R; 0 before the first trade."""
        return self.total_r / self.count if self.count > 0.0 else 0.0

    def at(self, now_ns: int, half_life_ns: int) -> DecayedTally:
        """Return the tally as it stands at ``now_ns``; a time before its own leaves it as it is."""
        if now_ns <= self.at_ns or self.n == 0:
            return self if now_ns <= self.at_ns else replace(self, at_ns=now_ns)
        w = weight(now_ns - self.at_ns, half_life_ns)
        return DecayedTally(
            self.n, w * self.count, w * self.wins, w * self.total_r, w * self.quote, now_ns
        )

    def add(self, now_ns: int, net_r: float, quote: float, half_life_ns: int) -> DecayedTally:
        """Count one trade that closed at ``now_ns``."""
        t = self.at(now_ns, half_life_ns)
        won = 1.0 if net_r > 0.0 else 0.0
        return DecayedTally(
            t.n + 1, t.count + 1.0, t.wins + won, t.total_r + net_r, t.quote + quote, t.at_ns
        )
