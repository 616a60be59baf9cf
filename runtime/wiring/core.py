"""The parts that every venue has: agents, emergency stop, learning, kernel, and its record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from envs.artifact import code_version, file_digest
from envs.core.instrument import Instrument
from runtime.bundle import Bundle
from runtime.kernel import Kernel
from runtime.kernel_parts import KernelParts
from runtime.kernel_ports import Signals
from runtime.learning.checkpoints import Checkpoints
from runtime.learning.learning import OnlineLearning
from runtime.learning.recovery import decision_reader, recover
from runtime.ports import Venue
from runtime.store.stop_requests import StopRequests
from runtime.subsystems.emergency_stop import EmergencyStop, auto_acknowledges
from runtime.trading.context import TradingOptions
from runtime.wiring.keeping import Kept
from runtime.wiring.minds import Minds, minds_of
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import settings_hash

_EVERY, _NEVER = 500, 10**12
"""Resolved decisions between two checkpoints; a simulation is never continued, so it keeps one."""


@dataclass(frozen=True)
class Core:
    """What ``build_core`` put together."""

    kernel: Kernel
    learning: OnlineLearning
    stop: EmergencyStop
    minds: Minds


def build_core(
    plan: TradePlan, bundle: Bundle, kept: Kept, venue: Venue, signals: Signals,
    clock_ns: Callable[[], int], options: TradingOptions, minds: Minds | None = None,
) -> Core:  # fmt: skip
    """Seat the agents, recover what they had learned, and make the kernel around them.

    ``minds``: those seated already, where something had to be recovered before.

    Raises:
        FixSettings: A mode that the runtime or the venue does not allow.
        DamagedArtifact: The agents' checkpoints do not go with the journal.
    """
    settings, live, journal = plan.settings, plan.settings.live, kept.journal
    contracts = signals.data.market.instruments
    minds = minds or minds_of(bundle, settings, timed=not options.in_turn, contracts=contracts)
    learning = learning_of(plan, kept, signals, minds)
    if journal.last_seq:
        recover(journal, learning)
    stop = EmergencyStop(
        settings.core, settings.core.start_equity_quote, clock_ns(), journal.add, live=live,
        auto_acknowledge=auto_acknowledges(live, plan.venue),
    )  # fmt: skip

    async def checkpoint(force: bool) -> None:
        learning.checkpoint(journal.last_seq, force=force)

    has_operators = plan.venue != "sim"
    parts = KernelParts(
        settings=settings,
        preset=bundle.table.preset,
        symbols=signals.data.market.symbols,
        venue=venue,
        signals=signals,
        learning=learning,
        journal=journal,
        stop=stop,
        brain=minds.brain,
        chain=minds.chain,
        clock_ns=clock_ns,
        account_name=plan.account_name,
        store=kept.store if has_operators else None,
        found=decision_reader(journal),
        checkpoint=checkpoint,
        learns=learning.learner.enabled,
        options=options,
        adopts=settings.trading.foreign_positions == "adopt",
        requests=StopRequests(kept.database).after if has_operators else None,
        run=run_record(plan, bundle, contracts),
    )
    return Core(Kernel(parts), learning, stop, minds)


def learning_of(plan: TradePlan, kept: Kept, signals: Signals, minds: Minds) -> OnlineLearning:
    """What learns of a run, not recovered yet."""
    settings = plan.settings
    return OnlineLearning(
        signals, settings.core, minds.learner, reward=settings.sizing.reward,
        advisers=minds.advisers, learn=plan.learn and settings.live.sizing_enabled,
        checkpoints=Checkpoints(kept.folder.checkpoints),
        every=_NEVER if plan.venue == "sim" else _EVERY, tell=kept.journal.add,
    )  # fmt: skip


def run_record(
    plan: TradePlan, bundle: Bundle, contracts: Iterable[Instrument] = ()
) -> dict[str, Any]:
    """What the journal says of a start: enough to repeat the run, no secret.

    Of the contracts traded it has those that are not as the bundle knows them.
    """
    return {
        "contracts": [i.to_json() for i in contracts if i not in bundle.instruments],
        "bundle": str(bundle.folder.resolve()),
        "bundle_digest": file_digest(bundle.folder / "manifest.json"),
        "settings_hash": settings_hash(plan.settings),
        "config_hash": plan.settings.config_hash(),
        "code_version": code_version(),
        "venue": plan.venue,
        "account": plan.account_name,
        "symbols": list(plan.settings.run.symbols),
        "learn": plan.learn,
        "on_exit": plan.on_exit,
        "command": plan.command,
    }
