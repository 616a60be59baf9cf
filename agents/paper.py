"""Follows on paper what advisers keep from being traded, until its outcome is known."""

from __future__ import annotations

from agents.outcomes import TradeOutcome, paper_outcome
from envs.core.actions import ActionPreset
from envs.core.trade import Alternatives, Decision


class PaperBook:
    """Paper trades that have not ended yet, one at a time by symbol as positions are held.

    Their outcome may be computed at once in a simulation; the book keeps it back until the event
    time at which it would have become known.
    """

    def __init__(self, grid: ActionPreset) -> None:
        self._grid = grid
        self._open: dict[str, TradeOutcome] = {}

    def follow(self, decision: Decision, earned: Alternatives, exit_ns: int) -> bool:
        """Begin a paper trade of the decision's chosen action; False where there is none to follow.

        ``earned`` is what every action would have earned, ``exit_ns`` when that is known. A symbol
        whose paper trade is open begins no second one.
        """
        outcome = paper_outcome(decision, earned, self._grid, exit_ns)
        if outcome is None or decision.symbol in self._open:
            return False
        self._open[decision.symbol] = outcome
        return True

    def due(self, now_ns: int) -> tuple[TradeOutcome, ...]:
        """Remove and return the paper trades that ended by ``now_ns``, in order of time."""
        ended = [o for o in self._open.values() if o.exit_ns <= now_ns]
        for o in ended:
            del self._open[o.symbol]
        return tuple(sorted(ended, key=lambda o: (o.exit_ns, o.trade_id)))
