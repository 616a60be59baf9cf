"""The control API: lockstep, faults and a look inside; bad requests are told what to mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.exchange.commands import Place, PlaceAlgo
from runtime.exchange.orders import BUY, SELL, AlgoRequest, OrderRequest, OrderType
from runtime.exchange.session import ExchangeSession
from tests.unit.runtime.exchange.cases import digest
from tests.unit.runtime.exchange.live import (
    SMALL,
    arm,
    control,
    http,
    live,
    run,
    state_file,
    user_stream,
)

BUY_ONE = Place(OrderRequest("in", "BTCUSDT", BUY, OrderType.MARKET, 10))


def test_lockstep_goes_from_close_to_close_until_something_is_open() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange:
            _, first = await control(exchange, "GET", "state")
            _, reply = await control(exchange, "POST", "advance", vertices=2)
            assert (reply["vertex"], reply["now"]) == ("close", first["now"] + 2 * 3_600_000)
            assert [k["symbol"] for k in reply["klines"]] == ["BTCUSDT", "ETHUSDT"] * 2
            assert reply["klines"][-1]["close"] == reply["prices"]["ETHUSDT"]["last"]
            assert (reply["positions"], reply["events"]) == ([], [])
            await exchange.session.submit(BUY_ONE)
            _, reply = await control(exchange, "POST", "advance")
            assert (reply["vertex"], reply["klines"]) == ("open", [])
            (position,) = reply["positions"]
            assert (position["s"], position["pa"]) == ("BTCUSDT", "0.010")
            kinds = [(e["e"], e.get("o", {}).get("x")) for e in reply["events"]]
            assert kinds == [("ORDER_TRADE_UPDATE", "TRADE"), ("ACCOUNT_UPDATE", None)]
            assert float(reply["wallet"]) < 10_000
            _, state = await control(exchange, "GET", "state")
            assert state["number"] == reply["number"]
            assert state["counts"] == {"orders": 1, "algos": 0, "trades": 1, "income": 1}

    run(work())


def test_lockstep_says_when_the_data_ends() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange:
            _, reply = await control(exchange, "POST", "advance", vertices=100_000)
            assert reply["ended"] is True
            _, again = await control(exchange, "POST", "advance")
            assert (again["ended"], again["klines"], again["now"]) == (True, [], reply["now"])

    run(work())


def test_timed_mode_refuses_to_be_advanced() -> None:
    async def work() -> None:
        async with live() as exchange:
            status, reply = await control(exchange, "POST", "advance")
            assert status == 400
            assert "lockstep" in reply["error"]

    run(work())


BAD: list[tuple[str, dict[str, Any], int, str]] = [
    ("faults", {"kind": "fire"}, 400, "kind"),
    ("faults", {"kind": "empty", "colour": 1}, 400, "colour"),
    ("faults", {"kind": "empty", "count": 0}, 400, "count"),
    ("faults", {"kind": "empty", "probability": 2}, 400, "probability"),
    ("faults", {"kind": "delay_after"}, 400, "seconds"),
    ("faults", {"kind": "refuse", "code": 5}, 400, "code"),
    ("faults", {"kind": "liquidate"}, 400, "symbol"),
    ("faults", {"kind": "delist", "symbol": "XRPUSDT"}, 409, "Invalid symbol"),
    ("faults", {"kind": "set_leverage", "symbol": "BTCUSDT", "value": 999}, 409, "Leverage"),
    ("schedule", {"seed": 1}, 400, "rate"),
    ("schedule", {"rate": 0.1, "kinds": ["fire"]}, 400, "fire"),
    ("advance", {"vertices": 0}, 400, "vertices"),
    ("advance", {"vertices": 10**9}, 400, "vertices"),
    ("price", {"symbol": "BTCUSDT", "price": -1}, 400, "price"),
    ("price", {"symbol": "XRPUSDT", "price": 1}, 409, "Invalid symbol"),
    ("price", {"symbol": "BTCUSDT", "price": 1e-9}, 400, "tick"),
    ("nothing", {}, 404, "Not Found"),
]


def test_bad_requests_say_what_is_wrong_and_change_nothing() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange:
            before = digest(exchange.session.state)
            for path, body, status, text in BAD:
                found, reply = await control(exchange, "POST", path, **body)
                assert (found, text in reply["error"]) == (status, True), (path, body, reply)
            async with http(exchange.addresses.control) as client:
                for data, headers in (
                    (b"{", {"Content-Type": "application/json"}),
                    (b"[1]", {"Content-Type": "application/json"}),
                    (b'{"vertices":1}', {"Content-Type": "text/plain"}),
                ):
                    async with client.post("/control/advance", data=data, headers=headers) as reply:
                        assert reply.status == 400
                        assert "error" in await reply.json()
                big = b'{"body":"' + b"x" * 300_000 + b'"}'
                headers = {"Content-Type": "application/json"}
                async with client.post("/control/faults", data=big, headers=headers) as reply:
                    assert reply.status == 413
                async with client.delete("/control/faults/77") as reply:
                    assert (reply.status, await reply.json()) == (
                        404, {"error": "no fault 77 is armed"},
                    )  # fmt: skip
            assert digest(exchange.session.state) == before
            assert not exchange.faults.active

    run(work())


def test_faults_are_listed_and_removed() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange:
            first = await arm(exchange, "drop_after", endpoint="POST */order", count=3)
            await arm(exchange, "skew", value=500.0)
            assert (first["id"], first["left"], first["kind"]) == (1, 3, "drop_after")
            _, schedule = await control(exchange, "POST", "schedule", seed=3, rate=0.0)
            assert "mute" in schedule["kinds"]
            _, listed = await control(exchange, "GET", "faults")
            assert [f["kind"] for f in listed["faults"]] == ["drop_after", "skew"]
            assert listed["schedule"] == {"seed": 3, "rate": 0.0}
            assert (await control(exchange, "DELETE", "faults/1"))[1] == {"removed": 1}
            assert (await control(exchange, "DELETE", "schedule"))[1] == {"schedule": None}
            assert (await control(exchange, "DELETE", "faults"))[1] == {"removed": 1}
            assert not exchange.faults.active
            _, kinds = await control(exchange, "GET", "kinds")
            assert kinds["drop_after"].startswith("carry the request out")

    run(work())


def test_a_price_that_jumps_triggers_a_stop_and_is_journalled(tmp_path: Path) -> None:
    async def work() -> str:
        async with (
            live(speed="lockstep", state=state_file(tmp_path)) as exchange,
            user_stream(exchange) as user,
        ):
            session = exchange.session
            await session.submit(BUY_ONE)
            await session.advance()
            price = session.state.quotes["BTCUSDT"].last_ticks
            stop = AlgoRequest(
                "stop", "BTCUSDT", SELL, OrderType.STOP_MARKET, 10, price - 2_000, reduce_only=True
            )
            await session.submit(PlaceAlgo(stop))
            done = await arm(exchange, "price_gap", symbol="BTCUSDT", value=-0.03)
            assert done["done"]["price_ticks"] == round(price * 0.97)
            assert not session.state.holdings
            filled = await user.until(lambda m: m.get("o", {}).get("R") and "n" in m["o"])
            assert float(filled["o"]["L"]) <= price * 0.97 * 0.01 + 0.01
            await session.advance(3)
            return digest(session.state)

    before = run(work())

    async def again() -> str:
        session = ExchangeSession.open(
            SMALL.__class__(**{**vars(SMALL), "speed": "lockstep", "state": state_file(tmp_path)})
        )
        found = digest(session.state)
        await session.close()
        return found

    assert run(again()) == before


@pytest.mark.parametrize("kind", ["liquidate", "close_externally"])
def test_positions_end_by_others(kind: str) -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, user_stream(exchange) as user:
            await exchange.session.submit(BUY_ONE)
            await exchange.session.advance()
            await arm(exchange, kind, symbol="BTCUSDT")
            assert not exchange.session.state.holdings
            name = "autoclose-" if kind == "liquidate" else "web_"
            heard = await user.until(lambda m: m.get("o", {}).get("c", "").startswith(name))
            assert heard["o"]["S"] == "SELL"

    run(work())


def test_a_triggered_stop_is_not_a_fill() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, user_stream(exchange) as user:
            session = exchange.session
            await session.submit(BUY_ONE)
            await session.advance()
            price = session.state.quotes["BTCUSDT"].last_ticks
            for name, below in (("one", 1_000), ("two", 20_000)):
                stop = AlgoRequest(
                    name, "BTCUSDT", SELL, OrderType.STOP_MARKET, 10, price - below,
                    reduce_only=True,
                )  # fmt: skip
                await session.submit(PlaceAlgo(stop))
            await arm(exchange, "refuse_child", symbol="BTCUSDT")
            await arm(exchange, "price_gap", symbol="BTCUSDT", value=-0.0005)
            await arm(exchange, "price_gap", symbol="BTCUSDT", value=-0.001)
            told = [
                (await user.until(lambda m: m.get("o", {}).get("caid") == "one"))["o"]["X"]
                for _ in range(3)
            ]
            assert told == ["NEW", "TRIGGERED", "FINISHED"]
            child = session.state.orders[session.state.algos[1].child_id]
            assert (child.status, child.filled_steps) == ("EXPIRED", 0)
            assert "BTCUSDT" in session.state.holdings
            await arm(exchange, "price_gap", symbol="BTCUSDT", value=-0.05)
            assert "BTCUSDT" not in session.state.holdings

    run(work())


def test_account_settings_change_behind_the_back() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange:
            await arm(exchange, "set_leverage", symbol="BTCUSDT", value=33)
            await arm(exchange, "set_margin_type", symbol="BTCUSDT")
            await arm(exchange, "set_position_mode", value=1)
            state = exchange.session.state
            assert (state.leverage["BTCUSDT"], state.isolated["BTCUSDT"]) == (33, False)
            assert exchange.session.modes.dual is True

    run(work())
