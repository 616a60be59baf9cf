"""One candidate row that is followed until everything about it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.trade import Alternatives, ClosedTrade, Decision, Skipped
from envs.core.types import BoolArray, Int64Array
from envs.core.view import DecisionView
from runtime.learning.holding import Held
from runtime.learning.outcomes import NEVER, Known
from runtime.learning.values import trade_reward


@dataclass
class Followed:
    """A row, and how far it has come. Bars are numbers that outlive the rows of a window.

    ``sent``: an entry was sent, so its outcome is waited for. ``part0`` is the bar the first part
    was given out at, ``wake`` the bar before which nothing new can be.
    """

    order: int
    view: DecisionView
    decision: Decision
    bar: int
    held: Held
    sent: bool
    outcome: ClosedTrade | Skipped | None
    known: Known | None = None
    part0: int = NEVER
    wake: int = 0
    paper: int | None = None

    @property
    def waits(self) -> bool:
        """Whether a position of it may still be open."""
        return self.sent and self.outcome is None

    def first(self, known: Known) -> int:
        """Bar at which a first part is due before the rest; ``NEVER`` for a row of one part."""
        if self.part0 < NEVER:
            return NEVER
        if isinstance(self.outcome, ClosedTrade):
            return self.bar
        return NEVER if self.paper is None else int(known.since[self.paper])

    def ready(self, known: Known) -> int:
        """Bar at which all of it is known."""
        return max(int(known.since.max()), self.held.last, self.bar + 1)

    def part(
        self, known: Known, overlap: Int64Array, wanted: BoolArray, shift: int
    ) -> Alternatives:
        """Alternatives of the wanted actions; the others are not known (NaN)."""
        return Alternatives(
            np.where(wanted, known.reward, np.nan),
            np.where(wanted, known.net_units, 0),
            np.where(wanted & (known.end >= 0), known.end - shift, -1),
            overlap,
        )

    def by(self, bar: int, known: Known, exits: Int64Array, traded: BoolArray) -> BoolArray:
        """Actions (A,) whose outcome and overlap are known by a bar; ``exits`` is their axis."""
        ends = np.asarray(self.held.ends, dtype=np.int64)
        return np.asarray((known.since <= bar) & ((ends[exits] <= bar) | ~traded))


def with_truth(f: Followed, known: Known, bar: int, kind: int) -> Known:
    """Outcomes with the real result of the executed action, where the account differed.

    Only a position of exactly the action's size and plan stands for the action.
    """
    trade, chosen = f.outcome, f.decision.chosen
    if not isinstance(trade, ClosedTrade) or chosen is None or f.decision.plan is not None:
        return known
    same_size = trade.qty_steps == int(f.view.qty_steps[chosen])
    if not same_size or trade.net_units == int(known.net_units[chosen]):
        return known
    reward, net = known.reward.copy(), known.net_units.copy()
    end, since = known.end.copy(), known.since.copy()
    reward[chosen] = trade_reward(trade, kind, f.view.context.atr_frac)
    net[chosen] = trade.net_units
    end[chosen] = end[chosen] if known.since[chosen] < NEVER and end[chosen] >= 0 else bar
    since[chosen] = min(int(since[chosen]), bar)
    return Known(reward, net, end, since)
