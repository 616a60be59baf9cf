"""Messages that a client may choke on."""

from __future__ import annotations

import json

from runtime.exchange.fault_kinds import Fault

POISONS = ("json", "no_fee", "unknown_asset")


def poisoned(text: str, fault: Fault) -> str:
    """A broken message sent before the true one.

    ``options.variant``: ``json`` ends in the middle; ``no_fee`` and ``unknown_asset`` change the
    fee of an order message, and are ``json`` for others. ``body`` is sent as it is, if given.
    """
    if fault.body:
        return fault.body
    variant = fault.options.get("variant", "json")
    if variant != "json":
        message = json.loads(text)
        order = message.get("o") if isinstance(message, dict) else None
        if isinstance(order, dict) and "n" in order:
            if variant == "no_fee":
                del order["n"], order["N"]
            else:
                order["N"] = "ZZZ"
            return json.dumps(message, separators=(",", ":"))
    return text[: max(1, len(text) // 2)]
