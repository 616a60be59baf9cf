from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.settings import KellySettings
from agents.sizing.kelly_tally import Allowance, KellyTally
from agents.sizing.mathematician import (
    AccountState,
    MarketConditions,
    Mathematician,
    OptimalParameters,
    confidence_score,
    nearest_action,
    optimal_parameters,
)
from envs.core.actions import preset
from envs.core.instrument import Instrument
from envs.core.settings import CostSettings, PlanSettings
from envs.core.trade import SizingContext

FINE = Instrument.of("BTCUSDT", "0.00000001", "0.00000001")
ACCOUNT = AccountState(10_000.0, 10_000.0)
FREE = Allowance(0.02, None)


def plan(
    atr_frac: float = 0.02, allowance: Allowance = FREE, account: AccountState = ACCOUNT,
    side: int = 1, instrument: Instrument = FINE, settings: PlanSettings | None = None,
) -> OptimalParameters:  # fmt: skip
    market = MarketConditions(instrument, 90_000.0, side, atr_frac)
    return optimal_parameters(
        account, market, allowance, settings or PlanSettings(), CostSettings()
    )


def test_rows_38_and_39_worked_example() -> None:
    p = plan()
    assert (p.leverage, p.reason) == (3, "")
    # Quantity is floored to a step of 1e-8: at most .0009 of notional is lost to it.
    assert p.sl_frac == pytest.approx(0.03, rel=1e-9)
    assert p.tp_frac == pytest.approx(0.06, rel=1e-9)
    assert p.notional == pytest.approx(3_000.0, abs=9.1e-4)
    assert p.margin == pytest.approx(1_000.0, abs=3.1e-4)
    assert p.qty == pytest.approx(0.033333, abs=4e-7)
    assert (p.profit_at_tp, p.loss_at_sl) == pytest.approx((180.0, 90.0), rel=1e-6)
    assert p.net_profit_at_tp == pytest.approx(175.1796, rel=1e-6)
    assert p.net_loss_at_sl == pytest.approx(-94.6098, rel=1e-6)
    assert p.confidence_score == pytest.approx(0.60)
    assert p.binding_cap == "margin"
    assert p.kelly_used is None


def test_a_wider_market_gets_less_margin() -> None:
    p = plan(0.04)
    assert p.margin == pytest.approx(500.0, abs=1e-3)
    assert p.sl_frac == pytest.approx(0.06)


def test_a_far_stop_lowers_the_leverage() -> None:
    assert plan(0.12).leverage == 2
    # At 30 % ATR not even 1x keeps its liquidation two stops away from a short.
    assert plan(0.36, side=-1).reason == "LIQUIDATION_TOO_NEAR"


def test_a_kelly_below_the_risk_always_binds() -> None:
    p = plan(allowance=Allowance(0.005, 0.005))
    assert p.notional == pytest.approx(1_584.28, abs=0.01)
    assert p.binding_cap == "risk after costs"
    assert p.kelly_used == 0.005
    assert -p.net_loss_at_sl <= 50.0


def test_kelly_records_lead_to_plans() -> None:
    def after(n: int, wins: int) -> OptimalParameters:
        tally = KellyTally(KellySettings())
        for k in range(n):
            tally.record_real((str(k), 0), 2.0 if k < wins else -1.0)
        return plan(allowance=tally.allowance(0.02), account=replace(ACCOUNT, n_trades=n))

    good, bad, few = after(20, 12), after(20, 6), after(19, 6)
    assert good.kelly_used == pytest.approx(0.10)
    assert good.notional == plan().notional
    assert (bad.notional, bad.qty, bad.reason) == (0.0, 0.0, "NEGATIVE_EDGE")
    assert few.kelly_used is None
    assert few.notional == plan().notional


def test_the_free_margin_binds() -> None:
    p = plan(account=AccountState(10_000.0, 500.0))
    assert p.margin == pytest.approx(475.0, abs=1e-3)
    assert p.binding_cap == "free margin"
    assert p.confidence_score == pytest.approx(0.6 * 0.9)


def test_a_stop_inside_the_cost_is_no_trade() -> None:
    # Both ways cost .0012: three times that is the stop of an ATR of .0024.
    assert plan(0.0024 - 1e-9).reason == "STOP_INSIDE_COST"
    assert plan(0.0024 + 1e-9).reason == ""


