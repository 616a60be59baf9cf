"""Rows of the wallet's history: their kinds, their names, and how the history is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from envs.core.types import NS_PER_SECOND
from runtime.port_values import IncomeRow

FUNDING, INSURANCE = "FUNDING_FEE", "INSURANCE_CLEAR"
TRANSFERS = ("TRANSFER", "WELCOME_BONUS", "INTERNAL_TRANSFER", "COIN_SWAP_DEPOSIT",
             "COIN_SWAP_WITHDRAW", "CROSS_COLLATERAL_TRANSFER")  # fmt: skip
BEHIND_MS = 20_000
"""How long a fill waits for a history that lacks its own rows, market time."""
LATE_MS = 600_000
"""How much later than others a settled row may be told."""
_AT_ONCE = 5


def row_name(row: IncomeRow) -> str:
    """What tells rows of the wallet apart: numbers are unique within a kind only."""
    return f"{row.kind}:{row.symbol}:{row.income_id}"


class History:
    """Rows that are not booked yet, asked for when they are first needed and never again.

    Attributes:
        rows: what is left of them, oldest first; None before the question and without an answer.
    """

    def __init__(self, ask: Callable[[], Awaitable[list[IncomeRow] | None]]) -> None:
        self._ask, self._asked = ask, False
        self.rows: list[IncomeRow] | None = None

    async def known(self) -> bool:
        """Whether the venue has answered; asks where nobody has."""
        if not self._asked:
            self._asked, self.rows = True, await self._ask()
        return self.rows is not None


class Patience:
    """How often a history that lacks the rows of a fill is asked for: each time costs weight."""

    def __init__(self) -> None:
        self._behind, self._asked_ns = 0, 0

    def may_ask(self, now_ns: int) -> bool:
        """A few times at once, then once a second of the market."""
        return self._behind < _AT_ONCE or now_ns - self._asked_ns >= NS_PER_SECOND

    def note(self, behind: bool, now_ns: int) -> None:
        """Note what an answer was."""
        self._behind, self._asked_ns = self._behind + 1 if behind else 0, now_ns
