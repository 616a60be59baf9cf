"""What faults make of market data and listings: pure changes of bodies and messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from runtime.exchange.fault_kinds import Fault, FaultKind
from runtime.exchange.faults import Faults

K = FaultKind
_FILTERS = {
    "tickSize": ("PRICE_FILTER",),
    "stepSize": ("LOT_SIZE", "MARKET_LOT_SIZE"),
    "minQty": ("LOT_SIZE", "MARKET_LOT_SIZE"),
    "notional": ("MIN_NOTIONAL",),
}
FILTER_NAMES = frozenset(_FILTERS)


def shaped_klines(rows: list[Any], symbol: str, faults: Faults) -> list[Any]:
    """Rows of GET klines; a candle is meant when it contains the fault's ``open_ms``."""
    for fault in faults.lasting(K.STALE_KLINE, symbol):
        rows = [row for row in rows if row[0] <= _meant(fault)]
    for fault in faults.lasting(K.MISSING_KLINE, symbol):
        rows = [row for row in rows if not row[0] <= _meant(fault) <= row[6]]
    for fault in faults.lasting(K.REVISED_KLINE, symbol):
        rows = [
            _revised(row, fault.value) if row[0] <= _meant(fault) <= row[6] else row for row in rows
        ]
    return rows


def hides_kline(symbol: str, open_ms: int, close_ms: int, faults: Faults) -> bool:
    """Whether a kline message is not sent: it is stale or missing."""
    if any(open_ms > _meant(fault) for fault in faults.lasting(K.STALE_KLINE, symbol)):
        return True
    return any(
        open_ms <= _meant(fault) <= close_ms for fault in faults.lasting(K.MISSING_KLINE, symbol)
    )


def crossed_depth(body: dict[str, Any]) -> dict[str, Any]:
    """An order book with its sides exchanged: best bid above best ask."""
    return body | {"bids": body["asks"], "asks": body["bids"]}


