"""The maximisation-bias world: plain Q is drawn to the wrong side, double Q is not (row 11).

From A, right ends with 0; left leads to B, where each of ten moves ends with a draw of mean -.1.
Source: Sutton & Barto, example 6.7 (epsilon .1, step .1).
"""

from __future__ import annotations

import numpy as np

from agents.settings import SizingSettings
from agents.sizing.q_learning import QLearningAgent
from envs.core.trade import NextState
from envs.core.types import BoolArray
from training.games.bench import game_preset, resolved, sizing_context
from training.games.sheet import Sheet

LEFT, RIGHT = 0, 1
MOVES, EPISODES, RUNS = 10, 800, 60
_A, _B = 0, 1
# As good as undiscounted, which the setting does not allow.
_DISCOUNT = "0.999999999"


def left_share(algorithm: str, seed: int) -> BoolArray:
    """Whether A was left to the left, (RUNS, EPISODES)."""
    settings = SizingSettings(
        algorithm=algorithm, alpha=0.1, epsilon=0.1, discount=_DISCOUNT, step="constant"
    )
    preset = game_preset(MOVES)
    at_a = np.zeros(MOVES, dtype=np.bool_)
    at_a[[LEFT, RIGHT]] = True
    at_b = np.ones(MOVES, dtype=np.bool_)
    # Where values tie the agent takes the smaller notional; ties here are to go right.
    notional = np.ones(MOVES)
    notional[RIGHT] = 0.5
    a = sizing_context(preset, _A, mask=at_a, notional=notional)
    b = sizing_context(preset, _B, notional=notional)
    end, onward = NextState(_A, at_a, True), NextState(_B, at_b, False)
    out = np.zeros((RUNS, EPISODES), dtype=np.bool_)
    for run in range(RUNS):
        rng = np.random.default_rng([seed, run])
        agent = QLearningAgent(preset, settings, run, n_states=2)
        draws = rng.normal(-0.1, 1.0, EPISODES)
        for k in range(EPISODES):
            first = agent.decide(a, rng).index
            if first == RIGHT:
                agent.learn_one(resolved(2 * k, a, RIGHT, 0.0, following=end))
                continue
            out[run, k] = True
            agent.learn_one(resolved(2 * k, a, LEFT, 0.0, following=onward))
            move = agent.decide(b, rng).index
            agent.learn_one(resolved(2 * k + 1, b, move, float(draws[k]), following=end))
    return out


def play_bias(sheet: Sheet) -> None:
    """Row 11."""
    plain, double = left_share("q", 11), left_share("double", 11)
    early, late = slice(20, 60), slice(600, EPISODES)
    drawn = float(plain[:, early].mean())
    sheet.at_least(11, "plain Q, left in episodes 20 to 60", drawn, 0.30)
    sheet.at_most(11, "double Q, left in episodes 20 to 60", float(double[:, early].mean()), 0.25)
    settled = float(double[:, late].mean())
    sheet.near(11, "double Q, left in the last 200 episodes", settled, 0.05, 0.03)
