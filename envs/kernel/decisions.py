"""Decisions of one compiled environment: who is next, sizing the chosen action, sending it."""

from __future__ import annotations

from typing import Any

from envs.core.rules.costs import round_trip_frac
from envs.core.rules.exits import stop_atr
from envs.core.rules.limits import NS_PER_DAY, RECOVERING, is_active
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.sizing import Funds, Sized, size_order
from envs.core.rules.state import confidence_bin, exposure_bin, performance_bin, state_index
from envs.kernel.account import (
    freshen_drawdowns,
    gross_notional_quote,
    is_busy,
    margin_units,
    risk_quote,
    wide,
)
from envs.kernel.bars import advance
from envs.kernel.closing import finish
from envs.kernel.market import (
    ATR,
    ATR_FRAC,
    CLOSE,
    CONFIDENCE,
    REGIME,
    RUN_REGIME,
    SIDE,
    SLIP_NEXT,
    Market,
    Rules,
    contract_at,
    market_at,
    rules_at,
)
from envs.kernel.state import RUNNING, TERMINATED, TRUNCATED

SKIPPED = 1
MASKED = 2
NO_ACTION = 3
"""Why a decision sent nothing, see ``state.REASONS``."""


def is_blocked(m: Market, r: Rules, acc: Any, slots: Any, s: int) -> bool:
    """Whether a candidate cannot be executed now: position, gate, count, cooldown, end."""
    if is_busy(acc, s):
        return True
    if not is_active(wide(acc.state)):
        return True
    limit = r.max_positions
    if acc.state == RECOVERING:
        limit = min(r.recovering_positions, limit)
    if acc.busy >= limit:
        return True
    # A market entry fills at an open: at the next close a whole bar has passed since.
    if r.post_only or r.cooldown_ns > r.interval_ns:
        last = slots[s].entry_ns
        if last > 0 and m.close_ns[acc.row] - last < r.cooldown_ns:
            return True
    return bool(acc.row >= acc.last_row)


def seek(m: Market, r: Rules, acc: Any, slots: Any, trades: Any) -> None:
    """Run on to the next executable candidate, or to the end of the episode."""
    width = slots.shape[0]
    while True:
        while acc.queued < width:
            s = wide(m.queue[acc.row, acc.queued])
            acc.queued += 1
            if s < 0:
                acc.queued = width
            elif (acc.allowed >> s) & 1 and not is_blocked(m, r, acc, slots, s):
                acc.decision = s
                freshen_drawdowns(acc, acc.unrealised)
                return
        if acc.ruined or acc.row >= acc.last_row:
            acc.decision = -1
            acc.phase = TERMINATED if acc.ruined else TRUNCATED
            freshen_drawdowns(acc, acc.unrealised)
            finish(m.address, acc, slots, trades)
            return
        if acc.busy == 0 and acc.state == 0:
            leap(m, acc)
        advance(m, r, acc, slots, trades)
        acc.queued = 0


def leap(m: Market, acc: Any) -> None:
    """Flat and armed, nothing changes until the next candidate: go to the bar before it.

    Equity stays as it is, so the evaluations between only begin new UTC days, and the one at the
    next bar does that as well.
    """
    ahead = m.next_row[acc.row + 1] - 1
    if ahead > acc.last_row - 1:
        ahead = acc.last_row - 1
    if ahead > acc.row:
        acc.row = ahead


def funds_of(m: Market, r: Rules, acc: Any, slots: Any, s: int, equity: float) -> Funds:
    """The account as one decision sees it."""
    factor = r.stops.recovery_size if acc.state == RECOVERING else 1.0
    return Funds(
        equity,
        from_units(acc.cash - margin_units(acc, slots, s)),
        gross_notional_quote(acc, slots, s),
        risk_quote(acc, slots, m.contracts, s),
        factor,
    )


def equity_of(acc: Any) -> float:
    """Cash plus unrealised at the last close, in quote."""
    return from_units(acc.cash) + acc.unrealised  # type: ignore[no-any-return]


