"""Scenarios 9 and 16 to 20 by the clock: streams that fail, clocks, limits, thin books.

All scenes run side by side, each on its own exchange, with the times of production: a market second
is a wall second, so that seconds without protection are real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runtime.exchange.fault_kinds import Fault
from runtime.exchange.fault_kinds import FaultKind as K
from tests.chaos.draws import Happening, Storm
from tests.faults.runtime_auditor import UNPROTECTED
from tests.faults.runtime_market import SYMBOLS, Shape
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import run
from tests.faults.runtime_timed import BUSY, REAL, faults_of, settle, timed, weather

A, B = SYMBOLS[:2]
SECONDS = 11.0
GAPS = ((4.0, Fault(K.PRICE_GAP, symbol=A, value=0.03)),
        (7.5, Fault(K.PRICE_GAP, symbol=A, value=-0.03)))  # fmt: skip
ATTENTIVE = replace(REAL, stream=replace(REAL.stream, silence_s=2.0, check_s=0.2))
USER: dict[str, Any] = {"stream": "user"}


@dataclass(frozen=True)
class Scene:
    """What goes wrong, and when; price gaps close positions meanwhile."""

    name: str
    faults: tuple[tuple[float, Fault], ...] = ()
    rate: float = 0.0
    kinds: tuple[str, ...] = ("drop_after",)
    connections: int = 1
    book: str = "none"
    volume: float = 1e6
    times: Any = REAL


SCENES = (
    Scene("9 a thin book fills orders in part", book="depth", volume=60.0),
    Scene("16 cut off", ((3.8, Fault(K.CLOSE_SOCKET, **USER)),), connections=2),
    Scene("16 closed with 1001", ((3.8, Fault(K.CLOSE_SOCKET, code=1001, **USER)),), connections=2),
    Scene("16 muted", ((2.0, Fault(K.MUTE, seconds=4.0, **USER)),)),
    Scene("17 listen key ended", ((3.8, Fault(K.EXPIRE_LISTEN_KEY)),), connections=2),
    Scene("17 poison", ((2.0, Fault(K.POISON, count=3, **USER)),), connections=2),
    Scene("17 poisoned fee", ((2.0, Fault(K.POISON, stream="user:ORDER_TRADE_UPDATE",
                                           options={"variant": "no_fee"})),)),
    Scene("17 half open", ((3.5, Fault(K.HALF_OPEN, **USER)),), connections=2, times=ATTENTIVE),
    Scene("18 twice, in disorder, late", rate=0.4, kinds=("duplicate", "reorder", "delay_message")),
    Scene("19 half a minute ahead", ((2.0, Fault(K.SKEW, value=30_000.0)),)),
    Scene("19 half a minute behind", ((2.0, Fault(K.SKEW, value=-30_000.0, seconds=4.0)),)),
    Scene("20 too many requests", ((3.0, Fault(K.RATE_LIMITED, retry_after_s=1)),)),
    Scene("20 banned", ((3.5, Fault(K.BANNED, seconds=1.0, retry_after_s=1)),)),
)  # fmt: skip


async def played(scene: Scene, folder: Path) -> list[str]:
    """Play a scene; returns what contradicts the invariants."""
    shape = Shape(seed=9, interval_s=3, bars=40, volume=scene.volume)
    plan = Plan(folder, shape)
    happenings = tuple(
        Happening(at, fault) for at, fault in sorted((*scene.faults, *GAPS), key=lambda x: x[0])
    )
    storm = Storm(9, scene.rate, scene.kinds, happenings)
    async with timed(plan, venue_settings=scene.times, book=scene.book) as made:
        made.begin()
        await weather(made, storm, SECONDS)
        found = await settle(made, 20.0, BUSY)
        found = found or await faults_of(made.venue, made.runtime, BUSY, ended=True)
        made_connections = made.runtime.venue._stream.connections
        if made_connections < scene.connections:
            found.append(f"{made_connections} connections, {scene.connections} wanted")
        auditor = made.venue.auditor
        if len(auditor.episodes()) < 2:
            found.append("hardly anything was traded")
        worst = auditor.worst_s(UNPROTECTED)
        return [f"{scene.name}: {x} (worst {worst:.1f} s)" for x in found]


async def all_played(scenes: Sequence[Scene], folder: Path) -> list[str]:
    """Play scenes side by side."""
    results = await asyncio.gather(
        *(played(scene, folder / str(i)) for i, scene in enumerate(scenes)), return_exceptions=True
    )
    found: list[str] = []
    for scene, result in zip(scenes, results, strict=True):
        found += [f"{scene.name}: {result!r}"] if isinstance(result, BaseException) else result
    return found


def test_streams_clocks_limits_and_thin_books(tmp_path: Path) -> None:
    found = run(all_played(SCENES, tmp_path), 120.0)
    assert not found, "\n".join(found)
