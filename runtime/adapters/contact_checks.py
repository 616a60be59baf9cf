"""The checks of a first contact: every point the contract could not settle, and what we rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.adapters import wire
from runtime.adapters.contact import Contact, Finding, Match
from runtime.port_values import Purpose

COUNTDOWN_MS = 5_000
HEAR_S = 5.0
M = Match


@dataclass(frozen=True)
class Check:
    """One question; ``open_`` marks those that only the real venue can answer."""

    name: str
    expected: str
    run: Callable[[Contact], Awaitable[Finding]]
    open_: bool = False


def agrees(holds: bool, seen: str) -> Finding:
    """A finding against what the contract says."""
    return Finding(M.AGREES if holds else M.DIFFERS, seen)


def lacking(body: Any, names: Sequence[str]) -> list[str]:
    """Fields that a body, or any row of it, does not have."""
    rows = body if isinstance(body, list) else [body]
    return sorted(
        {n for row in rows for n in names if not isinstance(row, Mapping) or n not in row}
    )


async def _clock(c: Contact) -> Finding:
    offset = await c.link.measure_offset()
    return agrees(abs(offset) < 5_000, f"this machine is {offset} ms ahead")


async def _filters(c: Contact) -> Finding:
    one = c.instrument
    return agrees(
        one.min_notional_quote > 0.0,
        f"tick {one.tick}, step {one.step}, least notional {one.min_notional_quote:g}",
    )


async def _modes(c: Contact) -> Finding:
    dual = await c.ask("fapiPrivateGetPositionSideDual")
    config = await c.ask("fapiPrivateGetSymbolConfig", symbol=c.symbol)
    missing = lacking(config, ("symbol", "marginType", "leverage"))
    return agrees(
        dual.get("dualSidePosition") is False and not missing,
        f"hedge mode {dual.get('dualSidePosition')}, lacking {missing or 'nothing'}",
    )


async def _isolated(c: Contact) -> Finding:
    first = await c.code("fapiPrivatePostMarginType", symbol=c.symbol, marginType="ISOLATED")
    again = await c.code("fapiPrivatePostMarginType", symbol=c.symbol, marginType="ISOLATED")
    leverage = await c.code("fapiPrivatePostLeverage", symbol=c.symbol, leverage="2")
    return agrees(
        first in (0, -4046) and again == -4046 and leverage == 0,
        f"first {first}, again {again}, leverage {leverage}",
    )


async def _flat(c: Contact) -> Finding:
    await c.flatten()
    risk = await c.ask("fapiPrivateV3GetPositionRisk")
    rows = [row for row in risk if row["symbol"] == c.symbol]
    account = await c.ask("fapiPrivateV3GetAccount")
    listed = [row for row in account["positions"] if row["symbol"] == c.symbol]
    lists = f"positionRisk lists {len(rows)} rows for it, account {len(listed)}"
    missing = lacking(account, ("assets", "positions")) + lacking(
        account["assets"], ("asset", "walletBalance", "marginBalance", "availableBalance")
    )
    return agrees(not missing, f"{lists}; lacking {missing or 'nothing'}")


async def _order(c: Contact) -> Finding:
    body = await c.market("BUY", await c.least())
    wanted = ("orderId", "clientOrderId", "status", "executedQty", "cumQuote", "origQty", "side",
              "type", "origType", "reduceOnly", "price", "updateTime")  # fmt: skip
    query = await c.ask(
        "fapiPrivateGetOrder", symbol=c.symbol, origClientOrderId=body["clientOrderId"]
    )
    missing = lacking([body, query], wanted)
    wire.order_view(query, c.instrument)
    return agrees(
        not missing and body["status"] == "FILLED",
        f"status {body['status']}, lacking {missing or 'nothing'}",
    )


async def _position(c: Contact) -> Finding:
    await c.long()
    rows = [r for r in await c.ask("fapiPrivateV3GetPositionRisk") if r["symbol"] == c.symbol]
    account = await c.ask("fapiPrivateV3GetAccount")
    held = [r for r in account["positions"] if r["symbol"] == c.symbol]
    wanted = ("positionAmt", "entryPrice", "markPrice", "liquidationPrice", "isolatedWallet",
              "unRealizedProfit", "updateTime", "positionSide")  # fmt: skip
    missing = lacking(rows, wanted) + lacking(held, ("positionAmt",))
    same = len(rows) == len(held) == 1 and (
        wire.exact(rows[0], "positionAmt") == wire.exact(held[0], "positionAmt")
    )
    return agrees(same and not missing, f"lacking {missing or 'nothing'}, both tell it: {same}")


async def _trades(c: Contact) -> Finding:
    rows = await c.ask("fapiPrivateGetUserTrades", symbol=c.symbol, limit=1000)
    last = max(wire.whole(row, "id") for row in rows)
    page = await c.ask("fapiPrivateGetUserTrades", symbol=c.symbol, fromId=last, limit=1000)
    fill = wire.fill_of(page[0], c.instrument)
    return agrees(
        fill.trade_id == last and len(page) == 1,
        f"fromId {last} tells {[r['id'] for r in page]}, fee in {fill.fee_asset}",
    )


async def _income(c: Contact) -> Finding:
    rows = await c.ask("fapiPrivateGetIncome", symbol=c.symbol, limit=100)
    parsed = [wire.income_row(row) for row in rows]
    kinds = sorted({r.kind for r in parsed})
    with_trade = [r for r in parsed if r.kind == "COMMISSION" and r.trade_id]
    return agrees(bool(with_trade), f"kinds {kinds}, {len(with_trade)} fees name their trade")


async def _reuse(c: Contact) -> Finding:
    name, steps = c.name(), await c.least()
    await c.market("BUY", steps, name)
    code = await c.code(
        "fapiPrivatePostOrder", symbol=c.symbol, side="BUY", type="MARKET",
        quantity=c.quantity(steps), newClientOrderId=name, newOrderRespType="RESULT",
    )  # fmt: skip
    told = "accepted a second time: an id protects open orders only" if code == 0 else f"{code}"
    return Finding(M.ANSWERED, told)


async def _duplicate(c: Contact) -> Finding:
    name = c.name()
    params = await c.limit_params(newClientOrderId=name)
    await c.ask("fapiPrivatePostOrder", **params)
    code = await c.code("fapiPrivatePostOrder", **params)
    await c.ask("fapiPrivateDeleteAllOpenOrders", symbol=c.symbol)
    return agrees(code == -4116, f"{code}")


async def _stops(c: Contact) -> Finding:
    steps = await c.long()
    first = await c.ask("fapiPrivatePostAlgoOrder", **await c.stop_params(steps))
    second = await c.code("fapiPrivatePostAlgoOrder", **await c.stop_params(steps))
    listed = len(await c.open_stops())
    plain = len(await c.open_orders())
    seen = await c.ask("fapiPrivateGetAlgoOrder", clientAlgoId=first["clientAlgoId"])
    view = wire.trigger_view(seen, c.instrument)
    await c.ask("fapiPrivateDeleteAlgoOrder", clientAlgoId=first["clientAlgoId"])
    after = await c.ask("fapiPrivateGetAlgoOrder", clientAlgoId=first["clientAlgoId"])
    await c.ask("fapiPrivateDeleteAlgoOpenOrders", symbol=c.symbol)
    good = (second, listed, plain, after["algoStatus"]) == (0, 2, 0, "CANCELED")
    return agrees(
        good and view.is_open and view.reduce_only,
        f"second stop {second}, {listed} in openAlgoOrders, {plain} in openOrders, cancelled one "
        f"is {after['algoStatus']}",
    )


async def _close_position(c: Contact) -> Finding:
    steps = await c.long()
    codes = []
    for _ in range(2):
        params = await c.stop_params(steps, closePosition="true")
        del params["quantity"], params["reduceOnly"]
        codes.append(await c.code("fapiPrivatePostAlgoOrder", **params))
    await c.ask("fapiPrivateDeleteAlgoOpenOrders", symbol=c.symbol)
    return Finding(M.ANSWERED, f"first {codes[0]}, second {codes[1]} (-4130: refused)")


async def _countdown(c: Contact) -> Finding:
    steps = await c.long()
    await c.limit()
    await c.ask("fapiPrivatePostAlgoOrder", **await c.stop_params(steps))
    await c.ask(
        "fapiPrivatePostCountdownCancelAll", symbol=c.symbol, countdownTime=str(COUNTDOWN_MS)
    )
    await c.link.clock.sleep(COUNTDOWN_MS / 1e3 + 2.0)
    orders, stops = len(await c.open_orders()), len(await c.open_stops())
    await c.ask("fapiPrivatePostCountdownCancelAll", symbol=c.symbol, countdownTime="0")
    kept = "keeps conditional orders" if stops else "CANCELS CONDITIONAL ORDERS: never arm it"
    return Finding(M.ANSWERED, f"{orders} orders and {stops} stops left: it {kept}")


async def _codes(c: Contact) -> Finding:
    await c.flatten()
    least, none = await c.least(), c.name()
    base = {"symbol": c.symbol, "side": "SELL", "type": "MARKET", "quantity": c.quantity(least)}
    one = wire.text_of(1, c.instrument.step)
    high = wire.text_of(int(await c.price_ticks() * 1.02), c.instrument.tick)
    wanted = {
        "cancel of an unknown order": (-2011, "fapiPrivateDeleteOrder",
                                       {"symbol": c.symbol, "origClientOrderId": none}),
        "query of an unknown order": (-2013, "fapiPrivateGetOrder",
                                      {"symbol": c.symbol, "origClientOrderId": none}),
        "reduce-only while flat": (-2022, "fapiPrivatePostOrder", base | {"reduceOnly": "true"}),
        "too small": (-4164, "fapiPrivatePostOrder", base | {"quantity": one}),
        "stop on the order endpoint": (-4120, "fapiPrivatePostOrder",
            base | {"type": "STOP_MARKET", "stopPrice": await c.far_price()}),
        "post-only that crosses": (-5022, "fapiPrivatePostOrder",
            base | {"side": "BUY", "type": "LIMIT", "timeInForce": "GTX", "price": high}),
    }  # fmt: skip
    if await c.price_ticks() * c.instrument.tick * c.instrument.step >= (
        c.instrument.min_notional_quote
    ):
        del wanted["too small"]  # One step is enough for this contract's least notional.
    seen = {what: await c.code(method, **params) for what, (_, method, params) in wanted.items()}
    wrong = [f"{w}: {seen[w]}, not {code}" for w, (code, _, _) in wanted.items() if seen[w] != code]
    return agrees(not wrong, "; ".join(wrong) or "all as the contract says")


async def _unknown_stop(c: Contact) -> Finding:
    none = c.name(Purpose.STOP)
    query = await c.code("fapiPrivateGetAlgoOrder", clientAlgoId=none)
    cancel = await c.code("fapiPrivateDeleteAlgoOrder", clientAlgoId=none)
    return agrees(
        query in (-2011, -2013) and cancel in (-2011, -2013), f"query {query}, cancel {cancel}"
    )


async def _streams(c: Contact) -> Finding:
    """Which paths tell of an order: those of ccxt, the older one, or both."""
    await c.flatten()
    key = (await c.ask("fapiPrivatePostListenKey"))["listenKey"]
    root = str(c.link.exchange.urls["api"]["ws"]["linear"]).removesuffix("/ws")
    told = {}
    paths = {"/private/ws?listenKey=": f"{root}/private/ws?listenKey={key}",
             "/ws/": f"{root}/ws/{key}"}  # fmt: skip
    for name, url in paths.items():
        told[name] = await _hears(c, url)
    current = c.link.exchange.get_private_ws_url("linear", key)
    return Finding(
        M.ANSWERED if any(told.values()) else M.DIFFERS,
        "; ".join(f"{n} {'tells' if t else 'is silent'}" for n, t in told.items())
        + f"; ccxt uses {current.removeprefix(root).partition('=')[0]}",
    )


async def _hears(c: Contact, url: str) -> bool:
    try:
        async with c.listening(url) as heard:
            await c.limit()
            await c.ask("fapiPrivateDeleteAllOpenOrders", symbol=c.symbol)
            for _ in range(int(HEAR_S / 0.1)):
                found = [m for m in heard if m.get("e") == "ORDER_TRADE_UPDATE"]
                if found:
                    c.bodies["ORDER_TRADE_UPDATE"] = found[-1]
                    return True
                await asyncio.sleep(0.1)
    except Exception:  # A refused path is an answer.
        return False
    return False


async def _events(c: Contact) -> Finding:
    """Fields of the account's messages that the adapter reads."""
    await c.flatten()
    key = (await c.ask("fapiPrivatePostListenKey"))["listenKey"]
    wanted = {"ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE"}
    async with c.listening(c.link.exchange.get_private_ws_url("linear", key)) as heard:
        steps = await c.long()
        await c.ask("fapiPrivatePostAlgoOrder", **await c.stop_params(steps))
        for _ in range(int(HEAR_S / 0.1)):
            if wanted <= {str(m.get("e")) for m in heard}:
                break
            await asyncio.sleep(0.1)
        await c.flatten()
    by_kind = {str(m.get("e")): m for m in heard}
    c.bodies |= by_kind
    problems = [f"{kind} not told" for kind in sorted(wanted - set(by_kind))]
    for message in heard:
        try:
            if message.get("e") == "ORDER_TRADE_UPDATE":
                wire.stream_order(message["o"], c.instrument)
                wire.stream_fill(message["o"], c.instrument)
            elif message.get("e") == "ALGO_UPDATE":
                wire.stream_trigger(message["o"], c.instrument, wire.whole(message, "T"))
        except (wire.UnreadableAnswer, KeyError) as error:
            problems.append(f"{message.get('e')}: {error}")
    others = sorted(set(by_kind) - wanted)
    return agrees(not problems, "; ".join(problems) or f"all read; also heard {others}")


