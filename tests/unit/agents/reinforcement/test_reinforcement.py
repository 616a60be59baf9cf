"""Known answers 28-35 and 54 of the specification, and the manager's parts."""

from __future__ import annotations

import numpy as np
import pytest

from agents.reinforcement.aggregating import label_order, run_pool
from agents.reinforcement.calibration import Calibration
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.pool import AggregatingPool
from agents.reinforcement.rewards import RewardShaper, TradeResult
from agents.reinforcement.settings import ReinforcementSettings
from agents.reinforcement.weights import INITIAL_WEIGHTS, exploration_rate, exponential_update
from envs.core.rules import pool
from envs.core.rules.simplex import project4
from envs.core.types import Float64Array
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings

GOLDEN = ReinforcementSettings(z_scale=50.0, pull=0.0)
TRADE = TradeResult("A", 0, 45.5, 5_000.0, 0.0)


def test_golden_reward() -> None:
    shaped, baseline, advantage = RewardShaper(GOLDEN).score(TRADE)
    assert (shaped, baseline, advantage) == (pytest.approx(0.7007), 0.0, pytest.approx(0.7007))


@pytest.mark.parametrize(
    ("pull", "agreement", "expected"),
    [
        (0.0, (1, 1, 0, 1), (0.252609, 0.252609, 0.292695, 0.202087)),
        (0.02, (1, 1, 0, 1), (0.252557, 0.252557, 0.292840, 0.202046)),
        (0.0, (1, 1, -1, 1), (0.255181, 0.255181, 0.285495, 0.204144)),
    ],
)
def test_golden_weights(
    pull: float, agreement: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    settings = ReinforcementSettings(pull=pull)
    got = exponential_update(INITIAL_WEIGHTS, 0.7007, agreement, settings)
    assert got == pytest.approx(expected, abs=1e-6)


def test_projections() -> None:
    assert project4(0.1, 0.1, 0.1, 0.7, 0.05, 0.5) == pytest.approx((1 / 6, 1 / 6, 1 / 6, 0.5))
    expected = (0.05, 0.094737, 0.355263, 0.5)
    assert project4(0.02, 0.08, 0.3, 0.6, 0.05, 0.5) == pytest.approx(expected, abs=1e-6)


def test_ten_thousand_updates_keep_bounds_and_sum() -> None:
    rng = np.random.default_rng(0)
    weights: tuple[float, ...] = INITIAL_WEIGHTS
    settings = ReinforcementSettings()
    for _ in range(10_000):
        weights = exponential_update(
            weights, float(rng.uniform(-5, 5)), rng.integers(-1, 2, 4).tolist(), settings
        )
        assert abs(sum(weights) - 1.0) < 1e-12
        assert min(weights) >= 0.05
        assert max(weights) <= 0.50


def largest_weight(pull: float, seed: int) -> float:
    """Time-average of the largest weight over 5,000 trades with random outcome signs."""
    rng = np.random.default_rng(seed)
    settings = ReinforcementSettings(pull=pull)
    weights: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    total = 0.0
    for _ in range(5_000):
        agreement = rng.choice([-1, 1], 4).tolist()
        advantage = float(rng.choice([-1.0, 1.0]))
        weights = exponential_update(weights, advantage, agreement, settings, (0.25,) * 4)
        total += max(weights)
    return total / 5_000


def test_random_outcomes_leave_the_weights_near_the_start() -> None:
    averages = [largest_weight(0.02, seed) for seed in range(4)]
    assert max(averages) < 0.35


def test_without_the_pull_random_outcomes_move_the_weights_far() -> None:
    assert min(largest_weight(0.0, seed) for seed in range(4)) > 0.35


def test_random_trades_leave_the_managers_weights_near_the_start() -> None:
    """The whole way: shaped reward, baseline, advantage, update, from the manager's own start."""
    averages = {}
    for pull in (0.02, 0.0):
        rng = np.random.default_rng(9)
        m = ReinforcementManager(ReinforcementSettings(algorithm="exponential", pull=pull), 8)
        total = 0.0
        for k in range(5_000):
            pnl = 40.0 * float(rng.choice([-1.0, 1.0]))
            trade = TradeResult("A", int(rng.integers(0, 5)), pnl, 1_000.0, pnl / 40.0, k)
            m.learn_trade(str(k), trade, rng.choice([-1, 1], 4).tolist(), (0.6,) * 4)
            total += max(m.weights)
        averages[pull] = total / 5_000
    assert averages[0.02] < 0.35 < averages[0.0]


def test_exploration_rates() -> None:
    settings = ReinforcementSettings()
    rates = [exploration_rate(t, settings) for t in (0, 50, 100, 500)]
    assert rates == pytest.approx([0.20, 0.10, 0.05, 0.05])


def test_calibration_of_one_claim_and_of_overconfidence() -> None:
    one = Calibration()
    one.learn(0, 0.72, 1)
    assert one.brier[0] == pytest.approx(0.23284)
    assert one.scaler(0, 0.5) == pytest.approx(1.00616)
    steady = Calibration()
    scalers = []
    for k in range(4_000):
        steady.learn(1, 0.9, k % 2)
        scalers.append(steady.scaler(1, 0.5))
    assert np.mean(scalers[-1_000:]) == pytest.approx(0.84, abs=0.01)
    assert one.samples == [1, 0, 0, 0]


def test_relative_trades_give_the_same_reward_at_any_account_size() -> None:
    rewards = []
    for scale in (1.0, 100.0):
        shaper = RewardShaper(ReinforcementSettings())
        rng = np.random.default_rng(2)
        rewards.append(
            [
                shaper.score(TradeResult("A", 1, scale * x, scale * 1_000.0, x / 30.0))[0]
                for x in rng.normal(0.0, 40.0, 60).tolist()
            ]
        )
    assert rewards[0] == pytest.approx(rewards[1])
    assert max(map(abs, rewards[0])) <= 3.0


@pytest.mark.parametrize(
    ("eta", "prediction", "after"),
    [
        (2.0, 0.543989, (0.350847, 0.275986, 0.230523, 0.142644)),
        (0.25, 0.549193, (0.262268, 0.254517, 0.248854, 0.234362)),
    ],
)
def test_aggregating_step(eta: float, prediction: float, after: tuple[float, ...]) -> None:
    experts, weights = np.array([0.8, 0.6, 0.5, 0.3]), np.full(4, 0.25)
    assert pool.aggregate(experts, weights, eta) == pytest.approx(prediction, abs=1e-6)
    pool.reweigh(weights, (experts - 1.0) ** 2, eta, 0.0)
    assert weights == pytest.approx(after, abs=1e-6)


def plain_update(
    one: AggregatingPool, stated: Float64Array, outcomes: Float64Array
) -> tuple[float, float]:
    """One update by the rules as they stand, without compilation."""
    experts, losses = np.zeros(7), np.zeros(7)
    up, down = (
        pool.learn_bar(
            one.platt[game], one.bars[game], one.posterior[game], stated[game],
            outcomes[game], outcomes.shape[1], one.eta, one.share, one.rate, experts, losses,
        )
        for game in range(2)
    )  # fmt: skip
    return up, down


@pytest.mark.parametrize("algorithm", ["aa", "fixed_share"])
def test_compiled_updates_and_forecasts_equal_the_plain_rules(algorithm: str) -> None:
    rng = np.random.default_rng(3)
    fast, plain = (AggregatingPool(ReinforcementSettings(), 4, algorithm) for _ in range(2))
    experts = np.zeros(7)
    for t in range(300):
        stated = rng.uniform(0.0, 1.0, (2, 1 + t % 3, 4))
        stated[:, :, rng.integers(0, 4)] = np.nan
        outcomes = rng.integers(0, 2, stated.shape[:2]).astype(float)
        for k, got in enumerate(fast.predict(stated[0, 0], stated[1, 0])):
            pool.fill_experts(stated[k, 0], plain.platt[k], experts)
            assert got == pool.aggregate(experts, plain.posterior[k], plain.eta)
        assert fast.learn(*stated, *outcomes) == plain_update(plain, stated, outcomes)
        assert np.array_equal(fast.posterior, plain.posterior)
        assert np.array_equal(fast.platt, plain.platt)


def test_the_compiled_pass_equals_stepping_bar_by_bar() -> None:
    votes = synthetic_market(SyntheticSettings(n_bars=2_200, seed=4)).votes
    settings = ReinforcementSettings()
    whole = run_pool(votes, AggregatingPool(settings, votes.horizon_bars, "fixed_share"))
    step = AggregatingPool(settings, votes.horizon_bars, "fixed_share")
    ends, rows, symbols = label_order(votes)
    at = predicted = 0
    for t in range(votes.label_end.shape[0]):
        due = []
        while at < ends.size and ends[at] <= t:
            due.append(at)
            at += 1
        if due:
            r, s = rows[due], symbols[due]
            loss = step.learn(
                votes.p_up[r, s], votes.p_down[r, s], votes.y_long[r, s], votes.y_short[r, s]
            )
            assert loss == tuple(whole.loss[t])
        for s in range(votes.label_end.shape[1]):
            if votes.valid[t, s].any():
                predicted += 1
                got = step.predict(votes.p_up[t, s], votes.p_down[t, s])
                assert got == (whole.p_up[t, s], whole.p_down[t, s])
    assert predicted > 2_000


def test_a_copy_continues_to_the_same_numbers() -> None:
    votes = synthetic_market(SyntheticSettings(n_bars=2_200, seed=4)).votes
    one = AggregatingPool(ReinforcementSettings(), 8, "aa")
    run_pool(votes, one)
    other = one.copy()
    again, same = run_pool(votes, one), run_pool(votes, other)
    assert np.array_equal(again.p_up, same.p_up, equal_nan=True)
