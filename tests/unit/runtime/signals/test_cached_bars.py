"""Bars that are given are compared with the data, in ticks; times must follow the grid."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envs.core.errors import FixData
from runtime.port_market import Bar
from runtime.signals.bar_ticks import ticks_of
from runtime.signals.cached import CachedSignals
from tests.parity.signals_scene import CORE, TRAINED, scene

FIRST = TRAINED + 20
HOUR_MS = 3_600_000


def cached(last: int | None = None) -> CachedSignals:
    at = scene("aa")
    return CachedSignals(
        at.data, at.votes, CORE, at.manager.copy(), at.line, at.slopes, first_row=FIRST,
        last_row=last,
    )  # fmt: skip


def bars_of(row: int) -> list[Bar]:
    data = scene("aa").data
    close_ms = int(data.market.close_ns[row]) // 1_000_000
    out = []
    for s, contract in enumerate(data.market.instruments):
        o, h, low, c = (contract.price(t) for t in data.bars[s][row])
        name, begun = contract.symbol, close_ms - HOUR_MS
        out.append(Bar(name, begun, close_ms, float(o), float(h), float(low), float(c), 1.0))
    return out


def close_of(row: int) -> int:
    return int(scene("aa").data.market.close_ns[row])


def test_the_datas_own_bars_are_taken() -> None:
    signals = cached()
    for row in (FIRST, FIRST + 1):
        signals.receive(close_of(row), bars_of(row))
        assert signals.row == row


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
def test_another_price_is_refused_with_both_sides(name: str) -> None:
    bars = bars_of(FIRST)
    tick = float(scene("aa").data.market.instruments[1].tick)
    shift = tick if name in ("open", "high", "close") else -tick
    changed = {name: getattr(bars[1], name) + shift, "high": bars[1].high + tick}
    bars[1] = replace(bars[1], **changed)
    signals = cached()
    with pytest.raises(FixData, match=r"ETHUSDT: bar closing at \d+ ms: \w+ of the feed is \d+"):
        signals.receive(close_of(FIRST), bars)
    assert signals.row == FIRST - 1


def test_a_missing_a_foreign_and_a_late_bar_are_refused() -> None:
    signals, bars = cached(), bars_of(FIRST)
    with pytest.raises(FixData, match="ETHUSDT: the data has a bar"):
        signals.receive(close_of(FIRST), bars[:1])
    with pytest.raises(FixData, match="SOLUSDT: a bar closing"):
        signals.receive(close_of(FIRST), [*bars, replace(bars[0], symbol="SOLUSDT")])
    with pytest.raises(FixData, match="BTCUSDT: a bar closing"):
        signals.receive(close_of(FIRST), [*bars, bars[0]])
    with pytest.raises(FixData, match="close time of the feed"):
        signals.receive(close_of(FIRST), bars_of(FIRST - 1))


def test_times_follow_the_grid_and_go_forward() -> None:
    signals = cached(FIRST + 10)
    with pytest.raises(FixData, match="no close of the data"):
        signals.receive(close_of(FIRST) + 1)
    with pytest.raises(FixData, match="not after the last close"):
        signals.receive(close_of(FIRST - 1))
    with pytest.raises(FixData, match="after the last row"):
        signals.receive(close_of(FIRST + 11))
    labels = signals.receive(close_of(FIRST + 5))
    assert signals.row == FIRST + 5
    assert {x.resolved_ns for x in labels} <= {close_of(r) for r in range(FIRST, FIRST + 6)}
    assert len({x.resolved_ns for x in labels}) > 3
    with pytest.raises(FixData, match="no close of the data"):
        signals.receive(close_of(scene("aa").data.market.n_bars - 1) + HOUR_MS * 1_000_000)


def test_a_state_of_other_bars_is_refused() -> None:
    with pytest.raises(FixData, match="the bars do not hold"):
        cached().restore({"close_ns": close_of(FIRST) + 7})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"open": 100.0000001}, "no whole number of ticks"),
        ({"close": float("nan")}, "no whole number of ticks"),
        ({"low": 0.0}, "no whole number of ticks"),
        ({"high": 1.0}, "high or low inside the bar"),
    ],
)
def test_prices_that_are_no_ticks_are_refused(change: dict[str, float], said: str) -> None:
    contract = scene("aa").data.market.instruments[0]
    bar = replace(bars_of(FIRST)[0], **change)
    with pytest.raises(FixData, match=said):
        ticks_of(bar, contract)
