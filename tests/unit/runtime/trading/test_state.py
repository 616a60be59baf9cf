"""What a restart needs survives the state document, or is refused by name."""

from __future__ import annotations

import json

import pytest

from envs.core.errors import RefusedArtifact
from runtime.journal.codec import dumps, encode, loads
from runtime.trading.state import BooksState, restore_books
from tests.unit.runtime.trading.desk import Rig, bars_of, run


def test_books_survive_json() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_310, 10_300), stamps={2: 0.001}).start()
        for _ in range(6):
            await rig.vertex()
        kernel, books = rig.kernel, rig.kernel.context.books
        told = json.loads(json.dumps(BooksState(kernel.context, kernel.taking).told()))
        held, ticket, cash = books.account.positions[0], books.tickets[0], rig.account.cash_units
        rig._begin()
        restore_books(told, rig.kernel.context, rig.kernel.taking)
        books = rig.kernel.context.books
        assert encode(books.account.positions[0]) == encode(held)
        assert encode(books.tickets[0]) == encode(ticket)
        assert books.account.cash_units == cash

    run(work())


def test_a_decision_is_written_once_and_all_else_anew() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_310, 10_300)).start()
        context, taking = rig.kernel.context, rig.kernel.taking
        state = BooksState(context, taking)
        told = state.told()
        first, text = told["tickets"]["0"], dumps(told)
        for _ in range(3):
            await rig.vertex()
        told = state.told()
        entered = told["account"]["positions"]["0"]
        assert told["tickets"]["0"]["decision"] is first["decision"] is entered["decision"]
        assert dumps(told) == dumps(BooksState(context, taking).told()) != text
        assert loads(dumps(told))["tickets"]["0"] == encode(rig.ticket)

    run(work())


def test_open_business_in_a_contract_no_longer_traded_is_refused() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()
        told = BooksState(rig.kernel.context, rig.kernel.taking).told()
        told["symbols"] = ["GONEUSDT"]
        with pytest.raises(RefusedArtifact, match="GONEUSDT"):
            restore_books(told, rig.kernel.context, rig.kernel.taking)
        told["version"] = 99
        with pytest.raises(RefusedArtifact, match="version 99"):
            restore_books(told, rig.kernel.context, rig.kernel.taking)

    run(work())
