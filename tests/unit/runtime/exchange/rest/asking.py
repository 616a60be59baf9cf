"""Signed requests straight to the gate of a synthetic lockstep exchange, without a socket."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode

from runtime.exchange.listen_keys import ListenKeys
from runtime.exchange.market import ExchangeMarket, open_market
from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.gate import Answer, Gate
from runtime.exchange.rest.limits import NO_LIMITS, Limits
from runtime.exchange.rest.signing import Signing
from runtime.exchange.rest.table import ENDPOINTS
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings

SETTINGS = ExchangeSettings(speed="lockstep", synthetic_bars=1_800)
NOW_MS = 1_700_000_000_000
_MARKET: list[ExchangeMarket] = []


class Wall:
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1e3

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Asker:
    """One exchange at the open of a bar, and a client that signs as it should."""

    def __init__(self, limits: Limits = NO_LIMITS, settings: ExchangeSettings = SETTINGS) -> None:
        if not _MARKET:
            _MARKET.append(open_market(SETTINGS))
        self.wall = Wall()
        self.session = ExchangeSession.open(settings, clock=self.wall, market=_MARKET[0])
        keys = ListenKeys(lambda: self.session.now_ms)
        self.desk = Desk(self.session, limits, keys, None)
        self.gate = Gate(self.desk, Signing("local", "local"), ENDPOINTS)
        self.last: Answer | None = None

    async def raw(
        self, method: str, target: str, body: bytes = b"", key: str | None = "local"
    ) -> Answer:
        self.last = await self.gate.answer(method, target, body, key, "1.2.3.4")
        return self.last

    async def ask(self, method: str, path: str, **params: Any) -> Any:
        """A signed request; returns the body, a refusal's as well."""
        text = urlencode({"timestamp": self.wall.ms, **params})
        sent = f"{text}&signature={sign(text)}"
        if method in ("POST", "PUT"):
            answer = await self.raw(method, f"/fapi/{path}", sent.encode())
        else:
            answer = await self.raw(method, f"/fapi/{path}?{sent}")
        return json.loads(answer.text)

    async def get(self, path: str, **params: Any) -> Any:
        """An unsigned GET."""
        answer = await self.raw("GET", f"/fapi/{path}?{urlencode(params)}", key=None)
        return json.loads(answer.text)

    async def code(self, method: str, path: str, **params: Any) -> int:
        """Code of a refusal, 0 for success."""
        body = await self.ask(method, path, **params)
        found = body.get("code", 0) if isinstance(body, dict) else 0
        return 0 if int(found) == 200 else int(found)

    async def to_open(self) -> None:
        """From the close at which it starts to the next open, with an order that rests there."""
        await self.order(type="LIMIT", price=self.price("0.6"), timeInForce="GTC", quantity="0.5")
        await self.session.advance()

    async def order(self, **params: Any) -> Any:
        """A market buy of 0.1 BTCUSDT unless told otherwise."""
        return await self.ask("POST", "v1/order", **order(**params))

    def price(self, factor: str) -> str:
        """A price of BTCUSDT on the tick, as a share of the last one."""
        last = self.session.state.quotes["BTCUSDT"].last_ticks
        return self.desk.scale("BTCUSDT").price(int(last * float(factor)))


def order(**params: Any) -> dict[str, Any]:
    """Parameters of a market buy, changed as told; None leaves one out."""
    found: dict[str, Any] = {
        "symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1",
    }  # fmt: skip
    return {k: v for k, v in (found | params).items() if v is not None}


def sign(text: str) -> str:
    """HMAC-SHA256 in hexadecimal."""
    return hmac.new(b"local", text.encode(), hashlib.sha256).hexdigest()


def digest(session: ExchangeSession) -> str:
    """Everything a request could change, as one text."""
    state = session.state
    return repr(
        (
            state.orders, state.algos, state.holdings, state.ledger.wallet_units,
            len(state.ledger.trades), len(state.ledger.income), state.leverage, state.isolated,
            session.modes, session.point,
        )
    )  # fmt: skip


def run(work: Callable[[Asker], Coroutine[Any, Any, None]], asker: Asker | None = None) -> None:
    """Run a test's coroutine with an exchange that stands at an open."""

    async def all_of_it() -> None:
        one = asker or Asker()
        await one.to_open()
        await work(one)
        await one.session.close()

    asyncio.run(asyncio.wait_for(all_of_it(), 30))
