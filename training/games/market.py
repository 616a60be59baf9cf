"""Money of single trades: liquidation, costs, levels, settlement (rows 21-23, 39, 41, 42, 47, 50).

All figures are arithmetic of specification 4, 9.0 and 9.3.
"""

from __future__ import annotations

import math

import numpy as np

from envs.core.rules import booking, costs, exits, lifecycle, margin
from envs.core.rules.path import LIQUIDATION, STOP, TARGET
from envs.core.rules.rounding import from_units, half_even
from envs.core.rules.sizing import Contract
from training.games.sheet import Sheet

_FINE = Contract(1, 10**8, 1, 10**8, 0.0)
_BRACKETS = np.array([[math.inf, 0.004, 0.0]])
_TAKER = 0.0004
_FEES = lifecycle.Fees(0.0002, _TAKER, 0.0125, 1.0, 0.5, 1.0, 0.0005, 0.5)
_PLENTY = 10**14


def _ticks(price: float) -> int:
    return half_even(price * 1e8)


def play_costs(sheet: Sheet) -> None:
    """Rows 21 to 23 (rates), 41, 42 and 47."""
    for number, side, expected in (
        (21, 1, ((2, "50.200803"), (3, "66.934404"), (5, "80.321285"), (10, "90.361446"),
                 (20, "95.381526"))),
        (22, -1, ((3, "132.802125"), (5, "119.521912"), (10, "109.561753"), (20, "104.581673"))),
    ):  # fmt: skip
        for leverage, text in expected:
            price = margin.liquidation_price(side, 100.0, 100.0 / leverage, 0.004, 0.0)
            said = "long" if side > 0 else "short"
            sheet.equal(number, f"liquidation of a {said} {leverage}x", price, text)
    sheet.exact(23, "funding of a long", costs.funding_quote(1, 3_000.0, 0.0001), -0.30)
    sheet.exact(23, "funding of a short", costs.funding_quote(-1, 3_000.0, 0.0001), 0.30)
    for atr, bps in ((0.005, 2.0), (0.01, 2.6), (0.02, 3.8), (0.03, 5.0)):
        value = costs.slippage_frac(atr, 2.0, 5.0) * 1e4
        sheet.exact(41, f"slippage at atr_frac {atr:g}, bps", value, bps)
    slip = costs.slippage_frac(0.02, 2.0, 5.0)
    for side, said, fill_text, even_text in (
        (1, "long", "90034.2000", "90140.5096"),
        (-1, "short", "89965.8000", "89859.7094"),
    ):
        levels = lifecycle.entry_levels(
            side, side * _ticks(90_000.0), 1_800.0, 1.5, exits.template(0, 0), slip, _FEES, _FINE, 0
        )
        fill = side * levels.entry / 1e8
        sheet.equal(42, f"{said}: fill", fill, fill_text)
        even = costs.break_even_price(side, fill, _TAKER, slip, 0.0)
        sheet.equal(42, f"{said}: break-even", even, even_text)
        out = even * (1.0 - side * slip)
        sheet.near(42, f"{said}: net there", side * (out - fill) - _TAKER * (out + fill), 0.0, 1e-8)
    _play_levels(sheet)


def _play_levels(sheet: Sheet) -> None:
    levels = exits.initial_levels(1, _ticks(100.0), 2e8, 1.5, exits.template(1, 0), 1.0, 1.0, 0)
    at_peak = exits.moved_stop(
        levels, exits.Stop(levels.stop0, 1), _ticks(107.0), _ticks(107.0), _TAKER, 0.0, 0.0
    )
    for case, value, expected in (
        ("stop", levels.stop0, 97.0),
        ("break-even trigger", levels.entry + levels.be_r * levels.risk, 103.0),
        ("partial", levels.partial, 106.0),
        ("target", levels.target, 107.5),
        ("trailing stop at peak 107", at_peak.level, 105.0),
    ):
        sheet.exact(47, f"long at 100: {case}", value / 1e8, expected)


def play_settlement(sheet: Sheet) -> None:
    """Rows 23 (booked), 39 (settled) and 50."""
    slip = costs.slippage_frac(0.02, 2.0, 5.0)
    qty = 10**8 // 30
    for kind, case, level, expected in (
        (TARGET, "target", 95_434.2, 176.3187),
        (STOP, "stop", 87_334.2, -93.4707),
    ):
        levels, guard, book, tier = lifecycle.open_position(
            1, _ticks(90_000.0), qty, 3, 1_800.0, 1.5, exits.template(0, 0), slip, _TAKER, _FEES,
            _FINE, _BRACKETS, 0,
        )  # fmt: skip
        _, after, _ = lifecycle.close_at(
            levels, guard, book, kind, _ticks(level), slip, _PLENTY, _FEES, _FINE, tier
        )
        # 3,000 of notional at 90,000 is a thirtieth of a coin; the quantity is floored to 1e-8.
        net = from_units(booking.net_units(after)) * (10**8 / 30) / qty
        sheet.near(39, f"settled at the {case}", net, expected, 2e-4)
    levels, guard, book, tier = lifecycle.open_position(
        1, _ticks(100.0), 10 * 10**8, 3, 2.0, 1.5, exits.template(1, 0), 0.0, 0.0, _FEES, _FINE,
        _BRACKETS, 0,
    )  # fmt: skip
    _, after, fill = lifecycle.close_at(
        levels, guard, book, LIQUIDATION, book.liq, 0.0, _PLENTY, _FEES, _FINE, tier
    )
    sheet.equal(50, "liquidated long: realised", from_units(fill.gross), "-330.655957")
    sheet.near(50, "liquidated long: insurance", from_units(after.insurance), -2.677376, 1e-5)
    sheet.equal(50, "liquidated long: fee", from_units(fill.fee), "8.366801")
    lost = from_units(fill.gross + after.insurance + book.margin)
    sheet.near(50, "loss beyond the margin", lost, 0.0, 0.0)
    paid = booking.fund_book(1, levels.entry, book, 100.0, 0.0001, _FINE, tier)
    sheet.exact(23, "funding booked, notional 1,000", from_units(paid.funding), -0.10)
