"""Who decides and who learns: the bundle's agents under the modes of the settings."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.advisers import advisers, seats
from agents.protocol import SizingAgent
from agents.sizing.kelly_cap import KellyCap, is_kelly_on, kelly_seat
from agents.sizing.math_mode import MathModeAgent
from envs.core.errors import FixSettings
from envs.core.hooks import HookChain
from envs.core.instrument import Instrument
from runtime.bundle import Bundle
from runtime.learning.learner import LearnsTrades
from runtime.settings import Settings


@dataclass(frozen=True)
class Minds:
    """What sizes candidates, what learns from them, and what may stop or shrink them.

    ``learner`` learns resolved decisions; ``advisers`` are taught closed trades beside it.
    """

    brain: SizingAgent
    learner: SizingAgent
    chain: HookChain
    advisers: Sequence[LearnsTrades]


def minds_of(
    bundle: Bundle, settings: Settings, *, timed: bool, contracts: Iterable[Instrument] = ()
) -> Minds:
    """Seat agents and advisers; ``timed``: hooks have a deadline, which no simulation has.

    ``contracts`` are those traded, which the venue may have changed since the bundle was trained.

    Raises:
        FixSettings: A mode that the runtime does not have.
    """
    live, core = settings.live, settings.core
    if live.sizing_exploration != "none":
        raise FixSettings(
            f"RL_SIZING_LIVE_EXPLORATION = {live.sizing_exploration}: the runtime trades greedily; "
            "learning from the outcomes of all actions needs no random trades: set it to none"
        )
    by_plan = live.sizing_mode == "math_ai" or not live.sizing_enabled
    capped = is_kelly_on(live.kelly_cap, "math_ai" if by_plan else "agent")
    kelly = KellyCap(bundle.table.preset, settings.kelly, core.plan, capped)
    brain, learner = bundle.shipped, bundle.table
    if by_plan:
        instruments = {i.symbol: i for i in (*bundle.instruments, *contracts)}
        brain = learner = MathModeAgent(bundle.table, core, instruments, kelly)
    managers = advisers(settings.performance, settings.memory)
    seated = [*seats(managers), *([kelly_seat(kelly)] if capped else [])]
    # The mathematician's agent teaches its Kelly itself.
    taught = [m for m in managers if m is not None]
    chain = HookChain(seated, core.signal.min_confidence, time.perf_counter_ns if timed else None)
    return Minds(brain, learner, chain, (*taught, *([kelly] if capped and not by_plan else [])))
