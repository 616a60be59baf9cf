"""The environment that ``gymnasium.make`` gives equals the plain one, whole ``info`` included."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs.registration
from envs.compiled import CompiledEnv
from envs.core.errors import FixInput, InvalidAction
from envs.core.hooks import HookChain
from envs.trading import TradingEnv
from tests.parity.test_vector_equals_singles import worlds

envs.registration.register()
KEYS = ("state_index", "symbol", "side", "time_ns", "equity", "reason", "resolved")


def same_info(got: dict[str, Any], want: dict[str, Any]) -> None:
    assert set(got) == set(want)
    for key in KEYS:
        assert got[key] == want[key], key
    assert np.array_equal(got["action_mask"], want["action_mask"])


def drawn_action(env: CompiledEnv, rng: np.random.Generator) -> Any:
    if env.view_name == "trading":
        return rng.integers(0, env.action_space.nvec)
    return int(rng.integers(0, env.action_space.n))


def walk_together(env: CompiledEnv, seed: int, steps: int, ask: int) -> None:
    """Step both; ask for the dear entries every ``ask`` steps, for all of them at the end."""
    rng = np.random.default_rng(seed)
    plain = env.plain()
    seen, info = env.reset(seed=seed)
    want, wanted = plain.reset(seed=seed)
    kept: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for step in range(steps):
        if env.view_name == "tabular":
            assert seen == max(0, wanted["state_index"])
        else:
            assert np.array_equal(seen, want)
        if step % ask == 0:
            same_info(info, wanted)
        else:
            kept.append((info, wanted))
        action = drawn_action(env, rng)
        seen, *middle, info = env.step(action)
        want, *expected, wanted = plain.step(action)
        assert middle == expected, step
        if (middle[1] or middle[2]) and rng.random() < 0.8:
            same_info(info, wanted)
            seen, info = env.reset()
            want, wanted = plain.reset()
    for info, wanted in kept[::-1][:12]:
        same_info(info, wanted)


@settings(max_examples=25, deadline=None)
@given(worlds(), st.sampled_from(["sizing", "tabular", "trading"]), st.integers(1, 7))
def test_every_view_equals_the_plain_environment(world: Any, view: Any, ask: int) -> None:
    market, tape, rules, seed = world
    options = {"settings": rules, "episode_bars": 60, "random_start": False}
    walk_together(CompiledEnv(view, market, tape, **options), seed % 1_000, 60, ask)


def test_counterfactuals_are_those_of_the_plain_environment() -> None:
    env = CompiledEnv(episode_bars=300)
    plain = env.plain()
    env.reset(seed=0)
    plain.reset(seed=0)
    for action in (5, 0, 40, 75, 12):
        assert env.counterfactuals() == plain.counterfactuals()
        env.step(action)
        plain.step(action)


@pytest.mark.parametrize("view", ["sizing", "tabular", "trading"])
def test_infos_can_be_copied_and_pickled(view: Any) -> None:
    env = CompiledEnv(view, episode_bars=120)
    _, info = env.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(20):
        *_, info = env.step(drawn_action(env, rng))
    other = env.plain()
    other.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(20):
        *_, wanted = other.step(drawn_action(env, rng))
    stored = pickle.loads(pickle.dumps(info))  # noqa: S301 - our own bytes
    for twin in (copy.deepcopy(info), stored, dict(info.items())):
        assert type(twin) is dict
        same_info(twin, wanted)
    assert info.get("nothing", 7) == 7
    assert info.pop("side") == wanted["side"]
    assert "side" not in info


def test_make_gives_the_compiled_environment_and_the_plain_one_with_advisers() -> None:
    assert isinstance(gym.make("QuantumTrader/Sizing-v0").unwrapped, CompiledEnv)
    assert isinstance(gym.make("QuantumTrader/Trading-v0", chain=HookChain()).unwrapped, TradingEnv)


@pytest.mark.parametrize("action", [76, -1, 1.5, np.nan, [1], "long", True])
def test_bad_actions_are_refused(action: object) -> None:
    env = CompiledEnv(episode_bars=50)
    with pytest.raises(FixInput, match="call reset"):
        env.step(0)
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match="action must be one integer below 76"):
        env.step(action)
    assert env.step(0)[4]["reason"] == "SKIP"


def test_a_step_after_the_end_changes_nothing() -> None:
    env = CompiledEnv(episode_bars=30)
    env.reset(seed=0)
    over = False
    while not over:
        _, _, terminated, truncated, info = env.step(1)
        over = terminated or truncated
    _, reward, _, truncated, after = env.step(1)
    assert (reward, truncated) == (0.0, True)
    assert after["equity"] == info["equity"]
