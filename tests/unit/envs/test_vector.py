"""The vector environment's contract: spaces, seeds, autoreset, options, and clear refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv

import envs.registration
from envs.core.errors import FixInput, InvalidAction
from envs.kernel.state import RUNNING
from envs.vector import TradingVectorEnv

IDS = [i for i, (_, vector) in envs.registration.IDS.items() if vector is not None]
N = 4


def short(**options: Any) -> TradingVectorEnv:
    return TradingVectorEnv(N, **{"episode_bars": 60, **options})


def ended_mid_episode(env: TradingVectorEnv, limit: int = 400) -> tuple[Any, ...]:
    """Step with skips until some environments ended and some did not."""
    for _ in range(limit):
        out = env.step(np.zeros(N, dtype=np.int64))
        done = out[2] | out[3]
        if done.any():
            return out
    raise AssertionError("no episode ended")


@pytest.mark.parametrize("id_", IDS)
def test_make_vec_gives_the_compiled_environments(id_: str) -> None:
    env = gym.make_vec(id_, num_envs=N)
    assert isinstance(env.unwrapped, TradingVectorEnv)
    assert isinstance(env, VectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    seen, _ = env.reset(seed=1)
    assert env.observation_space.contains(seen)
    for _ in range(30):
        seen, reward, terminated, truncated, infos = env.step(env.action_space.sample())
        assert env.observation_space.contains(seen)
        assert reward.shape == terminated.shape == truncated.shape == (N,)
        assert np.isfinite(reward).all()
        assert all(infos[f"_{k}"].all() for k in infos if not k.startswith("_"))
    env.close()


def test_the_whole_market_is_one_episode_of_a_single_start_if_wanted() -> None:
    env = TradingVectorEnv(2, episode_bars=None, random_start=False)
    env.reset(seed=0)
    assert (env.accounts["last_row"] == env.market.n_bars - 1).all()


def test_seeds_determine_everything_and_differ_by_environment() -> None:
    runs = []
    for seed in (5, 5, 6):
        env = short()
        seen, infos = env.reset(seed=seed)
        rows = [infos["time_ns"].tolist()]
        rng = np.random.default_rng(0)
        for _ in range(40):
            *_, infos = env.step(rng.integers(0, 76, N))
            rows.append(infos["time_ns"].tolist())
        runs.append((seen.copy(), rows))
    assert runs[0][1] == runs[1][1]
    assert runs[0][1] != runs[2][1]
    assert len(set(runs[0][1][0])) > 1
    shifted = short()
    _, infos = shifted.reset(seed=[6, 7, 8, 9])
    assert infos["time_ns"].tolist() == runs[2][1][0]


def test_next_step_begins_the_next_episode_and_ignores_its_action() -> None:
    env = short(random_start=True)
    env.reset(seed=0)
    _, _, terminated, truncated, infos = ended_mid_episode(env)
    done = terminated | truncated
    assert (infos["state_index"][done] == -1).all()
    assert (infos["symbol_index"][done] == -1).all()
    _, reward, terminated, truncated, infos = env.step(np.full(N, 75))
    assert (reward[done] == 0.0).all()
    assert not (terminated | truncated)[done].any()
    assert (infos["equity"][done] == 10_000.0).all()
    assert (env.accounts["phase"][done] == RUNNING).all()


def test_same_step_keeps_the_end_and_begins_at_once() -> None:
    twin, env = short(), short(autoreset="same_step")
    twin.reset(seed=0)
    env.reset(seed=0)
    ended = ended_mid_episode(twin)
    seen, reward, terminated, truncated, infos = ended_mid_episode(env)
    done = terminated | truncated
    assert np.array_equal(done, ended[2] | ended[3])
    assert np.array_equal(reward, ended[1])
    for e in np.flatnonzero(done).tolist():
        assert np.array_equal(infos["final_obs"][e], ended[0][e])
        assert infos["final_info"]["equity"][e] == ended[4]["equity"][e]
    assert np.array_equal(infos["_final_obs"], done)
    begun = twin.step(np.zeros(N, dtype=np.int64))[0]
    assert np.array_equal(seen[done], begun[done])


def test_an_observation_stays_valid_for_one_more_step_or_is_a_copy() -> None:
    env, copying = short(copy=False), short()
    for one in (env, copying):
        first, _ = one.reset(seed=0)
        kept = first.copy()
        second = one.step(np.zeros(N, dtype=np.int64))[0]
        assert np.array_equal(first, kept)
        third = one.step(np.zeros(N, dtype=np.int64))[0]
        assert np.shares_memory(first, third) is (one is env)
        assert not np.shares_memory(second, third)


def test_reset_mask_begins_only_those() -> None:
    env = short()
    env.reset(seed=0)
    for _ in range(5):
        before, *_ = env.step(np.zeros(N, dtype=np.int64))
    rows = env.accounts["row"].copy()
    mask = np.array([True, False, False, True])
    seen, infos = env.reset(seed=9, options={"reset_mask": mask})
    assert np.array_equal(seen[~mask], before[~mask])
    assert np.array_equal(env.accounts["row"][~mask], rows[~mask])
    assert (infos["equity"][mask] == 10_000.0).all()


def test_options_choose_start_length_and_symbols() -> None:
    env = short()
    start = env.market.n_bars // 2
    symbol = env.market.symbols[1]
    _, infos = env.reset(seed=0, options={"start": start, "length": 30, "symbols": [symbol]})
    assert (env.accounts["last_row"] == start + 30).all()
    assert set(infos["symbol_index"].tolist()) <= {1, -1}
    same, _ = env.reset(options={"start": int(env.market.close_ns[start])})
    assert (env.accounts["row"] >= start).all()
    assert same.shape[0] == N


@pytest.mark.parametrize(
    "actions",
    [
        np.zeros(N + 1, dtype=np.int64), np.zeros((N, 1), dtype=np.int64), np.zeros(N),
        np.full(N, np.nan), np.full(N, 76), np.array([0, 0, -1, 0]), "ab", None,
        np.zeros(N, dtype=bool),
    ],
    ids=["long", "column", "float", "nan", "beyond", "negative", "text", "none", "bool"],
)  # fmt: skip
def test_bad_actions_are_refused_before_anything_moves(actions: Any) -> None:
    env = short()
    env.reset(seed=0)
    before = env.accounts.copy()
    with pytest.raises(InvalidAction, match="action"):
        env.step(actions)
    assert np.array_equal(before, env.accounts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 10**6}, "start|row"), ({"start": -1}, "outside"), ({"length": -5}, "length"),
        ({"symbols": ["NONE"]}, "NONE"), ({"bars": 5}, "unknown"),
        ({"reset_mask": np.zeros(N, dtype=bool)}, "reset_mask"),
        ({"reset_mask": np.ones(2, dtype=bool)}, "reset_mask"),
    ],
)  # fmt: skip
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    env = short()
    with pytest.raises((FixInput, ValueError), match=message):
        env.reset(seed=0, options=options)


def test_other_misuse_is_refused() -> None:
    with pytest.raises(FixInput, match="reset"):
        short().step(np.zeros(N, dtype=np.int64))
    with pytest.raises(FixInput, match="num_envs"):
        TradingVectorEnv(0)
    with pytest.raises(FixInput, match="view"):
        TradingVectorEnv(1, view="weights")  # type: ignore[arg-type]
    with pytest.raises(FixInput, match="seeds"):
        short().reset(seed=[1, 2])
    with pytest.raises(FixInput, match="first reset"):
        short().reset(options={"reset_mask": np.array([True, False, True, True])})


def test_an_environment_takes_less_than_two_kibibytes_with_four_symbols() -> None:
    env = short()
    symbols = 4
    per_slot = env.slots.nbytes / N / env.market.n_symbols
    one = env.accounts.nbytes / N + per_slot * symbols + env.single_observation_space.shape[0] * 4
    assert one < 2_048


@pytest.mark.long
def test_the_kernel_stays_inside_its_arrays(tmp_path: Path) -> None:
    """The same run with bounds checking on raises nothing and ends alike."""
    program = (
        "import numpy as np; from envs.vector import TradingVectorEnv\n"
        "env = TradingVectorEnv(3, episode_bars=300); env.reset(seed=1)\n"
        "rng = np.random.default_rng(0)\n"
        "for _ in range(300): out = env.step(rng.integers(0, 76, 3))\n"
        "env.action_masks(); print(out[4]['equity'].tolist())\n"
    )
    found = []
    for check in ("0", "1"):
        environ = {**os.environ, "NUMBA_BOUNDSCHECK": check}
        if check == "1":
            environ["QT_KERNEL_CACHE_DIR"] = str(tmp_path)
        done = subprocess.run(
            [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
        )
        found.append(done.stdout)
    assert found[0] == found[1] != ""
