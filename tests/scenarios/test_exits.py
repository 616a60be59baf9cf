"""Stop, partial, target, break-even, trail, time exit and END, without costs (spec 9.1, 9.2).

A bar with close >= open goes open, low, high, close; any other open, high, low, close.
"""

from __future__ import annotations

import pytest

from tests.scenarios.runner import check
from tests.scenarios.table import (
    AGGRESSIVE,
    BREAKOUT,
    CHOP,
    CONSERVATIVE,
    FREE,
    RANGE,
    Leg,
    Scenario,
    costs,
    risk,
    with_mirrors,
)

STOPS_AND_TARGETS = (
    # (97 - 100) * 10 = -30 = -1 R; saw 101 first.
    Scenario("stop-touched-to-the-tick", ((100, 101, 97, 98),), (Leg("STOP", 97, 1, 10),), -30,
             r_net=-1, r_gross=-1, mae=0.03, mfe=0.01, entry_price=100, mirror=True),
    # One tick above the stop nothing fires; END at 98: -20.
    Scenario("stop-missed-by-one-tick", ((100, 101, 97.01, 98),), (Leg("END", 98, 1),), -20,
             mae=0.0299, mirror=True),
    # Opens at 95 beyond stop 97: fills at 95, (95 - 100) * 10 = -50 = -5/3 R.
    Scenario("gap-beyond-stop-fills-at-open", ((100, 101, 99, 100.5), (95, 96, 94, 94.5)),
             (Leg("STOP", 95, 2),), -50, r_net=-5 / 3, mae=0.05, mfe=0.01, mirror=True),
    # Half at 106, the rest at 107.5: 5*6 + 5*7.5 = 67.5 = 2.25 R.
    Scenario("partial-then-target-in-one-bar", ((100, 108, 99, 107),),
             (Leg("PARTIAL", 106, 1, 5), Leg("TARGET", 107.5, 1, 5)), 67.5, r_net=2.25, mae=0.01,
             mfe=0.075, mirror=True),
    Scenario("target-touched-to-the-tick", ((100, 107.5, 99, 107),),
             (Leg("PARTIAL", 106, 1), Leg("TARGET", 107.5, 1)), 67.5, mirror=True),
    # 107.49: no target; trail 105.49 not met by 107; END 107: 30 + 5*7 = 65.
    Scenario("target-missed-by-one-tick", ((100, 107.49, 99, 107),),
             (Leg("PARTIAL", 106, 1), Leg("END", 107, 1)), 65, mirror=True),
    # Opens beyond both: each fills at 109: 10*9 = 90.
    Scenario("gap-beyond-partial-and-target", ((100, 101, 99, 100.5), (109, 110, 108, 109.5)),
             (Leg("PARTIAL", 109, 2, 5), Leg("TARGET", 109, 2, 5)), 90, r_net=3, mirror=True),
    # Opens at 106.5 beyond the partial only: 5*6.5; trail 104.5 not met; END 106.7: 5*6.7; 66.
    Scenario("gap-beyond-partial-only", ((100, 101, 99, 100.5), (106.5, 106.8, 106.2, 106.7)),
             (Leg("PARTIAL", 106.5, 2, 5), Leg("END", 106.7, 2, 5)), 66, mirror=True),
    # Up bar: the low comes first.
    Scenario("up-bar-low-first-stops", ((100, 107, 96.5, 106.5),), (Leg("STOP", 97, 1),), -30,
             mirror=True),
    # Down bar with the same extremes: partial 106 (30), trail 107-2 = 105 (25): 55.
    Scenario("down-bar-high-first-trails", ((100, 107, 96.5, 99),),
             (Leg("PARTIAL", 106, 1), Leg("TRAIL", 105, 1)), 55, mirror=True),
    # A flat bar counts as up: open, low, high, close.
    Scenario("flat-bar-long-meets-low-first", ((100, 103.5, 97, 100),), (Leg("STOP", 97, 1),), -30),
    # For a short that is its good extreme: break-even 100, met on the way up.
    Scenario("flat-bar-short-meets-low-first", ((100, 103, 96.5, 100),),
             (Leg("BREAKEVEN", 100, 1),), 0, side=-1),
    Scenario("bar-without-data-is-waited-through",
             ((100, 101, 99, 100), (100, 101, 90, 91), (98, 99, 96, 97.5)),
             (Leg("STOP", 97, 3),), -30, missing=(2,), mae=0.03),
    # 106 * 5 = 530 < 600 would be left: all at 106.
    Scenario("partial-takes-all-below-minimum-notional", ((100, 108, 99, 107),),
             (Leg("PARTIAL", 106, 1, 10),), 60, final="TARGET", min_notional=600, r_net=2),
    # Exactly 530 left is enough.
    Scenario("partial-leaves-exactly-the-minimum", ((100, 108, 99, 107),),
             (Leg("PARTIAL", 106, 1, 5), Leg("TARGET", 107.5, 1, 5)), 67.5, min_notional=530),
    # floor(3/2) = 1 step; .001*6 + .002*7.5 = .021.
    Scenario("partial-rounds-down-to-steps", ((100, 108, 99, 107),),
             (Leg("PARTIAL", 106, 1, 0.001), Leg("TARGET", 107.5, 1, 0.002)), 0.021, qty=0.003,
             min_notional=0, mirror=True),
    # floor(1/2) = 0: nothing to take; .001 * 7.5.
    Scenario("partial-of-one-step-takes-nothing", ((100, 108, 99, 107),),
             (Leg("TARGET", 107.5, 1, 0.001),), 0.0075, qty=0.001, min_notional=0, mirror=True),
)  # fmt: skip

