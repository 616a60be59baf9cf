"""The registry of faults: what is aimed where, how often, and the same in every run."""

from __future__ import annotations

from typing import Any

import pytest

from envs.core.errors import FixInput
from runtime.exchange.fault_data import (
    crossed_depth,
    hides_kline,
    is_vanished,
    refusal_of,
    shaped_klines,
    shaped_listing,
    without_vanished,
)
from runtime.exchange.fault_help import FAULT_HELP
from runtime.exchange.fault_kinds import ACTS, MESSAGE_FAULTS, REQUEST_FAULTS, Fault, FaultKind
from runtime.exchange.fault_messages import poisoned
from runtime.exchange.fault_schedule import MESSAGE_DRAWS, REQUEST_DRAWS, Schedule
from runtime.exchange.faults import Faults
from tests.unit.runtime.exchange.cases import ManualClock

K = FaultKind
ORDER = "POST /fapi/v1/order"
FILTERS = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001"},
    {"filterType": "MIN_NOTIONAL", "notional": "5"},
]


@pytest.fixture
def clock() -> ManualClock:
    """A clock of the test's own."""
    return ManualClock()


@pytest.fixture
def faults(clock: ManualClock) -> Faults:
    """A registry with nothing armed."""
    return Faults(0, clock)


def happened(faults: Faults, endpoint: str = ORDER, symbol: str = "BTCUSDT") -> list[FaultKind]:
    """Kinds that happen to one request."""
    return [f.kind for f in faults.for_request(endpoint, symbol)]


def test_nothing_armed_is_inactive(faults: Faults) -> None:
    assert not faults.active
    assert faults.skew_ms == 0
    assert happened(faults) == []
    assert faults.for_message("user", "") == []


def test_counts_skips_and_targets(faults: Faults) -> None:
    faults.arm(Fault(K.DROP_AFTER, endpoint="POST */order", symbol="BTCUSDT", count=2, skip=1))
    assert happened(faults, "GET /fapi/v1/order") == []
    assert happened(faults, symbol="ETHUSDT") == []
    assert [happened(faults) for _ in range(4)] == [[], [K.DROP_AFTER], [K.DROP_AFTER], []]
    assert not faults.active
    assert faults.fired == {"drop_after": 2}


def test_until_removed(faults: Faults) -> None:
    armed = faults.arm(Fault(K.OVERLOADED, count=None))
    other = faults.arm(Fault(K.EMPTY, endpoint="GET *"))
    assert all(happened(faults) == [K.OVERLOADED] for _ in range(50))
    assert faults.listed() == [armed, other]
    assert (faults.disarm(armed.id), faults.disarm(armed.id)) == (1, 0)
    assert happened(faults) == []
    assert faults.disarm() == 1
    assert not faults.active


def test_probability_follows_the_seed(clock: ManualClock) -> None:
    def run(seed: int) -> list[bool]:
        faults = Faults(seed, clock)
        faults.arm(Fault(K.EMPTY, count=None, probability=0.3))
        return [bool(happened(faults)) for _ in range(500)]

    assert run(1) == run(1) != run(2)
    assert 100 < sum(run(1)) < 200


def test_lasting_faults_end_with_their_seconds(faults: Faults, clock: ManualClock) -> None:
    faults.arm(Fault(K.SKEW, value=30_000, seconds=5))
    faults.arm(Fault(K.SKEW, value=-1_000))
    faults.arm(Fault(K.BANNED, retry_after_s=3))
    assert faults.skew_ms == 29_000
    assert faults.ban_left_s() == 3.0
    clock.now_s += 4
    assert faults.ban_left_s() is None
    clock.now_s += 1
    assert faults.skew_ms == -1_000
    assert happened(faults) == []


