"""Contracts as the venue lists them: asked at the opening, then now and then, and after refusals.

The books count in the ticks and steps of the opening, so these stay. A contract that is suspended,
or whose filters are others now, takes no entries; exits and stops go on.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from envs.core.errors import FixInput
from envs.core.instrument import Instrument
from runtime.adapters import wire
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.port_errors import VenueRefused
from runtime.port_events import Shut
from runtime.port_values import Answer, Outcome

NOT_TRADING, NOT_LISTED, CHANGED = "NOT_TRADING", "NOT_LISTED", "FILTERS_CHANGED"
_REFUSALS = frozenset({
    -1013, -1111, -1121, -4003, -4004, -4005, -4014, -4016, -4023, -4108, -4140, -4141, -4164,
})  # fmt: skip
"""Numbers of the venue that speak of a contract's filters or its status."""
_AGAIN_S = 60.0
"""Wall time between two looks for the sake of refusals."""
_NOW_S = 2.0
"""How long the answer to a refused entry may wait for such a look."""
_RESTART = "restart to take the venue's over (QT_CHANGED_FILTERS says how)"
_LOG = logging.getLogger(__name__)


class Listing:
    """What may be traded, and what may not at the moment.

    Args:
        symbols: contracts this account trades.
        every_s: wall seconds between two looks.

    Attributes:
        instruments: contracts as of the opening, by symbol.
        shut: contracts of ``symbols`` that take no entries now, and why.
    """

    def __init__(self, link: CcxtLink, symbols: Sequence[str], every_s: float) -> None:
        self._link, self._symbols, self._every_s = link, tuple(symbols), every_s
        self._looked_s, self._refused_s, self._lock = 0.0, -math.inf, asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self.instruments: dict[str, Instrument] = {}
        self.shut: dict[str, Shut] = {}

    async def load(self) -> None:
        """Take over what the venue says at the opening.

        Raises:
            VenueRefused: A contract is not listed.
            CallFailed, UnreadableAnswer: No usable answer.
        """
        found, status = await self._ask()
        missing = [s for s in self._symbols if s not in found]
        if missing:
            raise VenueRefused(f"venue: not listed as perpetual: {', '.join(missing)}")
        self.instruments.update(found)
        self._judge(found, status)

    def look_if_due(self) -> None:
        """Ask again where the last time is long ago, beside everything else.

        Without an answer what was known holds.
        """
        idle = self._looking is None or self._looking.done()
        if idle and self._link.clock.monotonic_s() - self._looked_s >= self._every_s:
            self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """End a question under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def after(self, answer: Answer[Any]) -> None:
        """Ask again when an entry was refused for what the contract is."""
        if answer.outcome is not Outcome.REJECTED or answer.code not in _REFUSALS:
            return
        now_s = self._link.clock.monotonic_s()
        if now_s - self._refused_s >= _AGAIN_S:
            self._refused_s = now_s
            try:
                async with asyncio.timeout(_NOW_S):
                    await self._look()
            except TimeoutError:
                _LOG.warning("contracts: no answer in %g s after a refusal", _NOW_S)

    async def _look(self) -> None:
        async with self._lock:
            self._looked_s = self._link.clock.monotonic_s()
            try:
                self._judge(*await self._ask())
            except (CallFailed, wire.UnreadableAnswer, FixInput) as error:
                _LOG.warning("contracts: %s", error)

    async def _ask(self) -> tuple[dict[str, Instrument], dict[str, str]]:
        """Perpetual contracts with their filters, and the status of each."""
        info = await self._link.call("fapiPublicGetExchangeInfo")
        tiers = await self._link.call("fapiPrivateGetLeverageBracket", kind=list)
        self._looked_s = self._link.clock.monotonic_s()
        found, status = {}, {}
        try:
            brackets = {str(row["symbol"]): wire.brackets_of(row) for row in tiers}
            for row in info["symbols"]:
                name = str(row["symbol"])
                if row.get("contractType") == "PERPETUAL":
                    found[name] = wire.instrument_of(row, brackets.get(name))
                    status[name] = str(row.get("status", "TRADING"))
        except (KeyError, TypeError, ValueError) as error:
            raise wire.UnreadableAnswer(f"exchangeInfo: {error!r}") from error
        return found, status

    def _judge(self, found: Mapping[str, Instrument], status: Mapping[str, str]) -> None:
        """Say of every contract of ours whether it may be entered; what changed is logged."""
        shut = {}
        for symbol in self._symbols:
            why = _why_shut(self.instruments[symbol], found.get(symbol), status.get(symbol, ""))
            if why is not None:
                shut[symbol] = why
        self.shut = shut


def _why_shut(then: Instrument, now: Instrument | None, status: str) -> Shut | None:
    name = then.symbol
    if now is None:
        return Shut(NOT_LISTED, f"{name} is not listed any more: no entries; close what is held")
    if status != "TRADING":
        return Shut(NOT_TRADING, f"{name} is {status} at the venue: no entries until it trades")
    if changed := changes(then, now):
        text = f"{name}: {changed} since the start: no entries; {_RESTART}"
        return Shut(CHANGED, text)
    return None


def changes(then: Instrument, now: Instrument) -> str:
    """What is other about a contract in words, empty where nothing matters."""
    said = []
    if now.tick != then.tick:
        said.append(f"tick {float(then.tick):g} -> {float(now.tick):g}")
    if now.step != then.step:
        said.append(f"step {float(then.step):g} -> {float(now.step):g}")
    if now.min_notional_quote > then.min_notional_quote:
        least = f"{then.min_notional_quote:g} -> {now.min_notional_quote:g}"
        said.append(f"minimum order {least}")
    if now.brackets != then.brackets:
        said.append("margin tiers changed")
    return ", ".join(said)
