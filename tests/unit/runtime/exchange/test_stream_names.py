"""Names of streams are read or refused."""

from __future__ import annotations

import pytest

from envs.core.errors import FixInput
from runtime.exchange.stream_names import MARKET, PUBLIC, StreamName, parse_stream

SYMBOLS = {"BTCUSDT"}
SERVED = {"1h", "4h"}


def read(name: str) -> StreamName:
    """Read a name where BTCUSDT and hourly bars are."""
    return parse_stream(name, SYMBOLS, SERVED)


@pytest.mark.parametrize(
    ("name", "kind", "category", "period_ms"),
    [
        ("btcusdt@kline_1h", "kline", MARKET, 250),
        ("btcusdt@trade", "trade", PUBLIC, 0),
        ("btcusdt@aggTrade", "aggTrade", MARKET, 100),
        ("btcusdt@bookTicker", "bookTicker", PUBLIC, 0),
        ("btcusdt@markPrice", "markPrice", MARKET, 3_000),
        ("btcusdt@markPrice@1s", "markPrice", MARKET, 1_000),
        ("btcusdt@depth@100ms", "depth", PUBLIC, 100),
        ("btcusdt@depth5@500ms", "depth", PUBLIC, 500),
        ("btcusdt@depth", "depth", PUBLIC, 250),
        ("!miniTicker@arr", "miniTicker", MARKET, 1_000),
        ("!markPrice@arr@1s", "markPrice", MARKET, 1_000),
        ("!bookTicker", "bookTicker", PUBLIC, 0),
    ],
)
def test_names(name: str, kind: str, category: str, period_ms: int) -> None:
    found = read(name)
    assert (found.kind, found.category, found.period_ns) == (kind, category, period_ms * 10**6)
    assert found.symbol == ("" if name.startswith("!") else "BTCUSDT")


@pytest.mark.parametrize(
    "name",
    [
        "", "btcusdt", "BTCUSDT@trade", "ethusdt@trade", "btcusdt@kline_1m", "btcusdt@kline_99x",
        "btcusdt@trade@100ms", "btcusdt@markPrice@100ms", "btcusdt@depth@1s", "btcusdt@depth7",
        "!trade@arr", "!ticker@arr@1s", "btcusdt@kline_1h@250ms", "x" * 10_000,
        "btcusdt@kline_1h\n",
    ],
)  # fmt: skip
def test_no_such_stream(name: str) -> None:
    with pytest.raises(FixInput, match="invalid stream"):
        read(name)
