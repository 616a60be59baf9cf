"""Rewards, weights and scalers stay in their bounds whatever is learned; units count once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.rewards import MAX_QUOTE, RewardShaper, TradeResult
from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from envs.core.trade import ResolvedLabel
from envs.core.types import MODEL_NAMES

PNL = st.floats(-MAX_QUOTE, MAX_QUOTE)
TRADES = st.lists(
    st.builds(
        TradeResult,
        st.sampled_from(["A", "B"]),
        st.integers(0, 4),
        PNL,
        st.floats(1e-9, MAX_QUOTE),
        st.floats(-1e6, 1e6),
    ),
    min_size=1,
    max_size=40,
)
SIDES = st.tuples(*[st.integers(-1, 1)] * 4)


@given(TRADES)
@settings(max_examples=150, deadline=None)
def test_shaped_rewards_and_their_baseline_are_bounded(trades: list[TradeResult]) -> None:
    shaper = RewardShaper(ReinforcementSettings())
    for trade in trades:
        shaped, baseline, advantage = shaper.score(trade)
        assert abs(shaped) <= 3.0 + 1e-12
        assert abs(baseline) <= 3.0 + 1e-12
        assert abs(advantage) <= 5.0


@given(TRADES, SIDES, st.floats(0.0, 1.0))
@settings(max_examples=100, deadline=None)
def test_weights_stay_in_their_bounds_and_each_trade_counts_once(
    trades: list[TradeResult], sides: tuple[int, ...], confidence: float
) -> None:
    m = ReinforcementManager(ReinforcementSettings(algorithm="exponential"), 8)
    for k, trade in enumerate(trades):
        m.learn_trade(str(k), trade, sides, (confidence,) * 4)
        assert abs(sum(m.weights) - 1.0) < 1e-12
        assert min(m.weights) >= 0.05
        assert max(m.weights) <= 0.50
    before = m.get_diagnostics()
    for k, trade in enumerate(trades):
        m.learn_trade(str(k), trade, sides, (confidence,) * 4)
    assert m.get_diagnostics() == before


@given(
    st.lists(
        st.tuples(st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4), st.booleans()),
        min_size=1,
        max_size=60,
    ),
    st.floats(0.0, 5.0),
    st.sampled_from(ALGORITHMS),
)
@settings(max_examples=100, deadline=None)
def test_labels_keep_scalers_probabilities_and_posteriors_in_bounds(
    stream: list[tuple[list[float], bool]], kappa: float, algorithm: str
) -> None:
    m = ReinforcementManager(ReinforcementSettings(algorithm=algorithm, kappa=kappa), 4)
    for t, (p, won) in enumerate(stream):
        up = np.array(p)
        m.learn_label(ResolvedLabel("A", t, t + 4, up, 1.0 - up, int(won), int(not won)))
        assert all(0.5 <= m.get_confidence_scaler(name) <= 1.5 for name in MODEL_NAMES)
        assert np.allclose(m.pool.posterior.sum(axis=1), 1.0, atol=1e-9)
        long, short, weights = m.predict(up, 1.0 - up)
        assert -1e-12 <= long <= 1.0 + 1e-12
        assert -1e-12 <= short <= 1.0 + 1e-12
        assert abs(float(weights.sum()) - 1.0) < 1e-9
