"""The emergency stop of the runtime: the core's gate with outside triggers, and operators.

It says what is asked of the core's table and when (spec 10.4): errors of the engine, silent feeds,
unprotected positions, a lost state, operators. ``stop_gate`` holds what it stands on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from envs.core.errors import FixInput, FixSettings
from envs.core.rules.limits import Ladder
from envs.core.settings import CoreSettings
from runtime.settings_live import LiveSettings
from runtime.subsystems import stop_causes as why
from runtime.subsystems.stop_causes import Cause
from runtime.subsystems.stop_gate import Persist, StopGate
from runtime.subsystems.stop_requests import Ask, StopRequest
from runtime.subsystems.stop_state import Acknowledgement, Halt

UNKNOWN = -1
"""Number of the last request carried out, where the state that knew it is lost."""


class OrderGate(StrEnum):
    """What may be sent: everything; what reduces, and cancels; the same, by an operator's hand."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


def auto_acknowledges(live: LiveSettings, venue: str, *, parity: bool = False) -> bool:
    """Whether stops are acknowledged without an operator.

    Raises:
        FixSettings: It is asked for where an operator must do it.
    """
    if live.ess_auto_ack == "true" and venue in ("demo", "live"):
        raise FixSettings(
            f"QT_ESS_AUTO_ACK = true with venue {venue}: an operator acknowledges stops there; "
            "set it to auto or false"
        )
    return live.ess_auto_ack == "true" or (
        live.ess_auto_ack == "auto" and (venue == "sim" or parity)
    )


