"""Checks before a start that ask the venue, through its port alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from envs.core.instrument import Instrument
from runtime.adapters.client_ids import is_ours
from runtime.port_errors import VenueRefused, VenueUnavailable
from runtime.port_values import AccountModes, AccountView, OrderView, Position, TriggerView, Unsure
from runtime.ports import Venue
from runtime.preflight_report import Check, Verdict, ok, refuse, warn

BLOCK_SKEW_MS = 1_000
REFUSE_SKEW_MS = 30_000


def check_clock(venue: Venue) -> Check:
    """The clock of this machine against the venue's."""
    skew = venue.health().clock_offset_ms
    said = f"this clock and the venue's differ by {skew} ms"
    if abs(skew) > REFUSE_SKEW_MS:
        return refuse("clock", f"{said}: set the clock (NTP) before trading")
    if abs(skew) > BLOCK_SKEW_MS:
        text = f"{said}, more than {BLOCK_SKEW_MS}: no entries until it is set (NTP)"
        return Check("clock", Verdict.WARN, text, {"": "CLOCK_SKEW"})
    return ok("clock", said)


def check_account(view: AccountView) -> Check:
    """Keys are accepted and the account answers."""
    if view.balance is None or view.orders is None or view.triggers is None:
        return refuse(
            "account",
            f"the venue did not tell everything ({'; '.join(view.failures) or 'no reason given'}): "
            "mend keys and their permission for futures, or try again later",
        )
    if view.balance.wallet_units <= 0:
        return warn("account", f"the wallet holds no {view.balance.asset}: nothing can be traded")
    return ok("account", f"keys accepted, wallet of {view.balance.wallet_units / 1e8:.2f} "
              f"{view.balance.asset}")  # fmt: skip


async def check_modes(
    venue: Venue, symbols: Sequence[str], view: AccountView, leverages: Mapping[str, int],
    max_leverage: int, *, mend: bool,
) -> list[Check]:  # fmt: skip
    """One-way mode, isolated margin, and the leverage that positions were opened with.

    ``mend`` sets isolated margin on contracts without position, as every entry would.
    """
    try:
        modes = await venue.modes()
        if modes.hedge:
            return [refuse("mode", "the account is in hedge mode: close its positions and set it "
                           "to one-way mode")]  # fmt: skip
        cross = _cross(modes, symbols)
        held = {s for s in cross if not _is_flat(view, s)}
        mended = sorted(set(cross) - held) if mend else []
        for symbol in mended:
            await venue.set_leverage(symbol, min(modes.symbols[symbol].leverage, max_leverage))
        if mended:
            modes = await venue.modes()
    except (VenueUnavailable, VenueRefused) as error:
        return [refuse("mode", f"{error}; set one-way mode and isolated margin by hand")]
    cross = _cross(modes, symbols)
    if cross:
        return [refuse("mode", f"cross margin on {', '.join(cross)}: a loss there would take the "
                       "whole wallet; close the position and set isolated margin")]  # fmt: skip
    said = "one-way, isolated margin"
    if mended:
        said += f" (was cross on {', '.join(mended)}: set to isolated now)"
    first = warn("mode", said) if mended else ok("mode", said)
    return [first, _leverage(modes, symbols, view, leverages, max_leverage)]


def check_contracts(
    venue: Venue, symbols: Sequence[str], known: Iterable[Instrument], view: AccountView, *,
    adopt: bool,
) -> Check:  # fmt: skip
    """Every contract is listed, and is the one that the bundle was trained on.

    A changed minimum order is taken over with a warning: it only makes small orders fail. Another
    tick or step is another unit of every price and quantity: refused, or taken over by policy
    where there is no position counted in the old ones. A suspended contract takes no entries until
    it trades again.
    """
    shut = venue.health().shut
    missing = [s for s in symbols if s not in venue.instruments]
    if missing:
        return refuse("contracts", f"not listed: {', '.join(missing)}; take them out of --symbols")
    halted = [shut[s].text for s in symbols if s in shut]
    trained = {i.symbol: i for i in known}
    units, orders, stuck, adopted = [], [], [], []
    for symbol in symbols:
        now, then = venue.instruments[symbol], trained.get(symbol)
        if then is None:
            continue
        if (now.tick, now.step) != (then.tick, then.step):
            units.append(f"{symbol}: tick {_text(then.tick)} -> {_text(now.tick)}, "
                         f"step {_text(then.step)} -> {_text(now.step)}")  # fmt: skip
            adopted.append(now)
            if not _is_flat(view, symbol):
                stuck.append(symbol)
        elif now.min_notional_quote != then.min_notional_quote:
            orders.append(f"{symbol}: {then.min_notional_quote:g} -> {now.min_notional_quote:g}")
            adopted.append(replace(then, min_notional_quote=now.min_notional_quote))
    if units and (not adopt or stuck):
        why = f"close {', '.join(stuck)} first" if stuck and adopt else (
            "train a bundle with the venue's contracts, or set QT_CHANGED_FILTERS=adopt"
        )  # fmt: skip
        return refuse("contracts", f"changed since training: {'; '.join(units)}: {why}")
    if adopted:
        said = "; ".join([*units, *(f"minimum order of {text}" for text in orders)])
        halted.insert(0, f"changed since training, the venue's hold: {said}")
    if halted:
        return Check("contracts", Verdict.WARN, "; ".join(halted), adopted=tuple(adopted))
    return ok("contracts", f"{len(symbols)} listed, with the filters of training")


