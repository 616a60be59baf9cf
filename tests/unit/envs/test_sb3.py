"""The stable-baselines3 face keeps its contract and changes no number of the environments."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from envs.core.errors import FixInput, InvalidAction
from envs.core.settings import CoreSettings
from envs.sb3 import TradingVecEnv
from envs.vector import TradingVectorEnv

N = 4
POOR = replace(CoreSettings(), start_equity_quote=60.0)
RUINOUS = replace(CoreSettings(), ruin_fraction=0.999)


def vector(n: int = N, **options: Any) -> TradingVectorEnv:
    given: dict[str, Any] = {"episode_bars": 240, "autoreset": "same_step", **options}
    return TradingVectorEnv(n, view="sizing", **given)


def actions(steps: int, n: int = N) -> Any:
    return np.random.default_rng(7).integers(0, 76, (steps, n))


@pytest.mark.parametrize("rules", [CoreSettings(), POOR, RUINOUS], ids=["plain", "poor", "ruin"])
def test_both_faces_give_the_same_episodes(rules: CoreSettings) -> None:
    """Observations, rewards, ends and last observations agree with the Gymnasium face."""
    face = TradingVecEnv(vector(settings=rules, copy=True))
    other = vector(settings=rules, copy=True)
    face.seed(11)
    seen = face.reset()
    expected, _ = other.reset(seed=11)
    assert np.array_equal(seen, expected)
    ends = {"truncated": 0, "terminated": 0}
    total, length = np.zeros(N), np.zeros(N, dtype=int)
    for row in actions(150):
        seen, reward, done, infos = face.step(row)
        expected, paid, terminated, truncated, info = other.step(row)
        total, length = total + paid, length + 1
        assert np.array_equal(seen, expected)
        assert reward.dtype == np.float32
        assert np.array_equal(reward, paid.astype(np.float32))
        assert np.array_equal(done, terminated | truncated)
        for e in range(N):
            if not done[e]:
                assert infos[e] == {}
                continue
            assert infos[e]["TimeLimit.truncated"] == bool(truncated[e] and not terminated[e])
            assert np.array_equal(infos[e]["terminal_observation"], info["final_obs"][e])
            assert infos[e]["equity"] == info["final_info"]["equity"][e]
            assert infos[e]["episode"]["r"] == pytest.approx(total[e], abs=1e-12)
            assert infos[e]["episode"]["l"] == length[e]
            assert infos[e]["episode"]["t"] >= 0.0
            ends["terminated" if terminated[e] else "truncated"] += 1
            total[e], length[e] = 0.0, 0
    assert ends["truncated"] > 0
    assert (ends["terminated"] > 0) == (rules is RUINOUS)


def test_the_episode_return_is_the_log_growth_whatever_the_scale() -> None:
    face = TradingVecEnv(vector(), reward_scale=100.0)
    plain = TradingVecEnv(vector())
    for env in (face, plain):
        env.seed(2)
        env.reset()
    found = 0
    start = CoreSettings().start_equity_quote
    for row in actions(120):
        _, scaled, _, infos = face.step(row)
        _, reward, _, _ = plain.step(row)
        assert np.array_equal(scaled, reward * np.float32(100.0))
        for info in infos:
            if info:
                grown = math.log(info["equity"] / start)
                assert info["episode"]["r"] == pytest.approx(grown, abs=1e-10)
                found += 1
    assert found > 0


def test_seeds_are_used_once_and_give_each_environment_its_own() -> None:
    face = TradingVecEnv(vector(copy=True))
    assert list(face.seed(5)) == [5, 6, 7, 8]
    first = face.reset()
    second = face.reset()
    face.seed(5)
    assert np.array_equal(face.reset(), first)
    assert np.array_equal(face.reset(), second)
    assert not np.array_equal(first, second)
    alone = vector(1, copy=True).reset(seed=7)[0][0]
    assert np.array_equal(first[2], alone)


def test_options_are_for_all_and_used_once() -> None:
    face = TradingVecEnv(vector(copy=True))
    face.set_options({"start": 500, "length": 50})
    face.seed(0)
    face.reset()
    assert face.env.accounts["last_row"].tolist() == [550] * N
    face.reset()
    assert face.env.accounts["last_row"].tolist() != [550] * N
    face.set_options([{"start": 500 + i} for i in range(N)])
    with pytest.raises(FixInput, match="one dictionary for all"):
        face.reset()


def test_masked_actions_are_counted_and_open_nothing() -> None:
    face = TradingVecEnv(vector(settings=POOR))
    face.seed(1)
    face.reset()
    expected = 0
    for row in actions(80):
        masks = face.action_masks()
        expected += int((~masks[np.arange(N), row]).sum())
        face.step(row)
    assert face.masked == expected > 10
    face.reset()
    assert face.masked == 0


def test_attributes_and_methods_are_handed_out_by_environment() -> None:
    face = TradingVecEnv(vector())
    face.seed(0)
    face.reset()
    assert face.get_attr("view") == ["sizing"] * N
    assert face.get_attr("preset", [0, 2])[1].n == 76
    assert face.get_attr("view", 1) == ["sizing"]
    masks = face.env_method("action_masks")
    assert np.array_equal(np.stack(masks), face.action_masks())
    assert len(face.env_method("action_masks", indices=[3])) == 1
    assert face.env_is_wrapped(VecMonitor) == [False] * N
    assert face.has_attr("market")
    assert not face.has_attr("no_such_thing")
    with pytest.raises(FixInput, match="share one market"):
        face.set_attr("view", "tabular")
    with pytest.raises(FixInput, match="row for each environment"):
        face.env_method("close")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reward_scale": 0.0}, "reward_scale"),
        ({"reward_scale": math.nan}, "reward_scale"),
        ({"threads": 0}, "threads"),
        ({"threads": 10**6}, "threads"),
    ],
)
def test_impossible_arguments_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(FixInput, match=words):
        TradingVecEnv(vector(), **options)


def test_an_environment_that_resets_a_step_later_is_refused() -> None:
    with pytest.raises(FixInput, match="same_step"):
        TradingVecEnv(vector(autoreset="next_step"))


def test_bad_actions_are_refused_as_by_the_other_face() -> None:
    face = TradingVecEnv(vector())
    face.reset()
    with pytest.raises(InvalidAction, match="environment 1"):
        face.step(np.array([0, 76, 0, 0]))
    with pytest.raises(InvalidAction, match="integers"):
        face.step(np.zeros(N))


def test_the_kernels_threads_are_given_back() -> None:
    before = numba.get_num_threads()
    face = TradingVecEnv(vector(), threads=1)
    face.reset()
    face.step(actions(1)[0])
    with pytest.raises(InvalidAction):
        face.step(np.zeros(1, dtype=np.int64))
    assert numba.get_num_threads() == before


def test_ppo_learns_on_it_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = VecMonitor(TradingVecEnv(vector(8)))
        model = PPO("MlpPolicy", env, n_steps=32, batch_size=64, n_epochs=1, device="cpu")
        model.learn(512)
    assert len(model.ep_info_buffer or ()) > 0
