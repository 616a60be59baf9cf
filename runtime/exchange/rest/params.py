"""Parameters by declaration: what an endpoint reads, of which kind; anything else is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from runtime.exchange.errors import VenueError
from runtime.exchange.rest.refusals import (
    DECIMAL_RANGE,
    empty,
    illegal,
    invalid_data,
    missing,
    unread,
)

Values = Mapping[str, Any]
Reader = Callable[[str, str], Any]
AUTH = ("timestamp", "recvWindow")
CLIENT_ID_RANGE = "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}\Z")
_SYMBOL = re.compile(r"[A-Z0-9_.-]{1,20}\Z")
_WHOLE = re.compile(r"[0-9]{1,18}\Z")
_DECIMAL = re.compile(r"(-?)([0-9]{1,20})(?:\.([0-9]{1,20}))?\Z")


@dataclass(frozen=True)
class Decimal:
    """An exact number as it was sent; ``decimals`` without trailing zeros."""

    value: Fraction
    decimals: int


@dataclass(frozen=True)
class Param:
    """One parameter of an endpoint; ``read`` turns name and text into its value."""

    name: str
    read: Reader
    required: bool = False


class Params:
    """The parameters of one endpoint."""

    def __init__(self, *params: Param) -> None:
        self._by_name = {p.name: p for p in params}
        self._required = tuple(p.name for p in params if p.required)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that are read."""
        return tuple(self._by_name)

    @property
    def required(self) -> tuple[str, ...]:
        """Parameters that must be sent."""
        return self._required

    def read(self, raw: Mapping[str, str], signed: bool = False) -> dict[str, Any]:
        """Values by name; what was not sent is not there.

        Raises:
            VenueError: -1102 missing, -1104 unknown, -1105 empty, or the kind's own code.
        """
        for name in self._required:
            if name not in raw:
                raise missing(name)
        out: dict[str, Any] = {}
        read = 0
        for name, text in raw.items():
            param = self._by_name.get(name)
            if param is None:
                read += signed and name in AUTH
                continue
            if not text:
                raise empty(name)
            out[name] = param.read(name, text)
            read += 1
        if read != len(raw):
            raise unread(read, len(raw))
        return out


def text(name: str, value: str) -> str:
    """Any short text."""
    if len(value) > 64:
        raise invalid_data(name)
    return value


def symbol(name: str, value: str) -> str:
    """A contract's name; whether it is listed is another question."""
    if not _SYMBOL.match(value):
        raise illegal(name, "^[A-Z0-9-_.]{1,20}$")
    return value


def whole(name: str, value: str) -> int:
    """A whole number of at most 18 digits, not negative."""
    if not _WHOLE.match(value):
        raise missing(name)
    return int(value)


def decimal(name: str, value: str) -> Decimal:
    """An exact decimal; a negative one is left to the filters."""
    found = _DECIMAL.match(value)
    if found is None:
        raise illegal(name, DECIMAL_RANGE)
    sign, digits, rest = found.groups()
    rest = (rest or "").rstrip("0")
    mantissa = int(digits + rest)
    return Decimal(Fraction(-mantissa if sign else mantissa, 10 ** len(rest)), len(rest))


def flag(name: str, value: str) -> bool:
    """True or false."""
    lower = value.lower()
    if lower not in ("true", "false"):
        raise missing(name)
    return lower == "true"


def client_id(name: str, value: str) -> str:
    """A client's name for an order: 1 to 36 characters."""
    if len(value) > 36:
        raise VenueError(-4015, "Client order id length should not be more than 36 chars")
    if not _CLIENT_ID.match(value):
        raise illegal(name, CLIENT_ID_RANGE)
    return value


def between(low: int, high: int, code: int = -1130, message: str = "") -> Reader:
    """A whole number in a range."""

    def read(name: str, value: str) -> int:
        number = whole(name, value)
        if not low <= number <= high:
            raise VenueError(code, message) if message else invalid_data(name)
        return number

    return read


def choice(*allowed: str, code: int = -1130, message: str = "") -> Reader:
    """One of some words."""

    def read(name: str, value: str) -> str:
        if value not in allowed:
            raise VenueError(code, message) if message else invalid_data(name)
        return value

    return read


SYMBOL = Param("symbol", symbol, True)
MAYBE_SYMBOL = Param("symbol", symbol)
START = Param("startTime", whole)
END = Param("endTime", whole)


def limit(highest: int) -> Param:
    """How many rows; more than the highest is refused."""
    return Param("limit", between(1, highest))
