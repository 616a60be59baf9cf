"""Training of the sizing agent: passes over the tape, checkpoints, walk-forward choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from agents.baselines import EvKelly
from agents.checkpoint import load_agent, save_agent
from agents.protocol import SizingAgent
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.errors import RefusedArtifact
from envs.core.types import Int64Array
from training.simulate import Period, PolicyRun, Simulator
from training.table_pass import TablePass

CHECKPOINT = "checkpoint.json"
EpisodeHook = Callable[[int, PolicyRun, "TableAgent"], None]
BarHook = Callable[[int, int], None]
TableAgent = CounterfactualAgent | QLearningAgent


@dataclass(frozen=True)
class Choice:
    """Which agent the bundle ships, and the walk-forward figures that decided."""

    shipped: str
    table: float
    ev_kelly: float
    folds: int
    reason: str


def new_agent(
    learner: str, period: Period, settings: SizingSettings, passes: int, seed: int
) -> TableAgent:
    """Untrained agent of the named learner."""
    if learner == "classic":
        return QLearningAgent(period.preset, settings, seed)
    return CounterfactualAgent(period.preset, settings, passes)


def train(
    period: Period,
    settings: SizingSettings,
    episodes: int,
    seed: int,
    folder: Path | None,
    *,
    resume: bool = False,
    config_hash: str = "",
    on_episode: EpisodeHook | None = None,
    on_bar: BarHook | None = None,
    learner: str | None = None,
) -> tuple[TableAgent, PolicyRun | None]:
    """Pass over the tape ``episodes`` times; greedy with epsilon, learning as outcomes arrive.

    A checkpoint follows each pass, so a stopped run continues to the same result: pass k draws
    from ``default_rng([seed, k])`` and starts from the state after pass k - 1.
    """
    learner = learner or settings.learner
    agent = new_agent(learner, period, settings, episodes, seed)
    first = 0
    if folder is not None and resume and (folder / CHECKPOINT).exists():
        agent, first = _restore(folder / CHECKPOINT, config_hash)
    sim = Simulator(period)
    table = TablePass(period) if isinstance(agent, CounterfactualAgent) else None
    run: PolicyRun | None = None
    for k in range(first, episodes):
        agent.begin_pass()
        rng = np.random.default_rng([seed, k])
        progress = None if on_bar is None else _bars(on_bar, k)
        if table is not None and isinstance(agent, CounterfactualAgent):
            run = table.run(agent, rng, progress)
        else:
            run = sim.run(agent, rng, learn=agent, bootstrap=True, progress=progress)
        if folder is not None:
            save_agent(
                folder / CHECKPOINT,
                agent,
                settings=settings,
                config_hash=config_hash,
                extra={"episode": k + 1, "config_hash": config_hash},
            )
        if on_episode is not None:
            on_episode(k, run, agent)
    return agent, run


def choose_agent(period: Period, settings: SizingSettings, edges: Int64Array, seed: int) -> Choice:
    """Table or ``ev_kelly``: each fitted on the past of walk-forward folds of the training period.

    The table is shipped if its mean decision reward per candidate is at least that of ``ev_kelly``.
    """
    if settings.agent != "auto":
        return Choice(settings.agent, float("nan"), float("nan"), 0, "by setting RL_SIZING_AGENT")
    if not np.isfinite(period.tape.slopes).any():
        return Choice("table", float("nan"), float("nan"), 0, "no EV line exists")
    sums, count, folds = [0.0, 0.0], 0, 0
    inner = [int(e) for e in edges if period.first < int(e) < period.last]
    bounds = [*inner, period.last]
    for a, b in pairwise(bounds):
        past, fold = replace(period, last=a), replace(period, first=a, last=b)
        if fold.rows().size == 0 or past.rows().size == 0:
            continue
        table, _ = train(past, settings, 1, seed, None, learner="counterfactual")
        sim = Simulator(fold)
        for i, agent in enumerate((table, EvKelly(period.preset, settings))):
            sums[i] += float(sim.run(agent).reward.sum())
        count += sim.n
        folds += 1
    if count == 0:
        return Choice("table", float("nan"), float("nan"), 0, "too few folds to compare")
    table_mean, ev_mean = sums[0] / count, sums[1] / count
    shipped = "table" if table_mean >= ev_mean else "ev_kelly"
    return Choice(shipped, table_mean, ev_mean, folds, "walk-forward folds of the training period")


def shipped_agent(choice: Choice, trained: SizingAgent, settings: SizingSettings) -> SizingAgent:
    """The agent the bundle ships: the trained one, unless ``ev_kelly`` was chosen."""
    return EvKelly(trained.preset, settings) if choice.shipped == "ev_kelly" else trained


def copy_agent(agent: TableAgent, period: Period, settings: SizingSettings) -> TableAgent:
    """Independent copy, ready to learn on."""
    fresh: TableAgent
    if isinstance(agent, CounterfactualAgent):
        fresh = CounterfactualAgent(period.preset, settings, agent.planned_passes)
    else:
        fresh = QLearningAgent(period.preset, settings)
    fresh.load_state_dict(agent.state_dict())
    if isinstance(fresh, CounterfactualAgent):
        fresh.planned_passes = 1
    fresh.name = "learning on"
    return fresh


def _restore(path: Path, config_hash: str) -> tuple[TableAgent, int]:
    agent, extra = load_agent(path)
    if extra.get("config_hash") != config_hash:
        raise RefusedArtifact(
            f"{path}: config hash: expected {config_hash}, found {extra.get('config_hash')}"
        )
    if not isinstance(agent, CounterfactualAgent | QLearningAgent):
        raise RefusedArtifact(f"{path}: holds a {agent.name}, not a table")
    return agent, int(extra["episode"])


def _bars(hook: BarHook, episode: int) -> Callable[[int], None]:
    def report(bars: int) -> None:
        hook(episode, bars)

    return report
