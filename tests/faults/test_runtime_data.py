"""Scenario 21: nothing is entered on market data that cannot be trusted; exits go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runtime.driving.timed import TimedSettings
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.port_market import FeedHealth
from tests.faults.runtime_checks import Bounds
from tests.faults.runtime_market import SYMBOLS, Shape
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import eventually, faults_of, run
from tests.faults.runtime_timed import Timed, timed

SPEED = 30.0
BAR_S = 60.0 / SPEED
BOUNDS = Bounds(1e9, 1e9)
"""A request takes wall time, thirty times that of the market: protection is timed elsewhere."""
FAULTS: tuple[tuple[K, dict[str, Any]], ...] = (
    (K.STALE_KLINE, {}), (K.MISSING_KLINE, {}), (K.CROSSED_BOOK, {}),
    (K.REVISED_KLINE, {"value": 0.02}),
)  # fmt: skip


def entries(made: Timed, symbols: Sequence[str] = SYMBOLS) -> int:
    return len([o for o in made.venue.auditor.entries() if o.symbol in symbols])


KNOWN: dict[K, Callable[[FeedHealth], bool]] = {
    K.MISSING_KLINE: lambda health: bool(health.missing),
    K.CROSSED_BOOK: lambda health: health.crossed,
}
"""How the feed says that it has noticed; without candles there is no close to decide on."""


async def flat(made: Timed) -> None:
    """Close everything from outside, so that only the data can keep the runtime from entering."""
    for symbol in SYMBOLS:
        await made.venue.act(K.CLOSE_EXTERNALLY, symbol=symbol)


async def played(kind: K, more: dict[str, Any], folder: Path) -> list[str]:
    plan = Plan(folder, Shape(seed=3, bars=80, stamps_every=0))
    times = TimedSettings(speed=SPEED)
    async with timed(plan, times=times, real_feed=True, speed=SPEED, tick_s=3.0) as made:
        made.begin()
        await eventually(lambda: entries(made) > 0, 10.0)
        for symbol in SYMBOLS:
            made.venue.arm(kind, symbol=symbol, **more)
        await asyncio.sleep(1.2 * BAR_S)
        if kind in KNOWN:
            await eventually(lambda: any(KNOWN[kind](made.feed.health(s)) for s in SYMBOLS), 10.0)
        noticed = [s for s in SYMBOLS if KNOWN.get(kind, bool)(made.feed.health(s))]
        await flat(made)
        before = entries(made, noticed)
        await asyncio.sleep(2.2 * BAR_S)
        found = []
        if kind is not K.REVISED_KLINE and entries(made, noticed) != before:
            found.append(f"{entries(made, noticed) - before} entries on faulty data")
        before = entries(made)
        made.venue.calm()
        await eventually(lambda: entries(made) > before, 12.0)
        await made.end()
        await made.runtime.kernel.stop(flatten=True)
        await made.runtime.venue.reconcile()
        await made.runtime.kernel.reconcile()
        await made.runtime.kernel.stop(flatten=True)
        found += await faults_of(made.venue, made.runtime, BOUNDS)
        return [f"{kind.value}: {x}" for x in found]


def test_21_no_entry_on_faulty_data(tmp_path: Path) -> None:
    async def work() -> None:
        results = await asyncio.gather(
            *(played(k, more, tmp_path / k.value) for k, more in FAULTS), return_exceptions=True
        )
        found: list[str] = []
        for (kind, _), result in zip(FAULTS, results, strict=True):
            wrong = isinstance(result, BaseException)
            found += [f"{kind.value}: {result!r}"] if wrong else result
        assert not found, "\n".join(found)

    run(work(), 90.0)
