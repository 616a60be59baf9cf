"""Laws of the pure rules: rounding, states, simplex, mirrored prices, costs."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from envs.core.rules.alone import walk_alone
from envs.core.rules.booking import funding_received
from envs.core.rules.costs import break_even_price, round_trip_frac, slippage_frac
from envs.core.rules.exits import Stop, initial_levels, moved_stop, stop_atr, template
from envs.core.rules.fills import entry_fill, exit_fill
from envs.core.rules.rounding import (
    ceil_whole,
    floor_whole,
    from_units,
    half_even,
    ratio_half_even,
    to_units,
)
from envs.core.rules.simplex import project4
from envs.core.rules.state import N_STATES, decode_state, state_index
from envs.core.rules.vote import consensus, edge_confidence, hold_reason, model_side, shrunk_slope
from envs.core.rules.walk import Order, Series
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_HOUR
from tests.property.strategies import small_market

TICKS = st.integers(1, 10**9)
SIDES = st.sampled_from([1, -1])


@given(st.integers(-(10**12), 10**12), st.floats(0.0, 1.0, exclude_max=True))
def test_rounding_keeps_whole_numbers_and_its_direction(whole: int, rest: float) -> None:
    for rule in (half_even, floor_whole, ceil_whole):
        assert rule(float(whole)) == whole
        assert rule(float(rule(whole + rest))) == rule(whole + rest)
    x = whole + rest
    near = max(1.0, abs(x)) * 4e-15
    assert floor_whole(x) <= x + near
    assert ceil_whole(x) >= x - near
    assert ceil_whole(x) - floor_whole(x) in (0, 1)
    assert abs(half_even(x) - x) <= 0.5
    assert ceil_whole(-x) == -floor_whole(x)


@given(st.integers(-(10**9), 10**9))
def test_exact_halves_go_to_even_in_money_and_against_the_trader_in_price(n: int) -> None:
    assert half_even(n + 0.5) % 2 == 0
    assert half_even(n + 0.5) == round(Fraction(2 * n + 1, 2))
    assert (floor_whole(n + 0.5), ceil_whole(n + 0.5)) == (n, n + 1)


@given(st.integers(1, 2**52), st.data())
def test_shares_of_money_are_exact(amount: int, data: st.DataObject) -> None:
    whole = data.draw(st.one_of(st.sampled_from([2, 4, 10]), st.integers(1, 10**9)))
    part = data.draw(st.integers(0, whole))
    assert ratio_half_even(amount, part, whole) == round(Fraction(amount * part, whole))
    assert ratio_half_even(-amount, part, whole) == -ratio_half_even(amount, part, whole)
    # Two roundings of 2**-53 each: above 2**51 units (2e7 quote) they can reach half a unit.
    assert amount > 2**50 or to_units(from_units(amount)) == amount


@given(TICKS, SIDES, st.floats(0.0, 0.01))
def test_slippage_never_helps(price: int, side: int, slip: float) -> None:
    exact = side * price * (1.0 + side * slip)
    assert entry_fill(side * price, side, slip) >= exact - 4e-15 * abs(exact)
    assert entry_fill(side * price, side, slip) >= side * price
    assert exit_fill(side * price, side, slip) <= side * price
    assert entry_fill(side * price, side, 0.0) == exit_fill(side * price, side, 0.0) == side * price


@given(st.floats(0.0, 1.0), st.floats(0.0, 50.0), st.floats(0.0, 50.0), st.floats(0.0, 0.01))
def test_costs_are_never_negative(atr: float, low: float, more: float, taker: float) -> None:
    slip = slippage_frac(atr, low, low + more)
    assert low * 1e-4 * (1 - 1e-12) <= slip <= (low + more) * 1e-4 * (1 + 1e-12)
    assert slippage_frac(atr + 0.001, low, low + more) >= slip
    assert round_trip_frac(False, 0.0, taker, slip) >= round_trip_frac(True, 0.0, taker, slip) >= 0


@given(SIDES, st.floats(1.0, 1e5), st.floats(0.0, 0.002), st.floats(0.0, 0.002))
def test_break_even_nets_nothing(side: int, fill: float, taker: float, slip: float) -> None:
    out = break_even_price(side, fill, taker, slip, 0.0) * (1.0 - side * slip)
    assert side * (out - fill) - taker * (out + fill) == pytest.approx(0.0, abs=1e-9 * fill)
    assert side * (break_even_price(side, fill, taker, slip, 0.0) - fill) >= -1e-12 * fill


@given(SIDES, st.floats(1.0, 1e5), st.floats(0.001, 10.0), st.floats(1e-5, 0.02))
def test_longs_pay_what_shorts_receive(side: int, mark: float, qty: float, rate: float) -> None:
    got = funding_received(side, mark, qty, rate)
    assert got * side <= 0
    assert got == -funding_received(-side, mark, qty, rate)
    assert got == funding_received(-side, mark, qty, -rate)


@given(st.integers(0, N_STATES - 1))
def test_states_decode_to_themselves(index: int) -> None:
    bins = decode_state(index)
    assert state_index(*bins) == index
    assert all(0 <= b < n for b, n in zip(bins, (5, 5, 4, 3), strict=True))


def test_states_are_a_bijection() -> None:
    made = {
        state_index(r, c, e, p)
        for r in range(5)
        for c in range(5)
        for e in range(4)
        for p in range(3)
    }
    assert made == set(range(300))


BOUNDS = st.tuples(st.floats(0.0, 0.24), st.floats(0.26, 1.0))


@given(st.lists(st.floats(1e-3, 10.0), min_size=4, max_size=4), BOUNDS)
def test_projection_onto_the_bounded_simplex(v: list[float], bounds: tuple[float, float]) -> None:
    lo, hi = bounds
    w = project4(*v, lo, hi)
    assert sum(w) == pytest.approx(1.0, abs=1e-12)
    assert all(lo <= x <= hi for x in w)
    for i in range(4):
        for k in range(4):
            if v[i] > v[k]:
                assert w[i] >= w[k]
            if lo < w[i] < hi and lo < w[k] < hi:
                assert w[i] * v[k] == pytest.approx(w[k] * v[i], rel=1e-9)
    if all(x > 0.0 for x in w):
        assert project4(*w, lo, hi) == pytest.approx(w, abs=1e-12)


@given(st.lists(st.floats(1e-3, 10.0), min_size=4, max_size=4), BOUNDS, st.permutations(range(4)))
def test_projection_does_not_depend_on_the_order_of_models(
    v: list[float], bounds: tuple[float, float], order: list[int]
) -> None:
    w = project4(*v, *bounds)
    moved = project4(*(v[i] for i in order), *bounds)
    assert moved == pytest.approx([w[i] for i in order], abs=1e-12)


@given(st.floats(-0.1, 0.1), st.floats(1e-5, 0.02))
def test_a_model_acts_on_the_sign_of_its_expectation(ev: float, trip: float) -> None:
    assert model_side(ev) == (ev > 0) - (ev < 0)
    assert model_side(-ev) == -model_side(ev)
    assert 0.0 <= edge_confidence(ev, trip) <= 1.0
    assert edge_confidence(abs(ev), trip) == min(1.0, abs(ev) / trip)


@given(st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_a_slope_only_shrinks(b: float, se: float) -> None:
    assert 0.0 <= shrunk_slope(b, se) <= b
    assert shrunk_slope(-b, se) == 0.0
    if se >= b:
        assert shrunk_slope(b, se) == 0.0


@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4), st.sampled_from([-1, 1]))
def test_a_standing_vote_has_a_majority_and_a_consensus(
    support: int, against: int, quorum: int, side: int
) -> None:
    assume(support + against <= 4)
    for n in range(support + against, 5):
        stands = hold_reason(n, quorum, side, support, against) == 0
        if stands:
            assert support >= 2
            assert n >= quorum
            assert (consensus(support, against, n) > 0) or against >= 2
        assert hold_reason(n, quorum, 0, support, against) != 0


@settings(max_examples=100)
@given(TICKS, st.integers(0, 10**9), st.integers(4, 10**6), st.integers(0, 2), st.integers(0, 3))
def test_levels_mirror(entry: int, anchor: int, atr: int, exit_: int, regime: int) -> None:
    plan = template(exit_, regime)
    long = initial_levels(1, entry, atr, stop_atr(exit_), plan, 1.0, 1.0, 0)
    short = initial_levels(-1, entry - 2 * anchor, atr, stop_atr(exit_), plan, 1.0, 1.0, 0)
    for name in ("stop0", "partial", "target"):
        assert getattr(short, name) == getattr(long, name) - 2 * anchor
    assert long.stop0 < long.entry <= long.partial < long.target
    assert long.risk == short.risk > 0


@settings(max_examples=60)
@given(
    TICKS,
    st.integers(4, 10**6),
    st.lists(st.floats(-2.0, 6.0), min_size=2, max_size=20),
    st.floats(-1.0, 5.0),
)
def test_a_stop_never_loosens(entry: int, atr: int, moves: list[float], start: float) -> None:
    levels = initial_levels(1, entry, atr, 1.5, template(1, 0), 1.0, 1.0, 0)
    stop, peak = Stop(entry + int(start * levels.risk), 7), entry
    for move in moves:
        price = entry + int(move * levels.risk)
        peak = max(peak, price)
        new = moved_stop(levels, stop, price, peak, 0.0004, 0.0002, 0.0)
        assert new.level >= stop.level
        assert (new.kind == stop.kind) or new.level > stop.level
        stop = new


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 2), st.integers(0, 3), SIDES, st.booleans())
def test_a_mirrored_market_gives_the_mirrored_trade(
    seed: int, exit_: int, regime: int, side: int, pessimistic: bool
) -> None:
    """Prices p and 2*anchor - p; no cost, no funding, no liquidation in reach: equal results."""
    base = CoreSettings()
    data = prepare(small_market(seed, 40, 1, 0.0, False), base)
    fees = data.fees._replace(maker=0.0, taker=0.0, min_stop_gap=0.0)
    contract = data.contracts[0]._replace(min_notional=0.0)
    one = data.series[0]
    flat = one.ohlc[:, 0] == one.ohlc[:, 3]
    ohlc = one.ohlc.copy()
    ohlc[flat, 1] += 1
    ohlc[flat, 3] += 1
    zero = np.zeros_like(one.slip)
    plain = one._replace(
        ohlc=ohlc, mark=ohlc.astype(np.float64), slip=zero, funding=zero,
        stamp=np.zeros_like(one.stamp),
    )  # fmt: skip
    mirrored = 200_000 - ohlc[:, [0, 2, 1, 3]]
    other = plain._replace(ohlc=mirrored, mark=mirrored.astype(np.float64))
    order = Order(side, 1_000, 1, 8.0, stop_atr(exit_), template(exit_, regime), 0, False, 0)
    assert int(ohlc.min()) > 60_000
    assert int(ohlc.max()) < 140_000

    def run(series: Series, which: Order) -> tuple[object, ...]:
        out = walk_alone(
            series, 5, 39, which, 10**14, NS_PER_HOUR, int(pessimistic), fees, contract,
            data.brackets[0],
        )  # fmt: skip
        return out.opened, out.net, out.risk, out.end_row, out.exit_ns, out.reason

    assert run(plain, order) == run(other, order._replace(side=-side))
    assert not math.isnan(replace(base).start_equity_quote)
