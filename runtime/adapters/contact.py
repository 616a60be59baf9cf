"""What a first contact needs: one small position on one contract, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from envs.core.errors import FixInput
from envs.core.instrument import Instrument
from runtime.adapters import wire
from runtime.adapters.ccxt_errors import nonsense
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.client_ids import client_id
from runtime.adapters.host_guard import Mode, check_url
from runtime.adapters.rate_budget import Urgency
from runtime.port_values import Purpose

MARGIN_OF_NOTIONAL = Fraction(3, 2)
"""Orders are half as large again as the least the venue takes."""
FAR = Fraction(9, 10)
"""Resting orders and stops lie this far from the price."""


class Match(StrEnum):
    """Whether the venue does what the contract says; ANSWERED where the contract did not know."""

    AGREES = "agrees"
    ANSWERED = "answered"
    DIFFERS = "DIFFERS"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Finding:
    """What one check saw."""

    match: Match
    seen: str


class Contact:
    """A venue seen raw: requests by their endpoint, refusals by their number.

    Attributes:
        symbol, instrument: the contract used.
        bodies: the last answer of each endpoint and the messages of the user stream, by name.
    """

    def __init__(self, link: CcxtLink, mode: Mode, symbol: str, run_id: str) -> None:
        self.link, self.mode, self.symbol, self._run = link, mode, symbol, run_id
        self.instrument = Instrument(symbol, Fraction(1, 100), Fraction(1, 1000))
        self.bodies: dict[str, Any] = {}
        self._number = 0

    async def ask(self, method: str, **params: Any) -> Any:
        """Send a request; raises ``CallFailed`` on a refusal."""
        body = await self.link.call(
            method, params, orders=int("Post" in method), urgency=Urgency.EXIT,
            kind=(dict, list),
        )  # fmt: skip
        self.bodies[method] = body
        return body

    async def code(self, method: str, **params: Any) -> int:
        """Number of a refusal; 0 when it was accepted.

        Raises:
            CallFailed: No answer at all.
        """
        try:
            await self.ask(method, **params)
        except CallFailed as error:
            if error.what.failure.code == 0:
                raise
            return error.what.failure.code
        return 0

    def name(self, purpose: Purpose = Purpose.ENTRY) -> str:
        """A new client id of this run."""
        self._number += 1
        return client_id(f"first-contact {self._run} {self._number}", purpose)

    async def prepare(self) -> None:
        """Learn the contract's filters; refuse an account that is in use.

        Raises:
            FixInput: The contract is not listed, or has a position or orders.
            CallFailed: The venue did not answer.
        """
        info = await self.ask("fapiPublicGetExchangeInfo")
        rows = [row for row in info["symbols"] if row["symbol"] == self.symbol]
        if not rows:
            raise FixInput(f"first contact: {self.symbol} is not listed; choose another --symbol")
        self.instrument = wire.instrument_of(rows[0], None)
        open_ = [*await self.open_orders(), *await self.open_stops()]
        if open_ or await self.position():
            raise FixInput(
                f"first contact: {self.symbol} has a position or open orders; use an account or a "
                "--symbol that is not in use"
            )

    async def price_ticks(self) -> int:
        """Mark price in ticks."""
        body = await self.ask("fapiPublicGetPremiumIndex", symbol=self.symbol)
        return wire.ticks(body, "markPrice", self.instrument)

    async def least(self) -> int:
        """Steps of a small order."""
        notional = Fraction(self.instrument.min_notional_quote) * MARGIN_OF_NOTIONAL
        price = await self.price_ticks() * self.instrument.tick * self.instrument.step
        return max(1, -(-notional // price))

    async def far_price(self) -> str:
        """A price well under the market."""
        return wire.text_of(int(await self.price_ticks() * FAR), self.instrument.tick)

    def quantity(self, steps: int) -> str:
        """Steps as the venue reads them."""
        return wire.text_of(steps, self.instrument.step)

    async def market(self, side: str, steps: int, name: str = "", **more: Any) -> Any:
        """A market order."""
        return await self.ask(
            "fapiPrivatePostOrder", symbol=self.symbol, side=side, type="MARKET",
            quantity=self.quantity(steps), newClientOrderId=name or self.name(),
            newOrderRespType="RESULT", **more,
        )  # fmt: skip

    async def limit_params(self, **more: Any) -> dict[str, Any]:
        """Parameters of a resting buy order far from the market."""
        return {
            "symbol": self.symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
            "price": await self.far_price(), "newClientOrderId": self.name(),
            "quantity": self.quantity(await self.least() * 2), "newOrderRespType": "RESULT", **more,
        }  # fmt: skip

    async def limit(self) -> Any:
        """A resting buy order far from the market."""
        return await self.ask("fapiPrivatePostOrder", **await self.limit_params())

    async def stop_params(self, steps: int, **more: Any) -> dict[str, Any]:
        """Parameters of a stop under a long position."""
        return {
            "algoType": "CONDITIONAL", "symbol": self.symbol, "side": "SELL",
            "type": "STOP_MARKET", "quantity": self.quantity(steps),
            "triggerPrice": await self.far_price(), "reduceOnly": "true",
            "workingType": "CONTRACT_PRICE", "clientAlgoId": self.name(Purpose.STOP), **more,
        }  # fmt: skip

    async def open_orders(self) -> list[Any]:
        """Open orders of the contract."""
        return list(await self.ask("fapiPrivateGetOpenOrders", symbol=self.symbol))

    async def open_stops(self) -> list[Any]:
        """Open conditional orders of the contract."""
        return list(await self.ask("fapiPrivateGetOpenAlgoOrders", symbol=self.symbol))

    async def position(self) -> int:
        """Signed steps."""
        rows = await self.ask("fapiPrivateV3GetPositionRisk", symbol=self.symbol)
        return sum(wire.steps(row, "positionAmt", self.instrument) for row in rows)

    async def long(self) -> int:
        """Hold a small long position; returns its steps."""
        held = await self.position()
        if held > 0:
            return held
        await self.flatten()
        await self.market("BUY", await self.least())
        return await self.position()

    async def flatten(self) -> None:
        """No order, no conditional order, no position."""
        await self.ask("fapiPrivateDeleteAllOpenOrders", symbol=self.symbol)
        await self.ask("fapiPrivateDeleteAlgoOpenOrders", symbol=self.symbol)
        held = await self.position()
        if held:
            side = "SELL" if held > 0 else "BUY"
            await self.market(side, abs(held), self.name(Purpose.EXIT), reduceOnly="true")

    @contextlib.asynccontextmanager
    async def listening(self, url: str) -> AsyncIterator[list[Mapping[str, Any]]]:
        """Messages of a socket while the context lasts; ``wss`` and ``ws`` of this mode only.

        Raises:
            CallFailed: The socket was refused.
        """
        import aiohttp

        check_url(url, self.mode)
        heard: list[Mapping[str, Any]] = []
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15.0)) as session:
            try:
                socket = await session.ws_connect(url)
            except aiohttp.ClientError as error:
                raise CallFailed("socket", nonsense(f"refused: {error}")) from error

            async def read() -> None:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        with contextlib.suppress(ValueError):
                            heard.append(json.loads(message.data))

            reader = asyncio.create_task(read())
            try:
                yield heard
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
                await socket.close()
