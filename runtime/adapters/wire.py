"""From the dialect's texts to whole ticks, steps and units, exactly: no float ever holds money."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from envs.core.errors import QuantumTraderError
from envs.core.instrument import Bracket, Instrument
from envs.core.types import UNITS_PER_QUOTE
from runtime.port_values import (
    Balance,
    Fill,
    IncomeRow,
    OrderStatus,
    OrderView,
    Position,
    TriggerStatus,
    TriggerView,
)

Body = Mapping[str, Any]
Instruments = Mapping[str, Instrument]
_ORDER_STATUS = {
    **{s.value: s for s in OrderStatus},
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "PENDING_CANCEL": OrderStatus.PARTIALLY_FILLED,
    "NEW_INSURANCE": OrderStatus.NEW,
    "NEW_ADL": OrderStatus.NEW,
}
_SIDES = {"BUY": 1, "SELL": -1}


class UnreadableAnswer(QuantumTraderError):
    """The venue's answer lacks a field or holds a number that cannot be booked exactly."""


def exact(body: Body, name: str, default: str | None = None) -> Fraction:
    """A number of a body, as a fraction.

    Raises:
        UnreadableAnswer: Missing, not a text or whole number, or not a number.
    """
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UnreadableAnswer(f"{name}: a decimal text is needed, got {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise UnreadableAnswer(f"{name}: not a number: {value!r}") from error
    if not number.is_finite():
        raise UnreadableAnswer(f"{name}: not a finite number: {value!r}")
    return Fraction(number)


def whole(body: Body, name: str, default: int | None = None) -> int:
    """A whole number of a body."""
    value = body.get(name, default)
    if value == "" and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UnreadableAnswer(f"{name}: a whole number is needed, got {value!r}")
    try:
        return int(value)
    except ValueError as error:
        raise UnreadableAnswer(f"{name}: not a whole number: {value!r}") from error


def words(body: Body, name: str, default: str | None = None) -> str:
    """A text of a body."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise UnreadableAnswer(f"{name}: a text is needed, got {value!r}")
    return value


def units(body: Body, name: str, default: str | None = None) -> int:
    """An amount in units of 1e-8; finer digits, which no wallet holds, are refused."""
    return _whole(exact(body, name, default) * UNITS_PER_QUOTE, name, body)


def rounded_units(body: Body, name: str, default: str | None = None) -> int:
    """An amount the venue computes at mark, to the nearest unit: shown, never booked."""
    return round(exact(body, name, default) * UNITS_PER_QUOTE)


def steps(body: Body, name: str, instrument: Instrument, default: str | None = None) -> int:
    """A quantity in whole steps."""
    return _whole(exact(body, name, default) / instrument.step, name, body)


def ticks(body: Body, name: str, instrument: Instrument, default: str | None = None) -> int:
    """A price in ticks; to the nearest, because the tick may have changed since."""
    return round(exact(body, name, default) / instrument.tick)


def side(body: Body, name: str = "side") -> int:
    """+1 for BUY, -1 for SELL."""
    try:
        return _SIDES[words(body, name)]
    except KeyError as error:
        raise UnreadableAnswer(f"{name}: BUY or SELL, got {body.get(name)!r}") from error


def text_of(count: int, unit: Fraction) -> str:
    """A count of ticks or steps as the shortest exact decimal text.

    Raises:
        UnreadableAnswer: The unit has no finite decimal form.
    """
    value = count * unit
    decimals = 0
    while (10**decimals) % value.denominator:
        decimals += 1
        if decimals > 20:
            raise UnreadableAnswer(f"{unit}: no finite decimal form")
    digits = value.numerator * 10**decimals // value.denominator
    if decimals == 0:
        return str(digits)
    sign, digits = ("-", -digits) if digits < 0 else ("", digits)
    return f"{sign}{digits // 10**decimals}.{digits % 10**decimals:0{decimals}d}"


def instrument_of(body: Body, brackets: tuple[Bracket, ...] | None) -> Instrument:
    """A contract of exchangeInfo."""
    filters = {f["filterType"]: f for f in body["filters"]}
    symbol = words(body, "symbol")
    least = exact(filters.get("MIN_NOTIONAL", {}), "notional", "0")
    tick = exact(filters["PRICE_FILTER"], "tickSize")
    step = exact(filters["LOT_SIZE"], "stepSize")
    made = Instrument(symbol, tick, step, float(least))
    return made if brackets is None else Instrument(symbol, tick, step, float(least), brackets)


def brackets_of(body: Body) -> tuple[Bracket, ...]:
    """Margin tiers of a contract, ascending."""
    rows = sorted(body["brackets"], key=lambda row: float(row["notionalCap"]))
    return tuple(
        Bracket(float(r["notionalCap"]), float(r["maintMarginRatio"]), float(r.get("cum", 0.0)))
        for r in rows
    )


def order_view(body: Body, instrument: Instrument) -> OrderView:
    """An order of a REST answer."""
    order_id = whole(body, "orderId")
    status = _order_status(words(body, "status"))
    return OrderView(
        words(body, "clientOrderId"), order_id, instrument.symbol, side(body),
        words(body, "origType", words(body, "type")), status,
        steps(body, "origQty", instrument), steps(body, "executedQty", instrument),
        rounded_units(body, "cumQuote", "0"), ticks(body, "price", instrument, "0"),
        body.get("reduceOnly") is True, whole(body, "updateTime"),
    )  # fmt: skip


def trigger_view(body: Body, instrument: Instrument) -> TriggerView:
    """A conditional order of a REST answer."""
    return TriggerView(
        words(body, "clientAlgoId"), whole(body, "algoId"), instrument.symbol, side(body),
        words(body, "orderType"), _trigger_status(words(body, "algoStatus")),
        steps(body, "quantity", instrument, "0"), ticks(body, "triggerPrice", instrument, "0"),
        body.get("reduceOnly") is True, body.get("workingType") == "MARK_PRICE",
        whole(body, "actualOrderId", 0), whole(body, "updateTime"),
    )  # fmt: skip


def fill_of(body: Body, instrument: Instrument) -> Fill:
    """A row of userTrades."""
    price = ticks(body, "price", instrument)
    quantity = steps(body, "qty", instrument)
    quote = units(body, "quoteQty") if "quoteQty" in body else _quote(price, quantity, instrument)
    return Fill(
        whole(body, "id"), whole(body, "orderId"), instrument.symbol, side(body), quantity, price,
        quote, units(body, "commission", "0"), words(body, "commissionAsset", "USDT"),
        units(body, "realizedPnl", "0"), body.get("maker") is True, whole(body, "time"),
    )  # fmt: skip


def income_row(body: Body) -> IncomeRow:
    """A row of the income history."""
    return IncomeRow(
        whole(body, "tranId"), words(body, "incomeType"), words(body, "symbol", ""),
        words(body, "asset", "USDT"), units(body, "income"), whole(body, "time"),
        whole(body, "tradeId", 0), str(body.get("info", "")),
    )  # fmt: skip


def position_of(body: Body, instrument: Instrument) -> Position:
    """A row of positionRisk; flat rows have 0 steps."""
    return Position(
        instrument.symbol, steps(body, "positionAmt", instrument), _decimal(body, "entryPrice"),
        _decimal(body, "markPrice"), _decimal(body, "liquidationPrice"),
        rounded_units(body, "isolatedWallet", "0"), rounded_units(body, "unRealizedProfit", "0"),
        whole(body, "updateTime", 0),
    )  # fmt: skip


def balance_of(body: Body, asset: str = "USDT") -> Balance:
    """The margin asset of the account."""
    for row in body.get("assets", ()):
        if row.get("asset") == asset:
            return Balance(
                asset, units(row, "walletBalance"), rounded_units(row, "marginBalance"),
                rounded_units(row, "availableBalance"),
            )  # fmt: skip
    raise UnreadableAnswer(f"account: no asset {asset}")


def stream_order(o: Body, instrument: Instrument) -> OrderView:
    """The order of an ORDER_TRADE_UPDATE."""
    filled = steps(o, "z", instrument)
    value = exact(o, "ap", "0") * filled * instrument.step * UNITS_PER_QUOTE
    return OrderView(
        words(o, "c"), whole(o, "i"), instrument.symbol, side(o, "S"),
        words(o, "ot", words(o, "o")), _order_status(words(o, "X")),
        steps(o, "q", instrument), filled, round(value),
        ticks(o, "p", instrument, "0"), o.get("R") is True, whole(o, "T"),
    )  # fmt: skip


def stream_fill(o: Body, instrument: Instrument) -> Fill | None:
    """The fill of an ORDER_TRADE_UPDATE, None where nothing was filled."""
    trade_id, quantity = whole(o, "t", 0), steps(o, "l", instrument, "0")
    if trade_id <= 0 or quantity == 0:
        return None
    price = ticks(o, "L", instrument)
    return Fill(
        trade_id, whole(o, "i"), instrument.symbol, side(o, "S"), quantity, price,
        _quote(price, quantity, instrument), units(o, "n", "0"), words(o, "N", "USDT"),
        units(o, "rp", "0"), o.get("m") is True, whole(o, "T"),
    )  # fmt: skip


def stream_trigger(o: Body, instrument: Instrument, time_ms: int) -> TriggerView:
    """The conditional order of an ALGO_UPDATE."""
    return TriggerView(
        words(o, "caid"), whole(o, "aid"), instrument.symbol, side(o, "S"), words(o, "o"),
        _trigger_status(words(o, "X")), steps(o, "q", instrument, "0"),
        ticks(o, "tp", instrument, "0"), o.get("R") is True, o.get("wt") == "MARK_PRICE",
        whole(o, "ai", 0), time_ms, words(o, "rm", ""),
    )  # fmt: skip


def _quote(price_ticks: int, qty_steps: int, instrument: Instrument) -> int:
    return round(price_ticks * instrument.tick * qty_steps * instrument.step * UNITS_PER_QUOTE)


def _whole(value: Fraction, name: str, body: Body) -> int:
    if value.denominator != 1:
        raise UnreadableAnswer(f"{name}: {body.get(name)!r} is finer than what is booked")
    return value.numerator


def _decimal(body: Body, name: str) -> Decimal:
    exact(body, name, "0")
    return Decimal(str(body.get(name, "0")))


def _order_status(text: str) -> OrderStatus:
    if text not in _ORDER_STATUS:
        raise UnreadableAnswer(f"status: not known: {text!r}")
    return _ORDER_STATUS[text]


def _trigger_status(text: str) -> TriggerStatus:
    try:
        return TriggerStatus(text)
    except ValueError as error:
        raise UnreadableAnswer(f"algoStatus: not known: {text!r}") from error
