"""The weights view played through the registered environment gives the losses of the pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

import envs.registration
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from envs.core.errors import FixInput, InvalidAction
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from envs.core.tape import VoteTable
from envs.core.types import Float64Array
from envs.market.planted import SyntheticMarket, synthetic_market
from envs.market.synthetic import SyntheticSettings
from envs.weights_env import WeightsEnv
from training.weights import Weighed, run_weights
from training.weights_view import (
    action_of,
    bounded,
    play_manager,
    play_weights,
    reference_outcomes,
    view_forecasts,
)

envs.registration.register()
CORE = CoreSettings()
NO_EDGES = np.zeros(0, dtype=np.int64)


@pytest.fixture(scope="module")
def made() -> SyntheticMarket:
    """Planted votes of which some abstain."""
    out = synthetic_market(SyntheticSettings(n_bars=700, seed=6))
    valid = out.votes.valid & (np.random.default_rng(2).random(out.votes.valid.shape) > 0.1)
    votes = replace(
        out.votes,
        valid=valid,
        p_up=np.where(valid, out.votes.p_up, np.nan),
        p_down=np.where(valid, out.votes.p_down, np.nan),
    )
    return replace(out, votes=votes)


@pytest.fixture(scope="module")
def data(made: SyntheticMarket) -> MarketSeries:
    return prepare(made.market, CORE)


def fresh(algorithm: str, made: SyntheticMarket) -> ReinforcementManager:
    settings = ReinforcementSettings(algorithm=algorithm)
    return ReinforcementManager(settings, made.votes.horizon_bars)


@pytest.fixture(scope="module")
def weighed(made: SyntheticMarket, data: MarketSeries) -> Callable[[str], Weighed]:
    found: dict[str, Weighed] = {}

    def run(algorithm: str) -> Weighed:
        if algorithm not in found:
            found[algorithm] = run_weights(
                data, made.votes, CORE, fresh(algorithm, made), NO_EDGES, made.pool_line
            )
        return found[algorithm]

    return run


def view(made: SyntheticMarket, **options: object) -> WeightsEnv:
    env = gym.make("QuantumTrader/Weights-v0", market=made.market, votes=made.votes, **options)
    inner = env.unwrapped
    if not isinstance(inner, WeightsEnv):
        raise TypeError(type(inner))
    return inner


def decided(made: SyntheticMarket) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    votes = made.votes
    usable = (votes.valid.sum(axis=2) >= 2) & (votes.label_end >= 0) & made.market.complete
    return np.nonzero(usable)


def paid_by_step(made: SyntheticMarket, p_up: Float64Array, p_down: Float64Array) -> Float64Array:
    """Minus the losses of given forecasts, at the step in which each label is known."""
    votes = made.votes
    rows, symbols = decided(made)
    miss = (p_up - votes.y_long) ** 2 + (p_down - votes.y_short) ** 2
    out = np.zeros(rows.size)
    following = np.append(rows[1:], made.market.n_bars)
    ends = votes.label_end[rows, symbols]
    step = np.maximum(np.searchsorted(following, ends), np.arange(rows.size))
    np.add.at(out, step, -0.5 * miss[rows, symbols])
    return out


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_passes_weights_played_through_the_view_lose_what_the_pass_says(
    made: SyntheticMarket, weighed: Callable[[str], Weighed], algorithm: str
) -> None:
    env = view(made)
    weights = bounded(weighed(algorithm).pool.weights, *env.bounds)
    played = play_weights(env, weighed(algorithm).pool.weights)
    expected = paid_by_step(made, *view_forecasts(made.votes, weights))
    assert played.size > 1_000
    assert played == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("algorithm", ["exponential", "uniform"])
def test_linear_algorithms_forecast_in_the_view_what_their_pass_forecasts(
    made: SyntheticMarket, weighed: Callable[[str], Weighed], algorithm: str
) -> None:
    """Without Platt and scalers the pooled probability is the weighted mean itself."""
    pool = weighed(algorithm).pool
    played = play_weights(view(made), pool.weights)
    assert played == pytest.approx(paid_by_step(made, pool.p_up, pool.p_down), abs=1e-12)


@pytest.mark.parametrize("algorithm", ["aa", "fixed_share", "uniform"])
def test_a_manager_that_learns_in_the_view_acts_as_the_pass(
    made: SyntheticMarket, weighed: Callable[[str], Weighed], algorithm: str
) -> None:
    """Live learning from ``info["resolved"]`` step by step, against the compiled pass."""
    whole, live = weighed(algorithm), fresh(algorithm, made)
    played = play_manager(view(made), live)
    assert np.array_equal(played, play_weights(view(made), whole.pool.weights))
    assert np.array_equal(live.pool.posterior, whole.manager.pool.posterior)
    assert live.calibration.stats == pytest.approx(whole.manager.calibration.stats, abs=1e-15)
    assert len(live.labels) == len(whole.manager.labels) > 1_000


def test_no_label_is_brought_before_it_ended_and_none_is_lost(made: SyntheticMarket) -> None:
    env = view(made)
    _, info = env.reset(options={"start": 300})
    first_ns, seen, over = info["time_ns"], [], False
    assert info["resolved"] == ()
    while not over:
        now = info["time_ns"]
        assert all(x.bar_close_ns >= first_ns for x in info["resolved"])
        assert all(x.resolved_ns <= now for x in info["resolved"])
        seen += info["resolved"]
        _, _, _, over, info = env.step(np.zeros(4))
    seen += info["resolved"]
    votes, row = made.votes, int(np.searchsorted(made.market.close_ns, first_ns))
    known = (votes.label_end >= 0) & votes.valid.any(axis=2) & np.isfinite(votes.y_long)
    assert len(seen) == len({x.id for x in seen}) == int(known[row:].sum())
    assert [x.resolved_ns for x in seen] == sorted(x.resolved_ns for x in seen)


def test_the_growth_reward_is_that_of_the_reference_action(
    made: SyntheticMarket, data: MarketSeries
) -> None:
    reference = reference_outcomes(data, made.votes, CORE, made.pool_line)
    env = view(made, reward="log_growth", reference=reference)
    played = play_weights(env, np.full((made.market.n_bars, 4), 0.25))
    rows, symbols = decided(made)
    weights = np.full(4, 0.25)
    expected, sides = 0.0, []
    for t, s in zip(rows.tolist(), symbols.tolist(), strict=True):
        sides.append(env.side_of(t, s, weights))
        growth = reference.growth[t, s, (1 - sides[-1]) // 2] if sides[-1] else 0.0
        expected += 0.0 if np.isnan(growth) else float(growth)
    assert {1, 0, -1} == set(sides)
    assert played.sum() == pytest.approx(expected, abs=1e-12)
    assert np.count_nonzero(played) > 50
    # A line that is all noise gives no vote a direction.
    line = made.pool_line
    flat = replace(line, se=2.0 * line.b)
    idle = view(made, reward="log_growth", reference=replace(reference, line=flat))
    assert not play_weights(idle, np.full((made.market.n_bars, 4), 0.25)).any()


def test_a_growth_reward_needs_its_outcomes(made: SyntheticMarket) -> None:
    with pytest.raises(FixInput, match="reference_outcomes"):
        view(made, reward="log_growth")
    with pytest.raises(FixInput, match="choose one of brier, log_growth"):
        view(made, reward="profit")
    with pytest.raises(FixInput, match="pool's line"):
        view(made).side_of(700, 0, np.full(4, 0.25))


def test_actions_mean_the_weights_they_were_made_of(made: SyntheticMarket) -> None:
    env = view(made)
    for weights in (np.array([0.25, 0.25, 0.30, 0.20]), np.array([0.05, 0.5, 0.4, 0.05])):
        assert env.weights_of(action_of(weights)) == pytest.approx(weights, abs=1e-12)
    extreme = env.weights_of(action_of(np.array([1.0, 0.0, 0.0, 0.0])))
    assert extreme == pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6])
    assert env.weights_of(np.full(4, -1.0)) == pytest.approx([0.25] * 4)


def test_absent_models_give_their_share_to_the_others(made: SyntheticMarket) -> None:
    votes: VoteTable = made.votes
    weights = np.tile([0.1, 0.2, 0.3, 0.4], (made.market.n_bars, 1))
    up, _ = view_forecasts(votes, weights)
    some = np.argwhere(votes.valid.any(axis=2) & ~votes.valid.all(axis=2))
    assert len(some) > 100
    for t, s in some[::40].tolist():
        ok = votes.valid[t, s]
        expected = np.average(votes.p_up[t, s][ok], weights=weights[t][ok])
        assert up[t, s] == pytest.approx(expected)
    assert np.isnan(up[~votes.valid.any(axis=2)]).all()


@pytest.mark.parametrize(
    "action", [np.zeros(3), np.array([np.nan, 0, 0, 0]), np.full(4, 1.5), np.zeros((1, 4)), [[1]]]
)
def test_an_action_beyond_the_space_is_refused_and_changes_nothing(
    made: SyntheticMarket, action: object
) -> None:
    env, plain = view(made), view(made)
    env.reset()
    plain.reset()
    with pytest.raises(InvalidAction, match="4 numbers"):
        env.step(action)
    for _ in range(40):
        got, expected = env.step(np.zeros(4)), plain.step(np.zeros(4))
        assert np.array_equal(got[0], expected[0])
        assert got[1:] == expected[1:]
