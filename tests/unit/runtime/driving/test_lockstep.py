"""Stepped markets: both steppers tell the same, the driver keeps the order, the kernel rides."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from envs.core.errors import FixData, FixInput
from envs.core.instrument import Instrument
from envs.core.rules.walk import RULE_PATH, adverse_first, signed_vertex
from envs.core.series import prepare
from runtime.driving.lockstep import LockstepDriver, Ride
from runtime.driving.sim import sim_parts
from runtime.driving.steps import CLOSE
from runtime.exchange.fault_kinds import Fault, FaultKind
from runtime.kernel_ports import Quote
from runtime.port_market import Bar
from runtime.port_values import Flat, NewOrder, NewTrigger, Outcome, Purpose
from tests.parity.faces import case_of, kernel_of
from tests.property.strategies import FIRST_ROW
from tests.unit.runtime.driving.pair import A, B, pair, pair_on
from tests.unit.runtime.exchange.cases import CALM, FLAT, data_of, market_of

UP, DOWN = (10_000, 10_400, 9_990, 10_300), (10_300, 10_310, 9_400, 9_500)


def run(work: Coroutine[Any, Any, Any], seconds: float = 50.0) -> Any:
    return asyncio.run(asyncio.wait_for(work, seconds))


class Listener:
    """Writes down what a driver calls; it knows every close already."""

    bar_ns = 2**62

    def __init__(self, venue: Any = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.venue, self.on_bar = venue, None

    async def on_vertex(self, now_ns: int, index: int, quotes: Mapping[str, Quote]) -> None:
        assert {q.time_ns for q in quotes.values()} == {now_ns}
        self.calls.append(("vertex", index, now_ns))

    async def on_close(self, close_ns: int, bars: Sequence[Bar]) -> None:
        assert self.calls[-1] == ("vertex", CLOSE, close_ns)
        assert all(b.close_ms * 10**6 == close_ns for b in bars)
        self.calls.append(("close", len(bars), close_ns))
        if self.venue is not None and len(self.calls) == 2:
            await self.venue.place(NewOrder("e", "A", 1, 1_000))

    async def finish(self) -> None:
        self.calls.append(("finish",))


def ride(listener: Listener, parts: Any, **options: Any) -> Ride:
    async def scene() -> Ride:
        await parts.venue.open()
        await parts.feed.open(parts.session.market.symbols, "1h")
        return await LockstepDriver(listener, parts.stepper, **options).run()

    return run(scene())


def test_a_flat_account_goes_from_close_to_close_and_ends_with_finish() -> None:
    parts = sim_parts(market_of({"A": [FLAT] * 8, "B": [FLAT] * 8}).series, CALM, 2)
    listener = Listener()
    ridden = ride(listener, parts)
    assert ridden == Ride(5, 5, parts.session.now_ns, True)
    kinds = [c[0] for c in listener.calls]
    assert kinds == ["vertex", "close"] * 5 + ["finish"]


def test_with_an_order_every_vertex_is_visited() -> None:
    parts = sim_parts(market_of({"A": [FLAT, *[UP] * 7]}).series, CALM, 2)
    listener = Listener(parts.venue)
    assert ride(listener, parts).vertices == 1 + 4 * 4
    assert [c[1] for c in listener.calls if c[0] == "vertex"] == [3] + [0, 1, 2, 3] * 4


@pytest.mark.parametrize("bound", ["max_bars", "until_ns", "stop"])
def test_a_ride_that_ends_early_finishes_nothing(bound: str) -> None:
    parts = sim_parts(market_of({"A": [FLAT] * 8}).series, CALM, 2)
    listener = Listener()
    if bound == "stop":
        driver = LockstepDriver(listener, parts.stepper, progress=lambda _: driver.stop())
        ridden = run(driver.run())
        assert (ridden.bars, ridden.ended) == (1, False)
    else:
        close_ns = parts.session.market.close_ns(4)
        value = 2 if bound == "max_bars" else close_ns
        ridden = ride(listener, parts, **{bound: value})
        assert ridden == Ride(2, 2, close_ns, False)
    assert ("finish",) not in listener.calls


def test_the_market_ends_where_it_is_told_to() -> None:
    data = market_of({"A": [FLAT] * 9}).series
    assert ride(Listener(), sim_parts(data, CALM, 2, last_row=5)).bars == 3
    with pytest.raises(FixData, match="the end bar 3 of 9"):
        sim_parts(data, CALM, 2, last_row=2)
    parts = sim_parts(data, CALM, 2, last_row=3)
    ride(Listener(), parts)
    with pytest.raises(FixInput, match="ended"):
        run(parts.stepper.advance())


def test_both_steppers_come_to_the_same_gaps_included() -> None:
    async def scene() -> None:
        bars = {A: [FLAT] * 4 + [None, UP, DOWN, FLAT], B: [UP, FLAT, FLAT, None, UP, UP, UP, UP]}
        async with pair(bars, stamps={5: 0.0001}, mark={6: (10_300, 10_333, 9_371, 9_507)}) as two:
            seen = [await two.step()]
            await two.ask("place", NewOrder("entry", A, 1, 1_000))
            while not seen[-1].ended:
                assert not two.ccxt_stepper.ended
                seen.append(await two.step())
            # Liquidated in the third of the four bars: from there on close to close.
            assert [s.index for s in seen] == [3] + [0, 1, 2, 3] * 3 + [3]
            assert [len(s.bars) for s in seen if s.index == CLOSE] == [1, 1, 2, 2, 2]
            assert two.ccxt_stepper.ended
            assert two.ccxt_stepper.caught_up == 0
            with pytest.raises(FixInput, match="ended"):
                await two.ccxt_stepper.advance()

    run(scene())


def test_after_the_last_close_a_market_order_fills_there_at_once() -> None:
    async def scene() -> None:
        bars = {A: [FLAT] * 3 + [UP, DOWN], B: [FLAT] * 4 + [None]}
        async with pair(bars) as two:
            await two.ask("set_leverage", A, 5)
            await two.ask("place", NewOrder("a", A, 1, 1_000))
            await two.ask("place", NewOrder("b", B, -1, 1_000))
            waits = await two.ask("place", NewOrder("limit", A, 1, 500, 9_000))
            assert waits.view.is_open
            last = await two.step()
            while not last.ended:
                last = await two.step()
            stop = NewTrigger("s", A, -1, 1_000, 9_400)
            assert (await two.ask("place_trigger", stop)).confirmed
            for name, symbol, side in (("ax", A, -1), ("bx", B, 1)):
                exit_ = NewOrder(name, symbol, side, 1_000, reduce_only=True, purpose=Purpose.EXIT)
                assert (await two.ask("place", exit_)).view.filled_steps == 1_000
            fill = (await two.ask("fills_since", A, 0))[-1]
            assert (fill.price_ticks, fill.maker) == (9_500, False)
            assert fill.time_ms * 10**6 == last.now_ns
            assert isinstance((await two.ask("account")).stands[A], Flat)

    run(scene())


def test_what_a_mute_stream_does_not_tell_is_found_by_rest() -> None:
    async def scene() -> None:
        async with pair({A: [FLAT] * 3 + [UP] * 4, B: [FLAT] * 7}) as two:
            stepper, venue = two.ccxt_stepper, two.ccxt
            venue.hear_s = 0.2
            await venue.place(NewOrder("e", A, 1, 1_000))
            two.exchange.faults.arm(Fault(FaultKind.MUTE, stream="user:*", seconds=60.0))
            await stepper.advance()
            assert stepper.caught_up == 1
            fills = [e.fill.qty_steps for e in venue.take_events() if hasattr(e, "fill")]
            assert fills == [1_000]
            exit_ = NewOrder("x", A, -1, 1_000, reduce_only=True, purpose=Purpose.EXIT)
            assert (await venue.place(exit_)).outcome is Outcome.ACCEPTED
            fills = [e.fill.side for e in venue.take_events() if hasattr(e, "fill")]
            assert fills == [-1]

    run(scene())


@pytest.mark.parametrize("seed", [3, 4])
def test_the_kernel_rides_the_wire_as_it_rides_the_simulation(seed: int) -> None:
    names = (A, "ETHUSDT", "XRPUSDT")
    case = case_of(seed, n=45, shock=0.05, with_mark=True, eager=bool(seed % 2))
    market = replace(
        case.market,
        symbols=names,
        instruments=tuple(Instrument.of(n, "0.01", "0.001") for n in names),
    )
    case = replace(case, market=market)
    data = prepare(market, case.settings)

    async def scene() -> None:
        async with pair_on(data, case.settings, FIRST_ROW) as two:
            books = []
            faces = (
                (two.sim, two.sim_stepper, two.sim.session),
                (two.ccxt, two.ccxt_stepper, two.exchange.session),
            )
            for venue, stepper, session in faces:
                kernel = kernel_of(case, data, SimpleNamespace(session=session, venue=venue))
                await kernel.start()
                await LockstepDriver(kernel, stepper).run()
                account = kernel.context.books.account
                assert session.state.ledger.wallet_units == account.cash_units
                assert not session.state.has_business()
                books.append((account.ledger, kernel.trades, session.state.ledger.income))
            assert books[0] == books[1]
            assert len(books[0][1]) > 3
            assert two.ccxt_stepper.caught_up == 0

    run(scene())


def test_the_path_of_a_bar_is_the_rule_of_the_core() -> None:
    rng = np.random.default_rng(5)
    bars = []
    for _ in range(60):
        o, c = (int(x) for x in rng.integers(9_000, 11_000, 2))
        bars.append((o, max(o, c) + int(rng.integers(0, 50)), min(o, c) - 7, c))
    bars.append((10_000, 10_010, 9_990, 10_000))
    market = market_of({"A": bars}, mark={0: (10_001, 10_012, 9_985, 9_999)})
    for row in range(len(bars)):
        bar, mark = market.series.bars[0][row], market.series.marks[0][row]
        adverse = adverse_first(1, bar[0], bar[3], RULE_PATH, True)
        for v in range(4):
            wanted = (signed_vertex(v, 1, adverse, *bar), signed_vertex(v, 1, adverse, *mark))
            assert market.vertex("A", row, v) == wanted
        assert market.slip("A", row) == float(market.series.series[0].slip[row])


def test_bars_of_the_simulated_feed() -> None:
    async def scene() -> None:
        bars = {"A": [FLAT, UP, DOWN, None, UP], "B": [FLAT] * 5}
        parts = sim_parts(prepare(data_of(bars, volume=12.3456789012), CALM), CALM, 1)
        feed = parts.feed
        with pytest.raises(FixInput, match="not listed"):
            await feed.open(["C"], "1h")
        with pytest.raises(FixInput, match="1h"):
            await feed.open(["A"], "5m")
        assert not feed.health("A").usable
        await feed.open(["B", "A"], "1h")
        assert feed.health("A").usable
        assert not await feed.wait(1.0)
        parts.session.glide()
        assert await feed.wait(1.0)
        parts.session.glide()
        told = feed.take_bars()
        assert [(b.symbol, b.close) for b in told] == [("A", 95.0), ("B", 100.0), ("B", 100.0)]
        assert told[0].volume == 12.34567890
        assert feed.take_bars() == ()
        assert await feed.history("A", 2) == ((await feed.history("A", 9))[1:])
        assert feed.mark("A") is not None
        assert feed.last("A") == 95.0
        touch = feed.touch("A")
        assert touch is not None
        assert touch.bid <= 95.0 <= touch.ask

    run(scene())
