from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.baselines import (
    Constant,
    FixedLargest,
    FractionalKelly,
    RandomPolicy,
    Skip,
    best_constant,
    fixed_1x,
)
from agents.checks import sample_rows
from agents.settings import KellySettings
from envs.core.actions import preset
from envs.core.errors import FixSettings, RefusedArtifact
from envs.core.trade import Alternatives, ClosedTrade, ResolvedDecision, SizingContext, Skipped
from envs.core.types import ExitStrategy

FULL, CLASSIC = preset("full"), preset("classic")


def context(**changes: object) -> SizingContext:
    notional = np.array([0.1 * a.size * a.leverage for a in FULL.actions])
    plain = SizingContext(
        0, np.ones(76, dtype=np.bool_), notional, np.zeros(76, dtype=np.bool_), 0.002, 0.6,
        0.00156, 0.02, np.full((3, 3), np.nan),
    )  # fmt: skip
    return replace(plain, **changes)


def closed(k: int, net_r: float) -> ResolvedDecision:
    """A closed trade with the given net R."""
    rows = sample_rows(FULL, 60, 1)
    row = next(r for r in rows if isinstance(r.outcome, ClosedTrade))
    assert isinstance(row.outcome, ClosedTrade)
    return replace(
        row, decision=replace(row.decision, decision_id=str(k)),
        outcome=replace(row.outcome, r_net=net_r),
    )  # fmt: skip


def test_skip_and_constants() -> None:
    assert Skip(FULL).decide(context(), None).index == 0
    assert Constant(FULL, 40).decide(context(), None).index == 40
    action = FULL.actions[fixed_1x(FULL).decide(context(), None).index]
    assert (action.size, action.leverage, action.exit) == (1.0, 1, ExitStrategy.BALANCED)
    with pytest.raises(FixSettings, match="no action 76"):
        Constant(FULL, 76)


def test_a_masked_wish_becomes_skip_or_the_first_allowed() -> None:
    mask = np.ones(76, dtype=np.bool_)
    mask[40] = False
    assert Constant(FULL, 40).decide(context(mask=mask), None).index == 0
    few = np.zeros(25, dtype=np.bool_)
    few[9] = True
    seen = context(mask=few, notional_frac=np.ones(25), clamped=~few)
    assert Constant(CLASSIC, 3).decide(seen, None).index == 9


def test_fixed_largest_is_the_largest_allowed_balanced_action() -> None:
    policy, seen = FixedLargest(FULL), context()
    chosen = FULL.actions[policy.decide(seen, None).index]
    assert (chosen.size, chosen.leverage, chosen.exit) == (1.5, 5, ExitStrategy.BALANCED)
    five = np.array([a.leverage < 5 for a in FULL.actions])
    chosen = FULL.actions[policy.decide(context(mask=five), None).index]
    assert (chosen.size, chosen.leverage) == (1.5, 4)
    other = np.array([a.exit is not ExitStrategy.BALANCED or a.size == 0 for a in FULL.actions])
    assert policy.decide(context(mask=other), None).index == 0


def test_random_trades_as_often_as_asked_and_uniformly() -> None:
    policy, rng = RandomPolicy(FULL, 0.3, 5), np.random.default_rng(0)
    mask = np.array([a.leverage < 3 for a in FULL.actions])
    picks = [policy.decide(context(mask=mask, ev=float(ev)), None).index for ev in rng.random(6000)]
    traded = [p for p in picks if p]
    assert len(traded) / 6000 == pytest.approx(0.3, abs=0.02)
    counts = np.bincount(traded, minlength=76)
    assert counts[~mask].sum() == 0
    assert counts[mask][1:].min() > 25
    propensities = policy.decide(context(mask=mask), None).propensities
    assert propensities[0] == pytest.approx(0.7)
    assert propensities[mask][1:] == pytest.approx(0.3 / 30)


def test_random_is_pure_and_seeded() -> None:
    a, b, other = RandomPolicy(FULL, 0.5, 5), RandomPolicy(FULL, 0.5, 5), RandomPolicy(FULL, 0.5, 6)
    seen = [context(ev=0.001 * k) for k in range(60)]
    picks = [a.decide(c, None).index for c in seen]
    assert picks == [a.decide(c, None).index for c in seen]
    assert picks == [b.decide(c, None).index for c in seen]
    assert picks != [other.decide(c, None).index for c in seen]


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_random_refuses_a_probability_outside_0_and_1(probability: float) -> None:
    with pytest.raises(FixSettings, match="0 to 1"):
        RandomPolicy(FULL, probability, 0)


def test_random_without_a_trading_action() -> None:
    mask = np.zeros(76, dtype=np.bool_)
    mask[0] = True
    choice = RandomPolicy(FULL, 1.0, 0).decide(context(mask=mask), None)
    assert choice.index == 0
    assert choice.propensities[0] == 1.0
    assert (
        RandomPolicy(CLASSIC, 0.0, 0)
        .decide(context(mask=np.ones(25, dtype=np.bool_), notional_frac=np.ones(25)), None)
        .index
        == 0
    )


