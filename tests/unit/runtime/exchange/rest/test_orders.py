from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.runtime.exchange.rest.asking import Asker, digest, order, run


def _algo(**params: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET",
        "quantity": "0.1", "triggerPrice": "15000", "reduceOnly": "true",
    }  # fmt: skip
    return {k: v for k, v in (found | params).items() if v is not None}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, 0),
        ({"reduceOnly": "false", "positionSide": "BOTH", "newOrderRespType": "RESULT"}, 0),
        ({"stopLoss": "{'triggerPrice': 95}"}, -1104),
        ({"symbol": "XXUSDT"}, -1121),
        ({"symbol": None}, -1102),
        ({"symbol": "btcusdt"}, -1100),
        ({"side": "HOLD"}, -1117),
        ({"type": "ICEBERG"}, -1116),
        ({"type": "LIQUIDATION"}, -1116),
        ({"type": "STOP_MARKET", "stopPrice": "100"}, -4120),
        ({"quantity": None}, -1102),
        ({"quantity": ""}, -1105),
        ({"quantity": "1e-3"}, -1100),
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.001"}, 0),
        ({"symbol": "ETHUSDT", "quantity": "0.001"}, -4164),
        ({"quantity": "900000"}, -2019),
        ({"price": "1"}, -1106),
        ({"timeInForce": "GTC"}, -1106),
        ({"stopPrice": "1"}, -1106),
        ({"closePosition": "true"}, -1106),
        ({"reduceOnly": "yes"}, -1102),
        ({"reduceOnly": "true", "side": "SELL"}, -2022),
        ({"positionSide": "LONG"}, -4061),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "a b"}, -1100),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"type": "LIMIT", "price": "15000"}, -1102),
        ({"type": "LIMIT", "timeInForce": "GTC"}, -1102),
        ({"type": "LIMIT", "price": "15000", "timeInForce": "GTD"}, -1115),
        ({"type": "LIMIT", "price": "15000", "timeInForce": "GTC"}, 0),
        ({"type": "LIMIT", "price": "15000.001", "timeInForce": "GTC"}, -1111),
        ({"type": "LIMIT", "price": "999999999", "timeInForce": "GTC"}, -4002),
        ({"type": "LIMIT", "price": "30000", "timeInForce": "GTC"}, -4016),
        ({"type": "LIMIT", "price": "26000", "timeInForce": "GTX"}, -5022),
    ],
)
def test_orders_are_taken_or_refused_with_the_true_code(params: dict[str, Any], code: int) -> None:
    async def work(a: Asker) -> None:
        before = digest(a.session)
        assert await a.code("POST", "v1/order/test", **order(**params)) in (
            0 if code in (-2019, -2022, -5022) else code,
        )
        assert digest(a.session) == before
        assert await a.code("POST", "v1/order", **order(**params)) == code
        assert (digest(a.session) == before) == (code != 0)

    run(work)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, 0),
        ({"algoType": "TWAP"}, -1130),
        ({"algoType": None}, -1102),
        ({"type": "MARKET"}, -1116),
        ({"triggerPrice": None}, -1102),
        ({"triggerPrice": "0"}, -4006),
        ({"triggerPrice": "26000"}, -2021),
        ({"quantity": None}, -1102),
        ({"quantity": None, "reduceOnly": None, "closePosition": "true"}, 0),
        ({"reduceOnly": None, "closePosition": "true"}, -4137),
        ({"quantity": None, "closePosition": "true"}, -1106),
        ({"type": "STOP", "price": "14900", "quantity": None, "closePosition": "true"}, -4136),
        ({"price": "15000"}, -1106),
        ({"callbackRate": "1"}, -1106),
        ({"type": "TAKE_PROFIT_MARKET", "triggerPrice": "28000"}, 0),
        ({"type": "STOP"}, -1102),
        ({"type": "STOP", "price": "14900", "timeInForce": "IOC"}, 0),
        ({"type": "TRAILING_STOP_MARKET"}, -1106),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None}, -1102),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "11"}, -2007),
        ({"type": "TRAILING_STOP_MARKET", "triggerPrice": None, "callbackRate": "1.5"}, 0),
        ({"workingType": "INDEX_PRICE"}, -1130),
        ({"symbol": "ETHUSDT", "triggerPrice": "500", "quantity": "0.001", "reduceOnly": "false"},
         -4164),
        ({"stopPrice": "15000"}, -1104),
    ],
)  # fmt: skip
def test_conditional_orders(params: dict[str, Any], code: int) -> None:
    async def work(a: Asker) -> None:
        before = digest(a.session)
        assert await a.code("POST", "v1/algoOrder", **_algo(**params)) == code
        assert (digest(a.session) == before) == (code != 0)

    run(work)


