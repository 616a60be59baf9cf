"""Client ids that follow from the decision: the same intent has the same id after any restart."""

from __future__ import annotations

import hashlib
import re

from envs.core.errors import FixInput
from runtime.port_values import Purpose

MOST_CHARACTERS = 36
"""The venue takes ``[.A-Z:/a-z0-9_-]{1,36}``."""
PREFIX = "qt"
_LETTER = {
    Purpose.ENTRY: "e", Purpose.EXIT: "x", Purpose.STOP: "s", Purpose.TARGET: "t",
    Purpose.PARTIAL: "p", Purpose.EMERGENCY: "m",
}  # fmt: skip
_PURPOSE = {letter: purpose for purpose, letter in _LETTER.items()}
_DIGITS = 24
_MOST_ATTEMPTS = 99_999
_OURS = re.compile(rf"{PREFIX}-([{''.join(_PURPOSE)}])-[0-9a-f]{{{_DIGITS}}}-[0-9]{{1,5}}\Z")


def client_id(decision_id: str, purpose: Purpose, attempt: int = 0, *, account: str = "") -> str:
    """Name an order: 96 bits of its decision, its purpose and the attempt; at most 34 characters.

    ``attempt`` counts slices and replacements; a resend after ABSENT is the next attempt.

    Raises:
        FixInput: No decision, or an attempt outside 0 to 99999.
    """
    if not decision_id:
        raise FixInput("client id: a decision id is needed, got an empty text")
    if not 0 <= attempt <= _MOST_ATTEMPTS:
        raise FixInput(f"client id: attempt 0 to {_MOST_ATTEMPTS}, got {attempt}")
    told = f"{account}\x1f{decision_id}\x1f{purpose.value}".encode()
    digest = hashlib.sha256(told).hexdigest()[:_DIGITS]
    return f"{PREFIX}-{_LETTER[purpose]}-{digest}-{attempt}"


def is_ours(client_id_: str) -> bool:
    """Whether an order's id has the form this program gives; others are reported, not touched."""
    return _OURS.match(client_id_) is not None


def purpose_of(client_id_: str) -> Purpose | None:
    """Purpose that an id of ours tells."""
    found = _OURS.match(client_id_)
    return _PURPOSE[found.group(1)] if found else None
