"""One bar of one compiled environment: funding, entries, the path, the ladder, the close.

The order of the calls is that of ``envs.core.world.World``; the rules are the same functions.
"""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import fund_book
from envs.core.rules.fills import limit_reached
from envs.core.rules.rounding import from_units
from envs.core.rules.walk import RULE_DETAIL, RULE_PATH
from envs.kernel.account import (
    book_at,
    book_cash,
    is_busy,
    is_held,
    is_waiting,
    keep_book,
    tier_at,
    unrealised_total,
    watch,
    wide,
)
from envs.kernel.closing import evaluate, judge_close
from envs.kernel.entries import enter
from envs.kernel.market import (
    KNOWN,
    STAMPED,
    TRADED,
    Market,
    Rules,
    contract_at,
    market_at,
    rules_at,
)
from envs.kernel.quiet import pass_bar, stays_quiet
from envs.kernel.walking import walk


def advance(m: Market, r: Rules, acc: Any, slots: Any, trades: Any) -> None:
    """Run the next bar of one environment."""
    acc.row += 1
    t = acc.row
    acc.unrealised = 0.0
    if acc.busy > 0:
        if not (open_bar(m, r, acc, slots, t) and pass_bar(m, r, acc, slots, t)):
            walk(m.address, acc, slots, trades, t)
        judge_close(m, r, acc, slots, trades, t)
        acc.unrealised = unrealised_total(acc, slots)
    evaluate(m, r, acc, slots, trades, acc.unrealised, m.close_ns[t], True)
    if from_units(acc.cash) + acc.unrealised <= r.ruin_quote:
        acc.ruined = True


def open_bar(m: Market, r: Rules, acc: Any, slots: Any, t: int) -> bool:
    """Funding, who takes part, and entries at the open; True when all stay quiet in the bar.

    Entries are filled here, in symbol order, as long as nothing else happens at the open; the
    first that meets a level of its own, and all behind one that is not quiet, are left to the walk.
    """
    calm = r.intrabar != RULE_DETAIL or m.detail.shape[2] == 0
    for s in range(slots.shape[0]):
        if not is_busy(acc, s):
            continue
        slot = slots[s]
        flags = m.glances[s, t].flags
        slot.active = (flags & TRADED) != 0
        slot.quiet = False
        if slot.active and is_held(acc, s):
            if (flags & STAMPED) != 0:
                settle_funding(m.address, acc, slot, t, s)
            slot.quiet = stays_quiet(m, slot, t, s)
            calm = calm and slot.quiet
    if acc.waiting == 0:
        return calm
    for s in range(slots.shape[0]):
        slot = slots[s]
        if not is_waiting(acc, s) or not slot.active:
            continue
        calm = calm and r.intrabar == RULE_PATH
        if not slot.market:
            slot.quiet = rests_untouched(m, slot, t, s)
        elif calm:
            enter(m.address, acc, slot, s, wide(slot.side) * wide(m.glances[s, t].open), t)
            slot.quiet = stays_quiet(m, slot, t, s)
        calm = calm and slot.quiet
    return calm


def settle_funding(address: int, acc: Any, slot: Any, t: int, s: int) -> None:
    """Book a funding stamp on a position held before it."""
    m, r = market_at(address), rules_at(address)
    contract = contract_at(m.contracts, s)
    before = slot.funding
    book = fund_book(
        wide(slot.side), wide(slot.entry), book_at(slot), m.glances[s, t].price0,
        m.glances[s, t].funding, contract, tier_at(slot, m.brackets, s),
    )  # fmt: skip
    keep_book(slot, book, contract)
    watch(slot, r.fees)
    book_cash(acc, book.funding - before)


def rests_untouched(m: Market, slot: Any, t: int, s: int) -> bool:
    """Whether the price of a bar stays away from a resting entry."""
    g = m.glances[s, t]
    low = wide(g.low) if slot.side > 0 else -wide(g.high)
    return (g.flags & KNOWN) != 0 and not limit_reached(low, wide(slot.entry))
