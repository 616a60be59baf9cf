"""Every sizing agent of this project keeps to the protocol."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from agents.baselines import (
    Constant,
    EvKelly,
    FixedLargest,
    FractionalKelly,
    RandomPolicy,
    Skip,
    fixed_1x,
)
from agents.checks import OBSERVED, check_agent
from agents.deep.agent import NetworkAgent
from agents.protocol import SizingAgent
from agents.settings import KellySettings, SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.actions import PRESETS, ActionPreset

Make = Callable[[ActionPreset], SizingAgent]


def classic(**options: str) -> Make:
    return lambda grid: QLearningAgent(grid, SizingSettings(**options), seed=5)  # type: ignore[arg-type]


def network(algorithm: str) -> Make:
    def make(grid: ActionPreset) -> SizingAgent:
        rng = np.random.default_rng(9)
        sizes = (OBSERVED, 8, grid.n)
        layers = [
            (rng.normal(size=(b, a)).astype(np.float32), rng.normal(size=b).astype(np.float32))
            for a, b in pairwise(sizes)
        ]
        return NetworkAgent(grid, algorithm, "tanh", layers)

    return make


AGENTS: dict[str, Make] = {
    "table": lambda grid: CounterfactualAgent(grid, SizingSettings()),
    "table, no prior": lambda grid: CounterfactualAgent(grid, SizingSettings(prior="none"), 3),
    "classic": classic(),
    "classic, double": classic(algorithm="double"),
    "classic, expected sarsa": classic(algorithm="expected_sarsa", step="visit"),
    "classic, ucb": classic(exploration="ucb"),
    "classic, thompson": classic(exploration="thompson"),
    "classic, no exploration": classic(exploration="none"),
    "dqn": network("dqn"),
    "ppo": network("ppo"),
    "ppo, untrained": lambda grid: NetworkAgent(grid, "ppo"),
    "ev_kelly": lambda grid: EvKelly(grid, SizingSettings()),
    "fixed 1x": fixed_1x,
    "fixed largest": FixedLargest,
    "constant": lambda grid: Constant(grid, grid.n - 1),
    "random": lambda grid: RandomPolicy(grid, 0.3, 11),
    "fractional kelly": lambda grid: FractionalKelly(grid, KellySettings(dd_constraint=True)),
}


@pytest.mark.parametrize("preset_name", PRESETS)
@pytest.mark.parametrize("make", AGENTS.values(), ids=AGENTS)
def test_agent(make: Make, preset_name: str) -> None:
    check_agent(make, preset_name)


def test_skip() -> None:
    check_agent(Skip)
