"""The mark price of one close, asked for while the close waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.adapters.ccxt_history import mark_bar, mark_bars
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.port_errors import VenueUnavailable
from tests.faults.adapter_rig import SYMBOL, rig, run

HOUR_MS = 3_600_000
MARKS = "GET /fapi/v1/markPriceKlines"


def test_the_bar_of_a_close_is_the_one_that_the_history_tells(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path, speed="lockstep") as r:
            await r.exchange.session.advance(6)
            link, now_ms = r.venue.link, r.exchange.session.now_ms
            closed = await mark_bars(link, SYMBOL, "1h", HOUR_MS, now_ms - 10 * HOUR_MS)
            last, before = closed[-1], closed[-2]
            for bar in (last, before):
                assert await mark_bar(link, SYMBOL, "1h", HOUR_MS, bar.close_ms) == bar
            old_ms, soon_ms = closed[0].close_ms, last.close_ms + 5 * HOUR_MS
            assert await mark_bar(link, SYMBOL, "1h", HOUR_MS, old_ms) is None
            assert await mark_bar(link, SYMBOL, "1h", HOUR_MS, soon_ms) is None

    run(scene())


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (K.EMPTY, {"body": '[{"open":1}]'}),
        (K.EMPTY, {"body": '{"a":1}'}),
        (K.EMPTY, {"body": "[7]"}),
        (K.TRUNCATED, {}),
        (K.GARBAGE, {}),
        (K.STATUS, {"status": 502, "body": "Bad Gateway"}),
        (K.DROP_AFTER, {}),
    ],
)
def test_rows_that_cannot_be_read_are_no_answer(
    kind: K, more: dict[str, str], tmp_path: Path
) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(kind, MARKS, count=None, **more)
            close_ms = r.exchange.session.now_ms // HOUR_MS * HOUR_MS
            with pytest.raises(VenueUnavailable, match=r"(?i)mark ?price"):
                await mark_bar(r.venue.link, SYMBOL, "1h", HOUR_MS, close_ms)

    run(scene())