TEMPLATES = (
    # T15: partial 103, target 104.5: 15 + 22.5 = 37.5 = 1.25 R.
    Scenario("t15-balanced-ranging", ((100, 105, 99, 104),),
             (Leg("PARTIAL", 103, 1), Leg("TARGET", 104.5, 1)), 37.5, regime=RANGE, r_net=1.25,
             mirror=True),
    # T20 with stop 97.5 (R 2.5): partial 103.75, target 105: 18.75 + 25 = 43.75 = 1.75 R.
    Scenario("t20-conservative-trending", ((100, 106, 99, 105),),
             (Leg("PARTIAL", 103.75, 1), Leg("TARGET", 105, 1)), 43.75, exit=CONSERVATIVE,
             r_net=1.75, mirror=True),
    # T15 of R 2.5: 102.5 and 103.75: 12.5 + 18.75 = 31.25 = 1.25 R.
    Scenario("t15-conservative-ranging", ((100, 105, 99, 104),),
             (Leg("PARTIAL", 102.5, 1), Leg("TARGET", 103.75, 1)), 31.25, exit=CONSERVATIVE,
             regime=RANGE, r_net=1.25, mirror=True),
    # T20 of R 4: 106 and 108: 30 + 40 = 70 = 1.75 R.
    Scenario("t20-aggressive-choppy", ((100, 109, 97, 108),),
             (Leg("PARTIAL", 106, 1), Leg("TARGET", 108, 1)), 70, exit=AGGRESSIVE, regime=CHOP,
             r_net=1.75, mirror=True),
    # T40 of R 4: 108 and 116: 40 + 80 = 120 = 3 R.
    Scenario("t40-aggressive-breakout", ((100, 117, 97, 115),),
             (Leg("PARTIAL", 108, 1), Leg("TARGET", 116, 1)), 120, exit=AGGRESSIVE,
             regime=BREAKOUT, r_net=3, mirror=True),
    Scenario("stop-conservative-1.25-atr", ((100, 101, 97, 98),), (Leg("STOP", 97.5, 1),), -25,
             exit=CONSERVATIVE, r_net=-1, mirror=True),
    Scenario("stop-aggressive-2-atr", ((100, 101, 95, 98),), (Leg("STOP", 96, 1),), -40,
             exit=AGGRESSIVE, r_net=-1, mirror=True),
)  # fmt: skip