CHECKS: tuple[Check, ...] = (
    Check("clock", "within 5 s of the venue", _clock),
    Check("filters", "tick, step and notional are told", _filters),
    Check("modes", "one-way; symbolConfig tells leverage and margin type", _modes),
    Check("isolated margin", "set; -4046 the second time", _isolated),
    Check("flat account", "a contract without a position may be missing", _flat),
    Check("private stream", "category path or the older one (open)", _streams, open_=True),
    Check("market order", "RESULT tells FILLED; found by client id", _order),
    Check("position", "positionRisk and account agree", _position),
    Check("trades from a number on", "fromId includes its number", _trades),
    Check("income", "fees name their trade", _income),
    Check("client id of a filled order", "perhaps accepted again (open)", _reuse, open_=True),
    Check("client id of an open order", "-4116", _duplicate),
    Check("reduce-only stops", "two may rest; seen by openAlgoOrders alone", _stops),
    Check("second closePosition stop", "perhaps -4130 (open)", _close_position, open_=True),
    Check("dead-man's switch", "perhaps keeps stops (open)", _countdown, open_=True),
    Check("refusals", "-2011 -2013 -2022 -4164 -4120 -5022", _codes),
    Check("unknown conditional order", "-2013 or -2011", _unknown_stop),
    Check("messages of the account", "every field the adapter reads", _events),
)
