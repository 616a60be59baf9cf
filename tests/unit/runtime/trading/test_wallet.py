"""A wallet that nothing explains stops new risk, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from envs.core.events import EntryKind
from envs.core.rules.rounding import from_units
from runtime.port_values import AccountView, IncomeRow
from runtime.subsystems.stop_requests import Ask, StopRequest
from tests.unit.runtime.trading.desk import Rig, bars_of, run

CALM_BARS = bars_of(*[10_000] * 8)
ODD = 500_000_000
"""Units of a difference: 5 quote."""


def differs(rig: Rig, *units: int) -> None:
    """Let the venue's wallet be off by these, one comparison after the other; the last stays."""
    told: Iterator[int] = iter(units)
    last = [units[-1]]

    async def odd(real: Any) -> AccountView:
        view = await real()
        off = next(told, last[0])
        wallet = view.balance.wallet_units + off
        return replace(view, balance=replace(view.balance, wallet_units=wallet))

    rig.venue.spoil["account"] = odd


def decided(rig: Rig) -> str:
    return str(rig.records("decision")[-1].body["decision"].reason)


def alarms(rig: Rig) -> list[str]:
    return [r.body["text"] for r in rig.records("alarm") if r.key == "wallet"]


async def idle() -> Rig:
    """A kernel that has decided on nothing yet, at the first of many candidates."""
    rig = await Rig(CALM_BARS, candidates=(2, 3, 4, 5, 6)).start()
    await rig.bar()
    return rig


def test_it_blocks_entries_when_seen_twice_and_until_it_agrees() -> None:
    async def work() -> None:
        rig = await idle()
        differs(rig, ODD)
        await rig.kernel.reconcile()
        assert not rig.kernel.context.wallet_off
        await rig.kernel.reconcile()
        await rig.kernel.reconcile()
        (text,) = alarms(rig)
        assert "5.0 quote" in text
        assert "ess ack" in text
        await rig.bar()
        assert decided(rig) == "WALLET_UNEXPLAINED"
        rig.venue.spoil.clear()
        await rig.kernel.reconcile()
        await rig.bar()
        assert decided(rig) == ""
        await rig.vertex()
        assert rig.account.positions

    run(work())


def test_exits_go_on() -> None:
    async def work() -> None:
        bars = bars_of(10_000, 10_000, 9_500)
        rig = await Rig(bars).start()
        await rig.bar()
        assert rig.account.positions
        differs(rig, ODD)
        await rig.kernel.reconcile()
        await rig.kernel.reconcile()
        assert rig.kernel.context.wallet_off == ODD
        await rig.bar()
        await rig.bar()
        assert not rig.account.positions
        assert rig.kernel.trades

    run(work())


def test_what_changes_or_passes_is_under_way() -> None:
    async def work() -> None:
        rig = await idle()
        differs(rig, ODD, -ODD, ODD, 0, ODD, 0)
        for _ in range(8):
            await rig.kernel.reconcile()
            assert not rig.kernel.context.wallet_off
        assert not alarms(rig)

    run(work())


def test_a_transfer_that_the_venue_names_explains_it() -> None:
    async def work() -> None:
        rig = await idle()
        now_ms = rig.kernel.context.now_ns // 1_000_000
        row = IncomeRow(7, "TRANSFER", "", "USDT", ODD, now_ms)

        async def income(real: Any, since_ms: int) -> tuple[IncomeRow, ...]:
            return (*await real(since_ms), row)

        before = rig.account.cash_units
        rig.venue.spoil["income_since"] = income
        differs(rig, ODD)
        await rig.kernel.reconcile()
        await rig.kernel.reconcile()
        assert rig.account.cash_units == before + ODD
        assert not rig.kernel.context.wallet_off
        assert alarms(rig) == ["transfer of 5.0 quote"]

    run(work())


def test_an_operator_accepts_it_once_and_it_is_no_profit() -> None:
    async def work() -> None:
        rig = await idle()
        stop = rig.kernel.parts.stop
        # Given before: it cannot have meant this.
        stop.obey([StopRequest(1, Ask.ACK, "a", "something else", 0)], rig.kernel.context.now_ns)
        differs(rig, ODD)
        for _ in range(3):
            await rig.kernel.reconcile()
        assert rig.kernel.context.wallet_off == ODD
        before, peak = rig.account.cash_units, stop.ladder.peak
        stop.obey([StopRequest(2, Ask.ACK, "a", "looked", 0)], rig.kernel.context.now_ns)
        await rig.kernel.reconcile()
        assert rig.account.cash_units == before + ODD
        assert rig.account.ledger[-1].kind is EntryKind.TRANSFER
        assert stop.ladder.peak > peak
        assert stop.drawdowns.total == 0.0
        assert alarms(rig)[-1] == f"accepted: {from_units(ODD)} quote are booked as a transfer"
        await rig.bar()
        assert decided(rig) == ""
        # The venue's figure goes on, so another difference is news again.
        differs(rig, 2 * ODD)
        await rig.kernel.reconcile()
        await rig.kernel.reconcile()
        assert rig.kernel.context.wallet_off

    run(work())


def test_a_start_with_a_difference_takes_no_new_risk() -> None:
    async def work() -> None:
        rig = await idle()
        rig._begin()
        differs(rig, ODD)
        await rig.start()
        await rig.bar()
        assert decided(rig) == "WALLET_UNEXPLAINED"

    run(work())