MOVES = (
    # R = 1 at 103 exactly: stop to 100 (no costs); met a bar later.
    Scenario("break-even-at-exactly-1r", ((100, 103, 99, 102), (102, 102.5, 100, 101)),
             (Leg("BREAKEVEN", 100, 2),), 0, r_net=0, mae=0.01, mfe=0.03, mirror=True),
    # 102.99 is below 1 R: 99.5 does not stop; END 101: 10.
    Scenario("no-break-even-one-tick-short", ((100, 102.99, 99, 102), (102, 102.5, 99.5, 101)),
             (Leg("END", 101, 2),), 10, mirror=True),
    Scenario("break-even-active-within-its-bar", ((100, 103.5, 98, 99),),
             (Leg("BREAKEVEN", 100, 1),), 0, mirror=True),
    # Same extremes, low first: survives; END 101.
    Scenario("break-even-after-the-low-of-its-bar", ((100, 103.5, 98, 101),),
             (Leg("END", 101, 1),), 10, mirror=True),
    Scenario("break-even-stays-when-r-falls",
             ((100, 103, 99, 102), (102, 102.2, 100.5, 100.6), (100.6, 100.8, 99, 99.5)),
             (Leg("BREAKEVEN", 100, 3),), 0, mirror=True),
    # T15 at 103: 15, then stop 100 for the rest: 15.
    Scenario("partial-then-break-even", ((100, 103.2, 99, 102.5), (102.5, 102.8, 99, 99.5)),
             (Leg("PARTIAL", 103, 1, 5), Leg("BREAKEVEN", 100, 2, 5)), 15, regime=RANGE,
             mirror=True),
    # T15 trail starts at 1.25 R = 103.75 -> 101.75: 15 + 5*1.75 = 23.75.
    Scenario("trail-start-of-t15", ((100, 103.75, 99, 103), (103, 103.2, 101, 102)),
             (Leg("PARTIAL", 103, 1), Leg("TRAIL", 101.75, 2)), 23.75, regime=RANGE, mirror=True),
    # Peak 106.5 -> 104.5, then peak 107 -> 105: 30 + 5*5 = 55 = 11/6 R.
    Scenario("trail-follows-the-peak", ((100, 106.5, 99, 106), (106, 107, 104, 104.2)),
             (Leg("PARTIAL", 106, 1), Leg("TRAIL", 105, 2)), 55, r_net=55 / 30, mfe=0.07,
             mirror=True),
    # Peak 107 -> 105; later vertices at 106.1 do not lower it.
    Scenario("trail-never-loosens",
             ((100, 107, 99, 106.5), (106.5, 106.9, 106.1, 106.8), (106.8, 106.9, 103, 104)),
             (Leg("PARTIAL", 106, 1), Leg("TRAIL", 105, 3)), 55, mirror=True),
    # A trail of 2 ATR (99.75) does not lower the stop from break-even 100: 15.
    Scenario("trail-does-not-lower-break-even",
             ((100, 103.75, 99, 102.5), (102.5, 102.8, 99, 99.5)),
             (Leg("PARTIAL", 103, 1), Leg("BREAKEVEN", 100, 2)), 15, regime=RANGE,
             settings=risk(FREE, trail_atr=2.0), mirror=True),
    # Trail 105, opens at 104: 30 + 5*4 = 50.
    Scenario("gap-beyond-trail-fills-at-open", ((100, 107, 99, 106.5), (104, 104.5, 103, 104.2)),
             (Leg("PARTIAL", 106, 1), Leg("TRAIL", 104, 2)), 50, mirror=True),
    # Trail at 105 within .0005 of mark 105.02 (gap .02 < .0525): market exit at the vertex, 107.
    Scenario("trail-too-near-mark-closes-at-the-vertex", ((100, 107, 99, 106.5),),
             (Leg("PARTIAL", 106, 1), Leg("TRAIL", 107, 1)), 65,
             marks={1: (100, 105.02, 99, 104.5)}, mirror=True),
    # Break-even 100 with mark 100.01 (gap .01 < .05): market exit at 103.
    Scenario("break-even-too-near-mark-closes-at-the-vertex", ((100, 103, 99, 102),),
             (Leg("BREAKEVEN", 103, 1),), 30, marks={1: (100, 100.01, 99, 100)}, mirror=True),
    # Costs of 2 % put break-even (102.03, 98.01) beyond the last price, the mark lies further: an
    # exchange refuses that stop, so out at 101.5: 15 - 10 - 10.15 = -5.15, short 15 - 10 - 9.85.
    Scenario("break-even-beyond-the-last-price-closes-at-the-vertex", ((100, 101.5, 99, 101),),
             (Leg("BREAKEVEN", 101.5, 1),), -5.15, marks={1: (100, 103, 99, 102.5)},
             settings=risk(costs(FREE, taker_fee=0.01), breakeven_at_r=0.5), fees=20.15),
    Scenario("break-even-beyond-the-last-price-short", ((100, 101, 98.5, 99),),
             (Leg("BREAKEVEN", 98.5, 1),), -4.85, marks={1: (100, 101, 97, 97.5)}, side=-1,
             settings=risk(costs(FREE, taker_fee=0.01), breakeven_at_r=0.5), fees=19.85),
    # Mark 100.06 is .06 > .0500 away: the stop is placed.
    Scenario("break-even-just-far-enough-from-mark", ((100, 103, 99, 102),),
             (Leg("END", 102, 1),), 20, marks={1: (100, 100.06, 99, 100)}, mirror=True),
)  # fmt: skip

