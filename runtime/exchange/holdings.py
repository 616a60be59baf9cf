"""A position of the venue: what fills make of it, booked by the core's rules (spec 4, 9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from envs.core.rules.booking import (
    Book,
    Fill,
    Tier,
    add_book,
    close_book,
    fund_book,
    liquidate_book,
    open_book,
    tier_of,
    value_of,
)
from envs.core.rules.lifecycle import Fees
from envs.core.rules.sizing import Contract
from envs.core.types import ExitReason


@dataclass(frozen=True)
class Holding:
    """An isolated position; ``entry`` is the average fill in signed ticks.

    A whole number as long as all fills were at one price; then everything booked equals what the
    core books for a position entered at once.
    """

    side: int
    entry: float
    book: Book
    tier: Tier
    leverage: int
    updated_ns: int


def enter(
    held: Holding | None, side: int, ref: int, price: int, qty: int, leverage: int, rate: float,
    contract: Contract, brackets: Any, now_ns: int,
) -> tuple[Holding, int]:  # fmt: skip
    """Open or add to a position; ``ref`` and ``price`` in unsigned ticks. Returns the fee too."""
    tier = tier_of(value_of(price, qty, contract), brackets)
    new = open_book(side, side * ref, side * price, qty, leverage, rate, contract, tier)
    if held is None:
        return Holding(side, side * price, new, tier, leverage, now_ns), new.fees
    old = held.book
    total = old.qty + qty
    entry = held.entry
    if entry != side * price:
        entry = (held.entry * old.qty + side * price * qty) / total
    book, tier = add_book(side, whole(entry), old, new, contract, brackets)
    return Holding(side, entry, book, tier, held.leverage, now_ns), new.fees


def leave(
    held: Holding, ref: int, price: int, qty: int, rate: float, contract: Contract, now_ns: int
) -> tuple[Holding, Fill]:
    """Close ``qty`` steps at ``price`` for the reference ``ref`` (unsigned ticks)."""
    side = held.side
    book, fill = close_book(
        side, whole(held.entry), held.book, qty, side * ref, side * price, 0, rate, contract,
        held.tier,
    )  # fmt: skip
    return Holding(side, held.entry, book, held.tier, held.leverage, now_ns), fill


def fund(held: Holding, mark_quote: float, rate: float, contract: Contract, now_ns: int) -> Holding:
    """Settle one funding stamp; ``book.funding`` tells what was received."""
    side = held.side
    book = fund_book(side, whole(held.entry), held.book, mark_quote, rate, contract, held.tier)
    return Holding(side, held.entry, book, held.tier, held.leverage, now_ns)


def liquidate(held: Holding, spare: int, fees: Fees, contract: Contract) -> tuple[Book, Fill]:
    """Lose the isolated margin at the liquidation level; see ``liquidate_book``.

    A long whose margin exceeds its value has no level above 0: forced, it goes at one tick.
    """
    level = held.book.liq if held.side * held.book.liq > 0 else held.side
    return liquidate_book(
        held.side, held.book, level, int(ExitReason.LIQUIDATION), spare, fees.liquidation,
        contract,
    )  # fmt: skip


def whole(entry: float) -> Any:
    """The entry as the rules expect it: an int where it is one."""
    return int(entry) if float(entry).is_integer() else entry
