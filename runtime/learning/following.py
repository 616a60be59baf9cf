"""One candidate row that is followed until everything about it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.trade import Alternatives, ClosedTrade, Decision, Skipped
from envs.core.types import BoolArray, Int64Array
from envs.core.view import DecisionView
from runtime.journal.pieces import Piece
from runtime.learning.holding import NEVER, Held
from runtime.learning.outcomes import Known
from runtime.learning.values import outcome_to_json, trade_reward


@dataclass(slots=True)
class Followed:
    """A row, and how far it has come. Bars are numbers that outlive the rows of a window.

    ``sent``: an entry was sent, so its outcome is waited for. ``part0`` is the bar the first part
    was given out at, ``wake`` the bar before which nothing new can be, ``written`` what a state
    said of it last.
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
    written: Piece | None = None
    _said: tuple[ClosedTrade | Skipped | None, int, int | None] = (None, NEVER, None)

    def told(self) -> Piece:
        """What a state says of it; the very same until something about it changes."""
        now = (self.outcome, self.part0, self.paper)
        if self.written is None or now != self._said:
            self._said = now
            self.written = Piece({
                "id": self.decision.decision_id,
                "order": self.order,
                "sent": self.sent,
                "paper": self.paper,
                "outcome": None if self.outcome is None else outcome_to_json(self.outcome),
                "part0": None if self.part0 == NEVER else self.part0,
            })  # fmt: skip
        return self.written

    @property
    def is_early(self) -> bool:
        """Whether a first part may be due before the rest."""
        early = self.paper is not None or isinstance(self.outcome, ClosedTrade)
        return early and self.part0 == NEVER

    @property
    def waits(self) -> bool:
        """Whether a position of it may still be open."""
        return self.sent and self.outcome is None

    def first(self, known: Known, shift: int) -> int:
        """Bar at which a first part is due before the rest; ``NEVER`` for a row of one part."""
        if self.part0 < NEVER:
            return NEVER
        if isinstance(self.outcome, ClosedTrade):
            return self.bar
        if self.paper is None:
            return NEVER
        since = int(known.since()[self.paper])
        return since if since == NEVER else since + shift

    def ready(self, known: Known, shift: int) -> int:
        """Bar at which all of it is known; ``known`` is in rows, ``shift`` below their bars."""
        return max(known.last + shift, self.held.last)

    def part(self, known: Known, overlap: Int64Array, wanted: BoolArray | None) -> Alternatives:
        """Alternatives of the wanted actions (None: all); the others are not known (NaN)."""
        if wanted is None:
            return Alternatives(known.reward, known.net_units, known.end, overlap)
        return Alternatives(
            np.where(wanted, known.reward, np.nan),
            np.where(wanted, known.net_units, 0),
            np.where(wanted, known.end, -1),
            overlap,
        )

    def by(
        self, row: int, known: Known, shift: int, exits: Int64Array, traded: BoolArray
    ) -> BoolArray:
        """Actions (A,) whose outcome and overlap are known by a row; ``exits`` is their axis."""
        ended = np.asarray([end - shift <= row for end in self.held.ends])
        return np.asarray((known.since() <= row) & (ended[exits] | ~traded))


def with_truth(f: Followed, trade: ClosedTrade, known: Known, row: int, kind: int) -> Known:
    """Outcomes with the real result of the executed action, where the account differed.

    Only a position of exactly the action's size and plan stands for the action; ``row`` is that of
    its result.
    """
    chosen = f.decision.chosen
    if chosen is None or f.decision.plan is not None:
        return known
    same_size = trade.qty_steps == int(f.view.qty_steps[chosen])
    if not same_size or trade.net_units == int(known.net_units[chosen]):
        return known
    reward, net, end = known.reward.copy(), known.net_units.copy(), known.end.copy()
    reward[chosen] = trade_reward(trade, kind, f.view.context.atr_frac)
    net[chosen] = trade.net_units
    still = known.still is not None and bool(known.still[chosen])
    if still or end[chosen] < 0:
        end[chosen] = row
    return known._replace(reward=reward, net_units=net, end=end, truth=(chosen, row))
