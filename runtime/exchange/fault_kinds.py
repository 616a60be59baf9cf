"""Kinds of faults and one fault as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from envs.core.errors import FixInput


class FaultKind(StrEnum):
    """What goes wrong; ``fault_help.FAULT_HELP`` says how."""

    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    DELAY_BEFORE = "delay_before"
    DELAY_AFTER = "delay_after"
    STATUS = "status"
    REFUSE = "refuse"
    TIMEOUT = "timeout"
    UNKNOWN_ERROR = "unknown_error"
    OVERLOADED = "overloaded"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    RATE_LIMITED = "rate_limited"
    BANNED = "banned"
    SKEW = "skew"
    VANISH_ALGO = "vanish_algo"
    POSITIONS_FAIL = "positions_fail"
    POSITIONS_EMPTY = "positions_empty"
    DELIST = "delist"
    FILTERS = "filters"
    STALE_KLINE = "stale_kline"
    MISSING_KLINE = "missing_kline"
    REVISED_KLINE = "revised_kline"
    CROSSED_BOOK = "crossed_book"
    MUTE = "mute"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY_MESSAGE = "delay_message"
    POISON = "poison"
    CLOSE_SOCKET = "close_socket"
    HALF_OPEN = "half_open"
    EXPIRE_LISTEN_KEY = "expire_listen_key"
    LIQUIDATE = "liquidate"
    CLOSE_EXTERNALLY = "close_externally"
    PRICE_GAP = "price_gap"
    REFUSE_CHILD = "refuse_child"
    SET_LEVERAGE = "set_leverage"
    SET_MARGIN_TYPE = "set_margin_type"
    SET_POSITION_MODE = "set_position_mode"


K = FaultKind
MESSAGE_FAULTS = frozenset({K.MUTE, K.DUPLICATE, K.REORDER, K.DELAY_MESSAGE, K.POISON})
KLINE_FAULTS = frozenset({K.STALE_KLINE, K.MISSING_KLINE, K.REVISED_KLINE})
DATA_FAULTS = KLINE_FAULTS | {K.CROSSED_BOOK}
"""They change what REST and streams say of the market, alike."""
ACTS = frozenset(
    {
        K.CLOSE_SOCKET, K.HALF_OPEN, K.EXPIRE_LISTEN_KEY, K.LIQUIDATE, K.CLOSE_EXTERNALLY,
        K.PRICE_GAP, K.REFUSE_CHILD, K.SET_LEVERAGE, K.SET_MARGIN_TYPE, K.SET_POSITION_MODE,
    }
)  # fmt: skip
"""They happen when asked for, once."""
LASTING = frozenset({K.SKEW, K.VANISH_ALGO, K.DELIST, K.FILTERS, K.BANNED, *DATA_FAULTS})
"""Without a count they hold until their seconds are over or they are removed."""
REQUEST_FAULTS = frozenset(FaultKind) - MESSAGE_FAULTS - ACTS
_NEED_SYMBOL = frozenset(
    {
        K.DELIST, K.FILTERS, K.LIQUIDATE, K.CLOSE_EXTERNALLY, K.PRICE_GAP, K.REFUSE_CHILD,
        K.SET_LEVERAGE, K.SET_MARGIN_TYPE,
    }
)  # fmt: skip
_NEED_SECONDS = frozenset({K.DELAY_BEFORE, K.DELAY_AFTER, K.DELAY_MESSAGE})
_AFTER = frozenset({K.DROP_AFTER, K.DELAY_AFTER, K.EMPTY, K.TRUNCATED, K.GARBAGE})
_ENDPOINTS = {
    K.POSITIONS_FAIL: "GET */positionRisk",
    K.POSITIONS_EMPTY: "GET */positionRisk",
    K.CROSSED_BOOK: "GET /fapi/v1/depth",
}


@dataclass(frozen=True)
class Fault:
    """One fault, as it was asked for.

    Attributes:
        kind: what goes wrong.
        endpoint: requests it is for, ``METHOD /path`` with ``*``; all without.
        symbol: only requests and streams of this contract.
        stream: messages it is for, with ``*``: ``btcusdt@kline_1h``, ``user``,
            ``user:ORDER_TRADE_UPDATE``; all without.
        count: how often, None until removed (or for ``seconds``).
        skip: how many fitting requests or messages pass before the first.
        probability: chance of each fitting one, drawn from the seed of ``Faults``.
        seconds: wall time it lasts, or by which a delay delays.
        executed: whether the request still takes effect (timeout, status and broken bodies);
            None means the kind's own way: broken bodies come after execution, the rest before.
        status, code, message, body: of the answer, where a kind has them.
        retry_after_s: header of 429 and 418, and how long a ban lasts without ``seconds``.
        value: number a kind needs: skew in milliseconds, price or its change as a fraction,
            leverage, 1 or 0 for a mode.
        options: further fields of a kind (see ``fault_help``).
    """

    kind: FaultKind
    endpoint: str = "*"
    symbol: str = ""
    stream: str = "*"
    count: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seconds: float = 0.0
    executed: bool | None = None
    status: int = 0
    code: int = 0
    message: str = ""
    body: str = ""
    retry_after_s: int = 1
    value: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind in _NEED_SYMBOL and not self.symbol:
            raise FixInput(f"fault {self.kind}: name the symbol it is for")
        if self.kind in _NEED_SECONDS and not self.seconds > 0.0:
            raise FixInput(f"fault {self.kind}: seconds must be > 0, got {self.seconds}")
        if self.kind is K.STATUS and not 100 <= self.status <= 599:
            raise FixInput(f"fault status: an HTTP status of 100 to 599, got {self.status}")
        if self.kind is K.REFUSE and self.code >= 0:
            raise FixInput(f"fault refuse: a negative code, such as -2019, got {self.code}")
        if self.kind is K.SKEW and self.value == 0.0:
            raise FixInput("fault skew: value is the offset in milliseconds, not 0")
        if self.kind is K.PRICE_GAP and not self.value > -1.0:
            raise FixInput(f"fault price_gap: a change above -1 (a fraction), got {self.value}")

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out although its answer is not the true one."""
        return self.kind in _AFTER if self.executed is None else self.executed

    @property
    def target(self) -> str:
        """Endpoint pattern, the kind's own where none was given."""
        return _ENDPOINTS.get(self.kind, "*") if self.endpoint == "*" else self.endpoint