def test_a_batch_takes_each_order_by_itself_and_in_order() -> None:
    async def work(a: Asker) -> None:
        resting = order(type="LIMIT", price="15000", timeInForce="GTC", newClientOrderId="b1")
        batch = json.dumps([resting, resting, {"symbol": "BTCUSDT"}, 5, order(quantity=0.2)])
        rows = await a.ask("POST", "v1/batchOrders", batchOrders=batch)
        assert [row.get("code", 0) for row in rows] == [0, -4116, -1102, -1130, 0]
        assert rows[4]["executedQty"] == "0.200"
        assert rows[0]["orderId"] < rows[4]["orderId"]

    run(work)


@pytest.mark.parametrize("batch", ["", "[", "{}", "null", "[]", "[1,2,3,4,5,6]", "[" * 9_000, "x"])
def test_batches_that_are_none(batch: str) -> None:
    async def work(a: Asker) -> None:
        before = digest(a.session)
        assert await a.code("POST", "v1/batchOrders", batchOrders=batch) in (-1130, -4082, -1105)
        assert digest(a.session) == before

    run(work)


def test_numbers_in_a_batch_stay_exact() -> None:
    async def work(a: Asker) -> None:
        text = (
            '[{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":0.10000000000000000001}]'
        )
        rows = await a.ask("POST", "v1/batchOrders", batchOrders=text)
        assert rows[0]["code"] == -1111

    run(work)


def test_acknowledgements_tell_no_fill() -> None:
    async def work(a: Asker) -> None:
        told = await a.order(newOrderRespType="ACK")
        assert (told["status"], told["executedQty"], told["cumQuote"]) == (
            "NEW",
            "0.000",
            "0.00000000",
        )
        found = await a.ask("GET", "v1/order", symbol="BTCUSDT", orderId=told["orderId"])
        assert (found["status"], found["executedQty"]) == ("FILLED", "0.100")

    run(work)


def test_amending_cancelling_and_asking() -> None:
    async def work(a: Asker) -> None:
        base = {"symbol": "BTCUSDT"}
        await a.order(type="LIMIT", price="15000", timeInForce="GTC", newClientOrderId="one")
        one = {**base, "origClientOrderId": "one"}
        changed = {**one, "side": "BUY", "quantity": "0.3", "price": "15000.5"}
        assert (await a.ask("PUT", "v1/order", **changed))["origQty"] == "0.300"
        assert await a.code("PUT", "v1/order", **changed) == -5027
        for wrong, code in (
            ({"price": "0"}, -4013),
            ({"side": "SELL"}, -1130),
            ({"quantity": "0.001", "price": "1000"}, -4164),
            ({"origClientOrderId": "none"}, -2013),
            ({"price": "30000"}, -4016),
        ):
            assert await a.code("PUT", "v1/order", **{**changed, **wrong}) == code
        assert (await a.ask("GET", "v1/openOrder", **one))["price"] == "15000.50"
        assert len(await a.ask("GET", "v1/openOrders", **base)) == 2
        assert await a.code("GET", "v1/order", **base) == -1102
        assert await a.code("DELETE", "v1/order", **base, orderId=99) == -2011
        assert await a.code("GET", "v1/order", **base, orderId=99) == -2013
        assert (await a.ask("DELETE", "v1/order", **one))["status"] == "CANCELED"
        assert await a.code("DELETE", "v1/order", **one) == -2011
        assert await a.code("GET", "v1/openOrder", **one) == -2013
        rows = await a.ask("DELETE", "v1/batchOrders", **base, orderIdList="[1,77]")
        assert [row.get("code", row.get("status")) for row in rows] == ["CANCELED", -2011]
        assert await a.code("DELETE", "v1/batchOrders", **base, orderIdList='[1,{"a":2}]') == -1130
        assert await a.code("DELETE", "v1/batchOrders", **base) == -1102

    run(work)


