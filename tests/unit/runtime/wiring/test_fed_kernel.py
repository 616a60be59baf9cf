"""What is brought for a close: marks each time, funding when the venue has settled some."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from runtime.port_market import Mark
from runtime.signals.turn import Turn
from runtime.wiring.fed_kernel import FedKernel

HOUR_MS = 3_600_000
NAMES = ("AUSDT", "BUSDT")


class Venue:
    """Answers for funding as a venue does, and counts how often it is asked."""

    def __init__(self) -> None:
        self.settled: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.full = False

    async def call(self, method: str, params: dict[str, Any], **more: Any) -> list[Any]:
        assert method == "fapiPublicGetFundingRate"
        self.asked.append(params.get("symbol", "all"))
        rows = [r for r in self.settled if r["fundingTime"] >= params["startTime"]]
        if "symbol" in params:
            return [r for r in rows if r["symbol"] == params["symbol"]]
        return rows * 500 if self.full else rows

    def settle(self, hour: int, rate: float) -> None:
        self.settled += [
            {"symbol": s, "fundingTime": hour * HOUR_MS + 3, "fundingRate": str(rate)}
            for s in NAMES
        ]


class Scene:
    """A kernel whose closes are followed by hand."""

    def __init__(self) -> None:
        self.venue, self.noted = Venue(), list[tuple[str, int]]()
        self.due = dict.fromkeys(NAMES, 8 * HOUR_MS)
        market = SimpleNamespace(close_ns=[0])
        signals = SimpleNamespace(
            data=SimpleNamespace(market=market), row=0, turn=Turn(),
            settle=lambda s, ns, rate: self.noted.append((s, ns // 10**6 // HOUR_MS)),
        )  # fmt: skip

        async def on_close(close_ns: int, bars: Any, *, quotes: Any = None) -> None:
            market.close_ns = [close_ns]

        feed = SimpleNamespace(link=self.venue, mark=self.mark)
        self.fed = FedKernel(
            SimpleNamespace(on_close=on_close), signals, feed, "1h", HOUR_MS, (),  # type: ignore[arg-type]
            dict.fromkeys(NAMES, 0),
        )  # fmt: skip

    def mark(self, symbol: str) -> Mark:
        return Mark(symbol, 1.0, 1.0, 0.0, self.due[symbol], 0)

    def close(self, hour: int) -> list[str]:
        """What a close made it ask for."""
        before = len(self.venue.asked)
        asyncio.run(self.fed.on_close(hour * HOUR_MS * 10**6, ()))
        return self.venue.asked[before:]


def test_funding_is_asked_for_once_for_all_and_only_when_it_is_due() -> None:
    s = Scene()
    assert s.close(1) == ["all"], "nothing is known of the next time yet"
    assert [s.close(hour) for hour in range(2, 8)] == [[]] * 6
    s.venue.settle(8, 1e-4)
    s.due = dict.fromkeys(NAMES, 16 * HOUR_MS)
    assert s.close(8) == ["all"]
    assert s.noted == [(name, 8) for name in NAMES]
    assert [s.close(hour) for hour in range(9, 16)] == [[]] * 7


def test_a_rate_that_comes_late_is_asked_for_until_it_is_there() -> None:
    s = Scene()
    s.close(1)
    s.due = dict.fromkeys(NAMES, 16 * HOUR_MS)
    assert (s.close(8), s.close(9)) == (["all"], ["all"])
    s.venue.settle(8, 1e-4)
    assert (s.close(10), s.close(11)) == (["all"], [])
    assert s.noted == [(name, 8) for name in NAMES]


def test_an_interval_that_becomes_shorter_is_noticed() -> None:
    s = Scene()
    s.close(1)
    s.due["AUSDT"] = 4 * HOUR_MS
    assert (s.close(2), s.close(3), s.close(4)) == ([], [], ["all"])


def test_more_than_a_page_is_asked_for_one_by_one() -> None:
    s = Scene()
    s.venue.full = True
    s.venue.settle(1, 1e-4)
    assert s.close(1) == ["all", *NAMES]
    assert s.noted == [(name, 1) for name in NAMES]
