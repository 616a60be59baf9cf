"""Fees, slippage, funding, liquidation and the drawdown ladder in trades (spec 4, 9.2, 10.2)."""

from __future__ import annotations

import pytest

from tests.scenarios.runner import check
from tests.scenarios.table import COSTS, FREE, Leg, Scenario, costs, with_mirrors

# Long at 100 with 3.8 bps: 100.038 -> up 100.04. Stop 97.04, partial 106.04, target 107.54.
COSTED = (
    # Stop 97.04*.99962 = 97.00312 -> 97.00: gross 10*-3.04; fees .0004*(1000.4+970) = .78816.
    # Gross R adds back the slippage .4 + .4: -29.6/30.
    Scenario("costs-long-stop", ((100, 101, 97, 98),), (Leg("STOP", 97.00, 1),), -31.18816,
             settings=COSTS, entry_price=100.04, fees=0.78816, r_net=-31.18816 / 30,
             r_gross=-29.6 / 30),
    # Short: 99.962 -> 99.96; stop 102.96*1.00038 = 102.99912 -> 103.00: 10*-3.04;
    # fees .0004*(999.6+1030) = .81184.
    Scenario("costs-short-stop", ((100, 103, 99, 102),), (Leg("STOP", 103.00, 1),), -31.21184,
             side=-1, settings=COSTS, entry_price=99.96, fees=0.81184),
    # 106.04*.99962 = 105.99970 -> 105.99; 107.54*.99962 = 107.49913 -> 107.49.
    # 5*5.95 + 5*7.45 = 67; fees .0004*(1000.4 + 529.95 + 537.45) = .82712.
    Scenario("costs-long-partial-and-target", ((100, 108, 99, 107),),
             (Leg("PARTIAL", 105.99, 1), Leg("TARGET", 107.49, 1)), 66.17288, settings=COSTS,
             fees=0.82712),
    # 100.04*1.0004/(.99962*.9996) = 100.15812 -> up 100.16; less .00038: 100.12194 -> 100.12.
    # gross .8; fees .0004*(1000.4+1001.2) = .80064: nothing but the ticks' rounding is left.
    Scenario("costs-long-break-even", ((100, 103.04, 99, 102), (102, 102.5, 99, 101)),
             (Leg("BREAKEVEN", 100.12, 2),), -0.00064, settings=COSTS, fees=0.80064),
    # 1 R is at 103.04: 103.03 moves nothing. END 101*.99962 = 100.96162 -> 100.96: gross 9.2;
    # fees .0004*(1000.4+1009.6) = .804.
    Scenario("costs-long-end", ((100, 103.03, 99, 102), (102, 102.5, 99, 101)),
             (Leg("END", 100.96, 2),), 8.396, settings=COSTS, fees=0.804),
    # Opens at 95 beyond the stop: 95*.99962 = 94.9639 -> 94.96: 10*-5.08;
    # fees .0004*(1000.4+949.6) = .78.
    Scenario("costs-long-gapped-stop", ((100, 101, 99, 100.5), (95, 96, 94, 94.5)),
             (Leg("STOP", 94.96, 2),), -51.58, settings=COSTS, fees=0.78),
)  # fmt: skip

FLAT = (100, 101, 99, 100)
FUNDING = (
    # 30 * 100 * .0001 = .30 paid by the long, received by the short.
    Scenario("funding-long-pays", (FLAT, FLAT), (Leg("END", 100, 2),), -0.30, qty=30,
             funding=-0.30, rates={2: 0.0001}),
    Scenario("funding-short-receives", (FLAT, FLAT), (Leg("END", 100, 2),), 0.30, side=-1, qty=30,
             funding=0.30, rates={2: 0.0001}),
    Scenario("funding-negative-rate-long-receives", (FLAT, FLAT), (Leg("END", 100, 2),), 0.30,
             qty=30, funding=0.30, rates={2: -0.0001}),
    Scenario("funding-entry-at-the-stamp-pays-none", (FLAT, FLAT), (Leg("END", 100, 2),), 0,
             qty=30, rates={1: 0.0001}),
    # Funding comes before the gapped stop: 30*95*.0001 = .285; 30*-5 = -150.
    Scenario("funding-closed-at-the-stamp-pays", ((100, 101, 99, 100.5), (95, 96, 94, 94.5)),
             (Leg("STOP", 95, 2),), -150.285, qty=30, funding=-0.285, rates={2: 0.0001}),
    Scenario("funding-closed-before-the-stamp-pays-none", ((100, 101, 96, 98), FLAT),
             (Leg("STOP", 97, 1),), -90, qty=30, rates={2: 0.0001}),
    # On mark 101: 30*101*.0001 = .303.
    Scenario("funding-on-mark-notional", (FLAT, FLAT), (Leg("END", 100, 2),), -0.303, qty=30,
             funding=-0.303, rates={2: 0.0001}, marks={2: (101, 102, 100, 101)}),
    # After the partial half is left, trail 105 below 106: 5*106*.0001 = .053; 5*6 + 5*6.5.
    Scenario("funding-on-what-the-partial-left",
             ((100, 107, 99, 106), (106, 106.8, 105.5, 106.5)),
             (Leg("PARTIAL", 106, 1), Leg("END", 106.5, 2)), 62.447, funding=-0.053,
             rates={2: 0.0001}),
    # Paid .01*10*100 = 10, i.e. 1 a unit: break-even moves to 101, where net is 0.
    Scenario("funding-paid-raises-break-even", (FLAT, (100, 103, 99, 102), (102, 102.5, 99, 100)),
             (Leg("BREAKEVEN", 101, 3),), 0, funding=-10, rates={2: 0.01}),
)  # fmt: skip

