from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.rewards import TradeResult
from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from envs.core.errors import FixInput, FixSettings
from envs.core.trade import (
    ClosedTrade,
    Decision,
    ResolvedDecision,
    ResolvedLabel,
    SizingContext,
    Skipped,
)
from envs.core.types import MODEL_NAMES, ExitReason

UP = np.array([0.7, 0.6, np.nan, 0.5])
DOWN = np.array([0.2, 0.3, np.nan, 0.5])
EVEN = np.full(4, 0.5)


def label(bar: int, y_long: int = 1, symbol: str = "A") -> ResolvedLabel:
    return ResolvedLabel(symbol, bar, bar + 8, UP, DOWN, y_long, 1 - y_long)


def manager(algorithm: str, horizon: int = 8, **changes: float) -> ReinforcementManager:
    settings = ReinforcementSettings(algorithm=algorithm, **changes)  # type: ignore[arg-type]
    return ReinforcementManager(settings, horizon)


def decision(name: str = "d", **changes: object) -> Decision:
    context = SizingContext(
        0, np.ones(2, bool), np.zeros(2), np.zeros(2, bool), 0.001, 0.5, 0.001, 0.02,
        np.zeros((3, 3)),
    )  # fmt: skip
    made = Decision(
        name, "A", 100, 1, context, 1, np.array([0.0, 1.0]), 10, 10**12, 10**12, 0.1,
        (0.72, 0.68, 0.3, 0.65), (0.2, 0.2, 0.55, 0.2), (0.25,) * 4, sides=(1, 1, -1, 1),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def closed(pnl: float = 45.5, exit_ns: int = 200, **changes: object) -> ClosedTrade:
    units = 100_000_000
    made = ClosedTrade(
        "d", "A", 1, 110, exit_ns, 1, 1, 10, 1, 1, (), ExitReason.TARGET, 5_000 * units,
        5_000 * units, 0, 0, 0, 0, 0, int(pnl * units), 90 * units, 10**12, pnl / 90, pnl / 90,
        0.0, 0.0, 0.0,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_golden_trade_and_contributions_through_the_public_name() -> None:
    m = manager("exponential", z_scale=50.0, pull=0.0)
    got = m.process_trade_outcome(ResolvedDecision(decision(), closed(), 0.0))
    assert got.shaped == pytest.approx(0.7007)
    assert got.contributions == pytest.approx((0.5045, 0.4765, -0.3854, 0.4555), abs=1e-4)
    assert m.weights == pytest.approx((0.255181, 0.255181, 0.285495, 0.204144), abs=1e-6)
    assert m.signals["d"].applied


@pytest.mark.parametrize("outcome", [None, Skipped("SKIP"), Skipped("LAPSED")])
def test_what_was_not_executed_changes_nothing(outcome: Skipped | None) -> None:
    m = manager("exponential")
    before = m.get_diagnostics()
    got = m.learn_one(ResolvedDecision(decision(), outcome, 0.0))
    assert not got.applied
    assert m.get_diagnostics() == before


def test_each_unit_is_learned_once() -> None:
    m = manager("aa")
    resolved = ResolvedDecision(decision(), closed(), 0.0)
    first = m.learn_one(resolved)
    assert m.learn_one(replace(resolved, part=1)) is first
    m.learn_label(label(1))
    posterior = m.pool.posterior.copy()
    m.learn_labels([label(1), label(1)])
    assert np.array_equal(posterior, m.pool.posterior)
    assert m.trades == 1
    assert len(m.labels) == 1


@pytest.mark.parametrize(
    ("bad", "outcome", "words"),
    [
        (decision("e", votes_up=(), votes_down=()), closed(), "missing votes"),
        (decision("e", votes_up=(np.nan,) * 4), closed(), "missing votes"),
        (decision("e", votes_up=(1.5, 0.68, 0.3, 0.6)), closed(), "confidence of xgboost"),
        (decision("e", chosen=None), closed(), "unknown action None"),
        (decision("e", chosen=2), closed(), "unknown action 2"),
        (decision("e", chosen=-1), closed(), "unknown action -1"),
        (decision("e", side=0), closed(), "unknown side 0"),
        (decision("e", context=replace(decision().context, state=300)), closed(), "state 300"),
        (decision("e", sides=(1, 1)), closed(), "sides of 4 models"),
        (decision("e", sides=(1, 1, 2, 1)), closed(), "agreement of nhits"),
        (decision("e"), closed(exit_ns=50), "order of time"),
        (decision("e"), closed(r_net=np.inf), "net_r"),
        (decision("e"), closed(r_net=np.nan), "net_r"),
        (decision("e"), closed(notional_units=0), "notional"),
    ],
)
def test_a_trade_that_cannot_be_learned_is_refused_and_changes_nothing(
    bad: Decision, outcome: ClosedTrade, words: str
) -> None:
    m = manager("exponential")
    m.learn_one(ResolvedDecision(decision("first"), closed(exit_ns=100), 0.0))
    before, plain = m.get_diagnostics(), m.copy()
    with pytest.raises(FixInput, match=words):
        m.learn_one(ResolvedDecision(bad, outcome, 0.0))
    assert m.get_diagnostics() == before
    assert set(m.signals) == {"first"}
    # What it learns next is what a manager learns that never met the bad trade.
    for one in (m, plain):
        one.learn_one(ResolvedDecision(decision("next"), closed(-7.0, exit_ns=300), 0.0))
    assert m.signals == plain.signals


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"p_up": np.full(4, np.nan), "p_down": np.full(4, np.nan)}, "missing votes"),
        ({"p_up": np.array([0.5])}, "shapes"),
        ({"p_up": np.array([np.nan, 0.5, np.nan, 0.5])}, "not the other"),
        ({"p_up": np.array([1.2, 0.5, np.nan, 0.5])}, "in \\[0, 1\\]"),
        ({"y_long": 2}, "0 or 1"),
        ({"y_short": np.nan}, "0 or 1"),
        ({"y_long": np.nan}, "0 or 1"),
        ({"p_up": np.array([np.inf, 0.5, np.nan, 0.5])}, "in \\[0, 1\\]"),
        ({"sides": (1, 1)}, "sides"),
        ({"resolved_ns": 15}, "before its bar closed"),
        ({"bar_close_ns": 1, "resolved_ns": 5}, "order of time"),
    ],
)
def test_a_label_that_cannot_be_learned_is_refused_and_changes_nothing(
    changes: dict[str, object], words: str
) -> None:
    m = manager("aa")
    m.learn_label(label(10))
    before = m.get_diagnostics()
    bad = replace(label(20), **changes)  # type: ignore[arg-type]
    with pytest.raises(FixInput, match=words):
        m.learn_labels([label(19), bad])
    assert m.get_diagnostics() == before
    assert (("A", 19) in m.labels) is False