def test_below_the_filters_is_no_trade_and_never_rounded_up() -> None:
    coarse = Instrument.of("BTCUSDT", "0.1", "0.1")
    assert plan(instrument=coarse).reason == "BELOW_MIN_NOTIONAL"
    small = Instrument.of("BTCUSDT", "0.1", "0.001", min_notional_quote=2_971.0)
    assert plan(instrument=small).reason == "BELOW_MIN_NOTIONAL"
    held = plan(instrument=replace(small, min_notional_quote=2_970.0))
    assert held.notional == pytest.approx(2_970.0)
    assert held.qty == pytest.approx(0.033)


@pytest.mark.parametrize(
    "change", [{"equity": 0.0}, {"equity": -1.0}, {"equity": float("nan")}, {"free_margin": 0.0}]
)
def test_invalid_accounts_are_no_trade(change: dict[str, float]) -> None:
    assert plan(account=replace(ACCOUNT, **change)).reason == "INVALID_INPUT"


@pytest.mark.parametrize("atr_frac", [0.0, -0.01, float("nan"), float("inf")])
def test_an_invalid_atr_is_no_trade(atr_frac: float) -> None:
    p = plan(atr_frac)
    assert (p.reason, p.notional, p.leverage) == ("INVALID_INPUT", 0.0, 0)


def test_confidence_score_by_record_and_margin() -> None:
    found = [confidence_score(n, 100.0, 1_000.0) for n in (0, 9, 10, 49, 50, 99, 100)]
    assert found == [0.6, 0.6, 0.8, 0.8, 0.9, 0.9, 1.0]
    assert confidence_score(100, 801.0, 1_000.0) == pytest.approx(0.9)


def test_explanation_says_what_and_why() -> None:
    text = plan().explain()
    for part in ("margin 1000.00 x 3", "3000.00", "+175.18", "-94.61", "limited by margin"):
        assert part in text
    assert plan(0.001).explain() == "no trade: STOP_INSIDE_COST"


def test_nearest_action_of_a_plan() -> None:
    full, every = preset("full"), np.ones(76, dtype=np.bool_)

    def near(size: float, leverage: int, mask: np.ndarray = every) -> str:
        index = nearest_action(full, mask, size, leverage)
        return "" if index is None else full.label(index)

    assert near(1.0, 3) == "1x3 balanced"
    assert near(0.61, 2) == "0.7x2 balanced"
    assert near(0.58, 2) == "0.5x2 balanced"
    assert near(0.0, 3) == near(1.0, 0) == "skip"
    mask = every.copy()
    mask[full.index_of(1.0, 3, full.actions[2].exit)] = False
    assert near(1.0, 3, mask) == "1x4 balanced"
    assert near(1.0, 3, ~every) == "skip"
    assert nearest_action(preset("classic"), np.zeros(25, dtype=np.bool_), 1.0, 3) is None


def chosen(
    mask: np.ndarray | None = None, atr_frac: float = 0.02, trip: float = 0.00156,
    **settings: float,
) -> str:  # fmt: skip
    full = preset("full")
    context = SizingContext(
        0, np.ones(76, dtype=np.bool_) if mask is None else mask, np.ones(76),
        np.zeros(76, dtype=np.bool_), 0.002, 0.6, trip, atr_frac, np.full((3, 3), np.nan),
    )  # fmt: skip
    policy = Mathematician(full, replace(PlanSettings(), **settings), CostSettings())
    return full.label(policy.decide(context, None).index)


def test_the_policy_takes_the_action_nearest_to_the_plan() -> None:
    full = preset("full")
    assert chosen() == "1x3 balanced"
    # The stop is 18 % away: three times the stop would lie beyond liquidation at 3x.
    assert chosen(atr_frac=0.12) == "1x2 balanced"
    assert chosen(leverage=2) == "1x2 balanced"
    # .005 at risk, stop .03: margin 1/6; the costs leave notional .1584, at 3x .317 of that margin.
    assert chosen(risk_per_trade=0.005, max_margin=1.0, vol_scaling=False) == "0.3x3 balanced"
    mask = np.ones(76, dtype=np.bool_)
    mask[full.index_of(1.0, 3, full.actions[2].exit)] = False
    assert chosen(mask) == "1x4 balanced"


def test_the_policy_skips_where_the_plan_does() -> None:
    assert chosen(trip=0.011) == "skip"
    assert chosen(atr_frac=0.5) == "skip"
    assert chosen(atr_frac=float("nan")) == "skip"
    assert chosen(np.arange(76) == 0) == "skip"
