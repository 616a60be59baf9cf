"""One account trading one tape under one policy: the loop of training, evaluation and baselines."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from agents.protocol import PaperTrader, SizingAgent
from envs.core.actions import ActionPreset
from envs.core.decide import Desk, decide
from envs.core.hooks import HookChain
from envs.core.rules.exits import stop_atr
from envs.core.rules.reward import LOG_GROWTH, R_MULTIPLE, SHAPED, decision_reward
from envs.core.rules.rounding import from_units
from envs.core.rules.state import N_STATES
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape, VoteTable
from envs.core.trade import (
    Alternatives,
    ClosedTrade,
    Decision,
    NextState,
    ResolvedDecision,
    Skipped,
)
from envs.core.types import NS_PER_HOUR, BoolArray, Float64Array, Int64Array
from envs.core.view import DecisionView
from envs.core.world import Resolved, World
from envs.kernel.counterfactual import Counterfactual, compiled_ladder
from envs.observe import observe
from training.tape import Candidates

REWARD_KINDS = {"log_growth": LOG_GROWTH, "r_multiple": R_MULTIPLE, "shaped": SHAPED}
_NEXT_WITHIN_BARS = 24
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Period:
    """What is traded and when: market, tape and the rows [first, last] of one run."""

    data: MarketSeries
    tape: SignalTape
    votes: VoteTable
    candidates: Candidates
    settings: CoreSettings
    preset: ActionPreset
    first: int
    last: int
    reward: str = "log_growth"

    def rows(self) -> Int64Array:
        """Indices into ``candidates`` that fall into the period and can still be entered."""
        inside = (self.candidates.rows >= self.first) & (self.candidates.rows < self.last)
        return np.flatnonzero(inside).astype(np.int64)


@dataclass
class PolicyRun:
    """What one policy did over a period.

    ``reward`` (N,) decision reward per candidate of the period (0 where nothing was opened),
    ``executed`` (N,) a position was opened, ``decided`` (N,) the agent was asked. ``equity`` per
    bar from the first row on, quote. ``actions`` (A,) counts of chosen actions, ``states`` (300,)
    counts of decided states; ``row_states`` (300,) of every candidate row seen, decided or not.
    ``action_reward`` (A,) mean reward of each action over the rows with alternatives (masked 0).
    ``trades`` stays empty in a compiled pass, which counts them in ``n_trades`` alone.
    """

    name: str
    reward: Float64Array
    executed: BoolArray
    decided: BoolArray
    equity: Float64Array
    actions: Int64Array
    states: Int64Array
    row_states: Int64Array
    action_reward: Float64Array
    trades: list[ClosedTrade] = field(default_factory=list)
    ruined: bool = False
    n_trades: int = 0

    @property
    def log_growth(self) -> float:
        """ln(final / initial) equity; the sum of the step rewards."""
        return float(np.log(max(self.equity[-1], 1e-6 * self.equity[0]) / self.equity[0]))


class Simulator:
    """Runs policies over a period; ``learn`` feeds an agent while it trades.

    With ``alternatives`` every candidate row is resolved with the outcome of all actions; with
    ``bootstrap`` executed decisions carry the next state instead. Rows are learned in the order in
    which their outcome becomes known.
    """

    def __init__(self, period: Period, chain: HookChain | None = None) -> None:
        self.period = period
        self._chain = chain or HookChain(min_confidence=period.settings.signal.min_confidence)
        self._kind = REWARD_KINDS[period.reward]
        own = period.rows()
        self._place = {
            (int(period.candidates.rows[i]), int(period.candidates.symbols[i])): k
            for k, i in enumerate(own)
        }
        self._overlap = period.candidates.overlap[own]
        self.n = int(own.size)

    def run(
        self,
        agent: SizingAgent,
        rng: np.random.Generator | None = None,
        *,
        learn: SizingAgent | None = None,
        alternatives: bool = False,
        bootstrap: bool = False,
        account: str = "sim",
        progress: Progress | None = None,
    ) -> PolicyRun:
        """Trade the period with ``agent``; ``learn`` (often the same) learns as outcomes arrive."""
        return _Episode(self, agent, rng, learn, alternatives, bootstrap, account).run(progress)

    def place(self, row: int, s: int) -> int:
        """Index of a candidate within the period, -1 for others."""
        return self._place.get((row, s), -1)


class _Episode:
    def __init__(
        self,
        sim: Simulator,
        agent: SizingAgent,
        rng: np.random.Generator | None,
        learn: SizingAgent | None,
        alternatives: bool,
        bootstrap: bool,
        account: str,
    ) -> None:
        p = sim.period
        self.sim, self.agent, self.rng, self.learner = sim, agent, rng, learn
        self.world = World(p.data, p.settings, p.first, p.last, keep_ledger=False)
        self.observes = bool(getattr(agent, "needs_observation", False))
        votes = p.votes if self.observes else None
        self.desk = Desk(
            self.world, p.tape, p.preset, p.settings, votes, compiled_ladder(), account
        )
        self.counterfactual = Counterfactual(self.desk, sim._kind) if alternatives else None
        self.papers = learn if isinstance(learn, PaperTrader) and not alternatives else None
        self.paper = Counterfactual(self.desk, sim._kind) if self.papers else None
        self.paper_until: dict[int, int] = {}
        self.bootstrap = bootstrap
        self.out = PolicyRun(
            agent.name, np.zeros(sim.n), np.zeros(sim.n, dtype=np.bool_),
            np.zeros(sim.n, dtype=np.bool_), np.zeros(p.last - p.first + 1),
            np.zeros(p.preset.n, dtype=np.int64), np.zeros(N_STATES, dtype=np.int64),
            np.zeros(N_STATES, dtype=np.int64), np.zeros(p.preset.n),
        )  # fmt: skip
        self.waiting: list[tuple[int, int, Decision, Alternatives]] = []
        self.unfinished: dict[int, list[tuple[int, Resolved, float]]] = {}
        self.places: dict[str, int] = {}
        self.sequence = 0

    def run(self, progress: Progress | None) -> PolicyRun:
        """Run to the end of the period, closing what is open."""
        world, p = self.world, self.sim.period
        self.out.equity[0] = world.account.equity_quote()
        while not world.done:
            self._decide_row()
            self._settle(world.advance())
            self.out.equity[world.row - p.first] = world.account.equity_quote()
            self._learn_due(world.row)
            if progress is not None and world.row % 512 == 0:
                progress(world.row - p.first)
        self._settle(world.finish())
        at = world.row - p.first
        self.out.equity[at:] = world.account.equity_quote()
        self.out.ruined = world.ruined
        self.out.n_trades = len(self.out.trades)
        self.out.action_reward /= max(1, self.sequence)
        self._learn_due(2**62)
        for s in list(self.unfinished):
            self._bootstrap_from(s, None)
        if progress is not None:
            progress(p.last - p.first)
        return self.out

    def _decide_row(self) -> None:
        desk, world = self.desk, self.world
        for s in desk.candidates():
            blocked = desk.block_reason(s)
            if blocked == "END":
                continue
            if blocked and self.counterfactual is None:
                continue
            view = desk.view(s)
            self.out.row_states[view.context.state] += 1
            if self.bootstrap and s in self.unfinished:
                self._bootstrap_from(s, view)
            if self.observes:
                seen = replace(view.context, observation=observe(world, view))
                view = replace(view, context=seen)
            decision = decide(view, self.agent, self.sim._chain, self.rng)
            place = self.sim.place(world.row, s)
            if decision.chosen is not None:
                self.out.decided[place] = True
                self.out.actions[decision.chosen] += 1
                self.out.states[view.context.state] += 1
                self.places[decision.decision_id] = place
                if not desk.commit(view, decision):
                    skipped = Resolved(decision, Skipped(decision.reason or "SKIP"), world.row)
                    self._resolve(skipped, 0.0)
                    self._queue_paper(view, decision, place)
            if self.counterfactual is not None:
                self._queue_alternatives(view, decision, place)

    def _queue_alternatives(self, view: DecisionView, decision: Decision, place: int) -> None:
        counterfactual = self.counterfactual
        if counterfactual is None or place < 0:
            return
        reward, net, end = counterfactual.outcomes(view)
        due = int(end.max(initial=view.row + 1))
        got = Alternatives(reward, net, end, self.sim._overlap[place])
        heapq.heappush(self.waiting, (due, self.sequence, decision, got))
        self.sequence += 1
        self.out.action_reward += np.where(view.context.mask, reward, 0.0)

    def _queue_paper(self, view: DecisionView, decision: Decision, place: int) -> None:
        """Follow one skipped candidate a symbol at a time, as one position would be held."""
        s = view.symbol_index
        if self.papers is None or self.paper is None or view.row < self.paper_until.get(s, 0):
            return
        action = self.papers.paper_action(view.context)
        if action is None or place < 0:
            return
        reward, net, end = self.paper.outcomes(view)
        if end[action] < 0:
            return
        self.paper_until[s] = int(end[action])
        got = Alternatives(reward, net, end, self.sim._overlap[place])
        heapq.heappush(self.waiting, (self.paper_until[s], self.sequence, decision, got))
        self.sequence += 1

    def _learn_due(self, row: int) -> None:
        while self.waiting and self.waiting[0][0] <= row:
            _, _, decision, got = heapq.heappop(self.waiting)
            if self.learner is not None:
                self.learner.learn_one(ResolvedDecision(decision, None, 0.0, got))
        if self.bootstrap:
            for s in [k for k, v in self.unfinished.items() if row - v[0][0] >= _NEXT_WITHIN_BARS]:
                ready = self.sim.period.data.market.complete[self.world.row, s]
                side = int(self.sim.period.tape.side[self.world.row, s]) or 1
                self._bootstrap_from(s, self.desk.view(s, side) if ready else None)

    def _settle(self, resolved: list[Resolved]) -> None:
        for r in resolved:
            reward = 0.0
            place = self.places.pop(r.decision.decision_id, -1)
            if isinstance(r.outcome, ClosedTrade):
                reward = trade_reward(r.outcome, self.sim._kind, r.decision.context.atr_frac)
                self.out.trades.append(r.outcome)
                if place >= 0:
                    self.out.reward[place] = reward
                    self.out.executed[place] = True
            self._resolve(r, reward)

    def _resolve(self, r: Resolved, reward: float) -> None:
        if self.learner is None or self.counterfactual is not None:
            return
        if not self.bootstrap:
            self.learner.learn_one(ResolvedDecision(r.decision, r.outcome, reward))
            return
        s = self.sim.period.data.market.symbols.index(r.decision.symbol)
        self.unfinished.setdefault(s, []).append((r.row, r, reward))

    def _bootstrap_from(self, s: int, view: DecisionView | None) -> None:
        """Learn the symbol's finished decisions with the state they led to."""
        for _, r, reward in self.unfinished.pop(s, []):
            following = None
            if view is not None:
                following = NextState(view.context.state, view.context.mask, False)
            if self.learner is not None:
                self.learner.learn_one(
                    ResolvedDecision(r.decision, r.outcome, reward, None, following)
                )


def trade_reward(trade: ClosedTrade, kind: int, atr_frac: float) -> float:
    """Decision reward of a closed trade in the configured kind."""
    return decision_reward(
        kind, from_units(trade.net_units), from_units(trade.equity_units),
        from_units(trade.risk_units), from_units(trade.notional_units),
        stop_atr(trade.exit_strategy) * atr_frac, (trade.exit_ns - trade.entry_ns) / NS_PER_HOUR,
        trade.mae_frac,
    )  # fmt: skip


def trade_reward_of(row: Any, kind: int, atr_frac: float) -> float:
    """Decision reward of a trade the kernel reported (``envs.kernel.state.TRADE``)."""
    return decision_reward(
        kind, from_units(int(row["net_units"])), from_units(int(row["equity_units"])),
        from_units(int(row["risk_units"])), from_units(int(row["notional_units"])),
        stop_atr(int(row["exit"])) * atr_frac,
        (int(row["exit_ns"]) - int(row["entry_ns"])) / NS_PER_HOUR, float(row["mae_frac"]),
    )  # fmt: skip
