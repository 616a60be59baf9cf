"""Whatever is sent: an answer of the dialect, never a failure, and refusals change nothing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from runtime.exchange.orders import OrderType
from runtime.exchange.rest.endpoints import Access
from runtime.exchange.rest.placing import ORDER_PARAMS
from runtime.exchange.rest.table import ENDPOINTS
from tests.unit.runtime.exchange.rest.asking import Asker, digest, sign

_VALUES = st.one_of(
    st.sampled_from(
        (
            "", "0", "1", "-1", "NaN", "nan", "Infinity", "1e400", "1e-9", "0.1", "20000.1",
            "20000", "999999999999999999999999", "9" * 500, "0.000000000000000000001", "1.5", "٣",
            "0x10", "1_000", " 1", "true", "false", "BTCUSDT", "ETHUSDT", "btcusdt", "XX", "BUY",
            "SELL", "LIMIT", "MARKET", "STOP_MARKET", "STOP", "TRAILING_STOP_MARKET",
            "TAKE_PROFIT_MARKET", "GTC", "IOC", "FOK", "GTX", "GTD", "CONDITIONAL", "1h", "1m",
            "1w", "1M", "[]", "[1]", "{}", "null", "[[[[", '[{"symbol":"BTCUSDT"}]', "[" * 5_000,
            "[1e999]", '["a"]', "[null]", '[{"quantity":1e999,"side":[]}]', "ISOLATED", "CROSSED",
            "\x00", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "%", "BOTH",
        )
    ),
    st.text(max_size=40),
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
)  # fmt: skip
_FIELDS = st.dictionaries(st.text(max_size=8), _VALUES, max_size=3)
_ORDER = (
    '{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","price":"%s","quantity":%s,"timeInForce":"%s"}'
)
_LIKELY: dict[str, tuple[str, ...]] = {
    "symbol": ("BTCUSDT", "BTCUSDT", "ETHUSDT", "XXUSDT"),
    "side": ("BUY", "SELL"),
    "type": tuple(t.value for t in OrderType),
    "quantity": ("0.1", "0.001", "1", "1000", "0.0001", "0"),
    "price": ("15000", "15000.01", "23000", "5", "0"),
    "stopPrice": ("15000",),
    "triggerPrice": ("15000", "25000", "15000.001", "0"),
    "activatePrice": ("15000", "25000"),
    "callbackRate": ("0.1", "5", "10", "11", "0.15"),
    "timeInForce": ("GTC", "IOC", "FOK", "GTX", "GTD"),
    "algoType": ("CONDITIONAL", "TWAP"),
    "orderId": ("1", "2", "3", "99"),
    "algoId": ("1", "2", "99"),
    "fromId": ("0", "1", "2"),
    "reduceOnly": ("true", "false"),
    "closePosition": ("true", "false"),
    "limit": ("1", "5", "100", "1500"),
    "startTime": ("0", "1577836800000", "1578067200000", "1700000000000"),
    "endTime": ("0", "1577836800000", "1578067200000", "1700000000000"),
    "interval": ("1h", "4h", "1d", "1w", "1m", "1M"),
    "batchOrders": (
        f"[{_ORDER % (15000, 0.1, 'GTC')},{_ORDER % ('1e5', 1e400, 'X')},7,null]",
        f"[{_ORDER % (15000, '[1]', 'GTC')}]",
    ),
    "orderIdList": ("[1,2]", "[1e3]", '["1"]'),
    "origClientOrderIdList": ('["far","a"]', "[1]"),
    "leverage": ("1", "20", "125", "126"),
    "marginType": ("ISOLATED", "CROSSED", "X"),
    "dualSidePosition": ("true", "false"),
    "countdownTime": ("0", "1000"),
    "page": ("0", "1", "2"),
    "incomeType": ("COMMISSION", "FUNDING_FEE"),
    "positionSide": ("BOTH", "LONG"),
    "newClientOrderId": ("far", "a", "b", "c"),
    "clientAlgoId": ("a", "b", "c"),
    "origClientOrderId": ("far", "a", "b"),
}  # fmt: skip


@st.composite
def _requests(draw: st.DrawFn) -> tuple[str, str, dict[str, str]]:
    """An endpoint with its own parameters, plausible but for at most one or two."""
    endpoint = draw(st.sampled_from(ENDPOINTS))
    required = endpoint.params.required
    others = [n for n in endpoint.params.names if n not in required]
    names = (
        [*required, *draw(st.lists(st.sampled_from(others), max_size=6, unique=True))]
        if (others)
        else [*required]
    )
    fields = {n: draw(st.sampled_from(_LIKELY[n]) if n in _LIKELY else _VALUES) for n in names}
    if names and draw(st.integers(0, 2)) == 0:
        fields[draw(st.sampled_from(names))] = draw(_VALUES)
    if draw(st.integers(0, 9)) == 0:
        fields |= draw(_FIELDS)
    return endpoint.method, endpoint.path, fields


_SIGNED = {(e.method, e.path) for e in ENDPOINTS if e.access is Access.SIGNED}
_PLACES = st.sampled_from([(e.method, e.path) for e in ENDPOINTS])
_ASKER = Asker()
_LOOP = asyncio.new_event_loop()
_LOOP.run_until_complete(_ASKER.to_open())


def _answer(method: str, target: str, body: bytes, key: str | None, asker: Asker = _ASKER) -> Any:
    before = digest(asker.session)
    answer = _LOOP.run_until_complete(asker.raw(method, target, body, key))
    found = json.loads(answer.text)
    assert answer.status < 500, (method, target[:300], body[:300], answer.text)
    if answer.status != 200:
        assert set(found) == {"code", "msg"}
        assert found["code"] < 0
    if answer.status != 200 or method == "GET":
        assert digest(asker.session) == before
    return found


@examples(max_examples=1_500)
@given(_requests(), st.booleans())
def test_signed_garbage_is_refused_or_served_but_never_fails(
    request: tuple[str, str, dict[str, str]], in_body: bool
) -> None:
    method, path, fields = request
    if (method, path) in _SIGNED:
        fields = {"timestamp": str(_ASKER.wall.ms), **fields}
    text = "&".join(
        f"{quote(k, errors='surrogatepass')}={quote(v, errors='surrogatepass')}"
        for k, v in fields.items()
        if k != "signature"
    )
    sent = f"{text}&signature={sign(text)}" if (method, path) in _SIGNED else text
    if in_body:
        _answer(method, path, sent.encode(), "local")
    else:
        _answer(method, f"{path}?{sent}", b"", "local")


@examples(max_examples=300)
@given(
    st.sampled_from(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "")),
    st.one_of(_PLACES.map(lambda x: x[1]), st.text(max_size=30)),
    st.text(max_size=200),
    st.binary(max_size=200),
    st.one_of(st.none(), st.just("local"), st.text(max_size=70)),
)
def test_raw_garbage_never_fails(
    method: str, path: str, query: str, body: bytes, key: str | None
) -> None:
    _answer(method, f"{path}?{query}", body, key)


_KINDS: dict[str, tuple[str, ...]] = {
    "MARKET": (),
    "LIMIT": ("price", "timeInForce"),
    "STOP_MARKET": ("triggerPrice",),
    "TAKE_PROFIT_MARKET": ("triggerPrice",),
    "STOP": ("triggerPrice", "price"),
    "TAKE_PROFIT": ("triggerPrice", "price"),
    "TRAILING_STOP_MARKET": ("callbackRate",),
}
_CHANGES = (*(n for n in ORDER_PARAMS.names if n in _LIKELY), "triggerPrice", "activatePrice")


@st.composite
def _orders(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """An order whose parameters fit its type, but for at most one."""
    kind = draw(st.sampled_from(tuple(_KINDS)))
    algo = kind not in ("MARKET", "LIMIT")
    fields = {"symbol": "BTCUSDT", "type": kind, "quantity": "0.1"}
    for name in ("side", *_KINDS[kind]):
        fields[name] = draw(st.sampled_from(_LIKELY[name]))
    if algo:
        fields["algoType"] = "CONDITIONAL"
    if draw(st.booleans()):
        name = draw(st.sampled_from(_CHANGES))
        fields[name] = draw(st.one_of(st.sampled_from(_LIKELY[name]), _VALUES))
    return "/fapi/v1/algoOrder" if algo else "/fapi/v1/order", fields


def test_orders_are_taken_whole_or_refused_whole() -> None:
    trader = Asker()
    _LOOP.run_until_complete(trader.to_open())
    seen: Counter[int] = Counter()

    @examples(max_examples=1_000)
    @given(_orders(), st.booleans())
    def send(request: tuple[str, dict[str, str]], go_on: bool) -> None:
        path, fields = request
        fields = {"timestamp": str(trader.wall.ms), **fields}
        text = "&".join(f"{k}={quote(v, errors='surrogatepass')}" for k, v in fields.items())
        found = _answer("POST", path, f"{text}&signature={sign(text)}".encode(), "local", trader)
        seen[found.get("code", 0)] += 1
        ledger = trader.session.state.ledger
        assert ledger.wallet_units == ledger.start_units + sum(row.units for row in ledger.income)
        if go_on and not trader.session.ended:
            _LOOP.run_until_complete(trader.session.advance())

    send()
    assert seen[0] > 60
    assert len(seen) > 15