def test_conditional_orders_are_asked_for_and_cancelled_by_themselves() -> None:
    async def work(a: Asker) -> None:
        placed = await a.ask("POST", "v1/algoOrder", **_algo(clientAlgoId="s1"))
        assert placed["algoStatus"] == "NEW"
        assert await a.ask("GET", "v1/openOrders") == await a.ask("GET", "v1/openOrders")
        assert [x["clientAlgoId"] for x in await a.ask("GET", "v1/openAlgoOrders")] == ["s1"]
        assert await a.code("DELETE", "v1/allOpenOrders", symbol="BTCUSDT") == 0
        assert len(await a.ask("GET", "v1/openAlgoOrders", symbol="BTCUSDT")) == 1
        done = await a.ask("DELETE", "v1/algoOrder", clientAlgoId="s1")
        assert (done["code"], done["algoId"]) == ("200", placed["algoId"])
        assert await a.code("DELETE", "v1/algoOrder", algoId=placed["algoId"]) == -2011
        assert (await a.ask("GET", "v1/algoOrder", clientAlgoId="s1"))["algoStatus"] == "CANCELED"
        assert len(await a.ask("GET", "v1/allAlgoOrders", symbol="BTCUSDT")) == 1
        assert await a.code("DELETE", "v1/algoOpenOrders", symbol="BTCUSDT") == 0

    run(work)


def test_hedge_mode_takes_no_orders() -> None:
    async def work(a: Asker) -> None:
        assert await a.code("POST", "v1/positionSide/dual", dualSidePosition="true") == -4068
        await a.ask("DELETE", "v1/allOpenOrders", symbol="BTCUSDT")
        assert await a.code("POST", "v1/positionSide/dual", dualSidePosition="true") == 0
        assert (await a.ask("GET", "v1/positionSide/dual"))["dualSidePosition"] is True
        assert (await a.order())["code"] == -4061
        assert (await a.order(positionSide="LONG"))["code"] == -4061

    run(work)


def test_triggers_callbacks_and_prices_arrive_exactly() -> None:
    async def work(a: Asker) -> None:
        await a.ask("POST", "v1/algoOrder", **_algo(workingType="MARK_PRICE", priceProtect="true"))
        trailing = {"type": "TRAILING_STOP_MARKET", "triggerPrice": None}
        trailing |= {"callbackRate": "1.5", "activatePrice": "28000.07"}
        body = await a.ask("POST", "v1/algoOrder", **_algo(**trailing))
        limit = {"type": "STOP", "price": "14900.03", "timeInForce": "IOC"}
        await a.ask("POST", "v1/algoOrder", **_algo(**limit))
        stop, trail, capped = a.session.state.algos.values()
        assert (stop.on_mark, stop.price_protect, stop.trigger_ticks) == (True, True, 1_500_000)
        assert (trail.callback_frac, trail.activation_ticks) == (0.015, 2_800_007)
        assert (body["callbackRate"], body["activatePrice"]) == ("1.5", "28000.07")
        assert (capped.price_ticks, capped.time_in_force.value) == (1_490_003, "IOC")
        assert (capped.on_mark, capped.reduce_only, capped.side) == (False, True, -1)

    run(work)