class EmergencyStop(StopGate):
    """A gate that also knows what only a runtime knows; used wherever a ``Gate`` is.

    Args:
        settings: levels and times.
        equity_quote: equity at the start; ``restore`` says it again once the venue is known.
        now_ns: market time.
        persist: takes every change before it takes effect (``Journal.add``); the caller commits
            before it sends anything that the change allows.
        live: settings of the runtime.
        auto_acknowledge: from ``auto_acknowledges``.

    Attributes:
        acks: acknowledgements of operators since the start of this process, of whatever.
    """

    def __init__(
        self,
        settings: CoreSettings,
        equity_quote: float,
        now_ns: int,
        persist: Persist,
        *,
        live: LiveSettings | None = None,
        auto_acknowledge: bool = False,
    ) -> None:
        self.live = LiveSettings() if live is None else live
        self.acks = 0
        super().__init__(
            settings, equity_quote, now_ns, persist, auto_acknowledge, self.live.ess_ack_from_level
        )

    def restore(
        self,
        state: Mapping[str, Any] | None,
        equity_quote: float,
        now_ns: int,
        *,
        known: bool,
        watched: Iterable[str] | None = None,
    ) -> None:
        """Begin anew, or go on from the state of the last commit.

        ``known`` says that the journal existed before: without a usable state beside it the stop
        starts TRIPPED at level 2 (STATE_LOST), and so it does with QT_AI_EMERGENCY_BRAKE. Silent
        feeds of contracts that are not ``watched`` any more no longer count.
        """
        lost = ""
        self._begin(equity_quote, now_ns)
        if state is not None:
            try:
                self.load(state)
            except FixInput as error:
                lost = str(error)
                self._begin(equity_quote, now_ns)
        elif known:
            lost = "no state of the emergency stop beside an existing journal"
        self._now_ns = now_ns
        if lost:
            self.obeyed = UNKNOWN
            self.trip(2, why.STATE_LOST, now_ns, lost)
        if self.live.emergency_brake:
            self._stand(Cause(why.BRAKE, 2, now_ns, "QT_AI_EMERGENCY_BRAKE is set", True), now_ns)
        else:
            self.clear(why.BRAKE)
        if watched is not None:
            feeds = {why.FEED + symbol for symbol in watched}
            for cause in [c.name for c in self.causes if c.name.startswith(why.FEED)]:
                if cause not in feeds:
                    self.clear(cause)

    def engine_error(self, now_ns: int, detail: str = "") -> None:
        """Count an error of the cycle; too many in a row trip level 1 until one succeeds."""
        self._engine_errors += 1
        if self._engine_errors >= self.live.ess_max_engine_errors:
            text = f"{self._engine_errors} errors in a row; last: {detail}"
            self._stand(Cause(why.ENGINE, 1, now_ns, text, True), now_ns)

    def engine_ok(self) -> None:
        """Note a cycle without error."""
        self._engine_errors = 0
        self.clear(why.ENGINE)

    def feed_age(self, symbol: str, age_s: float, now_ns: int) -> None:
        """Say how old a contract's market data is; too old, or unknown, trips level 1."""
        name = why.FEED + symbol
        if age_s <= self.live.ess_feed_timeout_s:
            self.clear(name)
        elif not self.causes.stands(name):
            text = f"no market data for {age_s:.0f} s"
            self._stand(Cause(name, 1, now_ns, text, True), now_ns)

    def unprotected(self, symbol: str, now_ns: int, detail: str = "") -> None:
        """Say that a position has no confirmed protective stop: level 1 until it has one."""
        name = why.UNPROTECTED + symbol
        if not self.causes.stands(name):
            self._stand(Cause(name, 1, now_ns, detail, True), now_ns)

    def protected(self, symbol: str) -> None:
        """Say that a contract is protected or flat."""
        self.clear(why.UNPROTECTED + symbol)

    def halt_symbol(self, symbol: str, until_ns: int, detail: str = "") -> None:
        """Send no entries of one contract until a market time; an earlier end changes nothing."""
        if until_ns > self._symbols.get(symbol, 0):
            self._symbols[symbol] = until_ns
            self._write(
                "SYMBOL_HALTED", self._now_ns, symbol=symbol, until_ns=until_ns, detail=detail
            )

    def symbol_active(self, symbol: str, now_ns: int) -> bool:
        """Whether entries of a contract may be sent."""
        return self.active and now_ns >= self._symbols.get(symbol, 0)

    def halt(self, name: str, note: str, now_ns: int) -> None:
        """Let no entries through until ``release``; exits and stops go on."""
        self.halted = Halt(_text("name", name), _text("note", note), now_ns)
        self._write("HALTED", now_ns, by=name, note=note)

    def release(self, name: str, note: str, now_ns: int) -> None:
        """End a halt by hand; the stop's own state stays what it is."""
        before, self.halted = self.halted, None
        if before is None:
            self._write("RELEASE_IGNORED", now_ns, by=name, note=note)
        elif not self._write("RELEASED", now_ns, by=_text("name", name), note=_text("note", note)):
            self.halted = before

    def acknowledge(self, name: str, note: str, now_ns: int) -> bool:
        """Acknowledge the present stop; False where there is none that waits for it.

        It lets the cool-down end in time, never earlier; a new cause makes it void.
        """
        given = Acknowledgement(_text("name", name), _text("note", note), now_ns, self.ess.level)
        if self.active_by_state or self.ess.level < self.acknowledge_from:
            self._write("ACK_IGNORED", now_ns, by=name, note=note)
            return False
        self.acknowledgement, self.acknowledged = given, True
        if not self._write("ACKNOWLEDGED", now_ns, by=name, note=note):
            self.acknowledgement, self.acknowledged = None, False
        return self.acknowledged

    def obey(self, requests: Iterable[StopRequest], now_ns: int) -> None:
        """Carry out what operators asked for, in order, each number once.

        After a lost state nobody knows which of them were carried out: those are left out.
        """
        given = sorted(requests, key=lambda r: r.number)
        known = self.obeyed != UNKNOWN
        self.obeyed = max(self.obeyed, 0)
        for r in given:
            if r.number <= self.obeyed:
                continue
            self.obeyed = r.number
            if not known:
                self._write("REQUEST_IGNORED", now_ns, by=r.by, note=r.note, ask=r.ask.value)
            elif r.ask is Ask.ACK:
                self.acks += 1
                self.acknowledge(r.by, r.note, now_ns)
            elif r.ask is Ask.TRIP:
                self.trip(r.level, f"{why.OPERATOR}:{r.number}", now_ns, f"{r.by}: {r.note}")
            elif r.ask is Ask.HALT:
                self.halt(r.by, r.note, now_ns)
            else:
                self.release(r.by, r.note, now_ns)

    def shift_equity(self, delta_quote: float) -> None:
        """Take a deposit (> 0) or withdrawal out of the drawdowns, before it is evaluated.

        High waters move in proportion to equity, so that a drawdown of 5 % stays one of 5 %:
        neither does a withdrawal trip the stop nor a deposit release it.
        """
        if not math.isfinite(delta_quote):
            raise FixInput(f"emergency stop: a transfer of {delta_quote} is no amount")
        after = self._equity + delta_quote
        day, high, peak = self.ladder
        if self._equity > 0.0 and after > 0.0:
            factor = after / self._equity
            self.ladder = Ladder(day, high * factor, peak * factor)
        else:
            self.ladder = Ladder(day, high + delta_quote, peak + delta_quote)
        self._equity = after
        self._write("TRANSFER", self._now_ns, delta_quote=delta_quote)

    @property
    def order_gate(self) -> OrderGate:
        """What may be sent now."""
        if self.halted is not None:
            return OrderGate.HALTED
        return OrderGate.ACTIVE if self.active else OrderGate.REDUCING


def _text(what: str, text: str) -> str:
    if not text.strip():
        raise FixInput(f"emergency stop: a {what} is needed")
    return text.strip()[: why.TEXT_LIMIT]
