"""Signals that fractional Kelly skips are followed on paper while the period runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.baselines import FractionalKelly, fixed_1x
from agents.checks import sample_rows
from agents.reinforcement.settings import ReinforcementSettings
from agents.settings import KellySettings
from envs.core.actions import preset
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade, ResolvedDecision
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.simulate import Period, Simulator
from training.tape import fifth_edges, make_tape

FULL = preset("full")
MADE = synthetic_market(SyntheticSettings(n_bars=1_200, seed=9))
LAST = MADE.market.n_bars - 1


class Watched(FractionalKelly):
    """Keeps what it was taught."""

    def __init__(self) -> None:
        super().__init__(FULL, KellySettings())
        self.taught: list[ResolvedDecision] = []

    def learn_one(self, resolved: ResolvedDecision) -> None:
        self.taught.append(resolved)
        super().learn_one(resolved)


@pytest.fixture(scope="module")
def period() -> Period:
    core = CoreSettings()
    data = prepare(MADE.market, core)
    edges = fifth_edges(1_600, LAST)
    tape = make_tape(data, MADE.votes, core, ReinforcementSettings(), edges, MADE.pool_line, "aa")
    return Period(data, tape.signals, MADE.votes, tape.candidates, core, FULL, 1_519, LAST)


def after_losses() -> Watched:
    policy = Watched()
    rows = sample_rows(FULL, 60, 1)
    row = next(r for r in rows if isinstance(r.outcome, ClosedTrade))
    assert isinstance(row.outcome, ClosedTrade)
    for k in range(20):
        lost = replace(row.outcome, r_net=-1.0)
        decision = replace(row.decision, decision_id=f"before:{k}")
        policy.learn_one(replace(row, decision=decision, outcome=lost))
    policy.taught.clear()
    return policy


def test_an_edge_on_paper_leads_back_to_real_trades(period: Period) -> None:
    policy = after_losses()
    run = Simulator(period).run(policy, learn=policy)
    first = min(t.entry_ns for t in run.trades)
    before = [r for r in policy.taught if r.alternatives and r.decision.bar_close_ns < first]
    assert len(before) >= 20
    assert len(run.trades) >= 10


def test_paper_is_one_position_a_symbol_and_known_when_it_ends(period: Period) -> None:
    policy = after_losses()
    Simulator(period).run(policy, learn=policy)
    index, close_ns = fixed_1x(FULL).index, MADE.market.close_ns
    free: dict[str, int] = {}
    papers = [r for r in policy.taught if r.alternatives is not None]
    for r in sorted(papers, key=lambda r: r.decision.bar_close_ns):
        assert r.alternatives is not None
        row = int(np.searchsorted(close_ns, r.decision.bar_close_ns))
        assert row >= free.get(r.decision.symbol, 0)
        assert int(r.alternatives.end_bar[index]) > row
        free[r.decision.symbol] = int(r.alternatives.end_bar[index])
    ends = [int(r.alternatives.end_bar[index]) for r in papers if r.alternatives is not None]
    assert ends == sorted(ends)


def test_a_learner_that_asks_for_no_paper_gets_none(period: Period) -> None:
    policy = after_losses()
    assert Simulator(period).run(policy, learn=fixed_1x(FULL)).trades == []
    assert policy.taught == []
