"""The auditor itself: what it must catch, it catches."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from runtime.adapters.client_ids import client_id
from runtime.exchange import commands as c
from runtime.exchange.orders import AlgoRequest, OrderRequest, OrderType
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.port_values import Purpose
from tests.faults.runtime_auditor import DOUBLED, ORPHAN, UNPROTECTED, Auditor
from tests.faults.runtime_market import SYMBOLS, Shape, core_settings, data_for, market_for

A = SYMBOLS[0]


def audited(work: Any) -> None:
    core = core_settings()
    settings = ExchangeSettings(symbols=SYMBOLS, speed="lockstep", core=core)
    market = market_for(data_for(Shape(stamps_every=5)), core, 3)
    session = ExchangeSession.open(settings, market=market)
    run: Coroutine[Any, Any, None] = work(session, Auditor(session))
    asyncio.run(asyncio.wait_for(run, 10.0))


async def enter(session: ExchangeSession, name: str = "one", attempt: int = 0) -> None:
    request = OrderRequest(
        client_id(name, Purpose.ENTRY, attempt), A, 1, OrderType.MARKET, 1_000
    )  # fmt: skip
    await session.submit(c.Place(request))


async def stop(session: ExchangeSession, name: str, qty: int = 1_000, trigger: int = 5_000) -> None:
    request = AlgoRequest(
        client_id(name, Purpose.STOP), A, -1, OrderType.STOP_MARKET, qty, trigger, reduce_only=True
    )
    await session.submit(c.PlaceAlgo(request))


def test_a_position_without_a_stop_is_timed_until_one_covers_it() -> None:
    async def work(session: ExchangeSession, auditor: Auditor) -> None:
        await enter(session)
        await session.advance()
        assert [s.symbol for s in auditor.lasting(UNPROTECTED)] == [A]
        await stop(session, "half", 500)
        await session.advance()
        assert auditor.worst_s(UNPROTECTED) == pytest.approx(20.0)
        assert auditor.lasting(UNPROTECTED)
        await stop(session, "whole")
        assert not auditor.lasting(UNPROTECTED)
        await session.advance()
        assert auditor.worst_s(UNPROTECTED) == pytest.approx(20.0)
        assert auditor.lasting(DOUBLED)
        await session.submit(c.CancelAlgo(client_id=client_id("half", Purpose.STOP)))
        assert not auditor.lasting(DOUBLED)
        assert auditor.worst_s(DOUBLED) == pytest.approx(20.0)

    audited(work)


def test_a_stop_at_once_is_no_gap_and_one_left_behind_is_an_orphan() -> None:
    async def work(session: ExchangeSession, auditor: Auditor) -> None:
        await enter(session)
        await session.advance()
        await stop(session, "s")
        await session.advance()
        assert auditor.worst_s(UNPROTECTED) == 0.0
        await session.submit(c.CloseExternally(A))
        await session.advance()
        assert auditor.worst_s(ORPHAN) > 0.0
        assert [s.symbol for s in auditor.lasting(ORPHAN)] == [A]

    audited(work)


def test_a_second_entry_of_one_decision_is_a_duplicate() -> None:
    async def work(session: ExchangeSession, auditor: Auditor) -> None:
        await enter(session)
        await enter(session, "two")
        await session.advance()
        assert auditor.duplicates() == []
        await enter(session, "one", 1)
        await session.advance()
        assert auditor.duplicates() == [client_id("one", Purpose.ENTRY, 1)]
        assert len(auditor.sent()) == 3

    audited(work)


def test_episodes_sum_to_the_wallet() -> None:
    async def work(session: ExchangeSession, auditor: Auditor) -> None:
        for k in range(4):
            await enter(session, f"e{k}")
            await session.advance(12)
            await session.submit(c.CloseExternally(A))
            await session.advance(4)
        ledger = session.state.ledger
        episodes = auditor.episodes()
        assert len(episodes) == 4
        assert ledger.start_units + sum(e.net_units for e in episodes) == ledger.wallet_units
        assert any(row.type.value == "FUNDING_FEE" for row in ledger.income)

    audited(work)
