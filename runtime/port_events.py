"""What a venue tells by itself, and the state of the link to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.port_values import Fill, OrderView, TriggerView


@dataclass(frozen=True)
class OrderChanged:
    """An order is further than it was; never told twice, never backwards."""

    order: OrderView


@dataclass(frozen=True)
class TriggerChanged:
    """A conditional order is further than it was."""

    trigger: TriggerView


@dataclass(frozen=True)
class Filled:
    """A fill, told once; ``client_id`` is empty where only the order's number is known."""

    fill: Fill
    client_id: str


@dataclass(frozen=True)
class WalletChanged:
    """Wallet and positions after a change: hints for a query, not the truth of the ledger."""

    reason: str
    wallet_units: Mapping[str, int]
    steps: Mapping[str, int]
    time_ms: int


@dataclass(frozen=True)
class ModeChanged:
    """Somebody changed the leverage of a contract."""

    symbol: str
    leverage: int
    time_ms: int


@dataclass(frozen=True)
class MarginCall:
    """The venue warns of a liquidation."""

    symbols: tuple[str, ...]
    time_ms: int


@dataclass(frozen=True)
class StreamChanged:
    """The user stream was lost or is back; after ``up`` everything missed has been told."""

    up: bool
    reason: str


VenueEvent = (
    OrderChanged | TriggerChanged | Filled | WalletChanged | ModeChanged | MarginCall
    | StreamChanged
)  # fmt: skip


@dataclass(frozen=True)
class Shut:
    """Why a contract takes no entries: a word for the journal, a sentence that says what to do."""

    reason: str
    text: str


@dataclass(frozen=True)
class VenueHealth:
    """The state of the link to the venue; ``paused_s`` is what is left of a rate-limit pause.

    ``shut`` names contracts that take no entries now, as of the last look at the venue's list.
    """

    stream_up: bool
    silent_s: float
    clock_offset_ms: int
    paused_s: float
    problems: tuple[str, ...] = field(default_factory=tuple)
    shut: Mapping[str, Shut] = field(default_factory=dict)
