"""What the kernel asks of its neighbours inside the process: signals, learning, journal.

The four ports to the outside (clock, market, venue, store) are in ``runtime.ports``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from agents.protocol import SizingAgent
from agents.reinforcement.manager import ReinforcementManager
from envs.core.series import MarketSeries
from envs.core.tape import SignalTape, VoteTable
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, ResolvedLabel, Skipped
from envs.core.view import DecisionView
from runtime.port_market import Bar


class Quote(NamedTuple):
    """Where a contract stands: last price in whole ticks, mark in float ticks, both unsigned."""

    last_ticks: int
    mark_ticks: float
    time_ns: int


@dataclass(frozen=True)
class Record:
    """One line of the journal: what happened, when (market time), about what, and its content.

    ``body`` holds JSON values, or anything ``runtime.journal.codec`` can write.
    """

    kind: str
    time_ns: int
    key: str
    body: Mapping[str, Any] = field(default_factory=dict)


class Signals(Protocol):
    """Market columns, votes and signals up to the present row; rows after it are never read.

    ``data``, ``tape`` and ``votes`` share their rows. ``row`` is the last closed bar, ``last_row``
    the last that can ever come (cached data) or a row never reached.
    """

    @property
    def data(self) -> MarketSeries:
        """Market columns."""
        ...

    @property
    def tape(self) -> SignalTape:
        """Signals."""
        ...

    @property
    def votes(self) -> VoteTable:
        """The models' votes."""
        ...

    @property
    def manager(self) -> ReinforcementManager:
        """What weighs them."""
        ...

    @property
    def row(self) -> int:
        """The last closed bar."""
        ...

    @property
    def last_row(self) -> int:
        """The last bar there will be."""
        ...

    def receive(self, close_ns: int, bars: Sequence[Bar]) -> tuple[ResolvedLabel, ...]:
        """Take in the bars that close at ``close_ns``: features of the row, labels that ended.

        Raises:
            FixData: A time off the grid or before the last one.
        """
        ...

    async def vote(self) -> None:
        """Ask the models about the present row; what fails or is late abstains."""
        ...

    def weigh(self) -> None:
        """Pool the votes of the row with the weights as they are now: fills the tape's row."""
        ...

    def state(self) -> dict[str, Any]:
        """What a restart cannot find in bars and votes (JSON values)."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from ``state``."""
        ...


class Learning(Protocol):
    """From decisions and outcomes to resolved decisions, and from those to both agents."""

    @property
    def agent(self) -> SizingAgent:
        """What learns to size."""
        ...

    @property
    def manager(self) -> ReinforcementManager:
        """What learns to weigh."""
        ...

    def watch(self, view: DecisionView, decision: Decision) -> None:
        """Follow one candidate row, decided or not, until all about it is known."""
        ...

    def outcome(self, decision: Decision, outcome: ClosedTrade | Skipped) -> None:
        """Say what became of a decision that was carried out."""
        ...

    def due(self, row: int) -> tuple[ResolvedDecision, ...]:
        """Take what became known by the close of ``row``, in the order to be learned."""
        ...

    def finish(self) -> tuple[ResolvedDecision, ...]:
        """Take what is still open at the end of data."""
        ...

    def learn(self, resolved: Sequence[ResolvedDecision]) -> None:
        """Let both agents learn, each (id, part) once; nothing where learning is off."""
        ...

    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        """Let the manager learn labels, each once."""
        ...

    def state(self) -> dict[str, Any]:
        """Decisions still followed, by id (their content is in the journal)."""
        ...

    def restore(
        self, state: Mapping[str, Any], found: Callable[[str], tuple[DecisionView, Decision]]
    ) -> None:
        """Follow again what ``state`` names; ``found`` reads a decision from the journal."""
        ...


class Journal(Protocol):
    """Append-only memory; what ``commit`` has returned from is on disk (level ``full``)."""

    def add(self, record: Record) -> None:
        """Put a record into the present transaction."""
        ...

    def leaves_out(self, kind: str, time_ns: int, why: str = "") -> bool:
        """Count something of which it keeps no record; False: make one and ``add`` it.

        ``why`` a decision sent nothing, for its record and the one that it was skipped.
        """
        ...

    async def commit(self, state: Callable[[], Mapping[str, Any]] | None = None) -> None:
        """Write the records added since the last commit and the state they led to, as one.

        Raises:
            StoreUnavailable: Nothing of it is on disk; no new risk may be taken.
        """
        ...

    async def last_state(self) -> Mapping[str, Any] | None:
        """State of the last commit; None in a new journal."""
        ...
