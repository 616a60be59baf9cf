"""What a client, an operator or a fault asks of the venue, as values a journal can hold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_args, get_type_hints

from envs.core.errors import FixData
from runtime.exchange.orders import AlgoRequest, OrderRequest


@dataclass(frozen=True)
class Place:
    """Place an order; the result is the ``Order`` as it then stands."""

    request: OrderRequest


@dataclass(frozen=True)
class Cancel:
    """Cancel one order by id or client id; the result is the ``Order``."""

    symbol: str
    order_id: int | None = None
    client_id: str | None = None


@dataclass(frozen=True)
class CancelAllOrders:
    """Cancel all open orders of a symbol; the result is their list."""

    symbol: str


@dataclass(frozen=True)
class Amend:
    """Change a resting limit order; the result is the ``Order``."""

    symbol: str
    order_id: int | None
    client_id: str | None
    qty_steps: int
    price_ticks: int


@dataclass(frozen=True)
class PlaceAlgo:
    """Place a conditional order; the result is the ``AlgoOrder``."""

    request: AlgoRequest


@dataclass(frozen=True)
class CancelAlgo:
    """Cancel a conditional order; the result is the ``AlgoOrder``."""

    algo_id: int | None = None
    client_id: str | None = None


@dataclass(frozen=True)
class CancelAllAlgos:
    """Cancel all waiting conditional orders of a symbol; the result is their list."""

    symbol: str


@dataclass(frozen=True)
class SetLeverage:
    """Leverage of entries to come."""

    symbol: str
    leverage: int


@dataclass(frozen=True)
class SetMarginType:
    """Isolated or cross margin of a symbol."""

    symbol: str
    isolated: bool


@dataclass(frozen=True)
class SetPositionMode:
    """Hedge mode (``dual``) or one-way; the rules stay one-way."""

    dual: bool


@dataclass(frozen=True)
class Countdown:
    """Cancel all open orders of a symbol at ``deadline_ms`` of the wall clock; 0 disarms it."""

    symbol: str
    deadline_ms: int


@dataclass(frozen=True)
class FireCountdown:
    """What the deadline of a countdown does; the result is the list of cancelled orders."""

    symbol: str


@dataclass(frozen=True)
class Liquidate:
    """Force the liquidation of a position at its own level (a fault); the ``Order`` or None."""

    symbol: str


@dataclass(frozen=True)
class CloseExternally:
    """Close a position by an order no client of ours sent (a fault)."""

    symbol: str


@dataclass(frozen=True)
class MovePrice:
    """Let the price jump here and now (a fault); the next step leads back to the data's path."""

    symbol: str
    price_ticks: int


@dataclass(frozen=True)
class RefuseChildren:
    """Let the next children of triggered conditional orders expire unfilled (a fault)."""

    symbol: str
    count: int


Command = (
    Place | Cancel | CancelAllOrders | Amend | PlaceAlgo | CancelAlgo
    | CancelAllAlgos | SetLeverage | SetMarginType | SetPositionMode | Countdown
    | FireCountdown | Liquidate | CloseExternally | MovePrice | RefuseChildren
)  # fmt: skip
_KINDS: dict[str, type[Any]] = {c.__name__: c for c in get_args(Command)}
_HINTS: dict[type[Any], dict[str, Any]] = {
    kind: get_type_hints(kind) for kind in (*_KINDS.values(), OrderRequest, AlgoRequest)
}


def to_json(command: Command) -> dict[str, Any]:
    """Plain dictionary: the kind and the fields that are not at their defaults."""
    return {"kind": type(command).__name__, **_plain(command)}


def from_json(data: dict[str, Any]) -> Command:
    """Rebuild what ``to_json`` wrote.

    Raises:
        FixData: The kind or a field is unknown.
    """
    fields = dict(data)
    kind = fields.pop("kind", None)
    if kind not in _KINDS:
        raise FixData(f"journal: unknown command {kind!r}; it was written by a newer version")
    try:
        built: Command = _build(_KINDS[kind], fields)
    except (KeyError, TypeError, ValueError) as error:
        raise FixData(f"journal: command {kind} does not fit this version ({error})") from error
    return built


def _plain(value: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for f in dataclasses.fields(value):
        x = getattr(value, f.name)
        if f.default is not dataclasses.MISSING and x == f.default:
            continue
        if dataclasses.is_dataclass(x):
            out[f.name] = _plain(x)
        else:
            out[f.name] = x.value if isinstance(x, Enum) else x
    return out


def _build(kind: type[Any], data: dict[str, Any]) -> Any:
    hints = _HINTS[kind]
    arguments: dict[str, Any] = {}
    for name, x in data.items():
        hint = hints[name]
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            arguments[name] = _build(hint, x)
        elif isinstance(hint, type) and issubclass(hint, Enum):
            arguments[name] = hint(x)
        else:
            arguments[name] = x
    return kind(**arguments)
