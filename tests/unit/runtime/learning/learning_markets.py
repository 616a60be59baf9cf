"""Signals over a tape made beforehand, whole or growing, and a world that trades on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from agents.protocol import SizingAgent
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.actions import preset
from envs.core.decide import Desk, decide
from envs.core.hooks import HookChain
from envs.core.market_data import MarketData
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape, VoteTable
from envs.core.trade import Decision, ResolvedDecision, ResolvedLabel
from envs.core.view import DecisionView
from envs.core.world import World
from envs.kernel.counterfactual import compiled_ladder
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from runtime.port_market import Bar
from training.simulate import Period
from training.tape import make_tape

N_BARS = 1_300


@cache
def period_of(settings: CoreSettings, grid: str = "full", reward: str = "log_growth") -> Period:
    """The built-in market, its last 1,100 bars."""
    made = synthetic_market(SyntheticSettings(n_bars=N_BARS, seed=2))
    data = prepare(made.market, settings)
    last = data.market.n_bars - 1
    edges = np.array([last - 600, last])
    tape = make_tape(
        data, made.votes, settings, ReinforcementSettings(algorithm="aa"), edges, made.pool_line,
        "aa", None, made.exit_slopes,
    )  # fmt: skip
    return Period(
        data, tape.signals, made.votes, tape.candidates, settings, preset(grid), last - 1_100, last,
        reward,
    )  # fmt: skip


class TapeSignals:
    """The ``Signals`` of a period whose bars and tape are known."""

    def __init__(self, period: Period) -> None:
        self.data: MarketSeries = period.data
        self.tape: SignalTape = period.tape
        self.votes: VoteTable = period.votes
        self.manager = ReinforcementManager(ReinforcementSettings(algorithm="aa"), 8)
        self.row, self.last_row = period.first, period.last

    def receive(self, close_ns: int, bars: Sequence[Bar] = ()) -> tuple[ResolvedLabel, ...]:
        """Go to the row of a close."""
        self.row = int(np.searchsorted(self.data.market.close_ns, close_ns))
        return ()

    async def vote(self) -> None:
        """Votes are known."""

    def weigh(self) -> None:
        """So is the tape."""

    def state(self) -> dict[str, Any]:
        """Nothing that a test needs."""
        return {}

    def restore(self, state: Any) -> None:
        """Nothing to restore."""


class WindowSignals(TapeSignals):
    """The same as a live process sees it: a window of rows that moves, nothing after the present.

    Rows leave ``step`` at a time when the window is full, so rows change their place and columns
    their memory.
    """

    def __init__(self, period: Period, width: int = 700, step: int = 130) -> None:
        super().__init__(period)
        self._whole, self._width, self._step = period, width, step
        self._base = -1
        self.last_row = 2**40
        self.receive(int(period.data.market.close_ns[period.first]))

    def receive(self, close_ns: int, bars: Sequence[Bar] = ()) -> tuple[ResolvedLabel, ...]:
        """Reveal the row of a close."""
        whole = self._whole.data
        row = int(np.searchsorted(whole.market.close_ns, close_ns))
        if self._base < 0 or row - self._base > self._width - 2:
            self._base = max(0, row - self._width + 1 + self._step)
            self._cut(row)
        self.row = row - self._base
        self._copy(whole, self.data, self.row, row)
        return ()

    def weigh(self) -> None:
        """Only now the present row has a signal."""
        row = self.row + self._base
        self.tape.candidate[self.row] = self._whole.tape.candidate[row]

    def _cut(self, row: int) -> None:
        a, b = self._base, self._base + self._width
        self.data = _window(self._whole.data, a, b, row - a)
        cut = {
            f: getattr(self._whole.tape, f)[a:b].copy()
            for f in self._whole.tape.__dataclass_fields__
            if isinstance(getattr(self._whole.tape, f), np.ndarray)
        }
        self.tape = replace(self._whole.tape, **cut)
        self.tape.candidate[row - a :] = False

    @staticmethod
    def _copy(whole: MarketSeries, part: MarketSeries, to: int, row: int) -> None:
        part.rows[to] = whole.rows[row]
        for s, series in enumerate(part.series):
            for name in series._fields:
                getattr(series, name)[to] = getattr(whole.series[s], name)[row]


def _window(whole: MarketSeries, a: int, b: int, known: int) -> MarketSeries:
    """Rows a to b, those after ``known`` not there yet."""
    cut: dict[str, Any] = {}
    for name in MarketData.__dataclass_fields__:
        value = getattr(whole.market, name)
        per_row = isinstance(value, np.ndarray) and value.shape[0] == whole.market.n_bars
        cut[name] = value[a:b].copy() if per_row else value
    market = MarketData(**cut)
    rows = whole.rows[a:b].copy()
    rows[known + 1 :] = 0.0
    series = []
    for one in whole.series:
        own = [np.ascontiguousarray(column[a:b]).copy() for column in one]
        for column in own:
            column[known + 1 :] = np.zeros((), column.dtype)
        own[6][:] = one.close_ns[a:b]
        series.append(type(one)(*own))
    return replace(
        whole, market=market, series=tuple(series), rows=rows,
        bars=tuple(x[a:b] for x in whole.bars), marks=tuple(x[a:b] for x in whole.marks),
        slip_next=tuple(x[a:b] for x in whole.slip_next),
    )  # fmt: skip


@dataclass
class Run:
    """A world that trades a period row by row and tells a learning part what happens.

    ``emitted`` holds (row of the close, resolved decision); ``decided`` every view and decision.
    """

    period: Period
    signals: TapeSignals
    brain: SizingAgent
    learning: Any
    emitted: list[tuple[int, ResolvedDecision]] = field(default_factory=list)
    decided: dict[str, tuple[DecisionView, Decision]] = field(default_factory=dict)
    chain: HookChain | None = None

    def __post_init__(self) -> None:
        p = self.period
        self.chain = self.chain or HookChain(min_confidence=p.settings.signal.min_confidence)
        self.world = World(p.data, p.settings, p.first, p.last, keep_ledger=False)
        self.desk = Desk(self.world, p.tape, p.preset, p.settings, p.votes, compiled_ladder())
        if hasattr(self.learning, "bind"):
            self.learning.bind(self.desk)

    def close(self) -> None:
        """One close, in the order of the runtime's kernel, and the bar after it."""
        world, signals = self.world, self.signals
        signals.receive(world.now_ns)
        self._take(self.learning.due(signals.row))
        signals.weigh()
        self.decide()
        for r in world.advance():
            self.learning.outcome(r.decision, r.outcome)

    def decide(self) -> None:
        """Decide the candidates of the present row."""
        assert self.chain is not None
        for s in self.desk.candidates():
            if self.desk.block_reason(s) == "END":
                continue
            view = self.desk.view(s)
            decision = decide(view, self.brain, self.chain)
            view = replace(view, row=self.signals.row)
            self.decided[view.decision_id] = (view, decision)
            self.learning.watch(view, decision)
            self.desk.commit(view, decision)

    def run(self, until: int | None = None) -> None:
        """Trade to a row, or to the end, where what is open is closed."""
        world = self.world
        while not world.done and (until is None or world.row < until):
            self.close()
        if until is None:
            self.signals.receive(world.now_ns)
            self._take(self.learning.due(self.signals.row))
            for r in world.finish():
                self.learning.outcome(r.decision, r.outcome)
            self._take(self.learning.finish())

    def _take(self, resolved: tuple[ResolvedDecision, ...]) -> None:
        self.emitted += [(self.world.row, r) for r in resolved]
