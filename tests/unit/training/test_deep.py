"""Deep-RL baselines: same result from the same seed, resumable, and blind to the held-out bars."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.deep.agent import NetworkAgent
from agents.deep.settings import DeepSettings
from envs.artifact import load_artifact
from envs.core.errors import FixData, FixInput, FixSettings, RefusedArtifact
from envs.vector import TradingVectorEnv
from runtime.bundle import load_bundle
from runtime.settings import load_settings
from tests.unit.training.test_planted_market import periods
from training.deep import WishCount, make_model, train_deep
from training.deep_env import training_env, training_rows
from training.deep_state import CHECKPOINT, SCHEMA_NAME, load_model, network_of, save_model
from training.simulate import Period, Simulator

TINY = replace(
    DeepSettings(), timesteps=2_000, n_envs=16, episode_bars=200, layers=(16,), batch=64, rollout=8,
    epochs=2, learning_starts=200, buffer=800, target_update=300,
)  # fmt: skip
BOTH = pytest.mark.parametrize("algorithm", ["dqn", "ppo"])


@pytest.fixture(scope="module")
def period() -> Period:
    return periods("strong", 2_400, 0.5)[0]


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Networks this small only wait for each other's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@BOTH
def test_the_seed_alone_decides_the_network(period: Period, algorithm: str) -> None:
    first, training = train_deep(period, algorithm, TINY, 3)
    np.random.default_rng().random()
    again, _ = train_deep(period, algorithm, TINY, 3)
    other, _ = train_deep(period, algorithm, TINY, 4)
    assert first.digest() == again.digest() != other.digest()
    assert (first.name, first.preset) == (algorithm, period.preset)
    assert training.timesteps >= TINY.timesteps
    assert training.steps_per_second > 0.0


@BOTH
def test_a_stopped_training_resumes_to_the_same_network(
    period: Period, tmp_path: Path, algorithm: str
) -> None:
    whole, _ = train_deep(period, algorithm, TINY, 0, tmp_path / "whole", config_hash="a")
    stopped = tmp_path / "stopped"

    def stop(done: int) -> None:
        if done >= 1_300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_deep(period, algorithm, TINY, 0, stopped, config_hash="a", on_steps=stop)
    resumed, training = train_deep(
        period, algorithm, TINY, 0, stopped, resume=True, config_hash="a"
    )
    assert 0 < training.resumed < training.timesteps
    assert resumed.digest() == whole.digest()
    finished, training = train_deep(
        period, algorithm, TINY, 0, stopped, resume=True, config_hash="a"
    )
    assert training.resumed == training.timesteps
    assert finished.digest() == whole.digest()
    kept = load_artifact(stopped / CHECKPOINT, schema_name=SCHEMA_NAME, max_version=1)
    assert "memory" not in kept.payload
    assert not [name for name in kept.arrays if name.startswith("memory.")]
    assert not list(stopped.glob("*.prev"))
    assert not [p for p in stopped.rglob("*") if p.suffix in {".pkl", ".zip", ".pt", ".pth"}]


@pytest.mark.parametrize("damaged", [".json", ".npz"])
def test_a_damaged_checkpoint_goes_on_from_the_one_before(
    period: Period, tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    whole, _ = train_deep(period, "dqn", TINY, 0, config_hash="a")

    def stop(done: int) -> None:
        if done >= 1_300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_deep(period, "dqn", TINY, 0, tmp_path, config_hash="a", on_steps=stop)
    file = (tmp_path / CHECKPOINT).with_suffix(damaged)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    resumed, training = train_deep(period, "dqn", TINY, 0, tmp_path, resume=True, config_hash="a")
    assert 0 < training.resumed < 1_300
    assert resumed.digest() == whole.digest()
    assert "what was learned since is missing" in caplog.text


def test_a_checkpoint_of_another_run_is_refused(period: Period, tmp_path: Path) -> None:
    short = replace(TINY, timesteps=128, learning_starts=64)
    train_deep(period, "ppo", short, 0, tmp_path, config_hash="a")
    with pytest.raises(RefusedArtifact, match="config hash: expected b, found a"):
        train_deep(period, "ppo", short, 0, tmp_path, resume=True, config_hash="b")
    with pytest.raises(RefusedArtifact, match="algorithm: expected dqn, found ppo"):
        train_deep(period, "dqn", short, 0, tmp_path, resume=True, config_hash="a")
    wide = replace(short, layers=(32,))
    with pytest.raises(RefusedArtifact, match="other layers"):
        train_deep(period, "ppo", wide, 0, tmp_path, resume=True, config_hash="a")
    data = bytearray((tmp_path / CHECKPOINT).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / CHECKPOINT).write_bytes(bytes(data))
    with pytest.raises(RefusedArtifact, match=CHECKPOINT):
        train_deep(period, "ppo", short, 0, tmp_path, resume=True, config_hash="a")


@BOTH
def test_a_learner_comes_back_from_its_checkpoint_whole(
    period: Period, tmp_path: Path, algorithm: str
) -> None:
    """Weights, moments, counters and memory: the same afterwards, to the last bit."""
    env = training_env(period, TINY)
    model = make_model(algorithm, env, TINY, 1)
    model.learn(600)
    save_model(tmp_path / "one.json", model, algorithm, "h")
    fresh = make_model(algorithm, env, TINY, 2)
    load_model(tmp_path / "one.json", fresh, algorithm, "h")
    save_model(tmp_path / "two.json", fresh, algorithm, "h")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.json", "two.json"))
    assert one == two
    payload = json.loads(one)
    assert {name.split(".")[0] for name in payload["arrays"]} >= {"policy", "adam"}
    assert ("memory" in payload["payload"]) == (algorithm == "dqn")


@BOTH
def test_the_network_chooses_as_the_learner_it_was_taken_from(
    period: Period, algorithm: str
) -> None:
    env = training_env(period, TINY)
    model = make_model(algorithm, env, TINY, 5)
    model.learn(600)
    network = network_of(model, algorithm, period.preset)
    env.seed(0)
    seen, same, total = env.reset(), 0, 0
    for _ in range(30):
        chosen, _ = model.predict(seen, deterministic=True)
        scores = network.scores(seen)
        assert scores[np.arange(16), chosen] == pytest.approx(scores.max(axis=1), abs=1e-5)
        same, total = same + int((scores.argmax(axis=1) == chosen).sum()), total + 16
        seen, *_ = env.step(chosen)
    assert same >= total - 2


def test_training_never_reads_a_later_bar(period: Period) -> None:
    """Prices, votes and signals after the period may be anything: the network stays the same."""
    cut = period.last + 1
    market = period.data.market
    columns: dict[str, Any] = {}
    for name in ("open_ticks", "high_ticks", "low_ticks", "close_ticks", "features", "atr_frac"):
        columns[name] = getattr(market, name).copy()
        columns[name][cut:] *= 3
    votes = replace(period.votes, p_up=period.votes.p_up.copy())
    votes.p_up[cut:] = 0.9
    tape = replace(period.tape, side=-period.tape.side, candidate=~period.tape.candidate)
    tape.side[:cut], tape.candidate[:cut] = period.tape.side[:cut], period.tape.candidate[:cut]
    changed = replace(
        period, data=replace(period.data, market=replace(market, **columns)), tape=tape, votes=votes
    )
    env = training_env(changed, TINY)
    digests = {
        train_deep(period, "ppo", TINY, 1)[0].digest(),
        train_deep(changed, "ppo", TINY, 1, env=env)[0].digest(),
    }
    assert len(digests) == 1
    assert env.env.market.n_bars == cut
    assert int(env.env.accounts["row"].max()) <= period.last


def test_episodes_begin_and_end_inside_the_training_period(period: Period) -> None:
    later = replace(period, first=period.first + 300)
    market, tape, votes = training_rows(later)
    assert market.n_bars == tape.side.shape[0] == votes.p_up.shape[0] == later.last + 1
    assert not tape.candidate[: later.first].any()
    assert np.array_equal(
        tape.candidate[later.first :], period.tape.candidate[later.first : later.last + 1]
    )
    env = training_env(later, TINY)
    env.seed(0)
    env.reset()
    rng = np.random.default_rng(0)
    rows: set[int] = set()
    for _ in range(200):
        env.step(rng.integers(0, 76, 16))
        rows |= set(env.env.accounts["row"].tolist())
    assert later.first <= min(rows) <= later.first + 100
    assert later.last - 100 <= max(rows) <= later.last


@pytest.mark.parametrize("equity", [10_000.0, 60.0])
def test_simulator_and_environment_show_the_agent_the_same(period: Period, equity: float) -> None:
    """A network judged by the simulator trades as it would in the environment it trained in."""
    rules = replace(period.settings, start_equity_quote=equity)
    period = replace(period, settings=rules)
    agent, _ = train_deep(period, "dqn", TINY, 2)
    counted = WishCount(agent)
    run = Simulator(period).run(counted)
    market, tape, votes = training_rows(period)
    env = TradingVectorEnv(
        1, market, tape, votes, settings=rules, episode_bars=None, random_start=False,
        autoreset="same_step",
    )  # fmt: skip
    seen, infos = env.reset(options={"start": period.first})
    over, total, wishes, decided = False, 0.0, 0, 0
    while not over:
        scores = agent.scores(seen[0]).copy()
        mask = env.action_masks()[0]
        wishes += not mask[int(scores.argmax())]
        decided += 1
        scores[~mask] = -np.inf
        seen, rewards, te, tr, infos = env.step(np.array([int(scores.argmax())]))
        total, over = total + float(rewards[0]), bool(te[0] or tr[0])
    assert decided == int(run.decided.sum()) == counted.decided > 50
    assert infos["final_info"]["equity"][0] == run.equity[-1]
    assert total == pytest.approx(run.log_growth, abs=1e-9)
    assert counted.masked == wishes
    assert counted.share == wishes / decided
    if equity < 100.0:
        assert wishes > 0


def test_the_learners_curves_are_written(period: Period, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_deep(period, "ppo", TINY, 0, tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard" / "ppo"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"rollout/ep_rew_mean", "train/loss", "trading/masked_share"} <= tags
    assert len(events.Scalars("train/loss")) > 5


def test_settings_the_learner_cannot_work_with_are_refused(period: Period) -> None:
    with pytest.raises(FixSettings, match="RL_DEEP_BUFFER"):
        train_deep(period, "dqn", replace(TINY, buffer=15), 0)
    with pytest.raises(FixSettings, match="RL_DEEP_LEARNING_STARTS = 2000 must be below"):
        train_deep(period, "dqn", replace(TINY, learning_starts=2_000), 0)
    with pytest.raises(FixSettings, match="RL_SIZING_REWARD = shaped is for the table"):
        train_deep(replace(period, reward="shaped"), "ppo", TINY, 0)
    train_deep(period, "ppo", replace(TINY, timesteps=128, learning_starts=2_000, buffer=15), 0)
    with pytest.raises(FixInput, match="dqn, ppo"):
        train_deep(period, "a2c", TINY, 0)
    empty = replace(period, first=period.last)
    with pytest.raises(FixData, match="no candidate"):
        train_deep(empty, "ppo", TINY, 0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"agent": "ppo", "RL_SIZING_REWARD": "r_multiple"}, "RL_SIZING_REWARD = r_multiple"),
        ({"agent": "dqn", "timesteps": 10_000}, "RL_DEEP_LEARNING_STARTS = 10000 must be below"),
        ({"agent": "dqn", "RL_DEEP_BUFFER": 100}, "RL_DEEP_BUFFER = 100 must hold"),
    ],
)
def test_such_settings_stop_the_start(given: dict[str, Any], words: str) -> None:
    """Before data are read and votes are fitted; the table does not mind them."""
    with pytest.raises(FixSettings, match=words):
        load_settings(argv_options=given)
    assert load_settings(argv_options={**given, "agent": "table"}).run.agent == "table"


@pytest.mark.slow
def test_the_main_job_trains_ships_and_evaluates_a_network(root: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("QT_SYN", "RL_"))}
    options = [
        "--agent", "ppo", "--timesteps", "2000", "--episodes", "1", "--out", "run",
        "--set", "QT_SYNTHETIC_BARS=2000", "--set", "RL_DEEP_ENVS=16", "--set", "RL_DEEP_BATCH=64",
    ]  # fmt: skip

    def run(program: str, *given: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(root / "training" / program), *given]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    done = run("train_sizing.py", *options)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    policies = {p["name"] for p in metrics["evaluation"]["policies"]}
    assert {"agent", "table", "skip", "fixed 1x", "random", "ev_kelly"} <= policies
    assert metrics["evaluation"]["agent"] == "ppo"
    assert metrics["deep"]["timesteps"] >= 2_000
    assert (tmp_path / "run" / "tensorboard" / "ppo").is_dir()
    bundle = load_bundle(tmp_path / "run" / "bundle")
    assert bundle.manifest["sizing_agent"]["shipped"] == "ppo"
    assert isinstance(bundle.shipped, NetworkAgent)
    assert bundle.shipped.digest() == metrics["table_digest"]
    done = run("evaluate.py", "--bundle", "run/bundle", "--json", "figures.json")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    own = [f["policies"][0]["mean_reward"] for f in (figures, metrics["evaluation"])]
    assert own[0] == own[1] != 0.0
