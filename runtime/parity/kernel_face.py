"""The other faces: the runtime's kernel in lockstep, whatever venue it trades at."""

from __future__ import annotations

import time
from collections.abc import Callable

from runtime.driving.lockstep import LockstepDriver
from runtime.driving.steps import Step, Stepper
from runtime.kernel import Kernel
from runtime.kernel_parts import KernelParts
from runtime.kernel_ports import Journal
from runtime.parity.ground import ACCOUNT, Ground
from runtime.parity.tale import Tale
from runtime.ports import Store, Venue
from runtime.subsystems.emergency_stop import EmergencyStop
from runtime.trading.context import TradingOptions

Progress = Callable[[int], None]


async def ride(
    face: str, ground: Ground, venue: Venue, stepper: Stepper, store: Store, journal: Journal,
    clock_ns: Callable[[], int], progress: Progress | None = None,
) -> Tale:  # fmt: skip
    """Let a kernel trade the period at an open venue, step by step, and tell what it did.

    Raises:
        VenueUnavailable, VenueRefused: The venue failed: a comparison has no second attempt.
    """
    started, tale = time.perf_counter(), Tale(face)
    core = ground.plan.settings.core
    stop = EmergencyStop(
        core, core.start_equity_quote, clock_ns(), journal.add, live=ground.plan.settings.live,
        auto_acknowledge=True,
    )  # fmt: skip
    kernel = Kernel(
        KernelParts(
            ground.plan.settings, ground.bundle.table.preset, ground.signals.data.market.symbols,
            venue, ground.signals, ground.learning, journal, stop, ground.brain, ground.chain,
            clock_ns, ACCOUNT, store, options=TradingOptions(in_turn=True, full=False),
        )
    )  # fmt: skip
    account = kernel.context.books.account

    def at_close(step: Step) -> None:
        tale.closed_bar(step.now_ns, account)
        if progress is not None:
            progress(tale.bars)

    kernel.observers.append(tale.observe)
    await kernel.start()
    await LockstepDriver(kernel, stepper, at_close).run()
    tale.end(account, ground.digests())
    tale.seconds = time.perf_counter() - started
    return tale