def size_action(m: Market, r: Rules, acc: Any, slots: Any, side: int, action: int) -> Sized:
    """Size one action of the present decision."""
    s = wide(acc.decision)
    row = m.signals[acc.row, s]
    return size_order(
        funds_of(m, r, acc, slots, s, equity_of(acc)), r.size, contract_at(m.contracts, s),
        m.brackets[s], side, int(row[CLOSE]), row[ATR_FRAC], trip_at(m, r, acc.row, s),
        m.actions[action, 0], int(m.actions[action, 1]), stop_atr(int(m.actions[action, 2])),
    )  # fmt: skip


def trip_at(m: Market, r: Rules, row: int, s: int) -> float:
    """Round-trip cost of the entry style at the close of a row."""
    return round_trip_frac(r.post_only, r.fees.maker, r.fees.taker, m.signals[row, s, SLIP_NEXT])


def take(address: int, acc: Any, slots: Any, side: int, action: int) -> None:
    """Decide the present candidate: side 0 or size 0 skips, a masked action opens nothing."""
    m, r = market_at(address), rules_at(address)
    acc.reason = 0
    if side == 0 or m.actions[action, 0] == 0.0:
        acc.reason = SKIPPED
        return
    sized = size_action(m, r, acc, slots, side, action)
    if sized.mask_reason != 0:
        acc.reason = MASKED
        return
    send(m, r, acc, slots, side, action, sized.qty_steps)


def send(m: Market, r: Rules, acc: Any, slots: Any, side: int, action: int, qty: int) -> None:
    """Place an entry decided at this close, reserving margin and risk."""
    s = int(acc.decision)
    row = m.signals[acc.row, s]
    contract = contract_at(m.contracts, s)
    close = int(row[CLOSE])
    exit_ = int(m.actions[action, 2])
    price = close * contract.tick_num / contract.tick_den
    notional = price * (qty * contract.step_num / contract.step_den)
    slot = slots[s]
    slot.equity_units = to_units(equity_of(acc))
    acc.waiting |= 1 << s
    slot.side = side
    slot.exit = exit_
    slot.leverage = int(m.actions[action, 1])
    slot.plan_regime = int(row[RUN_REGIME])
    slot.qty = qty
    slot.atr = row[ATR]
    slot.entry = side * close
    slot.margin = to_units(notional / slot.leverage)
    slot.cost = to_units(notional * stop_atr(exit_) * row[ATR_FRAC])
    slot.funding_unit = notional
    slot.market = not r.post_only
    slot.decided_row = acc.row
    slot.action = action
    acc.busy += 1


def state_of(m: Market, acc: Any, slots: Any, equity: float) -> int:
    """Index 0..299 of the present decision's state."""
    s = wide(acc.decision)
    used = from_units(margin_units(acc, slots, s))
    signal = m.signals[acc.row, s]
    return state_index(
        int(signal[REGIME]),
        confidence_bin(signal[CONFIDENCE]),
        exposure_bin(used / equity if equity > 0.0 else 1.0),
        performance_bin(acc.total_r, wide(acc.n_recent)),
    )


def signal_side(m: Market, acc: Any) -> int:
    """Side of the tape at the present decision, +1 where it has none."""
    side = int(m.signals[acc.row, acc.decision, SIDE])
    return side if side != 0 else 1


def start(m: Market, r: Rules, acc: Any, slots: Any, row: int, last_row: int, allowed: int) -> None:
    """Begin an episode at a row."""
    for s in range(slots.shape[0]):
        slots[s].entry_ns = 0
    acc.cash = r.start_units
    acc.row = row
    acc.last_row = last_row
    acc.allowed = allowed
    acc.day = m.close_ns[row] // NS_PER_DAY
    acc.day_high = from_units(r.start_units)
    acc.peak = acc.day_high
    acc.equity = acc.day_high
    acc.since_ns = m.close_ns[row]
    acc.daily_day = -1
    acc.daily_dd = 0.0
    acc.open_dd = 0.0
    acc.total_dd = 0.0
    acc.trades = 0
    acc.decision = -1
    acc.queued = 0
    acc.n_recent = 0
    acc.total_r = 0.0
    acc.unrealised = 0.0
    acc.n_stops = 0
    acc.n_trades = 0
    acc.state = 0
    acc.level = 0
    acc.phase = RUNNING
    acc.busy = 0
    acc.held = 0
    acc.waiting = 0
    acc.ruined = False
    acc.overflow = False
    acc.stale = False
    acc.reason = 0