def test_a_known_id_is_ignored_before_anything_is_judged() -> None:
    """A replay may come late, out of order and even damaged: its id alone decides."""
    m = manager("aa")
    first = m.learn_one(ResolvedDecision(decision("d"), closed(), 0.0))
    m.learn_label(label(10))
    before, posterior = m.get_diagnostics(), m.pool.posterior.copy()
    again = ResolvedDecision(decision("d", side=0), closed(np.pi, exit_ns=1), 0.0)
    assert m.learn_one(again) is first
    m.learn_label(replace(label(10), y_long=7, resolved_ns=11))
    assert m.get_diagnostics() == before
    assert np.array_equal(m.pool.posterior, posterior)


def test_of_two_labels_with_one_id_the_first_is_learned() -> None:
    one, both = manager("aa"), manager("aa")
    one.learn_labels([label(1, 1)])
    both.learn_labels([label(1, 1), label(1, 0)])
    assert both.get_diagnostics() == one.get_diagnostics()
    assert np.array_equal(both.pool.posterior, one.pool.posterior)


def test_absent_models_share_is_redistributed_and_they_are_not_judged() -> None:
    for algorithm in ALGORITHMS:
        m = manager(algorithm)
        m.learn_labels([label(k) for k in range(3)])
        up, down, weights = m.predict(UP, DOWN)
        assert weights[2] == 0.0
        assert weights.sum() == pytest.approx(1.0)
        assert up > down
        assert m.calibration.samples == [3, 3, 0, 0]


def test_a_hold_vote_changes_no_calibration_number() -> None:
    m = manager("aa")
    m.learn_label(label(0))
    assert m.calibration.brier[3] == 0.25
    before = m.calibration.stats.copy()
    m.learn_label(replace(label(1), sides=(0, 0, 0, 0)))
    assert np.array_equal(m.calibration.stats, before)


def test_recorded_sides_decide_which_claim_is_judged() -> None:
    m = manager("aa")
    m.learn_label(replace(label(0, y_long=1), sides=(-1, 0, 0, 0)))
    assert m.calibration.samples == [1, 0, 0, 0]
    assert m.calibration.brier[0] == pytest.approx(0.9 * 0.25 + 0.1 * 0.2**2)


def test_online_platt_moves_the_exponential_vote_only_where_it_is_part_of_the_name() -> None:
    plain, platt = manager("exponential", horizon=1), manager("platt_exponential", horizon=1)
    for m in (plain, platt):
        for k in range(400):
            m.learn_label(replace(label(k, y_long=0), p_down=1.0 - UP))
    assert plain.predict(UP, 1.0 - UP)[0] == pytest.approx(
        (0.25 * 0.7 + 0.25 * 0.6 + 0.2 * 0.5) / 0.7
    )
    assert platt.predict(UP, 1.0 - UP)[0] < 0.3


