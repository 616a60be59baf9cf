"""What the ports speak of: orders asked for and seen, fills, positions, events; all immutable.

Prices are whole ticks, quantities whole steps, money int64 units of 1e-8 quote, times milliseconds
of the venue's clock, sides +1 (buy, long) and -1 (sell, short). Symbols are the venue's own names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from envs.core.quick import quick


class Purpose(StrEnum):
    """Why an order is sent; all but ENTRY reduce the position and may use the reserve."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    TARGET = "target"
    PARTIAL = "partial"
    EMERGENCY = "emergency"


class Force(StrEnum):
    """How long an order rests; GTX is post-only."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"


class OrderStatus(StrEnum):
    """State of an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class TriggerStatus(StrEnum):
    """State of a conditional order; TRIGGERED and FINISHED say nothing of a fill."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


OPEN_ORDER = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
OPEN_TRIGGER = frozenset({TriggerStatus.NEW, TriggerStatus.TRIGGERING})


@quick
@dataclass(frozen=True)
class NewOrder:
    """An order to send; ``price_ticks`` 0 is a market order."""

    client_id: str
    symbol: str
    side: int
    qty_steps: int
    price_ticks: int = 0
    force: Force = Force.GTC
    reduce_only: bool = False
    purpose: Purpose = Purpose.ENTRY


@quick
@dataclass(frozen=True)
class NewTrigger:
    """A stop or a take-profit to rest at the venue: market, reduce-only, with its quantity.

    ``side`` is that of the order it sends: -1 protects a long position. Never closePosition, which
    would forbid to place the next one before the old one is cancelled (contract, section 2).
    """

    client_id: str
    symbol: str
    side: int
    qty_steps: int
    trigger_ticks: int
    takes_profit: bool = False
    on_mark: bool = False
    purpose: Purpose = Purpose.STOP


@quick
@dataclass(frozen=True)
class OrderView:
    """An order as the venue tells it.

    ``filled_units`` is the quote value of what was filled; ``kind`` the venue's word for the type.
    """

    client_id: str
    order_id: int
    symbol: str
    side: int
    kind: str
    status: OrderStatus
    qty_steps: int
    filled_steps: int
    filled_units: int
    price_ticks: int
    reduce_only: bool
    updated_ms: int

    @property
    def is_open(self) -> bool:
        """Whether it can still fill."""
        return self.status in OPEN_ORDER

    @property
    def is_forced(self) -> bool:
        """Whether the venue sent it: liquidation or auto-deleveraging."""
        return self.client_id.startswith(("autoclose-", "adl_autoclose"))


@quick
@dataclass(frozen=True)
class TriggerView:
    """A conditional order as the venue tells it; ``child_id`` is the order it sent, 0 before."""

    client_id: str
    algo_id: int
    symbol: str
    side: int
    kind: str
    status: TriggerStatus
    qty_steps: int
    trigger_ticks: int
    reduce_only: bool
    on_mark: bool
    child_id: int
    updated_ms: int
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it still waits for its trigger."""
        return self.status in OPEN_TRIGGER


@quick
@dataclass(frozen=True)
class Fill:
    """One fill; the fee is positive when paid, ``realised_units`` gross of fees.

    ``fee_units`` counts units of 1e-8 of ``fee_asset``.
    """

    trade_id: int
    order_id: int
    symbol: str
    side: int
    qty_steps: int
    price_ticks: int
    quote_units: int
    fee_units: int
    fee_asset: str
    realised_units: int
    maker: bool
    time_ms: int


@quick
@dataclass(frozen=True)
class IncomeRow:
    """One change of the wallet; ``symbol`` is empty for transfers."""

    income_id: int
    kind: str
    symbol: str
    asset: str
    units: int
    time_ms: int
    trade_id: int = 0
    info: str = ""


@dataclass(frozen=True)
class Position:
    """An open position; ``steps`` signed. Prices are exact decimals, they need not be ticks."""

    symbol: str
    steps: int
    entry_price: Decimal
    mark_price: Decimal
    liquidation_price: Decimal
    margin_units: int
    unrealised_units: int
    updated_ms: int


@dataclass(frozen=True)
class Flat:
    """The venue was asked and confirmed that there is no position."""

    symbol: str


@dataclass(frozen=True)
class Unsure:
    """The venue could not be asked, or its answers contradict each other: no new risk."""

    symbol: str
    reason: str


Stand = Position | Flat | Unsure


@dataclass(frozen=True)
class Balance:
    """The wallet of the margin asset."""

    asset: str
    wallet_units: int
    margin_units: int
    available_units: int


@dataclass(frozen=True)
class SymbolMode:
    """Leverage and margin type of a contract."""

    leverage: int
    isolated: bool


@dataclass(frozen=True)
class AccountModes:
    """How the account is set; the runtime trades one-way with isolated margin only."""

    hedge: bool
    symbols: Mapping[str, SymbolMode]


@dataclass(frozen=True)
class AccountView:
    """All the venue says of the account at one time; what could not be asked is None or Unsure.

    ``failures`` names what could not be asked and why.
    """

    taken_ms: int
    balance: Balance | None
    stands: Mapping[str, Stand]
    orders: tuple[OrderView, ...] | None
    triggers: tuple[TriggerView, ...] | None
    failures: tuple[str, ...] = ()


class Outcome(StrEnum):
    """What became of a request.

    ACCEPTED: the venue has it. REJECTED: a definite no, nothing has changed. ABSENT: the answer
    was lost and the venue, asked long enough, does not know it: a new id may be sent. UNKNOWN:
    could not be found out in the time given; no new risk until ``Venue.resolve`` says.
    """

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Advice(StrEnum):
    """What a refusal asks for (contract, section 3)."""

    NONE = ""
    RESYNC_CLOCK = "resync_clock"
    STOP_TRADING = "stop_trading"
    FIX_REQUEST = "fix_request"
    SKIP = "skip"
    SIZE_DOWN = "size_down"
    VERIFY = "verify"
    EXIT_NOW = "exit_now"
    RECONCILE = "reconcile"
    USE_TRIGGER = "use_trigger"
    REPRICE = "reprice"
    REDUCE_ONLY = "reduce_only"
    BACK_OFF = "back_off"


ViewT = TypeVar("ViewT", OrderView, TriggerView)


@dataclass(frozen=True)
class Answer(Generic[ViewT]):
    """What a request came to.

    ``confirmed`` says that a conditional order was read back as it was asked for; ``code`` is the
    venue's number, 0 without; ``wait_s`` how long the venue wants to be left alone.
    """

    outcome: Outcome
    client_id: str
    view: ViewT | None = None
    confirmed: bool = False
    code: int = 0
    text: str = ""
    advice: Advice = Advice.NONE
    wait_s: float = 0.0


@dataclass(frozen=True)
class Replaced:
    """A conditional order and its successor: the old one is cancelled only when the new is there.

    ``old`` is None where it was left alone.
    """

    new: Answer[TriggerView]
    old: Answer[TriggerView] | None


class IntentState(StrEnum):
    """What is known of an intent; PENDING may or may not have been sent."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@quick
@dataclass(frozen=True)
class Intent:
    """An order about to be sent, written down before; ``ask`` is what is sent."""

    ask: NewOrder | NewTrigger
    created_ms: int
    state: IntentState = IntentState.PENDING
    venue_id: int = 0
    code: int = 0
    text: str = ""
    settled_ms: int = 0

    @property
    def client_id(self) -> str:
        """Its key, at the venue and in the journal."""
        return self.ask.client_id
