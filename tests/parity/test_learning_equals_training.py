"""What the runtime's resolver gives out bar by bar == what the training simulator learns from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.baselines import Skip, fixed_1x
from agents.policy import Policy
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.settings import CoreSettings
from envs.core.trade import Alternatives, ClosedTrade, ResolvedDecision, Skipped
from envs.core.types import EntryStyle, EntryUnfilled, IntrabarRule
from runtime.learning.next_states import Successors
from runtime.learning.resolver import Resolver
from runtime.learning.values import REWARD_KINDS, trade_reward
from tests.unit.runtime.learning.learning_markets import Run, TapeSignals, WindowSignals, period_of
from training import simulate
from training.simulate import Period, Simulator

BASE = CoreSettings()


def _post_only(unfilled: EntryUnfilled) -> CoreSettings:
    entry = replace(
        BASE.entry, style=EntryStyle.POST_ONLY, intrabar=IntrabarRule.PESSIMISTIC, unfilled=unfilled
    )
    return replace(BASE, entry=entry)


CASES: dict[str, tuple[CoreSettings, str, str]] = {
    "default": (BASE, "full", "log_growth"),
    "r-multiple-classic": (BASE, "classic", "r_multiple"),
    "post-only": (_post_only(EntryUnfilled.LAPSE), "full", "shaped"),
    "post-only-then-market": (_post_only(EntryUnfilled.MARKET), "overview", "log_growth"),
    "ladder": (
        replace(BASE, risk=replace(BASE.risk, dd_stop=0.002, max_daily_dd=0.003)),
        "full", "log_growth",
    ),
}  # fmt: skip


class Recorder(CounterfactualAgent):
    """Notes what it is taught."""

    def __init__(self, period: Period) -> None:
        super().__init__(period.preset, SizingSettings())
        self.taught: list[ResolvedDecision] = []

    def learn_one(self, resolved: ResolvedDecision) -> None:
        self.taught.append(resolved)


def _trained(period: Period, brain: Policy) -> dict[str, ResolvedDecision]:
    recorder = Recorder(period)
    Simulator(period).run(brain, learn=recorder, alternatives=True)
    return {r.decision.decision_id: r for r in recorder.taught}


def _lived(period: Period, brain: Policy, signals: TapeSignals) -> Run:
    kind = REWARD_KINDS[period.reward]
    run = Run(period, signals, brain, Resolver(signals, period.settings, period.preset, kind))
    run.run()
    return run


def _whole(parts: list[ResolvedDecision]) -> Alternatives:
    """All parts of a decision as one; no action may be in two of them."""
    first = parts[0].alternatives
    assert first is not None
    reward, net = np.full_like(first.reward, np.nan), np.zeros_like(first.net_units)
    end, overlap = np.full_like(first.end_bar, -1), first.overlap
    for part in parts:
        got = part.alternatives
        assert got is not None
        known = np.isfinite(got.reward)
        assert not np.isfinite(reward[known]).any()
        reward[known], net[known], end[known] = (
            got.reward[known], got.net_units[known], got.end_bar[known]
        )  # fmt: skip
        overlap = got.overlap
    return Alternatives(reward, net, end, overlap)


@pytest.mark.parametrize("name", list(CASES))
def test_resolver_gives_out_what_training_learns(name: str) -> None:
    settings, grid, reward = CASES[name]
    period = period_of(settings, grid, reward)
    brain = fixed_1x(period.preset)
    wanted, run = _trained(period, brain), _lived(period, brain, TapeSignals(period))
    assert len({r.id for _, r in run.emitted}) == len(run.emitted)
    found: dict[str, list[ResolvedDecision]] = {}
    for _, r in run.emitted:
        found.setdefault(r.decision.decision_id, []).append(r)
    assert found.keys() == wanted.keys()
    assert len(found) > 1_000
    differed = 0
    for name_, parts in found.items():
        alternatives, got = wanted[name_].alternatives, _whole(parts)
        assert alternatives is not None
        differed += _with_truth(period, parts[0], alternatives)
        assert got == alternatives, name_
    assert (differed > 0) == (name == "ladder")
    assert sum(len(parts) == 2 for parts in found.values()) > 50


def _with_truth(period: Period, first: ResolvedDecision, wanted: Alternatives) -> bool:
    """Put what really happened in place of the executed action's number, where it differs."""
    trade, chosen = first.outcome, first.decision.chosen
    if not isinstance(trade, ClosedTrade) or chosen is None:
        return False
    if trade.net_units == int(wanted.net_units[chosen]):
        return False
    kind = REWARD_KINDS[period.reward]
    wanted.net_units[chosen] = trade.net_units
    wanted.reward[chosen] = trade_reward(trade, kind, first.decision.context.atr_frac)
    return True


