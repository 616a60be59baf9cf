"""The account books only what it can keep exact."""

from __future__ import annotations

import pytest

from envs.core.account import MAX_UNITS, Account
from envs.core.errors import LedgerError
from envs.core.events import EntryKind
from envs.core.rules.sizing import Contract

CONTRACT = Contract(1, 100, 1, 1000, 5.0)


def test_booking_changes_cash_and_is_written_down() -> None:
    account = Account(100.0, (CONTRACT,))
    account.book(EntryKind.FEE, "X", -7, 5, "id")
    account.book(EntryKind.FEE, "X", 0, 5, "id")
    assert account.cash_units == 10**10 - 7
    assert account.booked_units == -7
    assert [(e.units, e.kind, e.time_ns, e.symbol) for e in account.ledger] == [
        (-7, EntryKind.FEE, 5, "X")
    ]


def test_without_a_ledger_the_totals_stay() -> None:
    account = Account(100.0, (CONTRACT,), keep_ledger=False)
    account.book(EntryKind.FUNDING, "X", 9, 5, "id")
    assert (account.booked_units, account.ledger) == (9, [])


@pytest.mark.parametrize("units", [MAX_UNITS, -MAX_UNITS, MAX_UNITS - 1])
def test_amounts_beyond_exactness_are_refused_and_change_nothing(units: int) -> None:
    account = Account(100.0, (CONTRACT,))
    with pytest.raises(LedgerError, match=f"X: booking {units} units .* cannot be kept exact"):
        account.book(EntryKind.REALISED, "X", units, 0, "id")
    assert (account.cash_units, account.booked_units) == (10**10, 0)


def test_performance_is_of_the_last_twenty() -> None:
    account = Account(100.0, (CONTRACT,))
    account.recent_r.extend([100.0] + [1.0] * 20)
    assert account.performance() == (20.0, 20)