def check_positions(
    view: AccountView, symbols: Sequence[str], ours: Collection[str], *, adopt: bool
) -> Check:
    """Positions of others on the account: known, and never traded into."""
    foreign, unsure = [], []
    for symbol, stand in sorted(view.stands.items()):
        if isinstance(stand, Unsure):
            unsure.append(f"{symbol} ({stand.reason})")
        elif isinstance(stand, Position) and symbol not in ours:
            foreign.append(symbol)
    blocks = {s: "STATE_UNKNOWN" for s in symbols if isinstance(view.stands.get(s), Unsure)}
    found = [f"state unknown, no entries there: {', '.join(unsure)}"] if unsure else []
    traded = [s for s in foreign if s in symbols]
    if traded and adopt:
        found.append(f"taken over and protected: {', '.join(traded)} (QT_FOREIGN_POSITIONS=adopt)")
    elif traded:
        blocks |= dict.fromkeys(traded, "FOREIGN_POSITION")
        found.append(
            f"not ours, left alone and their contracts not traded: {', '.join(traded)}: close "
            "them, or set QT_FOREIGN_POSITIONS=adopt"
        )
    others = [s for s in foreign if s not in symbols]
    if others:
        found.append(f"not ours, on other contracts, left alone: {', '.join(others)}")
    if found:
        return Check("positions", Verdict.WARN, "; ".join(found), blocks)
    return ok("positions", f"all known: {', '.join(sorted(ours)) or 'none open'}")


def check_orders(view: AccountView, known: Collection[str] | None) -> Check:
    """Orders of others, and of ours that this journal does not know.

    ``known`` are client ids of the journal; None where there is none to compare with.
    """
    all_: list[OrderView | TriggerView] = [*(view.orders or ()), *(view.triggers or ())]
    foreign = [o for o in all_ if not is_ours(o.client_id)]
    lost = [o for o in all_ if is_ours(o.client_id) and known is not None]
    lost = [o for o in lost if known is not None and o.client_id not in known]
    found = []
    if foreign:
        found.append(f"{len(foreign)} of others, left alone ({_places(foreign)})")
    if lost:
        found.append(
            f"{len(lost)} sent by this program with another journal ({_places(lost)}): give that "
            "--state, or cancel them by hand"
        )
    if found:
        return warn("orders", "; ".join(found))
    return ok("orders", f"{len(all_)} open, all known")


def _leverage(
    modes: AccountModes, symbols: Sequence[str], view: AccountView, leverages: Mapping[str, int],
    max_leverage: int,
) -> Check:  # fmt: skip
    changed = [
        f"{s} ({leverages[s]} -> {modes.symbols[s].leverage})"
        for s in symbols
        if s in leverages and s in modes.symbols and modes.symbols[s].leverage != leverages[s]
    ]
    high = [
        f"{s} ({modes.symbols[s].leverage})"
        for s in symbols
        if s in modes.symbols and modes.symbols[s].leverage > max_leverage and _is_flat(view, s)
    ]
    if changed:
        said = f"changed outside under open positions: {', '.join(changed)}"
        text = f"{said}: their margin and liquidation price are others now; look at them"
        return warn("leverage", text)
    if high:
        return ok("leverage", f"above {max_leverage} on {', '.join(high)}: set anew before entries")
    return ok("leverage", f"at most {max_leverage}, or set anew before entries")


def _cross(modes: AccountModes, symbols: Sequence[str]) -> list[str]:
    return [s for s in symbols if s in modes.symbols and not modes.symbols[s].isolated]


def _is_flat(view: AccountView, symbol: str) -> bool:
    stand = view.stands.get(symbol)
    return stand is not None and not isinstance(stand, Position | Unsure)


def _places(orders: Sequence[OrderView | TriggerView]) -> str:
    return ", ".join(sorted({o.symbol for o in orders}))


def _text(value: object) -> str:
    number = float(str(value)) if "/" not in str(value) else None
    if number is not None:
        return f"{number:g}"
    top, _, bottom = str(value).partition("/")
    return f"{int(top) / int(bottom):g}"
