"""How a suite says that a rule is broken, and the ways of asking that all suites share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from envs.core.errors import FixInput, QuantumTraderError


class FailedCheck(QuantumTraderError):
    """A rule of a conformance suite is broken: the message says which, and where."""


def require(holds: bool, what: str) -> None:
    """Raise FailedCheck with ``what`` unless it holds."""
    if not holds:
        raise FailedCheck(what)


def plain(values: dict[str, Any], who: str) -> Any:
    """Send values through JSON.

    Raises:
        FailedCheck: They are not plain JSON.
    """
    try:
        return json.loads(json.dumps(values, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise FailedCheck(f"{who} state is not plain JSON: {error}") from error


def refused_or_ignored(learn: Callable[[], Any], who: str, what: str) -> bool:
    """Whether ``learn`` refused with a FixInput that says something.

    Raises:
        FailedCheck: It failed in any other way.
    """
    try:
        learn()
    except FixInput as error:
        require(str(error) != "", f"{who} refuses {what} without a word")
        return True
    except Exception as error:
        raise FailedCheck(f"{who} fails on {what} with {error!r}, where FixInput is due") from error
    return False