CALM = (100, 100.5, 99.5, 100.2)
TIME_AND_END = (
    # 12 h bars: the close of row 2 is 24 h after the fill; out at the open of row 3: 10 * .3.
    Scenario("time-exit-at-next-open", (CALM, CALM, (100.3, 101, 99, 100.8), CALM),
             (Leg("TIME", 100.3, 3),), 3, hours=12, mirror=True),
    # 101.5 is .5 R, not below it: stays to the END at 101.8.
    Scenario("time-exit-not-at-half-r", (CALM, (100, 102, 99.5, 101.5), (101.5, 102, 101.2, 101.8)),
             (Leg("END", 101.8, 3),), 18, hours=12, mirror=True),
    Scenario("time-exit-one-tick-below-half-r",
             (CALM, (100, 102, 99.5, 101.49), (101.4, 102, 101, 101.8)),
             (Leg("TIME", 101.4, 3),), 14, hours=12, mirror=True),
    # Judged again at each later close: 100.9 at row 3, out at the open of row 4.
    Scenario("time-exit-judged-at-later-closes",
             (CALM, (100, 102, 99.5, 101.5), (101.5, 102, 100.5, 100.9), (101, 102, 100, 101.5)),
             (Leg("TIME", 101, 4),), 10, hours=12, mirror=True),
    # T15: 18 h of 6 h bars end at the close of row 3.
    Scenario("time-exit-18h-of-t15", (CALM, CALM, CALM, (100.1, 100.5, 99.5, 100.2), CALM),
             (Leg("TIME", 100.1, 4),), 1, hours=6, regime=RANGE, mirror=True),
    # T40: 72 h of 24 h bars end at the close of row 3.
    Scenario("time-exit-72h-of-t40", (CALM, CALM, CALM, (100.1, 100.5, 99.5, 100.2), CALM),
             (Leg("TIME", 100.1, 4),), 1, hours=24, exit=AGGRESSIVE, mirror=True),
    # At the open the resting stop comes before the market order: 10 * -4.
    Scenario("gapped-stop-before-time-exit", (CALM, CALM, (96, 97, 95, 96.5)),
             (Leg("STOP", 96, 3),), -40, hours=12, mirror=True),
    Scenario("end-at-last-close", (CALM, (100, 102, 99, 101)), (Leg("END", 101, 2),), 10,
             r_net=1 / 3, mae=0.01, mfe=0.02, mirror=True),
)  # fmt: skip


@pytest.mark.parametrize(
    "case",
    with_mirrors((*STOPS_AND_TARGETS, *TEMPLATES, *MOVES, *TIME_AND_END)),
    ids=lambda case: case.id,
)
def test_exit(case: Scenario) -> None:
    check(case)