def test_messages_by_stream_symbol_and_event(faults: Faults) -> None:
    faults.arm(Fault(K.MUTE, stream="btcusdt@kline*", count=1))
    faults.arm(Fault(K.DUPLICATE, stream="user", count=None))
    faults.arm(Fault(K.POISON, stream="user:ORDER_TRADE_UPDATE", symbol="ETHUSDT"))

    def kinds(stream: str, symbol: str) -> list[FaultKind]:
        return [f.kind for f in faults.for_message(stream, symbol)]

    assert kinds("btcusdt@trade", "BTCUSDT") == []
    assert kinds("btcusdt@kline_1h", "BTCUSDT") == [K.MUTE]
    assert kinds("btcusdt@kline_1h", "BTCUSDT") == []
    assert kinds("user:ACCOUNT_UPDATE", "") == [K.DUPLICATE]
    assert kinds("user:ORDER_TRADE_UPDATE", "BTCUSDT") == [K.DUPLICATE]
    assert kinds("user:ORDER_TRADE_UPDATE", "ETHUSDT") == [K.DUPLICATE, K.POISON]


def test_a_mute_with_seconds_holds_for_them(faults: Faults, clock: ManualClock) -> None:
    faults.arm(Fault(K.MUTE, seconds=2.0))
    assert all(faults.for_message("x", "") for _ in range(10))
    clock.now_s += 2.0
    assert faults.for_message("x", "") == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kind": K.DELAY_AFTER}, "seconds"),
        ({"kind": K.STATUS}, "HTTP status"),
        ({"kind": K.REFUSE}, "negative code"),
        ({"kind": K.LIQUIDATE}, "symbol"),
        ({"kind": K.SKEW}, "milliseconds"),
        ({"kind": K.PRICE_GAP, "symbol": "A", "value": -1.0}, "fraction"),
    ],
)
def test_what_a_kind_needs(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(FixInput, match=text):
        Fault(**fields)


def test_acts_cannot_be_armed(faults: Faults) -> None:
    with pytest.raises(FixInput, match="at once"):
        faults.arm(Fault(K.HALF_OPEN))


def test_every_kind_is_explained_and_belongs_somewhere() -> None:
    assert set(FAULT_HELP) == set(FaultKind) == ACTS | MESSAGE_FAULTS | REQUEST_FAULTS
    assert set(REQUEST_DRAWS) <= {k.value for k in REQUEST_FAULTS}
    assert set(MESSAGE_DRAWS) == {k.value for k in MESSAGE_FAULTS}


def test_a_schedule_repeats_and_every_draw_is_a_fault(clock: ManualClock) -> None:
    def run(seed: int, messages: int) -> list[FaultKind]:
        faults = Faults(0, clock)
        faults.schedule = Schedule(seed, 0.2)
        out: list[FaultKind] = []
        for _ in range(1_000):
            out += happened(faults)
            for _ in range(messages):
                faults.for_message("user", "")
        return out

    assert run(5, 0) == run(5, 3) != run(6, 0)
    assert {k.value for k in run(5, 0)} == set(REQUEST_DRAWS)
    assert 150 < len(run(5, 0)) < 250


def test_a_schedule_of_chosen_kinds() -> None:
    only = Schedule(1, 1.0, ["mute"])
    assert only.for_request() is None
    drawn = only.for_message()
    assert drawn is not None
    assert drawn.kind == "mute"
    with pytest.raises(FixInput, match="none of"):
        Schedule(1, 0.5, ["fire"])
    with pytest.raises(FixInput, match="rate"):
        Schedule(1, 1.5)


def rows_of(n: int) -> list[list[Any]]:
    """Candles of 10 ms."""
    return [[i * 10, "1.0", "2.0", "0.5", "1.5", "9", i * 10 + 9, "9", 1] for i in range(n)]


def test_candles_stale_missing_and_revised(faults: Faults) -> None:
    rows = rows_of(5)
    armed = faults.arm(Fault(K.STALE_KLINE, options={"open_ms": 20}))
    assert [r[0] for r in shaped_klines(rows, "A", faults)] == [0, 10, 20]
    assert hides_kline("A", 30, 39, faults)
    assert not hides_kline("A", 20, 29, faults)
    faults.disarm(armed.id)
    armed = faults.arm(Fault(K.MISSING_KLINE, symbol="A", options={"open_ms": 25}))
    assert [r[0] for r in shaped_klines(rows, "A", faults)] == [0, 10, 30, 40]
    assert shaped_klines(rows, "B", faults) == rows
    assert hides_kline("A", 20, 29, faults)
    faults.disarm(armed.id)
    faults.arm(Fault(K.REVISED_KLINE, value=1.0, options={"open_ms": 10}))
    changed = shaped_klines(rows, "A", faults)
    assert changed[1][:7] == [10, "1.0", "3.0", "0.5", "3.0", "9", 19]
    assert [r for r in changed if r[0] != 10] == [r for r in rows if r[0] != 10]


def test_a_crossed_book() -> None:
    body = crossed_depth({"bids": [["1", "2"]], "asks": [["3", "4"]], "E": 1})
    assert body == {"bids": [["3", "4"]], "asks": [["1", "2"]], "E": 1}


def test_listings_delisted_removed_and_filtered(faults: Faults) -> None:
    body = {
        "symbols": [{"symbol": s, "status": "TRADING", "filters": FILTERS} for s in ("A", "B", "C")]
    }
    faults.arm(Fault(K.DELIST, symbol="A"))
    faults.arm(Fault(K.DELIST, symbol="B", options={"remove": True}))
    faults.arm(Fault(K.FILTERS, symbol="C", options={"tickSize": "1", "stepSize": "0.1"}))
    a, c = shaped_listing(body, faults)["symbols"]
    assert (a["symbol"], a["status"], a["filters"]) == ("A", "SETTLING", FILTERS)
    assert (c["filters"][0]["tickSize"], c["filters"][1]["stepSize"]) == ("1", "0.1")
    assert FILTERS[0]["tickSize"] == "0.10"
    assert len(body["symbols"]) == 3


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"symbol": "A", "side": "BUY"}, -4140),
        ({"symbol": "A", "reduceOnly": "true"}, None),
        ({"symbol": "A", "closePosition": "true"}, None),
        ({"symbol": "B", "reduceOnly": "true"}, -1121),
        ({"symbol": "C", "price": "10.5", "quantity": "1"}, -4014),
        ({"symbol": "C", "price": "10", "quantity": "0.15"}, -1111),
        ({"symbol": "C", "price": "10", "quantity": "0.1"}, -4164),
        ({"symbol": "C", "price": "100", "quantity": "0.1"}, None),
        ({"symbol": "C", "price": "x"}, None),
        ({"symbol": "D", "price": "0.5"}, None),
    ],
)
def test_orders_of_changed_listings(
    faults: Faults, fields: dict[str, str], code: int | None
) -> None:
    faults.arm(Fault(K.DELIST, symbol="A"))
    faults.arm(Fault(K.DELIST, symbol="B", options={"remove": True}))
    options = {"tickSize": "1", "stepSize": "0.1", "notional": "5"}
    faults.arm(Fault(K.FILTERS, symbol="C", options=options))
    found = refusal_of(fields, faults)
    assert (found and found[0]) == code


