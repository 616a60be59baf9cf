from __future__ import annotations

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import envs.registration
from envs.core.errors import FixInput, InvalidAction
from envs.defaults import default_environment_data
from envs.registration import IDS
from envs.trading import TradingEnv
from envs.views import SizingView

envs.registration.register()


@pytest.fixture(scope="module")
def sizing() -> SizingView:
    market, tape, votes = default_environment_data()
    return SizingView(TradingEnv(market, tape, votes, candidates="signals", episode_bars=400))


@pytest.mark.parametrize("id_", sorted(IDS))
def test_both_checkers_pass_without_a_warning(id_: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(id_, episode_bars=200).unwrapped, skip_render_check=True)
        sb3_check_env(gym.make(id_, episode_bars=200, disable_env_checker=True), warn=True)


@pytest.mark.parametrize("id_", sorted(IDS))
def test_make_vec_works_without_arguments(id_: str) -> None:
    vector = gym.make_vec(id_, num_envs=2)
    vector.reset(seed=1)
    observation, reward, _, _, _ = vector.step(vector.action_space.sample())
    assert len(reward) == 2
    assert len(observation) == 2


def test_counts_of_actions_and_states(sizing: SizingView) -> None:
    assert sizing.action_space.n == 76
    assert gym.make("QuantumTrader/SizingTabular-v0").observation_space.n == 300


def test_step_rewards_sum_to_the_log_growth_of_equity(sizing: SizingView) -> None:
    rng = np.random.default_rng(0)
    _, info = sizing.reset(seed=0)
    start, total, over, steps = info["equity"], 0.0, False, 0
    while not over:
        allowed = np.flatnonzero(info["action_mask"])
        _, reward, terminated, truncated, info = sizing.step(int(rng.choice(allowed)))
        total += reward
        over = terminated or truncated
        steps += 1
    assert steps > 20
    assert total == pytest.approx(np.log(info["equity"] / start), abs=1e-12 * steps)


def test_every_decision_resolves_exactly_once(sizing: SizingView) -> None:
    rng = np.random.default_rng(1)
    _, info = sizing.reset(seed=0)
    seen: list[str] = []
    over, steps = False, 0
    while not over:
        action = int(rng.choice(np.flatnonzero(info["action_mask"])))
        _, _, terminated, truncated, info = sizing.step(action)
        seen += [r.decision.decision_id for r in info["resolved"]]
        over = terminated or truncated
        steps += 1
    assert len(seen) == len(set(seen)) == steps


def test_a_resolved_decision_carries_the_models_actions(sizing: SizingView) -> None:
    market, _, votes = default_environment_data()
    rng = np.random.default_rng(4)
    _, info = sizing.reset(seed=0)
    found = []
    while len(found) < 20:
        action = int(rng.choice(np.flatnonzero(info["action_mask"])))
        _, _, _, _, info = sizing.step(action)
        found += [r.decision for r in info["resolved"]]
    for decision in found:
        row = int(np.searchsorted(market.close_ns, decision.bar_close_ns))
        s = market.symbols.index(decision.symbol)
        assert decision.sides == votes.sides_at(row, s)
    assert any(any(decision.sides) for decision in found)


def test_same_seed_gives_the_same_episode(sizing: SizingView) -> None:
    def play() -> list[float]:
        rng = np.random.default_rng(3)
        _, info = sizing.reset(seed=7)
        out = []
        for _ in range(40):
            action = int(rng.choice(np.flatnonzero(info["action_mask"])))
            observation, reward, terminated, truncated, info = sizing.step(action)
            out += [reward, float(observation.sum())]
            if terminated or truncated:
                break
        return out

    assert play() == play()


def test_counterfactuals_agree_with_the_executed_trade(sizing: SizingView) -> None:
    sizing.reset(seed=0, options={"symbols": ["BTCUSDT"]})
    alternatives = sizing.counterfactuals()
    traded = np.flatnonzero(np.isfinite(alternatives.reward) & (alternatives.end_bar >= 0))
    index = int(traded[-1])
    found = []
    _, _, _, _, info = sizing.step(index)
    found += info["resolved"]
    while not found:
        _, _, _, _, info = sizing.step(0)
        found += [r for r in info["resolved"] if r.decision.chosen == index]
    assert found[0].reward == alternatives.reward[index]


def test_skip_and_masked_actions_open_nothing(sizing: SizingView) -> None:
    _, info = sizing.reset(seed=0)
    equity = info["equity"]
    _, reward, _, _, info = sizing.step(0)
    assert reward == 0.0
    assert info["equity"] == equity


@pytest.mark.parametrize("action", [76, -1, 1.5, np.nan, [1], "long"])
def test_bad_actions_are_refused(sizing: SizingView, action: object) -> None:
    sizing.reset(seed=0)
    with pytest.raises(InvalidAction, match="action must be"):
        sizing.step(action)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"begin": 3}, "unknown reset options"),
        ({"start": -5}, "outside the market"),
        ({"length": -1}, "at least 1 bar"),
        ({"symbols": ["NOPE"]}, "not in the market"),
    ],
)
def test_impossible_resets_are_refused(
    sizing: SizingView, options: dict[str, object], words: str
) -> None:
    with pytest.raises(FixInput, match=words):
        sizing.reset(options=options)


def test_altering_the_future_changes_nothing_before(sizing: SizingView) -> None:
    """Observations and candidates up to t do not depend on prices after t."""
    from dataclasses import replace

    market, tape, votes = default_environment_data()
    cut = market.n_bars - 600

    def play(changed: bool) -> list[float]:
        ticks = {}
        for name in ("open_ticks", "high_ticks", "low_ticks", "close_ticks"):
            column = getattr(market, name).copy()
            if changed:
                column[cut + 1 :] = column[cut + 1 :] * 2
            ticks[name] = column
        bars = replace(market, has_mark=np.array([False, False]), **ticks)
        env = SizingView(TradingEnv(bars, tape, votes, candidates="signals"))
        observation, info = env.reset(options={"start": cut - 500, "length": 900})
        out = []
        while info["time_ns"] <= market.close_ns[cut]:
            out += [float(observation.sum()), info["equity"]]
            observation, _, _, _, info = env.step(4)
        return out

    plain = play(False)
    assert len(plain) > 50
    assert plain == play(True)
