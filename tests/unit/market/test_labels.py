from __future__ import annotations

import numpy as np
import pytest

from envs.core.rules.costs import slippage_frac
from envs.core.settings import CostSettings
from envs.market.build import build_market
from envs.market.labels import Labels, label_bars, triple_barrier
from envs.market.synthetic import SyntheticSettings, generate

COSTS = CostSettings()
FREE = CostSettings(taker_fee=0.0, slippage_min_bps=0.0, slippage_max_bps=0.0)
ATR = 2.0
Bars = list[tuple[float, float, float, float]]
FLAT = (100.0, 100.0, 100.0, 100.0)


def label(
    bars: Bars, horizon: int = 2, costs: CostSettings = FREE, gaps: tuple[int, ...] = ()
) -> Labels:
    """Labels of a decision bar closing at 100 (ATR 2, barriers 97 and 103) followed by ``bars``."""
    ohlc = np.asarray([FLAT, *bars], dtype=np.float64)
    valid = np.ones(len(ohlc), dtype=np.bool_)
    valid[list(gaps)] = False
    atr = np.full(len(ohlc), ATR)
    return label_bars(ohlc, valid, atr, np.full(len(ohlc), ATR / 100.0), horizon, costs)


@pytest.mark.parametrize(
    ("bars", "gross", "end"),
    [
        pytest.param([(100, 104, 99, 101), FLAT], 1.5, 1, id="upper barrier at its own price"),
        pytest.param([(100, 101, 96, 99), FLAT], -1.5, 1, id="lower barrier at its own price"),
        pytest.param([(100, 103, 99, 101), FLAT], 1.5, 1, id="touch is enough"),
        pytest.param([(100, 104, 96, 101), FLAT], -1.5, 1, id="both, up close: low comes first"),
        pytest.param([(100, 104, 96, 99), FLAT], 1.5, 1, id="both, down close: high comes first"),
        pytest.param([(100, 104, 96, 100), FLAT], -1.5, 1, id="both, flat close: low comes first"),
        pytest.param([(100, 101, 99, 101), (105, 106, 96, 99)], 2.5, 2, id="gap above: the open"),
        pytest.param([(100, 101, 99, 101), (95, 104, 94, 99)], -2.5, 2, id="gap below: the open"),
        pytest.param([(100, 101, 99, 101), (101, 102, 99, 101)], 0.5, 2, id="vertical barrier"),
    ],
)  # fmt: skip
def test_exit_of_hand_made_bars(bars: Bars, gross: float, end: int) -> None:
    got = label(bars)
    assert got.gross[0] == pytest.approx(gross)
    assert got.end[0] == end
    assert got.y_long[0] == float(gross > 0)
    assert got.y_short[0] == float(gross < 0)


def test_barriers_stand_around_the_next_open_not_the_close() -> None:
    got = label([(101, 103.5, 100, 102), (102, 103.9, 98.1, 101)])
    assert (got.end[0], got.gross[0]) == (2, pytest.approx(0.0))


def test_costs_decide_the_claims_exactly() -> None:
    slip = slippage_frac(0.02, COSTS.slippage_min_bps, COSTS.slippage_max_bps)
    cost = COSTS.taker_fee + slip
    even = 100.0 * (1.0 + cost) / (1.0 - cost)
    for close, expected in ((even + 1e-6, 1.0), (even - 1e-6, 0.0)):
        got = label([FLAT, (100, max(close, 100), 100, close)], costs=COSTS)
        assert (got.y_long[0], got.y_short[0]) == (expected, 0.0)
    even = 100.0 * (1.0 - cost) / (1.0 + cost)
    for close, expected in ((even - 1e-6, 1.0), (even + 1e-6, 0.0)):
        got = label([FLAT, (100, 100, close, close)], costs=COSTS)
        assert (got.y_long[0], got.y_short[0]) == (0.0, expected)