def test_vanished_orders(faults: Faults) -> None:
    rows = [{"algoId": i, "clientAlgoId": f"c{i}", "symbol": "A"} for i in (1, 2, 3)]
    faults.arm(Fault(K.VANISH_ALGO, options={"algo_id": 1}))
    faults.arm(Fault(K.VANISH_ALGO, options={"client_id": "c3", "query": True}))
    assert without_vanished(rows, faults) == rows[1:2]
    assert [is_vanished(r, faults, query=True) for r in rows] == [False, False, True]
    faults.arm(Fault(K.VANISH_ALGO, symbol="A"))
    assert without_vanished(rows, faults) == []


def test_poisons() -> None:
    text = '{"e":"ORDER_TRADE_UPDATE","o":{"n":"1","N":"USDT","i":5}}'
    assert poisoned(text, Fault(K.POISON)) == text[: len(text) // 2]
    without = poisoned(text, Fault(K.POISON, options={"variant": "no_fee"}))
    assert without == '{"e":"ORDER_TRADE_UPDATE","o":{"i":5}}'
    assert '"N":"ZZZ"' in poisoned(text, Fault(K.POISON, options={"variant": "unknown_asset"}))
    assert poisoned("[1,2]", Fault(K.POISON, options={"variant": "no_fee"})) == "[1"
    assert poisoned(text, Fault(K.POISON, body="{}")) == "{}"
