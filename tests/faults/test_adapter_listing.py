"""Scenario 26 at the level of the adapter: contracts that are suspended, changed or gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.exchange.fault_kinds import FaultKind as K
from runtime.port_values import NewOrder, Outcome
from tests.faults.adapter_rig import FAST, OTHER, SYMBOL, Rig, entry, eventually, rig, run

LOOKING = replace(FAST, listing_s=0.1)
"""Looks at the list often enough for a test."""
INFO = "GET /fapi/v1/exchangeInfo"


def shut(r: Rig) -> dict[str, str]:
    """Word by contract."""
    return {s: why.reason for s, why in r.venue.health().shut.items()}


CHANGED: list[tuple[K, dict[str, Any], str, str]] = [
    (K.DELIST, {}, "NOT_TRADING", "SETTLING at the venue: no entries until it trades"),
    (K.DELIST, {"remove": True}, "NOT_LISTED", "close what is held"),
    (K.FILTERS, {"tickSize": "0.5"}, "FILTERS_CHANGED", "tick 0.01 -> 0.5 since the start"),
    (K.FILTERS, {"stepSize": "7"}, "FILTERS_CHANGED", "-> 7 since the start: no entries; restart"),
    (K.FILTERS, {"notional": "50"}, "FILTERS_CHANGED", "minimum order 5 -> 50"),
]


@pytest.mark.parametrize(("kind", "options", "word", "text"), CHANGED)
def test_what_changes_while_running_shuts_the_contract_until_it_is_back(
    kind: K, options: dict[str, Any], word: str, text: str, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with rig(tmp_path, settings=LOOKING) as r:
            tick = r.venue.instruments[SYMBOL].tick
            r.arm(kind, symbol=SYMBOL, options=options)
            await eventually(lambda: shut(r) == {SYMBOL: word})
            assert text in r.venue.health().shut[SYMBOL].text
            # What the books count in stays, and what reduces is sent as ever.
            assert r.venue.instruments[SYMBOL].tick == tick
            r.exchange.faults.disarm()
            await eventually(lambda: not shut(r))

    run(scene())


def test_an_easier_minimum_changes_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path, settings=LOOKING) as r:
            r.arm(K.FILTERS, symbol=SYMBOL, options={"notional": "1"})
            fired = r.exchange.faults.fired
            r.arm(K.DELIST, symbol=OTHER)
            await eventually(lambda: OTHER in shut(r))
            assert shut(r) == {OTHER: "NOT_TRADING"}, fired

    run(scene())


def test_a_refused_entry_asks_at_once_and_a_refused_exit_does_not(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.FILTERS, symbol=SYMBOL, options={"stepSize": "7"})
            exit_ = NewOrder(entry("out"), SYMBOL, -1, 100, reduce_only=True)
            assert (await r.venue.place(exit_)).outcome is Outcome.REJECTED
            assert shut(r) == {}
            assert (await r.buy("d")).code == -1111
            assert shut(r) == {SYMBOL: "FILTERS_CHANGED"}

    run(scene())


@pytest.mark.parametrize("kind", [K.DROP_BEFORE, K.EMPTY, K.STATUS, K.GARBAGE])
def test_silence_about_the_list_changes_nothing(kind: K, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path, settings=LOOKING, timeout_ms=300) as r:
            r.arm(K.DELIST, symbol=SYMBOL)
            await eventually(lambda: shut(r) == {SYMBOL: "NOT_TRADING"})
            r.arm(kind, INFO, count=3, **({"status": 503} if kind is K.STATUS else {}))
            await eventually(lambda: r.exchange.faults.fired.get(kind.value, 0) >= 2)
            assert shut(r) == {SYMBOL: "NOT_TRADING"}
            assert (await r.buy("d")).outcome is Outcome.REJECTED
            assert r.venue.health().stream_up

    run(scene())