def test_class_is_hold_inside_cost() -> None:
    inside = label([FLAT, (100, 100.05, 100, 100.05)], costs=COSTS)
    up, down = label([(100, 104, 100, 104), FLAT]), label([(100, 100, 96, 96), FLAT])
    assert [c.classes()[0] for c in (inside, up, down)] == [1.0, 2.0, 0.0]
    assert np.isnan(inside.classes()[-1])


@pytest.mark.parametrize(("wild", "expected"), [(0, 0.0), (1, 1.0), (2, 0.0), (3, 1.0)])
def test_slippage_is_that_known_before_the_bar_of_a_fill(wild: int, expected: float) -> None:
    """Entry fills in bar 1, exit in bar 3: only what bars 0 and 2 knew at their close counts."""
    ohlc = np.asarray([FLAT, FLAT, FLAT, (100, 100.3, 100, 100.3)], dtype=np.float64)
    atr_frac = np.full(4, 0.004)
    atr_frac[wild] = 0.03
    costs = CostSettings(slippage_min_bps=0.0, slippage_max_bps=50.0)
    got = label_bars(ohlc, np.ones(4, dtype=np.bool_), np.full(4, ATR), atr_frac, 3, costs)
    assert got.y_long[0] == expected


@pytest.mark.parametrize(
    ("gaps", "known"),
    [((1,), False), ((2,), True), ((3,), False)],
    ids=["no next bar", "gap inside", "no bar at the vertical barrier"],
)
def test_gaps_are_never_traded(gaps: tuple[int, ...], known: bool) -> None:
    junk = (1.0, 1e9, 0.0, 1.0)
    bars = [(100.0, 101.0, 99.0, 101.0)] * 3
    for g in gaps:
        bars[g - 1] = junk
    got = label(bars, horizon=3, gaps=gaps)
    assert bool(np.isfinite(got.gross[0])) == known
    assert (got.end[0] >= 0) == known
    if known:
        assert got.gross[0] == pytest.approx(0.5)


def test_unknown_without_atr_and_at_the_end() -> None:
    ohlc = np.tile(np.asarray(FLAT), (6, 1))
    atr = np.full(6, ATR)
    atr[0] = np.nan
    got = label_bars(ohlc, np.ones(6, dtype=np.bool_), atr, atr / 100.0, 2, FREE)
    known = [False, True, True, True, False, False]
    for column in (got.y_long, got.y_short, got.gross):
        assert np.isfinite(column).tolist() == known
    assert (got.end >= 0).tolist() == known
    assert got.end[1:4].tolist() == [3, 4, 5]


def test_market_labels_are_those_of_each_symbol_and_see_no_further_than_their_end() -> None:
    drawn = generate(SyntheticSettings(n_bars=600, jump_probability=0.05, seed=4))
    market, _ = build_market(drawn.series, drawn.instruments)
    whole = triple_barrier(market, 8, COSTS)
    assert np.isfinite(whole.gross).sum() > 1_000
    for s, symbol in enumerate(market.symbols):
        raw = next(r for r in drawn.series if r.symbol == symbol)
        ohlc = np.stack([raw.open, raw.high, raw.low, raw.close], axis=1)
        one = label_bars(
            ohlc, market.valid[:, s], market.atr[:, s], market.atr_frac[:, s], 8, COSTS
        )
        np.testing.assert_allclose(one.gross, whole.gross[:, s], rtol=1e-9)
        np.testing.assert_array_equal(one.end, whole.end[:, s])
        cut = market.n_bars - 200
        short = label_bars(
            ohlc[:cut],
            market.valid[:cut, s],
            market.atr[:cut, s],
            market.atr_frac[:cut, s],
            8,
            COSTS,
        )
        np.testing.assert_array_equal(short.gross[: cut - 8], one.gross[: cut - 8])
        assert (short.end < cut).all()
        ended = one.end >= 0
        assert (one.end[ended] > np.flatnonzero(ended)).all()
        assert (one.end[ended] <= np.flatnonzero(ended) + 8).all()
