"""A line per event, for logs, pipes and terminals that are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from envs.core.actions import ActionPreset
from envs.core.rules.rounding import from_units
from runtime.display.watcher import action_words
from runtime.display.words import SIDES, money, utc
from runtime.kernel_ports import Record
from runtime.subsystems.stop_gate import STATES
from runtime.trading import records

Write = Callable[[str], None]


class EventLines:
    """An observer that writes what a person wants to know; skipped decisions are no news."""

    def __init__(self, preset: ActionPreset, write: Write) -> None:
        self._preset, self._write = preset, write
        self._kinds: Mapping[str, Callable[[Mapping[str, Any], str], str]] = {
            records.DECISION: self._decided,
            records.TRADE: self._closed,
            records.GATE: self._gate,
            records.ALARM: self._alarm,
            records.FOREIGN: self._alarm,
        }

    def __call__(self, record: Record) -> None:
        """Write a line, or nothing."""
        handler = self._kinds.get(record.kind)
        text = handler(record.body, record.key) if handler is not None else ""
        if text:
            self._write(f"{utc(record.time_ns)} {text}")

    def _decided(self, body: Mapping[str, Any], key: str) -> str:
        decision = body["decision"]
        if decision.qty_steps <= 0:
            return ""
        action = action_words(self._preset, decision.chosen)
        return f"{decision.symbol} enters {SIDES[decision.side]}: {action}"

    def _closed(self, body: Mapping[str, Any], key: str) -> str:
        trade = body["trade"]
        net = money(from_units(trade.net_units))
        reason = trade.reason.name.lower()
        return (
            f"{trade.symbol} closed {SIDES[trade.side]} by {reason}: {net} ({trade.r_net:+.2f} R)"
        )

    def _gate(self, body: Mapping[str, Any], key: str) -> str:
        event = body["event"]
        level = f", level {event.level}" if event.level else ""
        return f"emergency stop: {STATES[event.state].lower().replace('_', ' ')}{level}"

    def _alarm(self, body: Mapping[str, Any], key: str) -> str:
        return f"ATTENTION {key}: {body['text']}"