@dataclass(frozen=True)
class Vote:
    valid: bool


def test_exploration_draws_uniform_weights_with_its_propensity() -> None:
    m = manager("exponential")
    votes = {name: Vote(name != "nhits") for name in MODEL_NAMES}
    assert m.apply_reinforcement_to_signal(votes, False)[1:] == (False, 1.0)
    rng = np.random.default_rng(3)
    draws = [m.apply_reinforcement_to_signal(votes, True, rng) for _ in range(4_000)]
    explored = [d for d in draws if d[1]]
    assert len(explored) / len(draws) == pytest.approx(0.20, abs=0.02)
    assert {round(d[2], 12) for d in draws} == {0.2, 0.8}
    assert explored[0][0] == pytest.approx([1 / 3, 1 / 3, 0.0, 1 / 3])
    learned = next(d[0] for d in draws if not d[1])
    assert learned == pytest.approx(np.array([0.25, 0.25, 0.0, 0.20]) / 0.7)
    with pytest.raises(FixInput, match="generator"):
        m.apply_reinforcement_to_signal(votes, True)
    with pytest.raises(FixInput, match="gru"):
        m.apply_reinforcement_to_signal({"gru": Vote(True)}, False)


def test_the_context_is_a_copy_of_what_pools_votes() -> None:
    m = manager("aa")
    m.learn_label(label(0))
    context = m.get_reinforcement_context()
    assert context.algorithm == "aa"
    assert context.posteriors.shape == (2, 7)
    assert context.platt.shape == (2, 4, 2)
    assert context.scalers == pytest.approx(np.ones(4))
    assert np.array_equal(context.weights, m.pool.weights())
    context.posteriors[:] = 0.0
    assert m.pool.posterior.sum() == pytest.approx(2.0)
    assert m.get_reinforcement_context(True, 0.2).weights == pytest.approx(np.full(4, 0.25))


def test_diagnostics_have_every_key() -> None:
    m = manager("fixed_share", horizon=1)
    for k in range(30):
        m.learn_label(replace(label(k, k % 2), resolved_ns=k + 1))
        m.learn_one(ResolvedDecision(decision(f"d{k}"), closed(float(k), 200 + k), 0.0))
    got = m.get_diagnostics()
    assert {
        "total_trades_processed", "total_reward_accumulated", "weight_update_count",
        "model_weights", "confidence_scalers", "calibration_metrics", "baseline_reward",
        "exploration_rate", "recent_performance", "learning_params", "algorithm", "regret",
    } <= set(got)  # fmt: skip
    assert set(got["calibration_metrics"]) == {
        "brier_scores", "calibration_errors", "excess", "sample_counts",
    }  # fmt: skip
    assert set(got["recent_performance"]) == {
        "avg_shaped_reward", "avg_advantage", "avg_raw_pnl",
    }  # fmt: skip
    assert got["recent_performance"]["avg_raw_pnl"] == pytest.approx(np.mean(range(10, 30)))
    assert got["total_reward_accumulated"] == pytest.approx(sum(range(30)))
    assert got["learning_params"]["learning_rate"] == 0.05
    assert got["regret"]["used"] <= got["regret"]["bound"]
    assert set(got["model_weights"]) == set(MODEL_NAMES)
    assert manager("aa", horizon=8).get_diagnostics()["regret"]["bound"] is None


def test_health_is_capped_by_what_is_wrong_and_says_so() -> None:
    fresh = manager("exponential").health()
    assert fresh.score == 100.0
    assert "explored" in fresh.issues[0]
    poor = manager("exponential")
    for k in range(25):
        trade = TradeResult("A", 0, -40.0 - k, 1_000.0, -3.0, k)
        poor.learn_trade(f"t{k}", trade, (1, 1, 1, 1), (0.6,) * 4)
    assert poor.health().score == 50.0
    wrong = manager("uniform")
    wrong.calibration.stats[0] = 0.31
    assert wrong.health().score == 70.0
    scattered = manager("exponential")
    scattered.weights = (1.0, 0.0, 0.0, 0.0)
    assert scattered.health().score == 60.0
    assert "scattered" in scattered.health().issues[0]


def test_resets() -> None:
    m = manager("aa")
    for k in range(50):
        m.learn_label(label(k, 0))
    assert m.get_confidence_scaler("xgboost") < 1.0
    m.reset_calibration()
    m.reset_weights()
    assert m.get_confidence_scaler("xgboost") == 1.0
    assert np.ptp(m.pool.posterior) == 0.0
    assert np.array_equal(m.pool.platt, manager("aa").pool.platt)
    with pytest.raises(FixInput, match="gru"):
        m.get_confidence_scaler("gru")


def test_unknown_algorithm_is_refused() -> None:
    with pytest.raises(FixSettings, match="auto"):
        manager("auto")
