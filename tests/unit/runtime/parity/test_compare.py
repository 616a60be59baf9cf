"""What counts as a difference, and which one is told first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from envs.core.events import EntryKind, GateEvent, LedgerEntry
from envs.core.trade import (
    Alternatives,
    ClosedTrade,
    Decision,
    Leg,
    ResolvedDecision,
    SizingContext,
    Skipped,
)
from envs.core.types import ExitReason
from runtime.parity.chapters import flat, same
from runtime.parity.compare import MISSING, compare
from runtime.parity.tale import STEPS, Learned, SkippedDecision, Standing, Tale

HOUR = 3_600_000_000_000


def decision(name: str = "sim:BTCUSDT:0", at: int = 0, qty: int = 3) -> Decision:
    context = SizingContext(
        7, np.array([True, True]), np.array([0.0, 0.1]), np.array([False, False]), 0.001, 0.5,
        0.002, 0.01, np.full((3, 3), np.nan),
    )  # fmt: skip
    return Decision(
        name, name.split(":")[1], at, 1, context, 1, np.array([0.0, 1.0]), qty, 10, 9, 0.1,
        (0.6,), (0.4,), (1.0,),
    )  # fmt: skip


def trade(name: str = "sim:BTCUSDT:0", closed: int = 3 * HOUR, **changes: Any) -> ClosedTrade:
    legs = (
        Leg(2 * HOUR, 101, 1, 5, 1, ExitReason.PARTIAL),
        Leg(closed, 99, 2, -4, 1, ExitReason.STOP),
    )
    made = ClosedTrade(
        name, "BTCUSDT", 1, HOUR, closed, 100, 98, 3, 2, 0, legs, ExitReason.STOP, 300, 150, 1, 2,
        0, 0, 1, -1, 6, 1000, 0.1, -0.1, -0.001, 0.01, 0.02,
    )  # fmt: skip
    return replace(made, **changes)


def tale(face: str) -> Tale:
    """A short history with something in every chapter."""
    alternatives = Alternatives(
        np.array([0.0, np.nan]), np.array([0, 5]), np.array([-1, 3]), np.array([1, 2, 3])
    )
    learned = ResolvedDecision(decision(), None, 0.0, alternatives)
    other = replace(learned, decision=decision("sim:ETHUSDT:0"))
    return Tale(
        face,
        decisions=[decision(), decision("sim:ETHUSDT:0")],
        trades=[trade(), trade("sim:ETHUSDT:0", 4 * HOUR)],
        skipped=[SkippedDecision("sim:XRPUSDT:0", 0, "SKIP")],
        learned=[Learned(5 * HOUR, learned), Learned(5 * HOUR, other)],
        standings=[Standing(HOUR, 10_000.0, 10**12, 1), Standing(2 * HOUR, 10_001.0, 10**12, 1)],
        gate=[GateEvent(2 * HOUR, 1, 1, 0.1, 0.0, 0.2)],
        ledger=[
            LedgerEntry(HOUR, "BTCUSDT", EntryKind.FEE, -5, "sim:BTCUSDT:0"),
            LedgerEntry(HOUR, "ETHUSDT", EntryKind.FEE, -6, "sim:ETHUSDT:0"),
            LedgerEntry(3 * HOUR, "BTCUSDT", EntryKind.REALISED, -4, "sim:BTCUSDT:0"),
        ],
        cash_units=10**12 - 15,
        digests={"sizing agent": "ab"},
        bars=5,
    )


def test_equal_tales_have_no_difference() -> None:
    found = compare(tale("env"), tale("sim"))
    assert found.equal
    assert found.first is None
    assert set(found.differences.values()) == {0}
    assert found.lines["ledger entries"] == 3


def test_order_inside_an_instant_is_no_difference() -> None:
    other = tale("sim")
    other.ledger[:2] = other.ledger[1::-1]
    other.decisions.reverse()
    assert compare(tale("env"), other).equal


def test_time_is_a_difference() -> None:
    other = tale("sim")
    other.ledger[2] = replace(other.ledger[2], time_ns=3 * HOUR + 1)
    first = compare(tale("env"), other).first
    assert first is not None
    assert (first.chapter, first.time_ns, first.what) == (
        "ledger entries", 3 * HOUR, "BTCUSDT REALISED",
    )  # fmt: skip
    assert all(right == MISSING for _, _, right in first.fields)


def test_order_of_learning_is_a_difference() -> None:
    other = tale("sim")
    other.learned.reverse()
    found = compare(tale("env"), other)
    assert found.differences["learning"] == 2
    assert found.first is not None
    assert found.first.fields[0] == ("decision_id", "sim:BTCUSDT:0", "sim:ETHUSDT:0")


Change = Callable[[Tale], None]


def changed(chapter: str, index: int, **values: Any) -> Change:
    def change(of: Tale) -> None:
        lines = getattr(of, chapter)
        lines[index] = replace(lines[index], **values)

    return change


def cash(of: Tale) -> None:
    of.cash_units += 1


def digest(of: Tale) -> None:
    of.digests["sizing agent"] = "ac"


@pytest.mark.parametrize(
    ("change", "chapter", "field"),
    [
        (changed("ledger", 0, units=-6), "ledger entries", "units"),
        (changed("trades", 0, stop0_ticks=97), "closed trades", "stop0_ticks"),
        (changed("trades", 0, mfe_frac=0.02 + 1e-16), "closed trades", "mfe_frac"),
        (changed("trades", 0, legs=trade().legs[:1]), "closed trades", "legs.count"),
        (changed("decisions", 0, qty_steps=4), "decisions", "qty_steps"),
        (changed("decisions", 0, propensities=np.array([1.0, 0.0])), "decisions", "propensities"),
        (changed("decisions", 0, chosen=None), "decisions", "chosen"),
        (changed("skipped", 0, reason="LAPSED"), "skipped decisions", "reason"),
        (changed("standings", 0, equity_quote=np.nextafter(10_000.0, 0.0)), "equity at closes",
         "equity_quote"),
        (changed("gate", 0, level=2), "gate events", "level"),
        (cash, "final state", "cash_units"),
        (digest, "final state", "digest sizing agent"),
    ],
)  # fmt: skip
def test_every_field_counts_to_the_last_digit(change: Change, chapter: str, field: str) -> None:
    other = tale("sim")
    change(other)
    first = compare(tale("env"), other).first
    assert first is not None
    assert first.chapter == chapter
    assert field in {name for name, _, _ in first.fields}


def test_a_leg_is_named_by_its_place() -> None:
    other = tale("sim")
    legs = (trade().legs[0], replace(trade().legs[1], price_ticks=100))
    other.trades[0] = replace(other.trades[0], legs=legs)
    first = compare(tale("env"), other).first
    assert first is not None
    assert first.fields == (("legs[1].price_ticks", 99, 100),)


def test_the_earliest_difference_is_told_first() -> None:
    other = tale("sim")
    other.trades[1] = replace(other.trades[1], net_units=7)
    other.gate[0] = replace(other.gate[0], level=3)
    first = compare(tale("env"), other).first
    assert first is not None
    assert (first.chapter, first.time_ns) == ("gate events", 2 * HOUR)


def test_a_trade_told_twice_is_a_difference() -> None:
    other = tale("sim")
    other.trades.append(trade())
    first = compare(tale("env"), other).first
    assert first is not None
    assert first.fields == (("times told", 1, 2),)


def test_a_trade_that_one_face_lacks_is_shown_whole() -> None:
    other = tale("sim")
    del other.trades[0]
    first = compare(tale("env"), other).first
    assert first is not None
    assert first.what == "sim:BTCUSDT:0"
    assert ("entry_ticks", 100, MISSING) in first.fields


def test_chapters_that_a_face_cannot_tell_are_left_out() -> None:
    other = Tale("compiled", frozenset({STEPS}))
    found = compare(replace_tells(tale("env")), other)
    assert set(found.lines) == {STEPS}


def replace_tells(of: Tale) -> Tale:
    of.tells = of.tells | {STEPS}
    return of


def test_values_are_compared_as_they_are() -> None:
    assert same(float("nan"), float("nan"))
    assert not same(np.array([1.0]), 1.0)
    assert not same(np.array([1]), np.array([1.0]))
    assert same((float("nan"), 1), (float("nan"), 1))
    assert not same((1,), (1, 2))
    assert not same(None, 0.0)
    assert flat(Skipped("END")) == {"reason": "END"}