def crossed_ticker(body: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Best prices exchanged; ``names`` pairs the bid's fields with the ask's."""
    swapped = {bid: body[ask] for bid, ask in names.items()}
    return body | swapped | {ask: body[bid] for bid, ask in names.items()}


def shaped_listing(body: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """Contracts listed, without the trading of delisted ones and with other filters."""
    removed = {f.symbol for f in faults.lasting(K.DELIST) if f.options.get("remove")}
    settling = {f.symbol for f in faults.lasting(K.DELIST)} - removed
    rows = [dict(row) for row in body["symbols"] if row["symbol"] not in removed]
    for row in rows:
        if row["symbol"] in settling:
            row["status"] = "SETTLING"
        for fault in faults.lasting(K.FILTERS, row["symbol"]):
            row["filters"] = [_refiltered(one, fault.options) for one in row["filters"]]
    return body | {"symbols": rows}


def refusal_of(fields: Mapping[str, str], faults: Faults) -> tuple[int, str] | None:
    """Code and text with which a delisted or re-filtered contract refuses an order."""
    symbol = fields.get("symbol", "")
    for fault in faults.lasting(K.DELIST, symbol):
        if fault.options.get("remove"):
            return -1121, "Invalid symbol."
        reduces = "true" in (fields.get("reduceOnly"), fields.get("closePosition"))
        if not reduces:
            return -4140, "Invalid symbol status for opening position."
    for fault in faults.lasting(K.FILTERS, symbol):
        found = _against(fields, fault.options)
        if found is not None:
            return found
    return None


def without_vanished(rows: list[Any], faults: Faults) -> list[Any]:
    """Conditional orders without those that have vanished for a while."""
    return [row for row in rows if not is_vanished(row, faults)]


def is_vanished(row: Mapping[str, Any], faults: Faults, query: bool = False) -> bool:
    """Whether a conditional order is out of sight, for a ``query`` by id too if so asked."""
    return any(
        _names(fault, row) and (not query or fault.options.get("query", False))
        for fault in faults.lasting(K.VANISH_ALGO, str(row.get("symbol", "")))
    )


def _names(fault: Fault, row: Mapping[str, Any]) -> bool:
    algo_id, client_id = fault.options.get("algo_id"), fault.options.get("client_id")
    if algo_id is None and client_id is None:
        return True
    return str(algo_id) == str(row.get("algoId")) or client_id == row.get("clientAlgoId")


def _meant(fault: Fault) -> int:
    return int(fault.options.get("open_ms", 0))


def _revised(row: list[Any], change: float) -> list[Any]:
    """A candle with another close, high and low wide enough for it."""
    decimals = len(row[4].partition(".")[2])
    close = Decimal(f"{float(row[4]) * (1.0 + change):.{decimals}f}")
    high, low = max(Decimal(row[2]), close), min(Decimal(row[3]), close)
    return [*row[:2], str(high), str(low), str(close), *row[5:]]


def _refiltered(one: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    changed = {
        name: str(options[name])
        for name, kinds in _FILTERS.items()
        if name in options and name in one and one["filterType"] in kinds
    }
    return one | changed


def _against(fields: Mapping[str, str], options: Mapping[str, Any]) -> tuple[int, str] | None:
    try:
        price, quantity = (_number(fields.get(name)) for name in ("price", "quantity"))
        tick, step, least, notional = (
            _number(options.get(name)) for name in ("tickSize", "stepSize", "minQty", "notional")
        )
    except InvalidOperation:
        return None
    checks: tuple[tuple[bool, int, str], ...] = (
        (_off(price, tick), -4014, "Price not increased by tick size."),
        (_off(quantity, step), -1111, "Precision is over the maximum defined for this asset."),
        (_under(quantity, least), -4003, "Quantity less than or equal to zero."),
        (
            price is not None and quantity is not None and _under(price * quantity, notional),
            -4164,
            f"Order's notional must be no smaller than {notional} (unless you choose reduce only).",
        ),
    )
    return next(((code, text) for failed, code, text in checks if failed), None)


def _number(text: Any) -> Decimal | None:
    return None if text in (None, "") else Decimal(str(text))


def _off(value: Decimal | None, unit: Decimal | None) -> bool:
    return value is not None and unit is not None and unit > 0 and value % unit != 0


def _under(value: Decimal | None, least: Decimal | None) -> bool:
    return value is not None and least is not None and value < least


Shaper = Callable[[Any, Mapping[str, str], Faults], Any]


def _klines_body(body: Any, fields: Mapping[str, str], faults: Faults) -> Any:
    return shaped_klines(body, fields.get("symbol", ""), faults)


def _depth_body(body: Any, fields: Mapping[str, str], faults: Faults) -> Any:
    crossed = faults.lasting(K.CROSSED_BOOK, fields.get("symbol", ""))
    return crossed_depth(body) if crossed else body


def _ticker_body(body: Any, fields: Mapping[str, str], faults: Faults) -> Any:
    names = {"bidPrice": "askPrice", "bidQty": "askQty"}
    rows = body if isinstance(body, list) else [body]
    rows = [
        crossed_ticker(r, names) if faults.lasting(K.CROSSED_BOOK, r["symbol"]) else r for r in rows
    ]
    return rows if isinstance(body, list) else rows[0]


def _listing_body(body: Any, fields: Mapping[str, str], faults: Faults) -> Any:
    return shaped_listing(body, faults)


def _algos_body(body: Any, fields: Mapping[str, str], faults: Faults) -> Any:
    return without_vanished(body, faults)


SHAPERS: Mapping[str, Shaper] = {
    "GET /fapi/v1/klines": _klines_body,
    "GET /fapi/v1/depth": _depth_body,
    "GET /fapi/v1/ticker/bookTicker": _ticker_body,
    "GET /fapi/v1/exchangeInfo": _listing_body,
    "GET /fapi/v1/openAlgoOrders": _algos_body,
}
"""Answers that lasting faults change, by endpoint."""