@pytest.mark.parametrize("name", ["default", "post-only", "post-only-then-market"])
def test_bars_that_come_one_by_one_give_the_same_at_the_same_close(name: str) -> None:
    settings, grid, reward = CASES[name]
    period = period_of(settings, grid, reward)
    brain = fixed_1x(period.preset)
    known, live = (_lived(period, brain, kind(period)) for kind in (TapeSignals, WindowSignals))
    last = period.last
    a, b = ([_shown(row, r) for row, r in x.emitted if row < last] for x in (known, live))
    assert a == b
    assert len(a) > 1_000
    # The end of data is known beforehand in the one case and not in the other.
    a, b = (sorted(_shown(row, r) for row, r in x.emitted if row == last) for x in (known, live))
    assert a == b
    assert a


def _shown(row: int, r: ResolvedDecision) -> tuple[Any, ...]:
    """Everything of a resolved decision but the rows of a window, as comparable values."""
    got = r.alternatives
    assert got is not None
    return (
        row, r.id, repr(r.outcome), r.reward, got.reward.tobytes(), got.net_units.tobytes(),
        (got.end_bar < 0).tobytes(), got.overlap.tobytes(),
    )  # fmt: skip


def test_a_row_is_given_out_at_the_close_by_which_it_is_known() -> None:
    period = period_of(BASE)
    brain = fixed_1x(period.preset)
    run = _lived(period, brain, TapeSignals(period))
    candidates = period.candidates
    held = {
        (int(row), int(s)): int(ends.max())
        for row, s, ends in zip(candidates.rows, candidates.symbols, candidates.ends, strict=True)
    }
    exits: dict[str, int] = {}
    as_in_training = 0
    for row, r in run.emitted:
        name, got = r.decision.decision_id, r.alternatives
        assert got is not None
        begun = period.data.market.row_at(r.decision.bar_close_ns)
        s = period.data.market.symbols.index(r.decision.symbol)
        if isinstance(r.outcome, ClosedTrade):
            # An exit at the open of a bar stands at the close of the one before.
            assert row - period.data.market.row_at(r.outcome.exit_ns) in (0, 1)
            assert int(period.data.market.close_ns[row - 1]) <= r.outcome.exit_ns
            exits[name] = row
        else:
            due = max(int(got.end_bar.max()), begun + 1)
            assert row == max(due, held[begun, s], exits.get(name, 0))
            as_in_training += row == due
    assert as_in_training > 0.8 * len(run.emitted) - len(exits)


def test_bootstrapping_learner_gets_what_training_gives_it() -> None:
    period = period_of(BASE, "classic", "r_multiple")
    agent = QLearningAgent(period.preset, SizingSettings())
    taught: list[ResolvedDecision] = []
    agent.learn_one = taught.append  # type: ignore[method-assign]
    Simulator(period).run(agent, learn=agent, bootstrap=True)
    kind = REWARD_KINDS[period.reward]
    for make in (TapeSignals, WindowSignals):
        signals = make(period)
        learning = Successors(signals, period.settings, period.preset, kind)
        run = Run(period, signals, agent, learning)
        run.run()
        emitted = [r for _, r in run.emitted]
        assert sorted(map(_followed, emitted)) == sorted(map(_followed, taught))
        assert len(emitted) > 30
        assert sum(r.next is not None for r in emitted) > 25
        assert len(learning) == 0


def _followed(r: ResolvedDecision) -> tuple[Any, ...]:
    following = r.next
    state = (-1, b"") if following is None else (following.state, following.mask.tobytes())
    return r.decision.bar_close_ns, *r.id, repr(r.outcome), r.reward, *state


def test_reward_is_that_of_training() -> None:
    period = period_of(BASE)
    trades = Simulator(period).run(fixed_1x(period.preset)).trades
    assert simulate.REWARD_KINDS == REWARD_KINDS
    for kind in REWARD_KINDS.values():
        for trade in trades:
            assert trade_reward(trade, kind, 0.01) == simulate.trade_reward(trade, kind, 0.01)


def test_a_skip_says_so() -> None:
    period = period_of(BASE)

    run = _lived(period, Skip(period.preset), TapeSignals(period))
    outcomes = [r.outcome for _, r in run.emitted]
    assert Skipped("SKIP") in outcomes
    assert not any(isinstance(o, ClosedTrade) for o in outcomes)
    assert all(r.part == 0 for _, r in run.emitted)
