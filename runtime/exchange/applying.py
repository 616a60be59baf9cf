"""A command applied to the engine, the same at its first run and when a journal is replayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runtime.exchange import commands as c
from runtime.exchange.engine import Engine
from runtime.exchange.errors import VenueError
from runtime.exchange.filling import liquidate_holding
from runtime.exchange.matching import Piece

NO_CHANGE_POSITION_SIDE = -4059
POSITION_SIDE_IN_USE = -4068


@dataclass
class AccountModes:
    """Account-wide settings the engine does not need.

    ``dual`` is the hedge mode as the wire states it; ``deadlines_ms`` the wall times at which the
    open orders of a symbol are cancelled.
    """

    dual: bool = False
    deadlines_ms: dict[str, int] = field(default_factory=dict)


def apply(command: c.Command, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    """Apply a command whole and return what it came to.

    Raises:
        VenueError: Refused; nothing has changed.
    """
    return _RULES[type(command)](command, engine, modes, now_ns)


def _place(x: c.Place, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    return engine.place(x.request, now_ns)


def _cancel(x: c.Cancel, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    return engine.cancel(x.symbol, x.order_id, x.client_id, now_ns)


def _cancel_all(
    x: c.CancelAllOrders | c.FireCountdown, engine: Engine, modes: AccountModes, now_ns: int
) -> Any:
    engine.state.listing(x.symbol)
    if isinstance(x, c.FireCountdown):
        modes.deadlines_ms.pop(x.symbol, None)
    orders = engine.state.open_orders(x.symbol)
    return [engine.cancel(x.symbol, o.order_id, None, now_ns) for o in orders]


def _amend(x: c.Amend, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    return engine.amend(x.symbol, x.order_id, x.client_id, x.qty_steps, x.price_ticks, now_ns)


def _place_algo(x: c.PlaceAlgo, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    return engine.place_algo(x.request, now_ns)


def _cancel_algo(x: c.CancelAlgo, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    return engine.cancel_algo(x.algo_id, x.client_id, now_ns)


def _cancel_all_algos(x: c.CancelAllAlgos, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    engine.state.listing(x.symbol)
    waiting = engine.state.open_algos(x.symbol)
    return [engine.cancel_algo(a.algo_id, None, now_ns) for a in waiting]


def _set_leverage(x: c.SetLeverage, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    return engine.set_leverage(x.symbol, x.leverage, now_ns)


def _set_margin_type(x: c.SetMarginType, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    return engine.set_isolated(x.symbol, x.isolated, now_ns)


def _set_mode(x: c.SetPositionMode, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    if modes.dual == x.dual:
        raise VenueError(NO_CHANGE_POSITION_SIDE, "No need to change position side.")
    if engine.state.has_business():
        text = "Position side cannot be changed if there exists open orders or a position."
        raise VenueError(POSITION_SIDE_IN_USE, text)
    modes.dual = x.dual


def _countdown(x: c.Countdown, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    engine.state.listing(x.symbol)
    if x.deadline_ms > 0:
        modes.deadlines_ms[x.symbol] = x.deadline_ms
    else:
        modes.deadlines_ms.pop(x.symbol, None)


def _liquidate(x: c.Liquidate, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    engine.state.listing(x.symbol)
    if x.symbol not in engine.state.holdings:
        return None
    return liquidate_holding(engine.state, x.symbol, now_ns)


def _close_externally(
    x: c.CloseExternally, engine: Engine, modes: AccountModes, now_ns: int
) -> Any:
    engine.state.listing(x.symbol)
    return engine.close_externally(x.symbol, now_ns)


def _move_price(x: c.MovePrice, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    engine.state.listing(x.symbol)
    if x.price_ticks < 1:
        raise VenueError(-4001, "Price less than 0.")
    slip, price, mark = engine.state.quotes[x.symbol].slip, x.price_ticks, float(x.price_ticks)
    engine.walk(x.symbol, Piece(True, price, price, mark, mark, slip, now_ns))


def _refuse_children(x: c.RefuseChildren, engine: Engine, modes: AccountModes, now_ns: int) -> Any:
    engine.state.listing(x.symbol)
    engine.state.refused_children[x.symbol] = x.count


_RULES: dict[type[Any], Callable[[Any, Engine, AccountModes, int], Any]] = {
    c.Place: _place,
    c.Cancel: _cancel,
    c.CancelAllOrders: _cancel_all,
    c.FireCountdown: _cancel_all,
    c.Amend: _amend,
    c.PlaceAlgo: _place_algo,
    c.CancelAlgo: _cancel_algo,
    c.CancelAllAlgos: _cancel_all_algos,
    c.SetLeverage: _set_leverage,
    c.SetMarginType: _set_margin_type,
    c.SetPositionMode: _set_mode,
    c.Countdown: _countdown,
    c.Liquidate: _liquidate,
    c.CloseExternally: _close_externally,
    c.MovePrice: _move_price,
    c.RefuseChildren: _refuse_children,
}
