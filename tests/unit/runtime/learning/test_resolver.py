"""Following decisions: restarts, sizes cut by hooks, early ends, signals followed on paper."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from agents.baselines import fixed_1x
from agents.policy import Policy
from agents.settings import SizingSettings
from agents.sizing.q_learning import QLearningAgent
from envs.core.hooks import Effect, HookChain, HookPoint, Mode, Scale, Seat
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade, ResolvedDecision, SizingContext, Skipped
from envs.core.types import EntryStyle, ExitReason
from envs.core.view import DecisionView
from runtime.learning.next_states import Successors
from runtime.learning.resolver import Resolver
from tests.unit.runtime.learning.learning_markets import Run, TapeSignals, WindowSignals, period_of
from training.simulate import Period

BASE = CoreSettings()
POST_ONLY = replace(BASE, entry=replace(BASE.entry, style=EntryStyle.POST_ONLY))


def resolver_of(period: Period, signals: TapeSignals, papers: Any = None) -> Resolver:
    return Resolver(signals, period.settings, period.preset, 0, papers)


def shown(row: int, r: ResolvedDecision) -> tuple[Any, ...]:
    got = r.alternatives
    arrays: tuple[bytes, ...] = ()
    if got is not None:
        signs = (got.end_bar < 0).tobytes()
        arrays = (got.reward.tobytes(), got.net_units.tobytes(), signs, got.overlap.tobytes())
    following = None if r.next is None else (r.next.state, r.next.mask.tobytes())
    return row, r.id, repr(r.outcome), r.reward, arrays, following


@pytest.mark.parametrize("kind", [TapeSignals, WindowSignals])
@pytest.mark.parametrize("settings", [BASE, POST_ONLY], ids=["market", "post-only"])
def test_restarts_change_nothing(kind: type[TapeSignals], settings: CoreSettings) -> None:
    period = period_of(settings)
    brain = fixed_1x(period.preset)
    signals = kind(period)
    whole = Run(period, signals, brain, resolver_of(period, signals))
    stop = period.first + 420
    whole.run(stop)
    signals = kind(period)
    broken = Run(period, signals, brain, resolver_of(period, signals))
    for until in (*range(period.first + 1, stop, 37), stop):
        broken.run(until)
        state = json.loads(json.dumps(broken.learning.state()))
        again = resolver_of(period, signals)
        again.restore(state, broken.decided.__getitem__)
        assert again.state() == state
        broken.learning = again
    assert [shown(*x) for x in broken.emitted] == [shown(*x) for x in whole.emitted]
    assert len(whole.emitted) > 300


def test_a_restart_over_other_rows_goes_on_by_closes() -> None:
    period = period_of(BASE)
    brain = fixed_1x(period.preset)
    signals = WindowSignals(period)
    run = Run(period, signals, brain, resolver_of(period, signals))
    run.run(period.first + 200)
    state, found = run.learning.state(), run.decided.__getitem__
    other = WindowSignals(period, width=500, step=90)
    for row in range(period.first, run.world.row):
        other.receive(int(period.data.market.close_ns[row]))
        other.weigh()
    other.tape.candidate[other.row] = signals.tape.candidate[signals.row]
    assert other.row != signals.row
    moved = resolver_of(period, other)
    moved.restore(state, found)
    now = int(period.data.market.close_ns[run.world.row])
    for part in (signals, other):
        part.receive(now)
    a, b = run.learning.due(signals.row), moved.due(other.row)
    assert [shown(0, r) for r in a] == [shown(0, r) for r in b]
    assert a


def test_early_end_closes_what_is_open_at_the_last_close() -> None:
    period = period_of(BASE)
    brain = fixed_1x(period.preset)
    ends = []
    for kind in (TapeSignals, WindowSignals):
        signals = kind(period)
        run = Run(period, signals, brain, resolver_of(period, signals))
        run.run(period.first + 150)
        run.emitted.clear()
        signals.receive(run.world.now_ns)
        run._take(run.learning.due(signals.row))
        for r in run.world.finish():
            run.learning.outcome(r.decision, r.outcome)
        run._take(run.learning.finish())
        assert len(run.learning) == 0
        ends.append(sorted(shown(*x) for x in run.emitted))
    assert ends[0] == ends[1]
    outcomes = [r.outcome for _, r in run.emitted]
    assert any(isinstance(o, ClosedTrade) and o.reason is ExitReason.END for o in outcomes)


class Halving:
    """A member that halves every size."""

    name = "halving"
    points = (HookPoint.POSITION_SIZING,)

    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        return Scale(0.5)


def test_a_size_that_was_cut_does_not_stand_for_the_action() -> None:
    period = period_of(BASE)
    brain = fixed_1x(period.preset)
    runs = []
    for chain in (HookChain(), HookChain([Seat(Halving(), Mode.ENFORCED)])):
        signals = TapeSignals(period)
        run = Run(period, signals, brain, resolver_of(period, signals), chain=chain)
        run.run(period.first + 300)
        runs.append(run)
    cut = runs[1]
    seen = 0
    for _, r in cut.emitted:
        trade, chosen, got = r.outcome, r.decision.chosen, r.alternatives
        if not isinstance(trade, ClosedTrade) or chosen is None or got is None:
            continue
        if np.isfinite(got.reward[chosen]) and trade.net_units != 0:
            assert got.net_units[chosen] != trade.net_units
            seen += 1
    assert seen > 5


class OnPaper(Policy):
    """Skips everything, and follows the largest action on paper."""

    def __init__(self, period: Period) -> None:
        super().__init__("on paper", period.preset)

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        return None

    def paper_action(self, context: SizingContext) -> int | None:
        allowed = np.flatnonzero(context.mask & (context.notional_frac > 0.0))
        return int(allowed[-1]) if allowed.size else None


def test_one_signal_a_symbol_is_followed_on_paper() -> None:
    period = period_of(BASE)
    brain = OnPaper(period)
    signals = TapeSignals(period)
    run = Run(period, signals, brain, resolver_of(period, signals, brain))
    run.run(period.first + 300)
    followed: dict[str, list[tuple[int, int]]] = {}
    market = period.data.market
    for row, r in run.emitted:
        if r.decision.chosen is None or r.part > 0:
            continue
        if isinstance(r.outcome, Skipped):
            continue
        action, got = brain.paper_action(r.decision.context), r.alternatives
        assert action is not None
        assert got is not None
        begun = market.row_at(r.decision.bar_close_ns)
        # What it followed is known to whoever counts it, in this part or the next.
        end = int(got.end_bar[action])
        assert end in (-1, row)
        followed.setdefault(r.decision.symbol, []).append((begun, row))
    for spans in followed.values():
        assert len(spans) > 5
        for (_, end), (begun, _) in pairwise(spans):
            assert begun >= end


def test_what_waits_for_its_next_state_survives_restarts() -> None:
    period = period_of(BASE, "classic", "r_multiple")
    agent = QLearningAgent(period.preset, SizingSettings())
    stop = period.first + 500
    emitted = []
    for step in (10_000, 23):
        signals = TapeSignals(period)
        learning = Successors(signals, period.settings, period.preset, 1)
        run = Run(period, signals, agent, learning)
        while run.world.row < stop:
            run.run(min(stop, run.world.row + step))
            state = json.loads(json.dumps(run.learning.state()))
            again = Successors(signals, period.settings, period.preset, 1)
            again.restore(state, run.decided.__getitem__)
            again.bind(run.desk)
            assert again.state() == state
            run.learning = again
        emitted.append([shown(*x) for x in run.emitted])
    assert emitted[0] == emitted[1]
    assert len(emitted[0]) > 20


def test_an_outcome_of_a_stranger_changes_nothing() -> None:
    period = period_of(BASE)
    signals = TapeSignals(period)
    run = Run(period, signals, fixed_1x(period.preset), resolver_of(period, signals))
    run.run(period.first + 50)
    before = run.learning.state()
    (_, decision), *_ = run.decided.values()
    other = replace(decision, decision_id="sim:BTCUSDT:1")
    run.learning.outcome(other, Skipped("X"))
    assert run.learning.state() == before
