"""The way back of a symbol that lost too often: paper first, then small, never shut out (12.12).

``ACTIVE -> PROBATION -> RE_ENTRY -> ACTIVE``. Probation ends by paper trades or by time. Re-entry
ends by real trades or by as much time again: an entry cut so small that the exchange refuses it
would otherwise never be closed, and the symbol stay small for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from agents.outcomes import TradeOutcome
from envs.core.errors import RefusedArtifact

PAPER_WINDOW = 5
RE_ENTRY_TRADES = 5
RE_ENTRY_FACTOR = 0.25


class Standing(StrEnum):
    """Whether real entries are made in a symbol."""

    ACTIVE = "ACTIVE"
    PROBATION = "PROBATION"
    RE_ENTRY = "RE_ENTRY"


@dataclass(frozen=True)
class ProbationRules:
    """When probation ends: wins on paper, or length in nanoseconds."""

    wins: int
    length_ns: int


@dataclass(frozen=True)
class Probation:
    """Standing of one symbol since ``since_ns``.

    ``paper`` holds the net R of the last paper trades of this probation, ``paper_wins`` all its
    wins, ``left`` the real trades that re-entry still asks for.
    """

    standing: Standing = Standing.ACTIVE
    since_ns: int = 0
    paper: tuple[float, ...] = ()
    paper_wins: int = 0
    left: int = 0

    @property
    def factor(self) -> float:
        """Largest size factor of this standing: 0 on probation, then a quarter, then 1."""
        if self.standing is Standing.PROBATION:
            return 0.0
        return RE_ENTRY_FACTOR if self.standing is Standing.RE_ENTRY else 1.0

    def at(self, now_ns: int, rules: ProbationRules) -> Probation:
        """Return the standing at ``now_ns``, when time alone has passed since."""
        now = self
        if now.standing is Standing.PROBATION and now_ns - now.since_ns >= rules.length_ns:
            now = _re_enter(now.since_ns + rules.length_ns)
        if now.standing is Standing.RE_ENTRY and now_ns - now.since_ns >= rules.length_ns:
            now = Probation(Standing.ACTIVE, now.since_ns + rules.length_ns)
        return now

    def start(self, now_ns: int) -> Probation:
        """Return the beginning of a probation."""
        return Probation(Standing.PROBATION, now_ns)

    def after_paper(self, o: TradeOutcome, rules: ProbationRules) -> Probation:
        """Return the standing after a paper trade; one begun before this probation is none."""
        if self.standing is not Standing.PROBATION or o.entry_ns < self.since_ns:
            return self
        paper = (*self.paper, o.net_r)[-PAPER_WINDOW:]
        wins = self.paper_wins + int(o.won)
        if wins >= rules.wins and sum(paper) > 0.0:
            return _re_enter(o.exit_ns)
        return replace(self, paper=paper, paper_wins=wins)

    def after_real(self, o: TradeOutcome) -> Probation:
        """Return the standing after a real trade; one opened before re-entry does not count."""
        if self.standing is not Standing.RE_ENTRY or o.entry_ns < self.since_ns:
            return self
        if self.left <= 1:
            return Probation(Standing.ACTIVE, o.exit_ns)
        return replace(self, left=self.left - 1)

    def ends_ns(self, rules: ProbationRules) -> int | None:
        """Event time at which this standing ends at the latest; None while active."""
        return None if self.standing is Standing.ACTIVE else self.since_ns + rules.length_ns

    def values(self) -> list[Any]:
        """Return plain values for a saved state."""
        return [str(self.standing), self.since_ns, list(self.paper), self.paper_wins, self.left]

    @classmethod
    def from_values(cls, values: list[Any]) -> Probation:
        """Rebuild from ``values()``.

        Raises:
            RefusedArtifact: Not such values.
        """
        try:
            standing, since, paper, wins, left = values
            return cls(
                Standing(standing), int(since), tuple(float(r) for r in paper), int(wins), int(left)
            )
        except (TypeError, ValueError) as error:
            raise RefusedArtifact(f"standing of a symbol: {values!r}: {error}") from error


def _re_enter(since_ns: int) -> Probation:
    return Probation(Standing.RE_ENTRY, since_ns, left=RE_ENTRY_TRADES)
