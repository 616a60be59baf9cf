"""Alarms and changes of the emergency stop in the log, where nobody watches the screen."""

from __future__ import annotations

import logging

from runtime.kernel_ports import Record
from runtime.logs import ALARMS
from runtime.subsystems.stop_gate import STATES
from runtime.trading import records

_LOG = logging.getLogger(ALARMS)
KINDS = frozenset({records.ALARM, records.FOREIGN, records.GATE})
"""Kinds of records that ``log_alarm`` wants."""


def log_alarm(record: Record) -> None:
    """Observer of the kernel: write what a person should look at; other records are no news."""
    if record.kind in (records.ALARM, records.FOREIGN):
        _LOG.warning("ATTENTION %s: %s", record.key, record.body["text"])
    elif record.kind == records.GATE:
        event = record.body["event"]
        _LOG.warning("emergency stop: %s, level %d", STATES[event.state], event.level)
