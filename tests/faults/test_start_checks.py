"""The checks before a start, asked of the real adapter on the built-in exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.adapters.ccxt_venue import CcxtVenue
from runtime.exchange.commands import Place
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.exchange.orders import OrderRequest, OrderType
from runtime.preflight import Check, Journalled, Preflight, PreflightReport, Verdict
from runtime.settings import Settings
from tests.faults.adapter_rig import OTHER, SYMBOL, Rig, make_venue, rig, run
from tests.unit.runtime.test_preflight import bundle_of


def preflight(folder: Path, **trading: Any) -> Preflight:
    settings = Settings()
    settings = replace(settings, trading=replace(settings.trading, **trading))
    return Preflight(settings, "local", {}, bundle_of(folder), folder)


def found(report: PreflightReport, name: str) -> Check:
    return next(c for c in report.checks if c.name == name)


async def anew(r: Rig, use: Callable[[CcxtVenue], Awaitable[PreflightReport]]) -> PreflightReport:
    """Ask a venue that is opened now."""
    venue = make_venue(r.exchange, r.store)
    try:
        await venue.open()
        return await use(venue)
    finally:
        await venue.close()


def test_a_clean_account_is_let_through_and_set_to_isolated_margin(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            await r.act(K.SET_MARGIN_TYPE, symbol=OTHER, options={"isolated": False})
            report = await preflight(tmp_path).run(r.venue, Journalled(orders=()))
            assert not report.refused
            assert (found(report, "mode").verdict, report.blocks) == (Verdict.WARN, {})
            modes = await r.venue.modes()
            assert all(modes.symbols[s].isolated for s in (SYMBOL, OTHER))
            again = await preflight(tmp_path).run(r.venue, Journalled(orders=()))
            verdicts = {c.name: c.verdict for c in again.checks}
            assert set(verdicts.values()) == {Verdict.OK}
            assert list(verdicts) == [
                "settings", "keys", "bundle", "disk", "clock", "account", "contracts", "mode",
                "leverage", "positions", "orders",
            ]  # fmt: skip

    run(main())


def test_cross_margin_under_a_position_and_without_mending_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            await r.act(K.SET_MARGIN_TYPE, symbol=OTHER, options={"isolated": False})
            stiff = replace(preflight(tmp_path), mend=False)
            report = await stiff.ask(r.venue)
            assert (report.refused, OTHER in found(report, "mode").text) == (True, True)
            r.exchange.session.state.isolated[SYMBOL] = False
            await r.buy("d")
            report = await preflight(tmp_path).ask(r.venue, Journalled(frozenset({SYMBOL})))
            assert report.refused
            assert "cross margin on BTCUSDT:" in found(report, "mode").text

    run(main())


def test_hedge_mode_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            await r.act(K.SET_POSITION_MODE, value=1)
            report = await preflight(tmp_path).ask(r.venue)
            assert report.refused
            assert "one-way mode" in found(report, "mode").text

    run(main())


def test_a_leverage_changed_outside_under_a_position_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            await r.venue.set_leverage(SYMBOL, 3)
            await r.buy("d")
            ours = Journalled(frozenset({SYMBOL}), None, {SYMBOL: 3})
            assert found(await preflight(tmp_path).ask(r.venue, ours), "leverage").verdict is (
                Verdict.OK
            )
            report = await preflight(tmp_path).ask(r.venue, replace(ours, leverages={SYMBOL: 2}))
            assert found(report, "leverage").verdict is Verdict.WARN
            assert "BTCUSDT (2 -> 3)" in found(report, "leverage").text

    run(main())


@pytest.mark.parametrize(
    ("policy", "verdict"), [("refuse", Verdict.REFUSE), ("adopt", Verdict.WARN)]
)
def test_another_tick_is_refused_or_adopted_by_policy(
    tmp_path: Path, policy: str, verdict: Verdict
) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.FILTERS, symbol=SYMBOL, options={"tickSize": "0.10"})
            flight = preflight(tmp_path, changed_filters=policy)
            report = await anew(r, lambda venue: flight.ask(venue))
            check = found(report, "contracts")
            assert (check.verdict, "tick 0.01 -> 0.1" in check.text) == (verdict, True)
            if policy == "adopt":
                assert str(report.adopted[SYMBOL].tick) == "1/10"

    run(main())


def test_another_tick_under_a_position_is_refused_whatever_the_policy(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            r.arm(K.FILTERS, symbol=SYMBOL, options={"tickSize": "0.10"})
            flight = preflight(tmp_path, changed_filters="adopt")
            report = await anew(r, lambda venue: flight.ask(venue))
            assert (report.refused, "close BTCUSDT first" in found(report, "contracts").text) == (
                True, True,
            )  # fmt: skip

    run(main())


def test_another_minimum_order_is_taken_over_with_a_warning(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.FILTERS, symbol=SYMBOL, options={"notional": "50"})
            report = await anew(r, lambda venue: preflight(tmp_path).ask(venue))
            assert found(report, "contracts").verdict is Verdict.WARN
            assert report.adopted[SYMBOL].min_notional_quote == 50.0
            assert not report.refused

    run(main())


def test_a_contract_that_settles_is_not_entered(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.DELIST, symbol=OTHER)
            report = await anew(r, lambda venue: preflight(tmp_path).ask(venue))
            assert not report.refused
            assert found(report, "contracts").verdict is Verdict.WARN
            assert "ETHUSDT is SETTLING at the venue" in found(report, "contracts").text

    run(main())


@pytest.mark.parametrize(
    ("ahead_ms", "verdict"), [(0, Verdict.OK), (5_000, Verdict.WARN), (60_000, Verdict.REFUSE)]
)
def test_a_clock_that_is_wrong_blocks_entries_or_the_start(
    tmp_path: Path, ahead_ms: int, verdict: Verdict
) -> None:
    async def main() -> None:
        async with rig(tmp_path, speed=1.0) as r:
            base = r.venue.health().clock_offset_ms
            r.arm(K.SKEW, value=ahead_ms - base)
            report = await anew(r, lambda venue: preflight(tmp_path).ask(venue))
            check = found(report, "clock")
            assert check.verdict is verdict
            assert report.blocks == ({"": "CLOCK_SKEW"} if verdict is Verdict.WARN else {})

    run(main())


def test_positions_and_orders_of_others_are_told_and_not_traded_into(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            await r.exchange.session.submit(
                Place(OrderRequest("by-hand", SYMBOL, 1, OrderType.MARKET, 100))
            )
            limit = OrderRequest("by-hand-2", OTHER, 1, OrderType.LIMIT, 100, 9_000)
            await r.exchange.session.submit(Place(limit))
            await r.stop("older", 100)
            await asyncio.sleep(0.05)
            report = await preflight(tmp_path).ask(r.venue, Journalled(orders=()))
            assert not report.refused
            assert report.blocks == {SYMBOL: "FOREIGN_POSITION"}
            orders = found(report, "orders").text
            assert "1 of others, left alone (ETHUSDT)" in orders
            assert "another journal (BTCUSDT)" in orders
            adopting = preflight(tmp_path, foreign_positions="adopt")
            report = await adopting.ask(r.venue, Journalled(orders=()))
            assert (report.blocks, found(report, "positions").verdict) == ({}, Verdict.WARN)
            mine = Journalled(frozenset({SYMBOL}), None)
            report = await preflight(tmp_path).ask(r.venue, mine)
            assert found(report, "positions").verdict is Verdict.OK

    run(main())


def test_an_answer_that_is_missing_is_no_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            text = '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'
            r.arm(K.STATUS, "GET */account", status=401, code=-2015, count=20, body=text)
            report = await preflight(tmp_path).ask(r.venue)
            assert (report.refused, "-2015" in found(report, "account").text) == (True, True)

    run(main())


def test_a_position_that_cannot_be_told_blocks_its_contract(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            r.arm(K.POSITIONS_EMPTY, count=20)
            report = await preflight(tmp_path).ask(r.venue, Journalled(frozenset({SYMBOL})))
            assert report.blocks == {SYMBOL: "STATE_UNKNOWN"}

    run(main())
