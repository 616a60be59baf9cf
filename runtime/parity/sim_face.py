"""The second face: the runtime on the simulated venue, in this process, without a network."""

from __future__ import annotations

from runtime.driving.sim import sim_parts
from runtime.journal.memory_journal import MemoryJournal
from runtime.parity.ground import Ground
from runtime.parity.kernel_face import Progress, ride
from runtime.parity.tale import Tale
from runtime.store.memory_store import MemoryStore


async def run_sim(ground: Ground, progress: Progress | None = None) -> Tale:
    """Trade the period on a session of the exchange that is called directly."""
    core = ground.plan.settings.core
    parts = sim_parts(ground.signals.data, core, ground.first_row, ground.last_row)
    await parts.venue.open()
    try:
        return await ride(
            "sim", ground, parts.venue, parts.stepper, MemoryStore(), MemoryJournal("trades"),
            lambda: parts.session.now_ns, progress,
        )  # fmt: skip
    finally:
        await parts.venue.close()
