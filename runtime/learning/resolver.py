"""Follows every candidate row until its outcome, its alternatives and its overlap are known.

A row without a position is given out once, at the close by which all its alternatives ended. An
executed decision comes in two parts: the first at the close at or after its real exit, with what
is known of the alternatives by then, the second when the rest is known (spec 8.3). An alternative
counts as known when its overlap is known too. Bars are numbered by their close, so the numbers
stay when the rows of a window move.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

import numpy as np

from agents.protocol import PaperTrader
from envs.core.actions import ActionPreset
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, Skipped
from envs.core.view import DecisionView
from runtime.journal.pieces import Pieces
from runtime.kernel_ports import Signals
from runtime.learning.following import Followed, with_truth
from runtime.learning.holding import NEVER, Ends, Held, Holding, StillHeld
from runtime.learning.outcomes import Known, Outcomes
from runtime.learning.values import outcome_of_json, trade_reward

_log = logging.getLogger(__name__)
LOOK_BACK_BARS = 1_024
"""Bars before the first one in which a candidate may begin that is still held."""
_TIDY_BARS = 16
UNTOLD = "UNTOLD"
"""Reason of an entry whose outcome nobody told by the end of data."""


class Resolver:
    """Outcomes of decisions, from the bars as they come.

    Args:
        kind: number of the decision reward (``values.reward_kind``).
        papers: learner that follows skipped signals on paper, one at a time by symbol. Such a row
            has no outcome, and its first part is due when the action ends that it follows.
    """

    def __init__(
        self, signals: Signals, settings: CoreSettings, preset: ActionPreset, kind: int,
        papers: PaperTrader | None = None,
    ) -> None:  # fmt: skip
        data = signals.data
        self._signals, self._kind = signals, kind
        self._papers = papers
        self.live = signals.last_row >= data.rows.shape[0]
        self._outcomes = Outcomes(data, settings, preset, kind, self.live)
        self._exits = np.asarray([int(a.exit) for a in preset.actions], dtype=np.int64)
        self._traded = np.asarray([a.size > 0.0 for a in preset.actions])
        self._holding = [Holding() for _ in data.market.symbols]
        self._still = StillHeld()
        self._interval_ns = data.market.interval_ns
        self._seen = -1
        self._shift = 0
        self._followed: dict[str, Followed] = {}
        self._on_paper: dict[int, Followed] = {}
        self._order = 0
        self._alarms: list[tuple[int, int, str]] = []
        # What a state says of all that is followed; None where it says something else by now.
        self._told: Pieces | None = None

    def __len__(self) -> int:
        return len(self._followed)

    def watch(self, view: DecisionView, decision: Decision) -> None:
        """Follow one candidate row of the present bar."""
        self.see(view.row)
        sent = decision.chosen is not None and decision.qty_steps > 0
        paper, outcome = None, None
        if decision.chosen is not None and not sent:
            paper = self._paper_action(view)
            if paper is None:
                outcome = Skipped(decision.reason or "SKIP")
        f = self._follow(self._order, view, decision, sent, outcome)
        if paper is not None:
            f.paper, self._on_paper[view.symbol_index] = paper, f
        self._order += 1
        if not (sent or self.live):
            known, shift = self._known(f, view.row, False), self._shift
            self._rouse(f, min(f.first(known, shift), f.ready(known, shift)))

    def _paper_action(self, view: DecisionView) -> int | None:
        """Action a skipped row is followed with, unless another one of its symbol is."""
        if self._papers is None:
            return None
        f = self._on_paper.get(view.symbol_index)
        if f is not None and f.part0 == NEVER and f.decision.decision_id in self._followed:
            return None
        return self._papers.paper_action(view.context)

    def outcome(self, decision: Decision, outcome: ClosedTrade | Skipped) -> None:
        """Take what became of an entry that was sent; for others it changes nothing."""
        f = self._followed.get(decision.decision_id)
        if f is not None and f.sent and f.part0 == NEVER:
            f.outcome = outcome
            self._told = None
            self._rouse(f, 0)

    def due(self, row: int) -> tuple[ResolvedDecision, ...]:
        """Return what became known by the close of a row, in the order to be learned."""
        now = self.see(row)
        return self._give_out(now, False)

    def finish(self) -> tuple[ResolvedDecision, ...]:
        """Return what is still open when the data end at the present row."""
        row = self._signals.row
        now = self.see(row)
        self._hold_on(row, now, True)
        for f in self._followed.values():
            f.known = None
            if f.waits:
                f.outcome = Skipped(UNTOLD)
        return self._give_out(now, True)

    def see(self, row: int) -> int:
        """Take notice of the bars up to a row; returns the bar's number."""
        data, last = self._signals.data, self._seen
        now = int(data.market.close_ns[row]) // self._interval_ns
        self._shift = now - row
        if now == last:
            return now
        self._seen = now
        self._outcomes.use(data)
        tape = self._signals.tape
        # The present row has no signal yet; its candidates begin when they are watched.
        first = row - LOOK_BACK_BARS if last < 0 else row - (now - last)
        for t in range(max(0, first), row):
            for s in tape.candidate[t].nonzero()[0].tolist():
                if self._holding[s].at(t + self._shift) is None:
                    self._begin(t, s, int(tape.side[t, s]), row)
        self._hold_on(row, now, False)
        return now

    def _begin(self, row: int, s: int, side: int, through: int) -> Held:
        ends = self._ends(row, s, side, through, False)
        held = self._holding[s].add(row + self._shift, side, ends)
        if self.live and held.last == NEVER:
            self._still.add(s, held)
        return held

    def _ends(self, row: int, s: int, side: int, through: int, ended: bool) -> Ends:
        """Bars at which the exits of a candidate end, as far as known at the row ``through``."""
        shift = self._shift
        if row < 0:
            # Its bars have left the window: nothing held that long is waited for.
            return through + shift, through + shift, through + shift
        last = through if self.live or ended else self._signals.last_row
        a, b, c = self._outcomes.held(row, s, side, last, ended)
        if max(a, b, c) < NEVER:
            return a + shift, b + shift, c + shift
        x, y, z = (NEVER if r == NEVER else r + shift for r in (a, b, c))
        return x, y, z

    def _hold_on(self, row: int, now: int, ended: bool) -> None:
        """Find out which candidates are held no more; forget those nobody asks for."""
        if ended:
            for s, holding in enumerate(self._holding):
                for held in holding.rows:
                    if held.last > now:
                        begun = held.bar - self._shift
                        holding.end(held, self._ends(begun, s, held.side, row, ended))
        elif self.live:
            self._end_held(row, now)
        if now % _TIDY_BARS:
            return
        oldest = [now] * len(self._holding)
        for f in self._followed.values():
            s = f.view.symbol_index
            oldest[s] = min(oldest[s], f.bar)
        for holding, bar in zip(self._holding, oldest, strict=True):
            holding.drop_before(bar)

    def _end_held(self, row: int, now: int) -> None:
        """Find out, for all that is still held at once, which exits ended by the present bar."""
        still, shift = self._still, self._shift
        still.settle()
        rows = still.asked[:, 0] - shift
        left = rows < 0
        # Bars that have left the window: nothing held that long is waited for.
        ends = self._outcomes.all_held(
            np.where(left, row, rows), still.asked[:, 1], still.asked[:, 2], row
        )
        ends[ends < NEVER] += shift
        ends[left] = now
        still.end(ends, now, self._holding)

    def _follow(
        self, order: int, view: DecisionView, decision: Decision, sent: bool,
        outcome: ClosedTrade | Skipped | None,
    ) -> Followed:  # fmt: skip
        bar, s = view.row + self._shift, view.symbol_index
        held = self._holding[s].at(bar)
        if held is None:
            held = self._begin(view.row, s, view.side, view.row)
        f = Followed(order, view, decision, bar, held, sent, outcome)
        self._followed[decision.decision_id] = f
        self._told = None
        return f

    def _rouse(self, f: Followed, bar: int) -> None:
        """Look at a row again at a bar; of bars that come one by one ``_awake`` finds them."""
        if not self.live:
            f.wake = bar
            heappush(self._alarms, (bar, f.order, f.decision.decision_id))

    def _awake(self, now: int, ended: bool) -> list[tuple[str, Followed]]:
        """Rows of which something may be known by now, in the order they were decided in."""
        if ended:
            self._alarms.clear()
            return [(name, f) for name, f in self._followed.items() if not f.waits]
        if self.live:
            # Most are still held and have no early part: nothing of them can be due.
            every = self._followed.items()
            some = [(name, f) for name, f in every if f.held.last <= now or f.is_early]
            return [(name, f) for name, f in some if not f.waits]
        out: dict[str, Followed] = {}
        while self._alarms and self._alarms[0][0] <= now:
            bar, _, name = heappop(self._alarms)
            f = self._followed.get(name)
            if f is not None and f.wake == bar and not f.waits:
                out[name] = f
        return list(out.items())

    def _give_out(self, now: int, ended: bool) -> tuple[ResolvedDecision, ...]:
        out: list[tuple[int, int, ResolvedDecision]] = []
        shift = self._shift
        self._told = None
        for name, f in self._awake(now, ended):
            if f.bar - shift < 0:
                resolved, due, ready = self._left(f), now, now
            else:
                known = self._known(f, now - shift, ended)
                ready = now if ended else f.ready(known, shift)
                due = min(f.first(known, shift), ready)
                resolved = None
                if due <= now:
                    resolved = self._resolved(f, known, now, ready)
                if isinstance(f.outcome, ClosedTrade):
                    due = now
            if resolved is not None:
                out.append((due, f.order, resolved))
            if ready <= now:
                del self._followed[name]
            else:
                self._rouse(f, due if resolved is None else ready)
        # No two rows have the same order, so the third is never compared.
        out.sort()
        return tuple([r for _, _, r in out])

    def _resolved(self, f: Followed, known: Known, now: int, ready: int) -> ResolvedDecision:
        """Part of a row that is to be given out now."""
        shift, overlap = self._shift, self._holding[f.view.symbol_index].overlap(f.held)
        if f.part0 < NEVER:
            rest = ~f.by(f.part0 - shift, known, shift, self._exits, self._traded)
            return ResolvedDecision(f.decision, None, 0.0, f.part(known, overlap, rest), None, 1)
        wanted = None
        if ready > now:
            f.part0 = now
            wanted = f.by(now - shift, known, shift, self._exits, self._traded)
        got = f.part(known, overlap, wanted)
        return ResolvedDecision(f.decision, f.outcome, self._reward(f), got)

    def _left(self, f: Followed) -> ResolvedDecision | None:
        """Give out a row whose bars have left the window: nothing more can be known of it."""
        _log.warning("%s: its bars are gone; resolved as far as known", f.decision.decision_id)
        if f.part0 < NEVER:
            return None
        return ResolvedDecision(f.decision, f.outcome, self._reward(f))

    def _reward(self, f: Followed) -> float:
        if not isinstance(f.outcome, ClosedTrade):
            return 0.0
        return trade_reward(f.outcome, self._kind, f.view.context.atr_frac)

    def _known(self, f: Followed, row: int, ended: bool) -> Known:
        """Outcomes of a row, in rows, with the real result of an executed action."""
        known = f.known
        if known is None:
            through = row if self.live or ended else self._signals.last_row
            known = self._outcomes.known(f.view, f.bar - self._shift, through, ended)
            # Of bars that are all there the outcome is looked up once.
            f.known = None if self.live else known
        if not isinstance(f.outcome, ClosedTrade):
            return known
        return with_truth(f, f.outcome, known, min(f.part0 - self._shift, row), self._kind)

    def state(self) -> dict[str, Any]:
        """What is followed, by decision id, and the candidates that may overlap with it."""
        symbols = self._signals.data.market.symbols
        if self._told is None:
            self._told = Pieces(f.told() for f in self._followed.values())
        return {
            "order": self._order,
            "seen": self._seen,
            "followed": self._told,
            "held": {
                symbol: holding.told()
                for symbol, holding in zip(symbols, self._holding, strict=True)
            },
        }

    def restore(
        self, state: Mapping[str, Any], found: Callable[[str], tuple[DecisionView, Decision]]
    ) -> None:
        """Follow again what a state names, over the bars as they are laid out now."""
        data, row = self._signals.data, self._signals.row
        self._outcomes.use(data)
        self._order, self._seen = int(state["order"]), int(state["seen"])
        self._shift = int(data.market.close_ns[row]) // self._interval_ns - row
        self._followed.clear()
        self._on_paper.clear()
        self._told = None
        self._alarms.clear()
        self._still = StillHeld()
        for s, symbol in enumerate(data.market.symbols):
            self._holding[s].clear()
            for bar, side in state["held"].get(symbol, []):
                self._begin(int(bar) - self._shift, s, int(side), row)
        for saved in state["followed"]:
            view, decision = found(saved["id"])
            told, part0 = saved["outcome"], saved["part0"]
            outcome = None if told is None else outcome_of_json(told)
            view = replace(view, row=view.bar_close_ns // self._interval_ns - self._shift)
            f = self._follow(int(saved["order"]), view, decision, bool(saved["sent"]), outcome)
            f.paper, f.part0 = saved["paper"], NEVER if part0 is None else int(part0)
            if f.paper is not None and f.part0 == NEVER:
                self._on_paper[view.symbol_index] = f
            if not f.waits:
                self._rouse(f, 0)
        if self.live and self._seen >= 0:
            self._hold_on(row, self._seen, False)
