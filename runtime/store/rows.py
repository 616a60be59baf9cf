"""Values of the ports as JSON texts of the journal, and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from envs.core.errors import DamagedArtifact
from runtime.port_values import (
    Force,
    NewOrder,
    NewTrigger,
    OrderStatus,
    OrderView,
    Purpose,
    TriggerStatus,
    TriggerView,
)

ORDER, TRIGGER = "order", "trigger"


def kind_of(value: NewOrder | NewTrigger | OrderView | TriggerView) -> str:
    """Whether it belongs to the orders or to the conditional orders."""
    return ORDER if isinstance(value, NewOrder | OrderView) else TRIGGER


def to_text(value: NewOrder | NewTrigger | OrderView | TriggerView) -> str:
    """A value as JSON."""
    return json.dumps(asdict(value), separators=(",", ":"), sort_keys=True)


def ask_of(kind: str, text: str) -> NewOrder | NewTrigger:
    """The order an intent asked for.

    Raises:
        DamagedArtifact: The row is not what was written.
    """
    data = _loaded(text)
    try:
        data["purpose"] = Purpose(data["purpose"])
        if kind == TRIGGER:
            return NewTrigger(**data)
        data["force"] = Force(data["force"])
        return NewOrder(**data)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedArtifact(f"journal: an intent cannot be read ({error}): {text}") from error


def view_of(kind: str, text: str) -> OrderView | TriggerView:
    """The last state of an order.

    Raises:
        DamagedArtifact: The row is not what was written.
    """
    data = _loaded(text)
    try:
        if kind == TRIGGER:
            data["status"] = TriggerStatus(data["status"])
            return TriggerView(**data)
        data["status"] = OrderStatus(data["status"])
        return OrderView(**data)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedArtifact(f"journal: an order cannot be read ({error}): {text}") from error


def _loaded(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise DamagedArtifact(f"journal: not JSON: {text!r}") from error
    if not isinstance(data, dict):
        raise DamagedArtifact(f"journal: not an object: {text!r}")
    return data
