"""Every finite input has exactly one regime, and the hysteresis keeps its promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from envs.core.rules.regime import market_state, raw_regime, sizing_regime, trend_score
from envs.core.types import MarketState, Regime, SizingRegime
from envs.market.regime import Hysteresis
from envs.market.settings import MarketSettings

S = MarketSettings()
numbers = st.floats(allow_nan=False, allow_infinity=False)
flags = st.booleans()
REGIMES = [r for r in Regime if r >= 0]


@given(
    adx=numbers, aligned=flags, beyond=st.sampled_from([-1, 0, 1]), expansion=numbers, m5=numbers,
    er20=numbers, atr_frac=numbers, was=flags,
)  # fmt: skip
def test_every_input_has_one_runtime_regime(
    adx: float, aligned: bool, beyond: int, expansion: float, m5: float, er20: float,
    atr_frac: float, was: bool,
) -> None:  # fmt: skip
    found = Regime(
        raw_regime(
            adx, aligned, beyond, expansion, m5, er20, atr_frac, was, S.adx_trend, S.adx_range,
            S.er_gap, S.high_vol, S.expansion,
        )
    )  # fmt: skip
    breakout = beyond != 0 and expansion >= 1.25 and m5 * beyond >= 1.0
    trending = aligned and (adx >= 25.0 or (adx >= 20.0 and (was or er20 >= 0.5)))
    conditions = [
        (Regime.BREAKOUT, breakout),
        (Regime.TRENDING, trending),
        (Regime.CHOPPY, atr_frac >= 0.02),
        (Regime.RANGING, True),
    ]
    assert found is next(regime for regime, holds in conditions if holds)


@given(trend=numbers, vol=numbers, width=numbers, flips=st.integers(0, 9))
def test_every_input_has_one_market_state_and_sides_are_symmetric(
    trend: float, vol: float, width: float, flips: int
) -> None:
    state = MarketState(market_state(trend, vol, width, flips))
    mirrored = MarketState(market_state(-trend, vol, width, flips))
    swap = {0: 3, 1: 2, 2: 1, 3: 0}
    assert mirrored == swap.get(state, state)
    assert state >= 0


@given(to_mean=numbers, slope=numbers)
def test_the_trend_score_is_bounded_and_odd(to_mean: float, slope: float) -> None:
    score = trend_score(to_mean, slope)
    assert -1.0 <= score <= 1.0
    assert trend_score(-to_mean, -slope) == -score


@given(trending=flags, high=flags, chop=numbers)
def test_exactly_one_sizing_regime(trending: bool, high: bool, chop: float) -> None:
    found = SizingRegime(sizing_regime(trending, high, chop, S.sizing_chop))
    one_hot = [
        trending and high,
        trending and not high,
        not trending and high and chop < 61.8,
        not trending and not high,
        not trending and high and chop >= 61.8,
    ]
    assert sum(one_hot) == 1
    assert one_hot[found]


@given(
    wanted=st.lists(st.sampled_from(REGIMES), min_size=1, max_size=60),
    plain=st.sampled_from([Regime.TRENDING, Regime.RANGING, Regime.CHOPPY]),
    lock_bars=st.integers(0, 4),
)
def test_hysteresis(wanted: list[Regime], plain: Regime, lock_bars: int) -> None:
    keeper = Hysteresis(replace(S, lock_bars=lock_bars))
    raws = [(r, plain if r is Regime.BREAKOUT else r) for r in wanted]
    found = [keeper.next(a, b, t) for t, (a, b) in enumerate(raws)]
    assert found[0] == wanted[0]
    changes = np.flatnonzero(np.diff(found)) + 1
    for t in changes.tolist():
        if found[t] != Regime.BREAKOUT and found[t - 1] != Regime.BREAKOUT:
            assert found[t] in (raws[t][0], raws[t][1])
            assert found[t] in raws[t - 1]
        if found[t] == Regime.BREAKOUT:
            assert wanted[t] is Regime.BREAKOUT
    runs = np.split(np.array(found), changes)
    assert max((len(r) for r in runs if r[0] == Regime.BREAKOUT), default=0) <= 10
    # A prefix decides alone: one more bar never changes what was confirmed before.
    again = Hysteresis(replace(S, lock_bars=lock_bars))
    half = len(raws) // 2
    assert [again.next(a, b, t) for t, (a, b) in enumerate(raws[:half])] == found[:half]
