"""Events of the account as the user stream sends them, every field the vendor documents."""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import price_of, unrealised_quote
from envs.core.rules.rounding import from_units
from runtime.exchange.events import AccountEvent, AlgoEvent, ConfigEvent, OrderEvent, VenueEvent
from runtime.exchange.filling import name_of_side
from runtime.exchange.numbers import Scale, money_text, scale_for
from runtime.exchange.orders import AlgoOrder, AlgoStatus, IncomeType, Order, OrderType
from runtime.exchange.state import VenueState

QUOTE_ASSET = "USDT"
_MS = 1_000_000


def scale_of(state: VenueState, symbol: str) -> Scale:
    """Texts of a contract."""
    return scale_for(state.listings[symbol].contract)


def user_payload(event: VenueEvent, state: VenueState, now_ms: int) -> dict[str, Any]:
    """One message of the user stream; wallet and positions are those of ``state``."""
    if isinstance(event, OrderEvent):
        return order_update(event, state, now_ms)
    if isinstance(event, AlgoEvent):
        return algo_update(event, state, now_ms)
    if isinstance(event, AccountEvent):
        return account_update(event, state, now_ms)
    return config_update(event, state, now_ms)


def order_update(event: OrderEvent, state: VenueState, now_ms: int) -> dict[str, Any]:
    """ORDER_TRADE_UPDATE; fee and fee asset are always there when something was filled."""
    order, trade = event.order, event.trade
    scale = scale_of(state, order.symbol)
    body: dict[str, Any] = {
        "s": order.symbol,
        "c": order.client_id,
        "S": name_of_side(order.side),
        "o": order_type_text(order),
        "f": order.time_in_force.value,
        "q": scale.quantity(order.qty_steps),
        "p": scale.price(order.price_ticks),
        "ap": average_price(order, scale),
        "sp": _stop_price(order, state, scale),
        "x": event.execution,
        "X": order.status.value,
        "i": order.order_id,
        "l": "0",
        "z": scale.quantity(order.filled_steps),
        "L": "0",
        "T": event.time_ns // _MS,
        "t": 0,
        "b": "0",
        "a": "0",
        "m": False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": original_type_text(order),
        "ps": "BOTH",
        "cp": order.close_position,
        "rp": "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
        "er": "0",
    }
    if trade is not None:
        body |= {
            "l": scale.quantity(trade.qty_steps),
            "L": scale.price(trade.price_ticks),
            "n": money_text(trade.fee_units),
            "N": QUOTE_ASSET,
            "t": trade.trade_id,
            "m": trade.maker,
            "rp": money_text(trade.realised_units),
        }
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": event.time_ns // _MS, "o": body}


