"""Executed decisions alone, each with the state it led to: for a learner that bootstraps (8.3).

A finished decision waits for the symbol's first candidate at or after its exit bar (a skip: after
its own bar), or for the state of the 24th bar or of the last one there is. A learner that counts
skipped signals on paper gets those as a second part, one at a time by symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.protocol import PaperTrader
from envs.core.actions import ActionPreset
from envs.core.decide import Desk
from envs.core.settings import CoreSettings
from envs.core.trade import (
    Alternatives,
    ClosedTrade,
    Decision,
    NextState,
    ResolvedDecision,
    Skipped,
)
from envs.core.view import DecisionView
from runtime.kernel_ports import Signals
from runtime.learning.outcomes import Outcomes
from runtime.learning.values import outcome_of_json, outcome_to_json, trade_reward

WITHIN_BARS = 24


@dataclass
class _Finished:
    """A decision whose outcome is known; ``bar`` -1 until the next close counts it."""

    decision: Decision
    outcome: ClosedTrade | Skipped
    bar: int
    next: NextState | None = None


class Successors:
    """Outcomes with the state that followed; the rows that were not decided teach nothing here."""

    def __init__(
        self, signals: Signals, settings: CoreSettings, preset: ActionPreset, kind: int,
        papers: PaperTrader | None = None,
    ) -> None:  # fmt: skip
        data = signals.data
        self._signals, self._kind, self._papers = signals, kind, papers
        live = signals.last_row >= data.rows.shape[0]
        self._outcomes = Outcomes(data, settings, preset, kind, live)
        self._desk: Desk | None = None
        self._interval_ns, self._shift = data.market.interval_ns, 0
        self._sent: dict[str, Decision] = {}
        self._waiting: dict[int, list[_Finished]] = {}
        self._ready: list[_Finished] = []
        self._paper: dict[int, tuple[int, DecisionView, Decision]] = {}

    def __len__(self) -> int:
        waiting = sum(len(found) for found in self._waiting.values())
        return len(self._sent) + waiting + len(self._ready) + len(self._paper)

    def bind(self, desk: Desk) -> None:
        """Give the desk that views come from."""
        self._desk = desk

    def watch(self, view: DecisionView, decision: Decision) -> None:
        """Take a candidate of the present row: what waited for one gets its state."""
        s, bar = view.symbol_index, self._see(view.row)
        if view.executable:
            self._follow_up(s, NextState(view.context.state, view.context.mask, False))
        if decision.chosen is None:
            return
        if decision.qty_steps > 0:
            self._sent[decision.decision_id] = decision
            return
        skipped = Skipped(decision.reason or "SKIP")
        self._waiting.setdefault(s, []).append(_Finished(decision, skipped, bar))
        if self._papers is not None and s not in self._paper:
            action = self._papers.paper_action(view.context)
            if action is not None:
                self._paper[s] = (action, view, decision)

    def outcome(self, decision: Decision, outcome: ClosedTrade | Skipped) -> None:
        """Take what became of an entry that was sent; for others it changes nothing."""
        if self._sent.pop(decision.decision_id, None) is not None:
            s = self._signals.data.market.symbols.index(decision.symbol)
            self._waiting.setdefault(s, []).append(_Finished(decision, outcome, -1))

    def due(self, row: int) -> tuple[ResolvedDecision, ...]:
        """Return what has its next state by the close of a row."""
        now = self._see(row)
        for found in self._waiting.values():
            for f in found:
                f.bar = now if f.bar < 0 else f.bar
        papers = self._papers_due(row, False)
        # After a restart the desk comes with the first decision; until then they wait.
        if self._desk is not None:
            for s in [k for k, v in self._waiting.items() if now - v[0].bar >= WITHIN_BARS]:
                self._follow_up(s, self._state_now(row, s))
        return self._taken(papers)

    def finish(self) -> tuple[ResolvedDecision, ...]:
        """Return what is still open when the data end, with the state of the last row."""
        row = self._signals.row
        self._see(row)
        for decision in list(self._sent.values()):
            self.outcome(decision, Skipped("UNTOLD"))
        papers = self._papers_due(row, True)
        for s in list(self._waiting):
            self._follow_up(s, self._state_now(row, s))
        return self._taken(papers)

    def _see(self, row: int) -> int:
        data = self._signals.data
        self._outcomes.use(data)
        now = int(data.market.close_ns[row]) // self._interval_ns
        self._shift = now - row
        return now

    def _follow_up(self, s: int, following: NextState | None) -> None:
        for f in self._waiting.pop(s, []):
            f.next = following
            self._ready.append(f)

    def _state_now(self, row: int, s: int) -> NextState | None:
        """State of a symbol at a row without a candidate, None where it cannot be known."""
        desk = self._desk
        if desk is None:
            return None
        if not self._signals.data.market.complete[row, s]:
            return None
        context = desk.view(s, int(self._signals.tape.side[row, s]) or 1).context
        return NextState(context.state, context.mask, False)

    def _taken(self, papers: list[ResolvedDecision]) -> tuple[ResolvedDecision, ...]:
        out = [
            ResolvedDecision(f.decision, f.outcome, self._reward(f), None, f.next)
            for f in self._ready
        ]
        self._ready.clear()
        return (*out, *papers)

    def _reward(self, f: _Finished) -> float:
        if isinstance(f.outcome, Skipped):
            return 0.0
        return trade_reward(f.outcome, self._kind, f.decision.context.atr_frac)

    def _papers_due(self, row: int, ended: bool) -> list[ResolvedDecision]:
        """Signals followed on paper whose action has ended, with what is known by then."""
        out = []
        for s, (action, view, decision) in list(self._paper.items()):
            at = view.bar_close_ns // self._interval_ns - self._shift
            if at < 0:
                del self._paper[s]
                continue
            through = row
            if not (self._outcomes.live or ended):
                through = self._signals.last_row
            known = self._outcomes.known(view, at, through, ended)
            since = known.since()
            if since[action] > row:
                continue
            del self._paper[s]
            if known.end[action] < 0:
                continue
            by_now = since <= row
            got = Alternatives(
                np.where(by_now, known.reward, np.nan), np.where(by_now, known.net_units, 0),
                np.where(by_now, known.end, -1), np.zeros(3, dtype=np.int64),
            )  # fmt: skip
            out.append(ResolvedDecision(decision, None, 0.0, got, None, 1))
        return out

    def state(self) -> dict[str, Any]:
        """What waits, by decision id."""
        return {
            "sent": list(self._sent),
            "waiting": [_to_json(f) for found in self._waiting.values() for f in found],
            "ready": [_to_json(f) for f in self._ready],
            "paper": [[decision.decision_id, action] for action, _, decision in
                      self._paper.values()],
        }  # fmt: skip

    def restore(
        self, state: Mapping[str, Any], found: Callable[[str], tuple[DecisionView, Decision]]
    ) -> None:
        """Wait again for what a state names."""
        symbols = self._signals.data.market.symbols
        self._sent = {name: found(name)[1] for name in state["sent"]}
        self._waiting = {}
        for saved in state["waiting"]:
            f = _of_json(saved, found(saved["id"])[1])
            self._waiting.setdefault(symbols.index(f.decision.symbol), []).append(f)
        self._ready = [_of_json(x, found(x["id"])[1]) for x in state["ready"]]
        self._paper = {}
        for name, action in state["paper"]:
            view, decision = found(name)
            s = symbols.index(view.symbol)
            self._paper[s] = (int(action), replace(view, symbol_index=s), decision)


def _to_json(f: _Finished) -> dict[str, Any]:
    following = f.next
    return {
        "id": f.decision.decision_id,
        "outcome": outcome_to_json(f.outcome),
        "bar": f.bar,
        "next": None if following is None else [following.state, following.mask.tolist()],
    }


def _of_json(saved: Mapping[str, Any], decision: Decision) -> _Finished:
    following = None
    if saved["next"] is not None:
        state, mask = saved["next"]
        following = NextState(int(state), np.asarray(mask, dtype=np.bool_), False)
    return _Finished(decision, outcome_of_json(saved["outcome"]), int(saved["bar"]), following)
