"""What a kernel is put together from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.protocol import SizingAgent
from envs.core.actions import ActionPreset
from envs.core.hooks import HookChain
from envs.core.trade import Decision
from envs.core.view import DecisionView
from runtime.kernel_ports import Journal, Learning, Signals
from runtime.ports import Store, Venue
from runtime.settings import Settings
from runtime.subsystems.emergency_stop import EmergencyStop
from runtime.subsystems.stop_requests import StopRequest
from runtime.trading.context import TradingOptions


@dataclass(frozen=True)
class KernelParts:
    """What a kernel is put together from.

    Attributes:
        symbols: contracts traded, in the order of ``signals.data``.
        brain: sizes candidates (the bundle's shipped agent); what learns is ``learning``.
        clock_ns: market time outside vertices and closes.
        found: reads a journalled decision by its id, for the restart.
        checkpoint: saves the agents when enough was learned, or by force.
        learns: whether ``learning`` learns, which is journalled then.
        adopts: take over positions that are not ours.
        requests: what operators asked of the emergency stop after a number.
        run: content of the journal's ``run`` record.
    """

    settings: Settings
    preset: ActionPreset
    symbols: tuple[str, ...]
    venue: Venue
    signals: Signals
    learning: Learning
    journal: Journal
    stop: EmergencyStop
    brain: SizingAgent
    chain: HookChain
    clock_ns: Callable[[], int]
    account_name: str = "sim"
    store: Store | None = None
    found: Callable[[str], tuple[DecisionView, Decision]] | None = None
    checkpoint: Callable[[bool], Awaitable[None]] | None = None
    learns: bool = True
    options: TradingOptions = field(default_factory=TradingOptions)
    adopts: bool = False
    run: Mapping[str, Any] = field(default_factory=dict)
    requests: Callable[[int], Awaitable[Sequence[StopRequest]]] | None = None
