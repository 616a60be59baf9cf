"""Resting entries and the rules for the inside of a bar (spec 2, 9.0, 9.2)."""

from __future__ import annotations

import pytest

from envs.core.types import EntryStyle
from tests.scenarios.runner import check
from tests.scenarios.table import (
    CONVERT,
    COSTS,
    DETAIL,
    FREE,
    LAPSE,
    PESSIMISTIC,
    Leg,
    Scenario,
    costs,
    entry,
    risk,
    with_mirrors,
)

CALM = (100, 100.5, 99.5, 100.2)
ENTRIES = (
    # One tick through the limit 100: filled at 100; END 101.
    Scenario("post-only-filled-one-tick-through",
             ((100.5, 101, 99.99, 100.2), (100.2, 102, 100, 101)),
             (Leg("END", 101, 2),), 10, settings=LAPSE, entry_price=100, mirror=True),
    Scenario("post-only-touched-is-not-filled", ((100.5, 101, 100, 100.2), CALM), skip="LAPSED",
             settings=LAPSE, mirror=True),
    # Market at the next open 100.7, levels anchored there; END 101.
    Scenario("post-only-unfilled-becomes-market",
             ((100.5, 101, 100, 100.6), (100.7, 102, 100, 101)),
             (Leg("END", 101, 2),), 3, settings=CONVERT, entry_price=100.7, entry_row=2,
             mirror=True),
    # Taker for the converted entry: .0004*(1007 + 1010) = .8068.
    Scenario("post-only-converted-pays-taker",
             ((100.5, 101, 100, 100.6), (100.7, 102, 100, 101)),
             (Leg("END", 101, 2),), 2.1932,
             settings=costs(CONVERT, maker_fee=0.0002, taker_fee=0.0004),
             fees=0.8068, entry_row=2),
    Scenario("post-only-open-through-the-limit-fills-at-its-price",
             ((99.5, 100.5, 99, 100.2),), (Leg("END", 100.2, 1),), 2, settings=LAPSE,
             entry_price=100, mirror=True),
    # Filled at 100 and stopped at 97 on one falling piece.
    Scenario("post-only-filled-and-stopped-on-one-piece", ((100.5, 101, 96, 98),),
             (Leg("STOP", 97, 1),), -30, settings=LAPSE, mirror=True),
    # The high before the fill belongs to nobody: mfe is that of 100.2, no target at 107.5.
    Scenario("post-only-sees-nothing-before-its-fill", ((100.5, 108, 99.5, 100.2),),
             (Leg("END", 100.2, 1),), 2, settings=LAPSE, mfe=0.002, mirror=True),
    # Maker on 1000 = .2; out at 101*.99962 = 100.96162 -> 100.96: .40384. 9.6 - .60384.
    Scenario("post-only-pays-maker-and-no-slippage",
             ((100.5, 101, 99.99, 100.2), (100.2, 102, 100, 101)), (Leg("END", 100.96, 2),),
             8.99616, settings=entry(COSTS, style=EntryStyle.POST_ONLY), fees=0.60384,
             entry_price=100),
    Scenario("market-entry-at-next-open-not-at-the-close", ((101, 102, 100, 101.5),),
             (Leg("END", 101.5, 1),), 5, entry_price=101, mirror=True),
    # Levels hang on the fill: stop 101 - 3 = 98.
    Scenario("stop-anchored-at-the-fill", ((101, 102, 97.5, 99),), (Leg("STOP", 98, 1),), -30,
             entry_price=101, r_net=-1, mirror=True),
    # A quarter at 106: floor(.25*10); 2.5*6 + 7.5*7.5 = 71.25.
    Scenario("partial-fraction-is-a-setting", ((100, 108, 99, 107),),
             (Leg("PARTIAL", 106, 1, 2.5), Leg("TARGET", 107.5, 1, 7.5)), 71.25,
             settings=risk(FREE, partial_fraction=0.25), mirror=True),
)  # fmt: skip

WILD = (100.2, 106.5, 96.5, 99)
INSIDE = (
    # Path: partial 106, trail 104.5: 30 + 22.5. Pessimistic: stop 97 lies in the bar, -30.
    Scenario("path-high-first", (CALM, WILD), (Leg("PARTIAL", 106, 2), Leg("TRAIL", 104.5, 2)),
             52.5, mirror=True),
    Scenario("pessimistic-stop-in-reach-first", (CALM, WILD), (Leg("STOP", 97, 2),), -30,
             settings=PESSIMISTIC, mirror=True),
    # Stop 97 out of reach: path order, so break-even is met before 98 is seen (mae of 99.5).
    Scenario("pessimistic-stop-out-of-reach-is-path", (CALM, (100.2, 103.5, 98, 99.5)),
             (Leg("BREAKEVEN", 100, 2),), 0, mae=0.005, settings=PESSIMISTIC, mirror=True),
    Scenario("pessimistic-entry-bar", ((100, 106.5, 96.5, 99),), (Leg("STOP", 97, 1),), -30,
             settings=PESSIMISTIC, mirror=True),
    # Row 2 whole goes high first; its first half goes to 96.5 first.
    Scenario("detail-low-came-first", (CALM, WILD), (Leg("STOP", 97, 2),), -30, settings=DETAIL,
             detail={2: ((100.2, 100.4, 96.5, 98), (98, 106.5, 97.5, 99))}, mirror=True),
    Scenario("detail-missing-falls-back-to-the-whole-bar", (CALM, WILD),
             (Leg("PARTIAL", 106, 2), Leg("TRAIL", 104.5, 2)), 52.5, settings=DETAIL,
             detail={1: ((100, 100.5, 99.5, 100), (100, 100.3, 99.8, 100.2))}, mirror=True),
    # Whole bar: low first, stopped. Finer: 106.5 in the first half, trail 104.5 in the second.
    Scenario("detail-high-came-first", (CALM, (100.2, 106.5, 96.5, 101)),
             (Leg("PARTIAL", 106, 2), Leg("TRAIL", 104.5, 2)), 52.5, settings=DETAIL,
             detail={2: ((100.2, 106.5, 100.1, 106), (106, 106.2, 96.5, 101))}, mirror=True),
)  # fmt: skip


@pytest.mark.parametrize("case", with_mirrors((*ENTRIES, *INSIDE)), ids=lambda case: case.id)
def test_entry_and_inside(case: Scenario) -> None:
    check(case)
