"""Taking over a position that somebody else opened: protected by our rules, learned by nobody."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from envs.core.position import Position as Held
from envs.core.rules.booking import Book, liquidation_level, tier_of, value_of
from envs.core.rules.exits import initial_levels, stop_atr, template
from envs.core.rules.lifecycle import first_guard
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.walk import STYLE_MARKET, Order
from envs.core.trade import Decision, SizingContext
from envs.core.types import ExitStrategy
from runtime.port_values import Position
from runtime.trading import records
from runtime.trading.context import Context
from runtime.trading.tickets import ADOPTED, Ticket


def adopt(context: Context, s: int, stand: Position) -> None:
    """Manage a foreign position from now on with the balanced exits of the present regime.

    Its levels are anchored at the venue's entry price with the ATR of the last bar; its cost and
    margin are the venue's. Where the ATR is not known yet the contract stays unsure.
    """
    data, row, symbol = context.data, context.signals.row, context.symbols[s]
    market, contract = data.market, data.contracts[s]
    atr, regime = float(market.atr[row, s]), int(market.regime[row, s])
    if not atr > 0.0:
        context.unsure[symbol] = "a foreign position, and no ATR to protect it by yet"
        return
    side, qty = (1, stand.steps) if stand.steps > 0 else (-1, -stand.steps)
    tick = Fraction(contract.tick_num, contract.tick_den)
    entry = side * round(Fraction(stand.entry_price) / tick)
    exits, sl_atr = int(ExitStrategy.BALANCED), stop_atr(int(ExitStrategy.BALANCED))
    plan = template(exits, regime)
    cost = to_units(value_of(side * entry, qty, contract))
    leverage = max(1, round(cost / stand.margin_units)) if stand.margin_units > 0 else 1
    order = Order(side, qty, leverage, atr, sl_atr, plan, STYLE_MARKET, False, entry)
    levels = initial_levels(
        side, entry, atr * contract.tick_den / contract.tick_num, sl_atr, plan, data.fees.be_r,
        data.fees.trail_atr, context.now_ns,
    )  # fmt: skip
    tier = tier_of(from_units(cost), data.brackets[s])
    liq = liquidation_level(side, entry, qty, stand.margin_units, contract, tier)
    book = Book(qty, cost, stand.margin_units, liq, 0, 0, 0, 0, 0, 0.0)
    decision = _decision(context, symbol, side, qty, float(market.atr_frac[row, s]))
    context.books.account.positions[s] = Held(
        decision, order, exits, levels, first_guard(levels), book, tier, book.margin, cost
    )
    ticket = Ticket(s, symbol, context.account_name, decision, order, exits)
    ticket.entry_open, ticket.filled, ticket.bare_ns = False, qty, context.now_ns
    context.books.tickets[s] = ticket
    text = f"{stand.steps} steps at {stand.entry_price} taken over"
    context.tell(records.foreign_record(context.now_ns, symbol, text))


def _decision(context: Context, symbol: str, side: int, qty: int, atr_frac: float) -> Decision:
    account = context.books.account
    nothing = np.zeros(1)
    known = SizingContext(
        0, np.ones(1, dtype=np.bool_), nothing, np.zeros(1, dtype=np.bool_), 0.0, 0.0, 0.0,
        atr_frac, np.full((3, 3), np.nan),
    )  # fmt: skip
    equity = to_units(account.equity_quote())
    return Decision(
        f"{context.account_name}{ADOPTED}{symbol}:{context.now_ns}", symbol, context.now_ns, side,
        known, None, None, qty, equity, account.cash_units, 0.0, (), (), (), reason="ADOPTED",
    )  # fmt: skip
