"""What a trade teaches: rewards, weights, calibration, votes (rows 28-34, 36, 37, 44-46, 52).

All figures are arithmetic of specification 5.2, 6.1 to 6.4, 8.3 and 8.4.
"""

from __future__ import annotations

import numpy as np

from agents.reinforcement import calibration, rewards, weights
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from agents.settings import SizingSettings
from agents.sizing import q_learning
from ensemble.fitted import Fitted
from ensemble.protocol import ModelVote
from ensemble.vote import EnsembleManager
from envs.core.actions import preset
from envs.core.rules import reward, simplex, vote
from envs.core.rules.costs import round_trip_frac, slippage_frac
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine
from envs.core.types import MODEL_NAMES, Consensus
from envs.core.weight_context import WeightContext
from training.games.bench import resolved, sizing_context
from training.games.sheet import Sheet

_CONFIDENCE = (0.72, 0.68, 0.55, 0.65)
_CONTRIBUTIONS = ("0.5045", "0.4765", "-0.3854", "0.4555")
_MODELS = tuple(MODEL_NAMES)


def play_weights(sheet: Sheet) -> None:
    """Rows 28 to 34."""
    golden = ReinforcementSettings(z_scale=50.0, pull=0.0)
    trade = rewards.TradeResult("A", 0, 45.5, 5_000.0, 0.0)
    parts = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    for case, (z, sharpe, risk), expected in (
        ("z", parts[0], 0.91),
        ("sharpe", parts[1], 0.455),
        ("risk", parts[2], 0.182),
        ("shaped", (golden.reward_alpha, golden.reward_beta, golden.reward_gamma), 0.7007),
    ):
        settings = ReinforcementSettings(
            z_scale=50.0, pull=0.0, reward_alpha=z, reward_beta=sharpe, reward_gamma=risk
        )
        value, _, _ = rewards.RewardShaper(settings).score(trade)
        sheet.exact(28, f"golden trade: {case}", value, expected)
    for number, pull, sides, expected_texts in (
        (29, 0.0, (1, 1, 0, 1), ("0.252609", "0.252609", "0.292695", "0.202087")),
        (29, 0.02, (1, 1, 0, 1), ("0.252557", "0.252557", "0.292840", "0.202046")),
        (30, 0.0, (1, 1, -1, 1), ("0.255181", "0.255181", "0.285495", "0.204144")),
    ):
        manager = ReinforcementManager(
            ReinforcementSettings(algorithm="exponential", z_scale=50.0, pull=pull), 1
        )
        signal = manager.learn_trade("golden", trade, sides, _CONFIDENCE)
        for name, text, value in zip(_MODELS, expected_texts, signal.weights, strict=True):
            sheet.equal(number, f"weight of {name}, pull {pull:g}", value, text)
        if number == 30:
            for name, text, value in zip(
                _MODELS,
                ("0.5045", "0.4765", "-0.3854", "0.4555"),
                signal.contributions,
                strict=True,
            ):
                sheet.equal(31, f"contribution of {name}", value, text)
    lo, hi = golden.min_weight, golden.max_weight
    for given, texts in (
        ((0.1, 0.1, 0.1, 0.7), ("0.166667", "0.166667", "0.166667", "0.500000")),
        ((0.02, 0.08, 0.3, 0.6), ("0.050000", "0.094737", "0.355263", "0.500000")),
    ):
        got = simplex.project4(*given, lo, hi)
        for i, (text, value) in enumerate(zip(texts, got, strict=True)):
            sheet.equal(32, f"projection of {given}: {i + 1}", value, text)
    for trades, expected in ((0, 0.20), (50, 0.10), (100, 0.05), (500, 0.05)):
        sheet.exact(33, f"eps({trades})", weights.exploration_rate(trades, golden), expected)
    claims = calibration.Calibration()
    claims.learn(0, 0.72, 1)
    sheet.exact(34, "Brier after a claim of .72 that won", claims.brier[0], 0.23284)
    sheet.equal(34, "scaler after it, kappa .5", claims.scaler(0, 0.5), "1.00616")


def play_votes(sheet: Sheet) -> None:
    """Rows 36, 37 and 52."""
    ensemble = EnsembleManager(Fitted(), EvLine(1.2, 0.0, 0.4, 1_000), CoreSettings())
    context = WeightContext(
        "uniform", np.array([0.25, 0.25, 0.30, 0.20]), np.ones(4), False, 1.0,
        np.full((2, 7), 1 / 7), np.tile(np.array([1.0, 0.0]), (2, 4, 1)), 0.25,
    )  # fmt: skip
    for number, stated, expected, level in (
        (36, ((1, 0.85), (1, 0.78), (0, 0.55), (1, 0.62)), 0.5315, Consensus.STRONG),
        (37, ((1, 0.75), (-1, 0.65), (1, 0.55), (0, 0.80)), 0.3525, Consensus.WEAK),
    ):
        votes = {
            name: ModelVote(side, 0.45, 0.4, 0.15, confidence, True, "OK", "", "h", 1)
            for name, (side, confidence) in zip(_MODELS, stated, strict=True)
        }
        meta = ensemble.combine(votes, context, 0.02).meta
        sheet.exact(number, "display score LONG", float(meta["long_score"]), expected)
        found = Consensus[str(meta["consensus"]).upper()]
        said = f"consensus ({level.name.lower()} {int(level)})"
        sheet.near(number, said, float(found), float(level), 0.0)
    sheet.equal(52, "shrunk slope b'", vote.shrunk_slope(1.2, 0.4), "1.0666667")
    ev = vote.ev_long(1.2, 0.4, 0.0, 0.05, 0.02)
    sheet.equal(52, "expected value", ev, "0.00106667")
    slip = slippage_frac(0.02, 2.0, 5.0)
    for style, post_only, expected_text in (
        ("market", False, "0.683761"),
        ("post_only", True, "1.000000"),
    ):
        cost = round_trip_frac(post_only, 0.0002, 0.0004, slip)
        sheet.equal(52, f"confidence, {style}", vote.edge_confidence(ev, cost), expected_text)
    sheet.near(52, "slope at se 1.3", vote.shrunk_slope(1.2, 1.3), 0.0, 0.0)


def play_rewards(sheet: Sheet) -> None:
    """Rows 44 to 46."""
    grid = preset("classic")
    agent = q_learning.QLearningAgent(grid, SizingSettings())
    agent.learn_one(resolved(0, sizing_context(grid, 10), 7, 0.018))
    sheet.exact(44, "Q after the first update", float(agent.q[10, 7]), 0.0027)
    step = q_learning.step_size(SizingSettings(step="visit"), 2.0)
    sheet.equal(44, "visit step at n 2", step, "0.586417")
    for net, text in ((180.0, "0.0178399"), (-90.0, "-0.0090407")):
        value = reward.decision_reward(reward.LOG_GROWTH, net, 10_000.0, 90.0, 3_000.0, 0.03, 0, 0)
        sheet.equal(45, f"log growth of {net:+g} on 10,000", value, text)
    for f, s, hours, mae, expected in (
        (0.06, 0.03, 24.0, 0.01, 0.048),
        (5e-4, 0.03, 6.0, 0.01, -0.0065),
    ):
        value = reward.decision_reward(
            reward.SHAPED, f * 3_000.0, 10_000.0, 90.0, 3_000.0, s, hours, mae
        )
        sheet.exact(46, f"shaped sizing reward f {f:g}", value, expected)
