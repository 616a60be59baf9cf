"""The capped coin game by exact dynamic programming over cents (row 3).

A 60 % coin, start 25, cap 250, 300 flips. Sources: Haghani & Dewey 2016, Brown 2016.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agents.sizing import kelly
from envs.core.rules.rounding import half_even
from envs.core.types import Float64Array, Int64Array
from training.games.sheet import Sheet

P_WIN, START, CAP, FLIPS = 0.6, 2_500, 25_000, 300


def final_wealth(bet: Callable[[int], int]) -> Float64Array:
    """Distribution (CAP + 1,) of the final wealth in cents when ``bet`` maps wealth to stake.

    A stake never exceeds the wealth nor what is missing to the cap; at either end play is over.
    """
    wealth: Int64Array = np.arange(CAP + 1, dtype=np.int64)
    stake = np.array([min(int(w), CAP - int(w), bet(int(w))) for w in wealth], dtype=np.int64)
    up, down = wealth + stake, wealth - stake
    mass: Float64Array = np.zeros(CAP + 1)
    mass[START] = 1.0
    for _ in range(FLIPS):
        won = np.bincount(up, mass * P_WIN, CAP + 1)
        mass = np.asarray(won + np.bincount(down, mass * (1.0 - P_WIN), CAP + 1), dtype=np.float64)
    return mass


def play_coin(sheet: Sheet) -> None:
    """Row 3: a flat stake, and the stake of Kelly rounded to the cent."""
    fraction = kelly.kelly_fraction(P_WIN, 1.0)
    for name, bet, at_cap, mean, ruin in (
        ("flat 5", lambda _: 500, "0.76593", "211.724", "0.131675"),
        (
            "Kelly 20 %",
            lambda w: max(1, half_even(fraction * w)),
            "0.942079",
            "238.0375",
            "0.00020427",
        ),
    ):
        mass = final_wealth(bet)
        sheet.equal(3, f"coin, {name}: P(cap)", float(mass[CAP]), at_cap)
        money = np.arange(CAP + 1) / 100.0
        sheet.equal(3, f"coin, {name}: mean", float((mass * money).sum()), mean)
        sheet.equal(3, f"coin, {name}: P(0)", float(mass[0]), ruin)
