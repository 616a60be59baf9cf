"""Signals of a market as it comes: a rolling window of bars, features, votes and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.reinforcement.manager import ReinforcementManager
from ensemble.fitted import Fitted
from envs.core.series import MarketSeries
from envs.core.tape import SignalTape, VoteTable
from envs.core.trade import ResolvedLabel
from envs.market.bars import RawSeries
from runtime.bundle import Bundle
from runtime.port_market import Bar
from runtime.settings import Settings


class LiveSignals:
    """The ``Signals`` port over a feed (local exchange in its own time, demo).

    Columns hold a bounded number of rows; when they are full the oldest leave and ``row`` shrinks
    by as many, so whoever remembers a bar remembers its close, never its row.

    Use: ``signals = LiveSignals(...)``, ``signals.restore(state)`` where there is one,
    ``await signals.start()``, then for each close in ``pending()`` and each new one ``receive``,
    ``vote``, ``weigh``; ``await signals.stop()``.

    Args:
        history: closed bars per symbol, sorted by symbol, at least 1,600 each, with funding
            and marks as far as known; bars after the close of a restored state are ``pending``.
        fitted: the bundle's models; None for a bundle of planted votes (then nothing votes).
        budget_s: seconds ``vote`` may take; models that are not done by then abstain.
        learning: False: the history's labels are not learned at the start.
    """

    data: MarketSeries
    tape: SignalTape
    votes: VoteTable
    manager: ReinforcementManager
    row: int
    last_row: int

    def __init__(
        self,
        bundle: Bundle,
        settings: Settings,
        history: Sequence[RawSeries],
        fitted: Fitted | None,
        *,
        manager: ReinforcementManager | None = None,
        budget_s: float = 0.2,
        learning: bool = True,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Compute the history's features and votes, learn its labels (a start without state).

        The manager has changed when this returns: write the first checkpoint after it.
        """
        raise NotImplementedError

    async def stop(self) -> None:
        """End the worker thread."""
        raise NotImplementedError

    def pending(self) -> tuple[int, ...]:
        """Closes of history bars after ``row``: each still wants ``receive(close_ns)``."""
        raise NotImplementedError

    def settle(self, symbol: str, stamp_ns: int, rate: float) -> None:
        """Note a funding rate that was settled; known from the next close at or after it."""
        raise NotImplementedError

    def receive(
        self, close_ns: int, bars: Sequence[Bar] = (), marks: Sequence[Bar] = ()
    ) -> tuple[ResolvedLabel, ...]:
        """Take in the bars that close at ``close_ns``; a symbol without one has a gap there.

        ``bars`` may hold earlier bars that came late: they mend the history, not the decisions.
        ``marks`` are closed bars of the mark price.

        Raises:
            FixData: A time off the grid or before the last one, a bar after ``close_ns``, or
                prices off the contract's ticks.
        """
        raise NotImplementedError

    async def vote(self) -> None:
        """Ask all models about all symbols of the row, in one batch in the worker thread."""
        raise NotImplementedError

    def weigh(self) -> None:
        """Pool the row's votes with the manager's weights: side, edge, candidate."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Small JSON: last close, pool snapshot before the window, abstentions, weight changes."""
        raise NotImplementedError

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from ``state``: before ``start``, with the manager restored already."""
        raise NotImplementedError