# 5x: M = 200, P = (100-20)/.996 = 80.32129 -> up 80.33: 10*-19.67 = -196.7, insurance -3.3,
# fee .0125*803.3 = 10.04125. ATR 20 puts the stop at 70, ATR 4 at 94.
LIQUIDATION = (
    Scenario("liquidation-long-on-last", ((100, 101, 80, 82),), (Leg("LIQUIDATION", 80.33, 1),),
             -210.04125, leverage=5, atr=20, insurance=-3.3, fees=10.04125),
    # Short: (100+20)/1.004 = 119.52191 -> 119.52: -195.2, -4.8, fee .0125*1195.2 = 14.94.
    Scenario("liquidation-short-on-last", ((100, 120, 99, 118),),
             (Leg("LIQUIDATION", 119.52, 1),), -214.94, side=-1, leverage=5, atr=20,
             insurance=-4.8, fees=14.94),
    Scenario("liquidation-missed-by-one-tick", ((100, 101, 80.34, 82),), (Leg("END", 82, 1),),
             -180, leverage=5, atr=20),
    Scenario("liquidation-on-mark-though-last-is-above", ((100, 101, 90, 92),),
             (Leg("LIQUIDATION", 80.33, 1),), -210.04125, leverage=5, atr=20,
             marks={1: (100, 101, 80, 82)}),
    Scenario("no-liquidation-on-last-while-mark-is-above", ((100, 101, 79, 85),),
             (Leg("END", 85, 1),), -150, leverage=5, atr=20, marks={1: (100, 101, 85, 88)}),
    # Opens at 60, beyond stop 70 and liquidation: the margin is lost, never 400.
    Scenario("gap-through-stop-and-liquidation-is-liquidation",
             ((100, 101, 99, 100.5), (60, 65, 55, 58)), (Leg("LIQUIDATION", 80.33, 2),),
             -210.04125, leverage=5, atr=20, insurance=-3.3),
    Scenario("stop-before-liquidation-on-the-way", ((100, 101, 75, 82),), (Leg("STOP", 94, 1),),
             -60, leverage=5, atr=4),
    # Mark meets 80.33 at (101-80.33)/41 = .504, last its stop 94 at 7/8.
    Scenario("mark-meets-liquidation-before-last-meets-stop", ((100, 101, 93, 95),),
             (Leg("LIQUIDATION", 80.33, 1),), -210.04125, leverage=5, atr=4,
             marks={1: (100, 101, 60, 70)}),
    # Last meets its stop at 7/16 = .4375 < .504.
    Scenario("last-meets-stop-before-mark-meets-liquidation", ((100, 101, 85, 86),),
             (Leg("STOP", 94, 1),), -60, leverage=5, atr=4, marks={1: (100, 101, 60, 70)}),
    # Funding 10 leaves M 190: (100-19)/.996 = 81.32530 -> 81.33: -186.7, -3.3; fee 10.16625.
    Scenario("funding-paid-raises-liquidation", (FLAT, (100, 101, 81, 83)),
             (Leg("LIQUIDATION", 81.33, 2),), -210.16625, leverage=5, atr=20, funding=-10,
             insurance=-3.3, rates={2: 0.01}),
    # Of 205 quote 5 are free after M = 200: the fee is 5, the account 0.
    Scenario("liquidation-fee-stops-at-free-cash", ((100, 100, 80, 82),),
             (Leg("LIQUIDATION", 80.33, 1),), -205, leverage=5, atr=20, equity=205, fees=5),
    Scenario("liquidation-without-fee-loses-exactly-the-margin", ((100, 101, 80, 82),),
             (Leg("LIQUIDATION", 80.33, 1),), -200, leverage=5, atr=20,
             settings=costs(FREE, liquidation_fee=0.0)),
)  # fmt: skip

LADDER = (
    # 200 * -2.51 = -502: daily drawdown .0502, level 2. Stop to 97.49 - .5*4 = 95.49; 200*-4.51.
    Scenario("level-2-moves-the-stop-half-an-atr-from-mark",
             ((100, 100, 97.49, 98), (98, 98.2, 95, 96)), (Leg("DEFENSIVE", 95.49, 2),), -902,
             qty=200, leverage=5, atr=4, alone=False, mirror=True),
    # -498 is below .05: the stop stays at 94. END 97.9: 200*-2.1 = -420.
    Scenario("below-level-2-the-stop-stays", ((100, 100, 97.51, 98), (98, 98.2, 97.51, 97.9)),
             (Leg("END", 97.9, 2),), -420, qty=200, leverage=5, atr=4, mirror=True),
    # 200 * -5.01 = -1,002: open drawdown .1002, level 3 closes at that vertex.
    Scenario("level-3-closes-at-the-vertex", ((100, 100, 94.99, 98),),
             (Leg("EMERGENCY", 94.99, 1),), -1002, qty=200, leverage=5, atr=4, alone=False,
             mirror=True),
)  # fmt: skip


@pytest.mark.parametrize(
    "case", with_mirrors((*COSTED, *FUNDING, *LIQUIDATION, *LADDER)), ids=lambda case: case.id
)
def test_money(case: Scenario) -> None:
    check(case)