def test_best_constant_has_the_highest_mean() -> None:
    means = np.linspace(-0.01, 0.0, 76)
    means[33] = 0.001
    policy = best_constant(FULL, means)
    assert policy.decide(context(), None).index == 33
    assert policy.name == f"best constant ({FULL.label(33)})"
    assert best_constant(FULL, -np.arange(76.0)).decide(context(), None).index == 0
    with pytest.raises(FixSettings, match=r"76 actions, found means of shape \(25,\)"):
        best_constant(FULL, np.zeros(25))


def test_fractional_kelly_waits_for_20_trades() -> None:
    policy = FractionalKelly(FULL, KellySettings())
    for k in range(19):
        policy.learn_one(closed(k, 2.0 if k % 2 else -1.0))
    action = FULL.actions[policy.decide(context(), None).index]
    assert (action.size, action.leverage) == (1.0, 1)
    policy.learn_one(closed(18, -1.0))
    assert policy.decide(context(), None).index == policy.preset.index_of(
        1.0, 1, ExitStrategy.BALANCED
    )


def test_fractional_kelly_loses_at_the_stop_what_kelly_allows() -> None:
    policy = FractionalKelly(FULL, KellySettings(fraction=0.05))
    for k in range(20):
        policy.learn_one(closed(k, 2.0 if k < 12 else -1.0))
    seen = context()
    index = policy.decide(seen, None).index
    allowed = 0.05 * 0.2
    loss = seen.notional_frac * (1.5 * 0.02 + 0.00156)
    assert FULL.actions[index].exit is ExitStrategy.BALANCED
    assert loss[index] <= allowed
    balanced = np.array([a.exit is ExitStrategy.BALANCED for a in FULL.actions])
    assert loss[index] == loss[balanced & (loss <= allowed)].max()


def test_fractional_kelly_without_an_edge_skips() -> None:
    policy = FractionalKelly(FULL, KellySettings())
    for k in range(20):
        policy.learn_one(closed(k, 2.0 if k < 6 else -1.0))
    assert policy.decide(context(), None).index == 0


def test_fractional_kelly_sees_its_last_100_trades_only_and_restarts_exactly() -> None:
    policy, loaded = FractionalKelly(FULL, KellySettings()), FractionalKelly(FULL, KellySettings())
    for k in range(120):
        policy.learn_one(closed(k, -1.0 if k < 20 else 2.0 if k % 3 else -1.0))
    assert policy.state_dict()[1]["real"].shape == (100,)
    loaded.load_state_dict(policy.state_dict())
    for agent in (policy, loaded):
        agent.learn_one(closed(119, 50.0))
        agent.learn_one(closed(120, -1.0))
        agent.learn_one(replace(closed(121, 9.0), outcome=Skipped("SKIP")))
    assert loaded.digest() == policy.digest()
    assert loaded.state_dict()[1]["real"].max() == 2.0


def on_paper(k: int, net_r: float) -> ResolvedDecision:
    """A skipped decision whose fixed 1x would have ended with the given net R."""
    net = np.full(76, np.nan_to_num(net_r) * 10_000.0 * 0.1 * 1.5 * 0.02 * 1e8).astype(np.int64)
    earned = Alternatives(np.zeros(76), net, np.full(76, 9), np.zeros(3, dtype=np.int64))
    row = closed(k, 0.0)
    decision = replace(row.decision, context=context(), equity_units=10_000 * 10**8)
    return ResolvedDecision(decision, None, 0.0, earned)


def test_fractional_kelly_returns_from_paper_through_a_trial() -> None:
    """Spec 7: 20 paper trades with an edge open ten real ones with .005 at risk."""
    policy, first = FractionalKelly(FULL, KellySettings()), fixed_1x(FULL).index
    assert policy.paper_action(context()) is None
    for k in range(20):
        policy.learn_one(closed(k, -1.0))
    assert policy.decide(context(), None).index == 0
    assert policy.paper_action(context()) == first
    for k in range(20, 40):
        assert policy.decide(context(), None).index == 0
        policy.learn_one(on_paper(k, 2.0 if k % 2 else -1.0))
        policy.learn_one(on_paper(k, 2.0))
    assert policy.paper_action(context()) is None
    chosen = policy.decide(context(), None).index
    assert 0.0 < context().notional_frac[chosen] * (1.5 * 0.02 + 0.00156) <= 0.005
    for k in range(40, 50):
        policy.learn_one(closed(k, 1.0))
    assert policy.state_dict()[1]["real"].tolist() == [1.0] * 10


def test_fractional_kelly_stays_on_paper_without_an_edge() -> None:
    policy = FractionalKelly(FULL, KellySettings())
    for k in range(20):
        policy.learn_one(closed(k, -1.0))
    for k in range(20, 60):
        policy.learn_one(on_paper(k, -0.5))
    assert policy.decide(context(), None).index == 0
    assert policy.state_dict()[1]["paper"] == pytest.approx(np.full(20, -0.5))


def test_the_state_of_another_policy_is_refused() -> None:
    with pytest.raises(RefusedArtifact, match="name: expected 'fixed 1x', found 'skip'"):
        fixed_1x(FULL).load_state_dict(Skip(FULL).state_dict())
