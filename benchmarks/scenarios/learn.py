"""Learners on the environments: table updates, and PPO against a do-nothing environment."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from benchmarks.data import SEED
from benchmarks.drive import make
from benchmarks.framework.metrics import Outcome, median_of
from benchmarks.framework.registry import NotHere, Options, scenario
from benchmarks.framework.timing import disturbance, in_turn, repeated
from benchmarks.scenarios.counterfactual import views
from benchmarks.scenarios.vector import do_nothing
from envs.core.actions import preset
from envs.core.decide import decide
from envs.core.hooks import HookChain
from envs.core.trade import Alternatives, ResolvedDecision, Skipped
from envs.kernel.counterfactual import Counterfactual

PPO_ENVS = 256
PPO_STEPS = 16


@scenario("learn/table-update", "the table learns all outcomes of a decision, one call each")
def table_update(options: Options) -> Outcome:
    """Updates per second of the default learner from decisions that are resolved already."""
    desk, ready = views(600 if options.quick else 2_000)
    kernel, agent = Counterfactual(desk, 0), CounterfactualAgent(preset("full"), SizingSettings())
    overlap = np.zeros(3, dtype=np.int64)
    rows = []
    for view in ready:
        reward, net, end = kernel.outcomes(view)
        decision = decide(view, agent, HookChain())
        alternatives = Alternatives(reward, net, end, overlap)
        rows.append(ResolvedDecision(decision, Skipped("SKIP"), 0.0, alternatives))

    def go() -> None:
        for row in rows:
            agent.learn_one(row)

    runs = repeated(go, options.repeats, agent.begin_pass)
    n = len(rows)
    metrics = {
        "updates_per_s": median_of([n / t.wall for t in runs], "1/s", "higher"),
        "cells_per_s": median_of([76 * n / t.wall for t in runs], "1/s", "higher"),
        "cpu_us_per_update": median_of([t.cpu / n * 1e6 for t in runs], "us", "lower", 0.15),
    }
    return Outcome(metrics, (), disturbance(runs, 1))


@scenario("learn/ppo-256", "SB3 PPO, 256 environments, against a do-nothing one, runs in turn")
def ppo_256(options: Options) -> Outcome:
    """Share of PPO's own speed that is left on the real environment; one thread for torch."""
    try:
        import torch
        from stable_baselines3 import PPO
    except ImportError as error:
        raise NotHere(f"needs {error.name}") from error
    from envs.sb3 import TradingVecEnv

    torch.set_num_threads(1)
    updates = 2 if options.quick else 6

    def learner(env: Any) -> Any:
        face = TradingVecEnv(env)
        return PPO(
            "MlpPolicy", face, n_steps=PPO_STEPS, batch_size=PPO_ENVS * 4, n_epochs=4, seed=SEED,
            device="cpu",
        )  # fmt: skip

    real = learner(make(PPO_ENVS, autoreset="same_step"))
    idle = learner(do_nothing(PPO_ENVS, autoreset="same_step"))
    total = updates * PPO_STEPS * PPO_ENVS
    a, b = in_turn([lambda: real.learn(total), lambda: idle.learn(total)], options.repeats)
    share = [y.wall / x.wall for x, y in zip(a, b, strict=True)]
    metrics = {
        "steps_per_s": median_of([total / t.wall for t in a], "1/s", "higher"),
        "do_nothing_steps_per_s": median_of([total / t.wall for t in b], "1/s", "higher"),
        "share_of_do_nothing": median_of(share, "x", "higher"),
        "cpu_share_of_do_nothing": median_of(
            [y.cpu / x.cpu for x, y in zip(a, b, strict=True)], "x", "higher", 0.05
        ),
    }
    notes = (f"{PPO_STEPS} steps a rollout, 4 epochs, batches of {PPO_ENVS * 4}, MlpPolicy",)
    return Outcome(metrics, notes, disturbance(a, 1))