def algo_update(event: AlgoEvent, state: VenueState, now_ms: int) -> dict[str, Any]:
    """ALGO_UPDATE; what its child order filled is told once it has FINISHED."""
    algo = event.algo
    scale = scale_of(state, algo.symbol)
    child = state.orders.get(algo.child_id)
    filled = child is not None and algo.status is AlgoStatus.FINISHED
    body = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type.value,
        "s": algo.symbol,
        "S": name_of_side(algo.side),
        "ps": "BOTH",
        "f": algo.time_in_force.value,
        "q": scale.quantity(algo.qty_steps),
        "X": algo.status.value,
        "ai": str(algo.child_id) if algo.child_id else "",
        "ap": average_price(child, scale) if filled and child is not None else "0",
        "aq": scale.quantity(child.filled_steps) if filled and child is not None else "0",
        "act": _child_type(algo),
        "tp": scale.price(algo.trigger_ticks),
        "p": scale.price(algo.price_ticks),
        "V": "EXPIRE_MAKER",
        "wt": "MARK_PRICE" if algo.on_mark else "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": 0 if algo.is_open or not algo.child_id else algo.updated_ns // _MS,
        "gtd": 0,
        "rm": algo.reason,
    }
    if algo.type is OrderType.TRAILING_STOP_MARKET:
        body |= {"AP": scale.price(algo.activation_ticks), "cr": callback_text(algo)}
    return {"e": "ALGO_UPDATE", "E": now_ms, "T": event.time_ns // _MS, "o": body}


def account_update(event: AccountEvent, state: VenueState, now_ms: int) -> dict[str, Any]:
    """ACCOUNT_UPDATE; ``bc`` is what changed the wallet apart from results and fees."""
    wallet = state.ledger.wallet_units
    return {
        "e": "ACCOUNT_UPDATE",
        "E": now_ms,
        "T": event.time_ns // _MS,
        "a": {
            "m": event.reason,
            "B": [
                {
                    "a": QUOTE_ASSET,
                    "wb": money_text(wallet),
                    "cw": money_text(wallet - state.margin_units()),
                    "bc": money_text(_other_change(event, state)),
                }
            ],
            "P": [position_entry(symbol, state) for symbol in event.symbols],
        },
    }


def position_entry(symbol: str, state: VenueState) -> dict[str, Any]:
    """One position as ACCOUNT_UPDATE lists it; a flat one has amount 0."""
    scale = scale_of(state, symbol)
    held = state.holdings.get(symbol)
    isolated = state.isolated[symbol]
    entry: dict[str, Any] = {
        "s": symbol, "pa": scale.quantity(0), "ep": "0", "bep": "0", "cr": "0", "up": "0",
        "mt": "isolated" if isolated else "cross", "iw": "0", "ps": "BOTH", "ma": QUOTE_ASSET,
    }  # fmt: skip
    if held is None:
        return entry
    book, listing = held.book, state.listings[symbol]
    mark = state.quotes[symbol].mark_ticks
    up = unrealised_quote(held.side, book, mark, listing.contract)
    price = abs(held.entry)
    return entry | {
        "pa": scale.quantity(held.side * book.qty),
        "ep": scale.fine_price(price),
        "bep": break_even_text(symbol, state),
        "cr": money_text(book.gross),
        "up": f"{up:.8f}",
        "iw": money_text(book.margin) if isolated else "0",
    }


def break_even_text(symbol: str, state: VenueState) -> str:
    """Price at which closing would leave nothing, both fees counted at the taker's rate."""
    held = state.holdings[symbol]
    price = price_of(abs(held.entry), state.listings[symbol].contract)
    rate = state.fees.taker
    edge = (1.0 + rate) / (1.0 - rate) if held.side > 0 else (1.0 - rate) / (1.0 + rate)
    return f"{price * edge:.8f}"


def config_update(event: ConfigEvent, state: VenueState, now_ms: int) -> dict[str, Any]:
    """ACCOUNT_CONFIG_UPDATE: the leverage of a symbol as it now is."""
    return {
        "e": "ACCOUNT_CONFIG_UPDATE",
        "E": now_ms,
        "T": event.time_ns // _MS,
        "ac": {"s": event.symbol, "l": state.leverage[event.symbol]},
    }


def margin_call(symbols: tuple[str, ...], state: VenueState, now_ms: int) -> dict[str, Any]:
    """MARGIN_CALL for positions near their liquidation."""
    free = state.ledger.wallet_units - state.margin_units()
    rows = []
    for symbol in symbols:
        entry, scale = position_entry(symbol, state), scale_of(state, symbol)
        rows.append(
            {
                "s": symbol,
                "ps": "BOTH",
                "pa": entry["pa"],
                "mt": "ISOLATED" if state.isolated[symbol] else "CROSSED",
                "iw": entry["iw"],
                "mp": scale.fine_price(state.quotes[symbol].mark_ticks),
                "up": entry["up"],
                "mm": f"{maintenance_quote(symbol, state):.8f}",
            }
        )
    return {"e": "MARGIN_CALL", "E": now_ms, "cw": money_text(free), "p": rows}


def listen_key_expired(key: str, now_ms: int) -> dict[str, Any]:
    """The last message of a user stream whose key has ended."""
    return {"e": "listenKeyExpired", "E": str(now_ms), "listenKey": key}


def maintenance_quote(symbol: str, state: VenueState) -> float:
    """Maintenance margin of a position at mark, quote."""
    held = state.holdings[symbol]
    contract = state.listings[symbol].contract
    mark = state.quotes[symbol].mark_ticks
    notional = price_of(mark, contract) * held.book.qty * contract.step_num / contract.step_den
    return max(0.0, notional * held.tier.mmr - held.tier.amount)


def margin_ratio(symbol: str, state: VenueState) -> float:
    """Maintenance margin over what the position still has; from 1 it is liquidated."""
    held = state.holdings[symbol]
    contract = state.listings[symbol].contract
    up = unrealised_quote(held.side, held.book, state.quotes[symbol].mark_ticks, contract)
    has = from_units(held.book.margin) + up
    return maintenance_quote(symbol, state) / has if has > 0.0 else float("inf")


def order_type_text(order: Order) -> str:
    """Type on the wire: a liquidation is a limit order of its own kind."""
    return "LIMIT" if order.type is OrderType.LIQUIDATION else order.type.value


def original_type_text(order: Order) -> str:
    """Type before a trigger, as the stream's ``ot``."""
    return "LIQUIDATION" if order.type is OrderType.LIQUIDATION else order.original_type.value


def average_price(order: Order, scale: Scale) -> str:
    """Mean fill price, 0 without a fill."""
    if order.filled_steps == 0:
        return "0"
    contract = scale.contract
    quantity = order.filled_steps * contract.step_num / contract.step_den
    return f"{from_units(order.filled_units) / quantity:.8f}"


def callback_text(algo: AlgoOrder) -> str:
    """Callback rate of a trailing stop in percent."""
    return f"{algo.callback_frac * 100.0:g}"


def _child_type(algo: AlgoOrder) -> str:
    """Type of the order that was sent, 0 before."""
    if not algo.child_id:
        return "0"
    return "LIMIT" if algo.price_ticks else "MARKET"


def _stop_price(order: Order, state: VenueState, scale: Scale) -> str:
    algo = state.algos.get(order.algo_id)
    return "0" if algo is None else scale.price(algo.trigger_ticks)


def _other_change(event: AccountEvent, state: VenueState) -> int:
    """Funding booked at the time of the event; other reasons change the wallet by fills alone."""
    if event.reason != IncomeType.FUNDING_FEE.value:
        return 0
    total = 0
    for row in reversed(state.ledger.income):
        if row.time_ns < event.time_ns:
            break
        if row.type is IncomeType.FUNDING_FEE and row.symbol in event.symbols:
            total += row.units
    return total
