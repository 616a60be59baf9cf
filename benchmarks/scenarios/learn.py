"""Learners on the environments: table updates, and PPO against a do-nothing environment."""

from __future__ import annotations

from types import FunctionType
from typing import Any, cast

import numpy as np

from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.table_math import HELPERS, update_rows
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
from envs.core.rules.state import N_STATES
from envs.core.trade import Alternatives, ResolvedDecision, Skipped
from envs.kernel.compile import compiled, register
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


def many_updates(
    tables: Any, states: Any, rewards: Any, masks: Any, shares: Any, slopes: Any, exits: Any,
    overlap: Any, residual: Any,
) -> None:  # fmt: skip
    """Learn ready rows one after the other; compiled."""
    for i in range(states.shape[0]):
        update_rows(
            tables[0], tables[1], tables[2], tables[3], tables[4], tables[5], tables[6],
            states[i], rewards[i], masks[i], shares[i], slopes, exits, overlap, 0.001, 0.0015,
            0.01, 0.5, True, 1.0, 0.0003, residual,
        )  # fmt: skip


@scenario("learn/update-alone", "table updates of ready rows in one compiled call, one thread")
def update_alone(options: Options) -> Outcome:
    """Cells a second: every action's cell at three levels and over all regimes, 304 a decision."""
    agent, n = CounterfactualAgent(preset("full"), SizingSettings()), 4_000
    rng, n_actions = np.random.default_rng(SEED), preset("full").n
    for helper in (*HELPERS, update_rows):
        register(cast(FunctionType, helper))
    run = compiled(many_updates)
    tables = (
        agent.raw, agent.eff, agent.mean, agent.msq, agent.all_raw, agent.all_mean, agent.all_msq,
    )  # fmt: skip
    masks = rng.random((n, n_actions)) < 0.9
    rewards = np.where(masks, rng.normal(0.0, 0.01, (n, n_actions)), np.nan)
    slopes = np.array([[1.9, 0.5, 2.0], [2.5, 0.8, 3.0], [4.2, 1.6, 4.0]])
    rows = (rng.integers(0, N_STATES, n), rewards, masks, rng.random((n, n_actions)) * 0.4)
    rest = (slopes, agent.exits, np.array([3, 4, 5]), np.empty(n_actions))

    def go() -> None:
        for _ in range(20):
            run(tables, *rows, *rest)

    runs = repeated(go, options.repeats)
    total = 20 * n
    metrics = {
        "updates_per_s": median_of([total / t.wall for t in runs], "1/s", "higher"),
        "cells_per_s": median_of([4 * n_actions * total / t.wall for t in runs], "1/s", "higher"),
        "cpu_ns_per_update": median_of([t.cpu / total * 1e9 for t in runs], "ns", "lower", 0.15),
    }
    notes = ("states drawn evenly over all 300; a cell is one action at one of four levels",)
    return Outcome(metrics, notes, disturbance(runs, 1))


@scenario("learn/live", "one live decision and its learning: decide, 76 outcomes, learn_one")
def live(options: Options) -> Outcome:
    """What a closed trade costs the runtime, one call each from Python, one thread."""
    desk, ready = views(600 if options.quick else 2_000)
    kernel, agent = Counterfactual(desk, 0), CounterfactualAgent(preset("full"), SizingSettings())
    overlap = np.zeros(3, dtype=np.int64)

    def go() -> None:
        for view in ready:
            decision = decide(view, agent, HookChain())
            alternatives = Alternatives(*kernel.outcomes(view), overlap)
            agent.learn_one(ResolvedDecision(decision, Skipped("SKIP"), 0.0, alternatives))

    runs = repeated(go, options.repeats, agent.begin_pass)
    each = [t.wall / len(ready) * 1e6 for t in runs]
    metrics = {"us_per_decision": median_of(each, "us", "lower", 0.15)}
    return Outcome(metrics, (f"{len(ready)} decisions",), disturbance(runs, 1))


def q_steps(
    q: Any, before: Any, actions: Any, rewards: Any, after: Any, ended: Any, draws: Any
) -> None:  # fmt: skip
    """Update the action taken in every environment, then choose the next: compiled."""
    for e in range(before.shape[0]):
        s, a = before[e], after[e]
        best = 0
        for k in range(1, q.shape[1]):
            if q[a, k] > q[a, best]:
                best = k
        target = rewards[e] if ended[e] else rewards[e] + 0.95 * q[a, best]
        q[s, actions[e]] += 0.15 * (target - q[s, actions[e]])
        actions[e] = best if draws[e] >= 0.1 else int(draws[e] * 10.0 * q.shape[1])


@scenario("learn/one-action", "one-action Q-learning through 4,096 tabular environments")
def one_action(options: Options) -> Outcome:
    """Learning steps a second, choosing and updating included; the environment takes most."""
    n, steps = 4_096, 20 if options.quick else 60
    env: Any = make(n, view="tabular")
    run, rng = compiled(q_steps), np.random.default_rng(SEED)
    q, n_actions = np.zeros((N_STATES, preset("full").n)), preset("full").n
    seen = {"states": env.reset(seed=SEED)[0]}
    actions = rng.integers(0, n_actions, n)

    def go() -> None:
        for _ in range(steps):
            states, rewards, terminated, truncated, _ = env.step(actions)
            draws = rng.random(n)
            run(q, seen["states"], actions, rewards, states, terminated | truncated, draws)
            seen["states"] = states

    runs = repeated(go, options.repeats)
    total = n * steps
    metrics = {
        "steps_per_s": median_of([total / t.wall for t in runs], "1/s", "higher"),
        "cpu_ns_per_step": median_of([t.cpu / total * 1e9 for t in runs], "ns", "lower", 0.15),
    }
    return Outcome(metrics, (), disturbance(runs, 2))


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
