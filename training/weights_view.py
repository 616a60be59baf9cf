"""The weights view: what weights forecast and earn there, and how a manager plays it."""

from __future__ import annotations

import numpy as np

from agents.reinforcement.manager import ReinforcementManager
from envs.core.rules.simplex import project4
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, VoteTable
from envs.core.types import Float64Array
from envs.weights_env import ReferenceOutcomes, WeightsEnv
from training.reference import NOT_TRADED, REFERENCE_QUOTE
from training.weights import reference_of

_LEAST_RATIO = 1e-6


def reference_outcomes(
    data: MarketSeries, votes: VoteTable, settings: CoreSettings, line: EvLine
) -> ReferenceOutcomes:
    """Decision rewards of the reference action in every row that may be a candidate.

    An entry that lapses earns 0; a trade that the data cut off, or that cannot be sent, NaN.
    """
    got = reference_of(data, votes, settings)
    growth = np.log(np.maximum(1.0 + got.net / REFERENCE_QUOTE, _LEAST_RATIO))
    growth = np.where(got.opened, np.where(got.finished, growth, np.nan), 0.0)
    growth = np.where(got.end_row == NOT_TRADED, np.nan, growth)
    return ReferenceOutcomes(growth, got.end_row, line)


def bounded(weights: Float64Array, lowest: float, highest: float) -> Float64Array:
    """Rows of weights (T, 4) projected onto the bounded simplex, as the environment does."""
    out = weights / weights.sum(axis=1, keepdims=True)
    beyond = np.flatnonzero(((out < lowest) | (out > highest)).any(axis=1))
    for k in beyond.tolist():
        a, b, c, d = np.maximum(out[k], 1e-9).tolist()
        out[k] = project4(a, b, c, d, lowest, highest)
    return np.asarray(out)


def view_forecasts(votes: VoteTable, weights: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Weighted probabilities (T, S) of both games; ``weights`` (T, 4) as of each bar.

    The share of absent models goes to the others in proportion; NaN where no model votes.
    """
    own = np.where(votes.valid, weights[:, None, :], 0.0)
    total = own.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        up = np.where(votes.valid, own * votes.p_up, 0.0).sum(axis=2) / total
        down = np.where(votes.valid, own * votes.p_down, 0.0).sum(axis=2) / total
    return up, down


def action_of(weights: Float64Array) -> Float64Array:
    """The environment's action in [-1, 1] that means these weights."""
    return np.asarray(np.clip(2.0 * weights - 1.0, -1.0, 1.0))


def play_weights(env: WeightsEnv, weights: Float64Array) -> Float64Array:
    """Rewards (N,) of an episode played with given weights (T, 4) per row of the market."""
    _, info = env.reset()
    close_ns, rewards, over = env.market.close_ns, [], False
    while not over:
        row = int(np.searchsorted(close_ns, info["time_ns"]))
        _, reward, _, over, info = env.step(action_of(weights[row]))
        rewards.append(reward)
    return np.array(rewards)


def play_manager(env: WeightsEnv, manager: ReinforcementManager) -> Float64Array:
    """Rewards (N,) of an episode in which a manager acts and learns the labels that end.

    It learns what ``info["resolved"]`` brings before it weighs the next bar, as it does live.
    """
    _, info = env.reset()
    rewards, over = [], False
    while not over:
        manager.learn_labels(info["resolved"])
        _, reward, _, over, info = env.step(action_of(manager.raw_weights()))
        rewards.append(reward)
    manager.learn_labels(info["resolved"])
    return np.array(rewards)
