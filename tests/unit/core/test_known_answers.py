"""Numbers the specification gives, on an instrument with tick and step 1e-8."""

from __future__ import annotations

import math

import numpy as np
import pytest

from envs.core.actions import PRESETS
from envs.core.rules import costs, margin, reward, state, vote
from envs.core.rules.booking import fund_book
from envs.core.rules.exits import Stop, initial_levels, moved_stop, stop_atr, template
from envs.core.rules.lifecycle import Fees, close_at, open_position
from envs.core.rules.path import LIQUIDATION, STOP, TARGET
from envs.core.rules.rounding import ceil_whole, floor_whole, from_units, half_even, ratio_half_even
from envs.core.rules.sizing import Contract, Funds, SizeRules, plan_margin, planned_notional

TICK = Contract(1, 10**8, 1, 10**8, 0.0)
BRACKETS = np.array([[math.inf, 0.004, 0.0]])
FEES = Fees(0.0002, 0.0004, 0.0125, 1.0, 0.5, 1.0, 0.0005, 0.5)
RULES = SizeRules(0.02, 0.10, True, 2.0, 0.15, 0.02, 0.10, 5.0, 5, 10.0)


def ticks(price: float) -> int:
    return half_even(price * 1e8)


@pytest.mark.parametrize(
    ("leverage", "price"),
    [(2, 50.200803), (3, 66.934404), (5, 80.321285), (10, 90.361446), (20, 95.381526)],
)
def test_liquidation_of_a_long(leverage: int, price: float) -> None:
    got = margin.liquidation_price(1, 100.0, 100.0 / leverage, 0.004, 0.0)
    assert got == pytest.approx(price, rel=1e-6)


@pytest.mark.parametrize(
    ("leverage", "price"), [(3, 132.802125), (5, 119.521912), (10, 109.561753), (20, 104.581673)]
)
def test_liquidation_of_a_short(leverage: int, price: float) -> None:
    got = margin.liquidation_price(-1, 100.0, 100.0 / leverage, 0.004, 0.0)
    assert got == pytest.approx(price, rel=1e-6)


@pytest.mark.parametrize(
    ("atr_frac", "bps"), [(0.005, 2.0), (0.01, 2.6), (0.02, 3.8), (0.03, 5.0), (0.5, 5.0)]
)
def test_slippage(atr_frac: float, bps: float) -> None:
    assert costs.slippage_frac(atr_frac, 2.0, 5.0) * 1e4 == pytest.approx(bps)


def test_funding_of_both_sides() -> None:
    assert costs.funding_quote(1, 3_000.0, 0.0001) == pytest.approx(-0.30)
    assert costs.funding_quote(-1, 3_000.0, 0.0001) == pytest.approx(0.30)


@pytest.mark.parametrize(
    ("side", "fill", "even"), [(1, 90_034.2, 90_140.5096), (-1, 89_965.8, 89_859.7094)]
)
def test_break_even_closes_at_exactly_nothing(side: int, fill: float, even: float) -> None:
    slip = costs.slippage_frac(0.02, 2.0, 5.0)
    price = costs.break_even_price(side, fill, 0.0004, slip, 0.0)
    assert price == pytest.approx(even, rel=1e-6)
    out = price * (1.0 - side * slip)
    assert side * (out - fill) - 0.0004 * (out + fill) == pytest.approx(0.0, abs=1e-9)


def test_planned_net() -> None:
    slip = costs.slippage_frac(0.02, 2.0, 5.0)
    assert costs.planned_net(3_000.0, 0.06, 0.0004, slip) == pytest.approx(175.1796)
    assert costs.planned_net(3_000.0, -0.03, 0.0004, slip) == pytest.approx(-94.6098, abs=2e-4)


def test_levels_of_balanced_trending_and_ranging() -> None:
    trending = initial_levels(1, ticks(100), 2e8, 1.5, template(1, 0), 1.0, 1.0, 0)
    found = [x / 1e8 for x in (trending.stop0, trending.partial, trending.target)]
    assert found == [97.0, 106.0, 107.5]
    trail = moved_stop(trending, Stop(trending.stop0, 1), ticks(107), ticks(107), 0.0004, 0.0, 0.0)
    assert trail.level == ticks(105)
    ranging = initial_levels(1, ticks(100), 2e8, 1.5, template(1, 1), 1.0, 1.0, 0)
    assert [x / 1e8 for x in (ranging.partial, ranging.target)] == [103.0, 104.5]
    assert 100.0 + ranging.trail_r * 3.0 == 103.75


@pytest.mark.parametrize("side", [1, -1])
def test_templates_can_fire_in_order(side: int) -> None:
    for exit_ in range(3):
        for regime in range(4):
            row = template(exit_, regime)
            assert 1.0 <= row.partial_r <= row.trail_r < row.target_r
    assert side in (1, -1)


@pytest.mark.parametrize(
    ("kind", "level", "net"), [(STOP, 87_334.2, -93.4707), (TARGET, 95_434.2, 176.3187)]
)
def test_settled_trade_of_the_specification(kind: int, level: float, net: float) -> None:
    slip = costs.slippage_frac(0.02, 2.0, 5.0)
    qty = 10**8 // 30
    levels, guard, book, tier = open_position(
        1, ticks(90_000), qty, 3, 1_800.0, 1.5, template(0, 0), slip, 0.0004, FEES, TICK, BRACKETS,
        0,
    )  # fmt: skip
    assert levels.entry == ticks(90_034.2)
    assert levels.stop0 == ticks(87_334.2)
    _, after, _ = close_at(levels, guard, book, kind, ticks(level), slip, 10**14, FEES, TICK, tier)
    got = from_units(after.gross - after.fees) * (10**8 / 30) / qty
    assert got == pytest.approx(net, abs=2e-4)


