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
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, SizingContext, Skipped
from envs.core.types import EntryStyle, ExitReason
from envs.core.view import DecisionView
from runtime.journal.codec import dumps
from runtime.learning.next_states import Successors
from runtime.learning.resolver import Resolver
from tests.unit.runtime.learning.learning_markets import Run, TapeSignals, WindowSignals, period_of
from training.simulate import Period

BASE = CoreSettings()
POST_ONLY = replace(BASE, entry=replace(BASE.entry, style=EntryStyle.POST_ONLY))


class OnPaper(Policy):
    """Skips everything, and follows the largest action on paper."""

    def __init__(self, period: Period) -> None:
        super().__init__("on paper", period.preset)

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        return None

    def paper_action(self, context: SizingContext) -> int | None:
        allowed = np.flatnonzero(context.mask & (context.notional_frac > 0.0))
        return int(allowed[-1]) if allowed.size else None


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
@pytest.mark.parametrize("on_paper", [False, True], ids=["sent", "on paper"])
def test_restarts_change_nothing(
    kind: type[TapeSignals], settings: CoreSettings, on_paper: bool
) -> None:
    period = period_of(settings)
    brain = OnPaper(period) if on_paper else fixed_1x(period.preset)
    papers = brain if on_paper else None
    signals = kind(period)
    whole = Run(period, signals, brain, resolver_of(period, signals, papers))
    stop = period.first + 420
    whole.run(stop)
    signals = kind(period)
    broken = Run(period, signals, brain, resolver_of(period, signals, papers))
    for until in (*range(period.first + 1, stop, 37), stop):
        broken.run(until)
        state = json.loads(json.dumps(broken.learning.state()))
        again = resolver_of(period, signals, papers)
        again.restore(state, broken.decided.__getitem__)
        assert again.state() == state
        broken.learning = again
    assert [shown(*x) for x in broken.emitted] == [shown(*x) for x in whole.emitted]
    assert len(whole.emitted) > 300


class Asked(Resolver):
    """Is asked for its state before and after everything that may change it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.changed = 0

    def watch(self, view: DecisionView, decision: Decision) -> None:
        self._ask(Resolver.watch, view, decision)

    def outcome(self, decision: Decision, outcome: ClosedTrade | Skipped) -> None:
        self._ask(Resolver.outcome, decision, outcome)

    def due(self, row: int) -> tuple[ResolvedDecision, ...]:
        out: tuple[ResolvedDecision, ...] = self._ask(Resolver.due, row)
        return out

    def _ask(self, what: Any, *given: Any) -> Any:
        self.state()
        out = what(self, *given)
        state = self.state()
        assert dumps(state) == dumps(json.loads(json.dumps(state)))
        assert state["followed"] == [f.told() for f in self._followed.values()]
        self.changed += sum(bool(x["outcome"] or x["part0"]) for x in state["followed"])
        return out


@pytest.mark.parametrize("kind", [TapeSignals, WindowSignals])
def test_a_state_that_is_asked_for_often_is_that_of_a_run_never_asked(
    kind: type[TapeSignals],
) -> None:
    period = period_of(BASE)
    brain = fixed_1x(period.preset)
    signals = kind(period)
    resolver = Asked(signals, period.settings, period.preset, 0)
    asked = Run(period, signals, brain, resolver)
    for n in (17, 60, 131, 200):
        asked.run(period.first + n)
        signals = kind(period)
        never = Run(period, signals, brain, resolver_of(period, signals))
        never.run(period.first + n)
        assert never.learning.state() == resolver.state()
    assert resolver.changed > 20


def test_candidates_whose_bars_have_left_the_window_are_held_no_more() -> None:
    period = period_of(BASE)
    signals = WindowSignals(period, width=30, step=27)
    resolver = resolver_of(period, signals)
    run = Run(period, signals, fixed_1x(period.preset), resolver)
    left = 0
    for row in range(period.first + 1, period.first + 120):
        run.run(row)
        shift, now = resolver._shift, resolver._seen
        gone = [h for x in resolver._holding for h in x.rows if h.bar < shift]
        assert all(h.last <= now for h in gone)
        left += sum(h.last == now for h in gone)
    assert left > 10
    assert any(r.alternatives is None for _, r in run.emitted)


def test_of_bars_that_come_one_by_one_most_rows_are_not_computed_at_a_close() -> None:
    period = period_of(BASE)
    signals = WindowSignals(period)
    resolver = resolver_of(period, signals)
    run = Run(period, signals, fixed_1x(period.preset), resolver)
    outcomes: Any = resolver._outcomes
    known, looked, followed = outcomes.known, 0, 0

    def counted(*given: Any) -> Any:
        nonlocal looked
        looked += 1
        return known(*given)

    outcomes.known = counted
    for row in range(period.first + 1, period.first + 200):
        run.run(row)
        followed += len(resolver)
    assert len(run.emitted) > 100
    assert looked < 3 * len(run.emitted) < followed / 2


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
