"""The counterfactual table where its best action is known: Merton's leverage and a score (6, 51).

Source: Merton 1969; specification 8.3 for the score.
"""

from __future__ import annotations

from math import exp, sqrt

import numpy as np

from agents.settings import SizingSettings
from agents.sizing import table_math
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.ev_kelly import half_kelly_point
from envs.core.actions import SKIP, Action, ActionPreset
from envs.core.rules import reward
from envs.core.rules.state import state_index
from envs.core.types import ExitStrategy
from training.games.bench import resolved, sizing_context
from training.games.sheet import Sheet

DRIFT, RATE, SIGMA = 0.08, 0.02, 0.2
_STEP = 0.25
_GRID = tuple(_STEP * k for k in range(1, 13))
_MONTHS = 60_000
_DT = 1.0 / 12.0


def play_merton(sheet: Sheet) -> None:
    """Row 6: the formula, and the leverage the real learner settles on."""
    known = half_kelly_point(DRIFT - RATE, SIGMA * SIGMA, 1.0)
    sheet.exact(6, "Merton fraction", known, 1.5)
    growth = RATE + known * (DRIFT - RATE) - 0.5 * known * known * SIGMA * SIGMA
    sheet.exact(6, "growth at it, a year", growth, 0.065)
    agent = learned_table()
    context = sizing_context(agent.preset, notional=np.array([0.0, *_GRID]))
    chosen = agent.decide(context, None).index
    size = agent.preset.actions[chosen].size
    sheet.near(6, "leverage of the learned table", size, 1.5, _STEP)
    # Growth in excess of the interest, estimated by the table, at the best leverage.
    best = float(agent.mean[0, 0, 1:].max()) / _DT + RATE
    sheet.near(6, "growth the table has learned, a year", best, 0.065, 0.006)


def learned_table() -> CounterfactualAgent:
    """The default learner without prior, after months of a geometric Brownian motion.

    A leverage earns ``ln(1 + f*x)``, x the asset's excess return of the month. The drift of 5,000
    years is known to .0028 a year, a seventh of a grid step of leverage.
    """
    actions = (SKIP, *(Action(f, 1, ExitStrategy.BALANCED) for f in _GRID))
    settings = SizingSettings(prior="none", min_step=0.0)
    agent = CounterfactualAgent(ActionPreset("merton", actions), settings)
    rng = np.random.default_rng(6)
    z = rng.standard_normal(_MONTHS)
    notional = np.array([0.0, *_GRID])
    context = sizing_context(agent.preset, notional=notional)
    drift = (DRIFT - RATE - 0.5 * SIGMA * SIGMA) * _DT
    for k in range(_MONTHS):
        x = exp(drift + SIGMA * sqrt(_DT) * float(z[k])) - 1.0
        rewards = np.array([reward.log_growth(f * x, 1.0) for f in notional])
        agent.learn_one(resolved(k, context, 0, 0.0, rewards=rewards))
    return agent


def play_score(sheet: Sheet) -> None:
    """Row 51: three-level means and the score."""
    k = (1_000.0, 100.0, 30.0)
    means = (0.0012, 0.0006, 0.0003)
    mu3 = table_math.shrunk_score(0.0, 0.0, 20_000.0, 0.0, 0.0, means[2], *k, 0.02, 0.0, 0.0)
    mu2 = table_math.shrunk_score(0.0, 5_000.0, 20_000.0, 0.0, *means[1:], *k, 0.02, 0.0, 0.0)
    sheet.equal(51, "mu3 (regime)", mu3, "0.000299551")
    sheet.equal(51, "mu2 (regime, confidence)", mu2, "0.000594109")
    for n2, n3, mu1, score in (
        (5_000.0, 20_000.0, "0.000622961", "0.000324163"),
        (200.0, 800.0, "0.000529891", "-0.000578041"),
    ):
        args = (50.0, n2, n3, *means, *k, 0.02)
        sheet.equal(51, f"mu1 (cell), n2 {n2:g}", table_math.shrunk_score(*args, 0.0, 0.0), mu1)
        sheet.equal(51, f"score, n2 {n2:g}", table_math.shrunk_score(*args, 1.0, 0.0), score)


def play_update(sheet: Sheet) -> None:
    """Row 51 by the learner itself: what three rows leave in its tables, and how it scores."""
    actions = (SKIP, *(Action(1.0, 5, e) for e in ExitStrategy))
    preset = ActionPreset("update", actions)
    agent = CounterfactualAgent(preset, SizingSettings(prior="none"))
    for k, (state, earned) in enumerate((
        (state_index(2, 3, 0, 1), 0.01),
        (state_index(2, 3, 1, 1), 0.02),
        (state_index(2, 1, 0, 0), 0.06),
    )):  # fmt: skip
        context = sizing_context(preset, state)
        every = np.array([0.0, earned, earned, earned])
        agent.learn_one(resolved(k, context, 0, 0.0, rewards=every, overlap=(0, 1, 3)))
    cell, pair, regime = state_index(2, 3, 0, 1), 2 * 5 + 3, 2
    sheet.exact(51, "mean of a cell after .01", float(agent.mean[0, cell, 1]), 0.01)
    sheet.exact(51, "mean of its pair after .01, .02", float(agent.mean[1, pair, 1]), 0.015)
    sheet.exact(51, "mean of its regime after .06", float(agent.mean[2, regime, 1]), 0.03)
    sheet.exact(51, "mean square of that", float(agent.msq[2, regime, 1]), 0.0041 / 3.0)
    for e, expected in enumerate((3.0, 1.5, 0.75)):
        sheet.exact(
            51, f"effective rows, overlap {(0, 1, 3)[e]}", float(agent.eff[2, regime, 1 + e]),
            expected,
        )  # fmt: skip
    _play_prior(sheet, preset)


def _play_prior(sheet: Sheet, preset: ActionPreset) -> None:
    """The line of row 53: what an untouched table makes of it, and the residual it learns."""
    lines = ((float("nan"),) * 3, (float("nan"),) * 3, (4.2, 1.6, 4.0))
    notional, ev = np.array([0.0, 0.5, 0.5, 0.5]), 0.08 / 75.0
    context = sizing_context(preset, 150, notional=notional, ev=ev, slopes=lines)
    agent = CounterfactualAgent(preset, SizingSettings())
    # f*mu - f^2*m2 - sqrt(m2)*f/sqrt(k2), then r - (f*mu - f^2*m2/2); mu .00206667, m2 .0016.
    score = float(agent.scores(context)[3])
    sheet.equal(51, "score of the line alone, f .5", score, "-0.001366667")
    agent.learn_one(resolved(0, context, 0, 0.0, rewards=np.array([0.0, 0.01, 0.01, 0.01])))
    left = float(agent.mean[0, 150, 3])
    sheet.equal(51, "residual of .01 against it", left, "0.009166667")
    without = float(agent.mean[0, 150, 1])
    sheet.exact(51, "residual of .01 without a line", without, 0.01)
