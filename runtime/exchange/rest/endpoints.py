"""What an endpoint is: method, path, who may call it, parameters, weight and rule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.params import Params

Rule = Callable[[Desk, dict[str, Any]], Any | Awaitable[Any]]
Weight = int | Callable[[Mapping[str, str]], int]
NONE = Params()
ROOT = "/fapi/"


class Access(Enum):
    """Who may call: anyone, who shows the API key, or who signs."""

    PUBLIC = 0
    KEY = 1
    SIGNED = 2


@dataclass(frozen=True)
class Endpoint:
    """One line of the contract's table.

    ``orders`` is how many orders a request counts as, from its raw parameters.
    """

    method: str
    path: str
    access: Access
    params: Params
    weight: Weight
    rule: Rule
    orders: Callable[[Mapping[str, str]], int] | int = 0

    def weight_of(self, raw: Mapping[str, str]) -> int:
        """Request weight."""
        return self.weight if isinstance(self.weight, int) else self.weight(raw)

    def orders_of(self, raw: Mapping[str, str]) -> int:
        """Orders it counts as."""
        return self.orders if isinstance(self.orders, int) else self.orders(raw)


def public(path: str, params: Params, weight: Weight, rule: Rule) -> Endpoint:
    """A GET that anyone may send."""
    return Endpoint("GET", ROOT + path, Access.PUBLIC, params, weight, rule)


def signed(
    method: str, path: str, params: Params, weight: Weight, rule: Rule,
    orders: Callable[[Mapping[str, str]], int] | int = 0,
) -> Endpoint:  # fmt: skip
    """A request of the account."""
    return Endpoint(method, ROOT + path, Access.SIGNED, params, weight, rule, orders)


def keyed(method: str, path: str, params: Params, weight: Weight, rule: Rule) -> Endpoint:
    """A request that shows the API key only."""
    return Endpoint(method, ROOT + path, Access.KEY, params, weight, rule)


def by_symbol(one: int, all_: int) -> Weight:
    """Weight of a request for one contract or for all."""
    return lambda raw: one if raw.get("symbol") else all_


def by_limit(default: int, *steps: tuple[int, int]) -> Weight:
    """Weight by ``limit``: of the first (highest limit, weight) that holds it, else the last."""

    def weight(raw: Mapping[str, str]) -> int:
        sent = raw.get("limit", "")
        asked = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 9 else default
        return next((w for most, w in steps if asked <= most), steps[-1][1])

    return weight
