"""A position's money: what entry, funding, closes and liquidation book (spec 4, 9.2).

One text serves every face: account, counterfactual and kernel call these functions. All amounts
are int64 units of 1e-8 quote, each computed in float64 in the written order and rounded once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from envs.core.rules.costs import funding_quote
from envs.core.rules.margin import bracket_index, liquidation_ticks
from envs.core.rules.rounding import from_units, ratio_half_even, to_units
from envs.core.rules.sizing import Contract


class Tier(NamedTuple):
    """The margin bracket a position was opened in: maintenance rate and amount (quote)."""

    mmr: float
    amount: float


class Book(NamedTuple):
    """What a position holds and has earned; ``liq`` its liquidation level in signed ticks.

    ``cost`` is the entry value of what is still held, ``margin`` its isolated margin.
    ``funding_unit`` is funding paid per unit in quote (negative if received).
    """

    qty: int
    cost: int
    margin: int
    liq: int
    gross: int
    fees: int
    funding: int
    insurance: int
    slippage: int
    funding_unit: float


class Fill(NamedTuple):
    """One closing fill: price (signed ticks), steps, gross and fee in units, reason."""

    price: int
    qty: int
    gross: int
    fee: int
    reason: int


def empty_book() -> Book:
    """Book of a position that is not open."""
    return Book(0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0)


def tier_of(notional: float, brackets: Any) -> Tier:
    """Bracket of a notional; ``brackets`` is (K, 3): cap, maintenance rate, amount (quote)."""
    row = bracket_index(notional, brackets)
    return Tier(brackets[row, 1], brackets[row, 2])


def open_book(
    side: int,
    ref: int,
    fill: int,
    qty: int,
    leverage: int,
    fee_rate: float,
    contract: Contract,
    tier: Tier,
) -> Book:
    """Book an entry of ``qty`` steps filled at ``fill`` for the reference ``ref`` (signed)."""
    notional = value_of(side * fill, qty, contract)
    margin = to_units(notional / leverage)
    liq = liquidation_level(side, fill, qty, margin, contract, tier)
    slippage = to_units(value_of(abs(fill - ref), qty, contract))
    cost = to_units(notional)
    fee = to_units(notional * fee_rate)
    return Book(qty, cost, margin, liq, 0, fee, 0, 0, slippage, 0.0)


def add_book(
    side: int, entry: int, old: Book, new: Book, contract: Contract, brackets: Any
) -> tuple[Book, Tier]:
    """Book more of a position; ``entry`` is the average of both (signed ticks).

    Everything ``old`` has earned and paid stays; the tier is that of the whole.
    """
    qty = old.qty + new.qty
    cost = old.cost + new.cost
    margin = old.margin + new.margin
    tier = tier_of(from_units(cost), brackets)
    book = Book(
        qty,
        cost,
        margin,
        liquidation_level(side, entry, qty, margin, contract, tier),
        old.gross,
        old.fees + new.fees,
        old.funding,
        old.insurance,
        old.slippage + new.slippage,
        old.funding_unit * old.qty / qty,
    )
    return book, tier


def fund_book(
    side: int,
    entry: int,
    book: Book,
    mark_quote: float,
    rate: float,
    contract: Contract,
    tier: Tier,
) -> Book:
    """Settle one funding stamp on a position held before it.

    Payments leave the isolated margin and receipts join it, so the liquidation level moves.
    """
    received = funding_received(side, mark_quote, quantity_of(book.qty, contract), rate)
    return book_funding(side, entry, book, received, contract, tier)


def book_funding(
    side: int, entry: int, book: Book, received: int, contract: Contract, tier: Tier
) -> Book:
    """Book units of funding received (negative: paid) on a position."""
    quantity = quantity_of(book.qty, contract)
    margin = book.margin + received
    return Book(
        book.qty,
        book.cost,
        margin,
        liquidation_level(side, entry, book.qty, margin, contract, tier),
        book.gross,
        book.fees,
        book.funding + received,
        book.insurance,
        book.slippage,
        book.funding_unit - from_units(received) / quantity,
    )


def close_book(
    side: int,
    entry: int,
    book: Book,
    qty: int,
    ref: int,
    price: int,
    reason: int,
    taker: float,
    contract: Contract,
    tier: Tier,
) -> tuple[Book, Fill]:
    """Close ``qty`` steps at ``price`` for the reference ``ref`` (signed ticks)."""
    value = value_of(side * price, qty, contract)
    cost = ratio_half_even(book.cost, qty, book.qty)
    gross, fee = close_amounts(side, value, cost, taker)
    slippage = to_units(value_of(abs(ref - price), qty, contract))
    margin = book.margin - ratio_half_even(book.margin, qty, book.qty)
    left = book.qty - qty
    liq = book.liq
    if left > 0:
        liq = liquidation_level(side, entry, left, margin, contract, tier)
    after = Book(
        left,
        book.cost - cost,
        margin,
        liq,
        book.gross + gross,
        book.fees + fee,
        book.funding,
        book.insurance,
        book.slippage + slippage,
        book.funding_unit,
    )
    return after, Fill(price, qty, gross, fee, reason)


def liquidate_book(
    side: int, book: Book, level: int, reason: int, spare: int, fee_rate: float, contract: Contract
) -> tuple[Book, Fill]:
    """Lose the isolated margin at ``level``, and the fee as far as free cash reaches.

    ``spare`` is the account's cash in units without this position's own results and without the
    margin of the others.
    """
    value = value_of(side * level, book.qty, contract)
    gross = side * (to_units(value) - book.cost)
    insurance = -book.margin - gross
    fee = to_units(value * fee_rate)
    free = spare + net_units(book) - book.margin
    if fee > free:
        fee = free if free > 0 else 0
    after = Book(
        0,
        0,
        0,
        level,
        book.gross + gross,
        book.fees + fee,
        book.funding,
        book.insurance + insurance,
        book.slippage,
        book.funding_unit,
    )
    return after, Fill(level, book.qty, gross, fee, reason)


def close_amounts(side: int, value: float, cost: int, taker: float) -> tuple[int, int]:
    """Gross result and fee in units of closing something that cost ``cost`` at ``value`` quote."""
    return side * (to_units(value) - cost), to_units(value * taker)


def funding_received(side: int, mark_quote: float, quantity: float, rate: float) -> int:
    """Units a position of ``quantity`` base units receives at a stamp; negative when it pays."""
    return to_units(funding_quote(side, mark_quote * quantity, rate))


def net_units(book: Book) -> int:
    """Exact change of cash so far: gross - fees + funding + insurance."""
    return book.gross - book.fees + book.funding + book.insurance


def unrealised_quote(side: int, book: Book, mark_ticks: float, contract: Contract) -> float:
    """Unrealised profit at mark (unsigned float ticks), before closing costs."""
    quantity = quantity_of(book.qty, contract)
    return profit_quote(side, price_of(mark_ticks, contract), quantity, book.cost)


def profit_quote(side: int, mark_quote: float, quantity: float, cost: int) -> float:
    """Profit of a quantity (base units) that cost ``cost`` units, at a mark in quote."""
    return side * (mark_quote * quantity - from_units(cost))


def risk_units(risk_ticks: int, qty: int, contract: Contract) -> int:
    """Initial risk |fill - stop0| * qty in units."""
    return to_units(value_of(risk_ticks, qty, contract))


def price_of(ticks: float, contract: Contract) -> float:
    """Price in quote of ticks."""
    return ticks * contract.tick_num / contract.tick_den


def quantity_of(steps: int, contract: Contract) -> float:
    """Quantity in base units of steps."""
    return steps * contract.step_num / contract.step_den


def value_of(ticks: int, steps: int, contract: Contract) -> float:
    """Value in quote of ``steps`` at ``ticks``."""
    return price_of(ticks, contract) * quantity_of(steps, contract)


def liquidation_level(
    side: int, entry: int, qty: int, margin: int, contract: Contract, tier: Tier
) -> int:
    """Liquidation level in signed ticks of ``qty`` steps with isolated ``margin`` units."""
    return liquidation_ticks(
        side,
        entry,
        quantity_of(qty, contract),
        from_units(margin),
        tier.mmr,
        tier.amount,
        contract.tick_num,
        contract.tick_den,
    )