def test_liquidation_books_exactly_the_margin() -> None:
    levels, guard, book, tier = open_position(
        1, ticks(100), 10 * 10**8, 3, 2.0, 1.5, template(1, 0), 0.0, 0.0, FEES, TICK, BRACKETS, 0
    )
    _, after, fill = close_at(
        levels, guard, book, LIQUIDATION, book.liq, 0.0, 10**12, FEES, TICK, tier
    )
    assert from_units(fill.gross) == pytest.approx(-330.655957, rel=1e-6)
    assert from_units(after.insurance) == pytest.approx(-2.677376, rel=1e-5)
    assert fill.gross + after.insurance == -book.margin
    assert from_units(fill.fee) == pytest.approx(8.366801, rel=1e-6)


def test_funding_paid_lowers_the_margin_and_raises_the_liquidation() -> None:
    levels, _, book, tier = open_position(
        1, ticks(100), 10**8, 5, 2.0, 1.5, template(1, 0), 0.0, 0.0, FEES, TICK, BRACKETS, 0
    )
    paid = fund_book(1, levels.entry, book, 100.0, 0.001, TICK, tier)
    assert from_units(paid.funding) == pytest.approx(-0.1)
    assert paid.margin == book.margin + paid.funding
    assert paid.liq > book.liq


def test_plan_of_the_mathematician() -> None:
    funds = Funds(10_000.0, 10_000.0, 0.0, 0.0, 1.0)
    assert plan_margin(funds, RULES, 0.02, 0.03) == pytest.approx(1_000.0)
    assert plan_margin(funds, RULES, 0.04, 0.06) == pytest.approx(500.0)
    assert planned_notional(1_000.0, 3, 0.005, 10_000.0, 0.03, 0.00156) == pytest.approx(
        1_584.28, abs=0.01
    )


def test_counts_of_states_and_actions() -> None:
    assert [PRESETS[n].n for n in ("classic", "overview", "full")] == [25, 48, 76]
    assert state.N_STATES == 300


def test_encoding_is_a_bijection_over_all_states() -> None:
    seen = set()
    for index in range(300):
        axes = state.decode_state(index)
        assert state.state_index(*axes) == index
        seen.add(axes)
    assert len(seen) == 300


def test_rewards_of_the_specification() -> None:
    assert reward.log_growth(180.0, 10_000.0) == pytest.approx(0.0178399, abs=1e-7)
    assert reward.log_growth(-90.0, 10_000.0) == pytest.approx(-0.0090407, abs=1e-7)
    assert reward.shaped_reward(0.06, 0.03, 24.0, 0.01) == pytest.approx(0.048)
    assert reward.shaped_reward(0.0005, 0.03, 6.0, 0.01) == pytest.approx(-0.0065)
    assert reward.step_reward(100.0, -5.0) == pytest.approx(math.log(1e-6))


def test_ev_line_and_confidence_of_the_specification() -> None:
    assert vote.shrunk_slope(1.2, 0.4) == pytest.approx(1.0666667)
    ev = vote.ev_long(1.2, 0.4, 0.0, 0.05, 0.02)
    assert ev == pytest.approx(0.00106667, abs=1e-8)
    slip = costs.slippage_frac(0.02, 2.0, 5.0)
    market = costs.round_trip_frac(False, 0.0002, 0.0004, slip)
    resting = costs.round_trip_frac(True, 0.0002, 0.0004, slip)
    assert vote.edge_confidence(ev, market) == pytest.approx(0.683761, abs=1e-6)
    assert vote.edge_confidence(ev, resting) == 1.0
    assert vote.shrunk_slope(1.2, 1.3) == 0.0


@pytest.mark.parametrize(
    ("support", "against", "valid", "level"),
    [
        (4, 0, 4, 3),
        (3, 1, 4, 3),
        (2, 0, 4, 2),
        (2, 1, 4, 1),
        (2, 1, 3, 2),
        (1, 0, 4, 0),
        (2, 2, 4, 0),
    ],
)
def test_consensus(support: int, against: int, valid: int, level: int) -> None:
    assert vote.consensus(support, against, valid) == level


def test_hold_reasons() -> None:
    assert vote.hold_reason(1, 2, 1, 1, 0) == vote.VOTE_QUORUM
    assert vote.hold_reason(4, 2, 1, 2, 2) == vote.VOTE_SPLIT
    assert vote.hold_reason(4, 2, 1, 1, 0) == vote.VOTE_NO_SUPPORT
    assert vote.hold_reason(4, 2, 0, 0, 0) == vote.VOTE_NO_EDGE
    assert vote.hold_reason(4, 2, 1, 2, 1) == vote.VOTE_OK


def test_rounding_directions_and_ties() -> None:
    assert [half_even(x) for x in (0.5, 1.5, 2.5, -0.5, -1.5, 2.4999)] == [0, 2, 2, 0, -2, 2]
    assert floor_whole(2.0 - 1e-16) == 2
    assert ceil_whole(2.0 + 4e-16) == 2
    assert floor_whole(1.9) == 1
    assert ceil_whole(-1.9) == -1
    assert stop_atr(2) == 2.0


def test_shares_of_a_release_sum_to_the_whole() -> None:
    cost, qty = 123_456_789_012_345, 977
    first = ratio_half_even(cost, 311, qty)
    second = ratio_half_even(cost - first, 400, qty - 311)
    last = ratio_half_even(cost - first - second, qty - 711, qty - 711)
    assert first + second + last == cost
    assert ratio_half_even(-cost, 311, qty) == -first
