"""Signals of a market that is wholly known: revealed row by row, as a live process would see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.reinforcement.algorithms import EXPONENTIAL
from agents.reinforcement.manager import ReinforcementManager
from envs.core.errors import FixData
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, ExitSlope, VoteTable
from envs.core.trade import ResolvedLabel
from envs.market.indicators import WARMUP_BARS
from runtime.bundle import Bundle
from runtime.port_market import Bar
from runtime.settings import Settings, replace_run
from runtime.signals.bar_ticks import require_same
from runtime.signals.catching_up import CatchingUp
from runtime.signals.known_tape import labels_of, tape_of
from runtime.signals.label_rows import LabelRows
from runtime.signals.market import first_row_of, instant_of, last_row_of, market_of_bundle
from runtime.signals.row_writer import RowWriter, empty_tape
from runtime.signals.weight_course import WeightCourse, weigh_again


class CachedSignals:
    """The ``Signals`` port over known bars and votes (simulation, parity, local lockstep).

    Weights that follow from labels alone give a tape made beforehand; the exponential family is
    weighed row by row with the manager as it then stands. Labels that ended before the first row
    are learned at once, those the manager knows already are not learned again.

    Args:
        data: bars; ``votes`` on them, of the bundle or planted.
        manager: changed in place; lines and slopes are the bundle's.
        first_row: the first that ``receive`` reveals.
        last_row: the last one.
        emit_labels: ``receive`` returns the labels that ended, and whoever gets them teaches the
            manager. Else it returns none and ``manager`` catches up in one compiled pass whenever
            it is read. The exponential family always emits.
        learning: False: the weights stay as they are; labels are not learned by anyone.
    """

    def __init__(
        self,
        data: MarketSeries,
        votes: VoteTable,
        settings: CoreSettings,
        manager: ReinforcementManager,
        line: EvLine | None,
        slopes: tuple[ExitSlope | None, ...],
        *,
        first_row: int,
        last_row: int | None = None,
        emit_labels: bool = True,
        learning: bool = True,
    ) -> None:
        market = data.market
        self.data, self.votes = data, votes
        self.row = first_row - 1
        self.last_row = market.n_bars - 1 if last_row is None else last_row
        self._close_ns = market.close_ns.tolist()
        self._moves = manager.algorithm in EXPONENTIAL
        self._emits = learning and (emit_labels or self._moves)
        self._catches_up = learning and not self._emits
        self._labels = LabelRows(market, votes)
        self._pool = labels_of(manager, votes, market.close_ns, learning)
        self._keeper = CatchingUp(manager, market, votes, self._labels, self._pool)
        if learning:
            self._keeper.to(first_row - 1)
        if self._moves:
            self.tape = empty_tape(market.n_bars, votes, manager.algorithm, slopes)
            self._writer = RowWriter(data, votes, self.tape, settings, line)
            self._course = WeightCourse(self._close_ns[0], manager.weights)
            self._again(first_row)
        else:
            self.tape = tape_of(data, votes, self._pool, settings, manager, line, slopes)

    @property
    def manager(self) -> ReinforcementManager:
        """The manager; without emitted labels it has learned all that ended by ``row``.

        Always the same object: restore it in place (``ReinforcementManager.restore``).
        """
        if self._catches_up:
            self._keeper.to(self.row)
        return self._keeper.manager

    def receive(self, close_ns: int, bars: Sequence[Bar] = ()) -> tuple[ResolvedLabel, ...]:
        """Reveal the row of ``close_ns``; an empty sequence of bars trusts the data.

        Returns:
            Labels that ended since the last call, where they are emitted.

        Raises:
            FixData: A time off the grid, not after the last one or after the last row, or bars
                that are not those of the data (compared in whole ticks).
        """
        row = self.row + 1
        if row > self.last_row or self._close_ns[row] != close_ns:
            row = self._row_of(close_ns)
        if bars:
            require_same(self.data, row, bars)
        first, self.row = self.row + 1, row
        return self._labels.ending(first, row + 1) if self._emits else ()

    async def vote(self) -> None:
        """Nothing to ask: the votes are known."""

    def weigh(self) -> None:
        """Pool the row's votes where trades move the weights; else the tape is known."""
        if self._moves:
            manager = self._keeper.manager
            self._course.note(self._close_ns[self.row], manager.weights)
            self._writer.weigh(self.row, manager)
            self._look_ahead(self.row)

    def state(self) -> dict[str, Any]:
        """The last close and, where trades move the weights, when they changed."""
        out: dict[str, Any] = {"close_ns": self._close_ns[self.row] if self.row >= 0 else -1}
        if self._moves:
            self._course.forget(self._close_ns[max(0, self.row + 1 - WARMUP_BARS)])
            out["weights"] = self._course.to_json()
        return out

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue after the close of ``state``; the manager must have been restored before.

        Raises:
            FixData: The data does not hold that close.
        """
        row = self.data.market.row_at(int(state["close_ns"]))
        if row > self.last_row or self._close_ns[row] != state["close_ns"]:
            raise FixData(
                f"the journal stands at {state['close_ns']} ns, which the bars do not hold: give "
                "the data the run was begun with"
            )
        self.row = row
        if self._moves:
            self._course = WeightCourse.from_json(state["weights"])
            self._again(row + 1)

    def _again(self, stop: int) -> None:
        """Write the rows before ``stop`` that the trailing rank of later ones looks at."""
        manager, first = self._keeper.manager, max(0, stop - WARMUP_BARS)
        weigh_again(
            self._writer, self.votes, self._pool, manager, self._course, self._close_ns, first, stop
        )
        for row in range(first, stop):
            self._look_ahead(row)

    def _look_ahead(self, row: int) -> None:
        """Candidates whose next bar the data has not, as in a tape made beforehand."""
        valid = self.data.market.valid
        self.tape.candidate[row] &= valid[row + 1] if row + 1 < len(valid) else False

    def _row_of(self, close_ns: int) -> int:
        row = self.data.market.row_at(close_ns)
        if row >= len(self._close_ns) or self._close_ns[row] != close_ns:
            raise FixData(f"{close_ns} ns is no close of the data: the exchange runs on other bars")
        if row <= self.row:
            raise FixData(f"{close_ns} ns is not after the last close received")
        if row > self.last_row:
            raise FixData(f"{close_ns} ns lies after the last row to trade")
        return row


def cached_signals(
    bundle: Bundle,
    settings: Settings,
    *,
    data: str | None = None,
    symbols: Sequence[str] = (),
    start_ns: int | None = None,
    end_ns: int | None = None,
    cache: Path | None = None,
    emit_labels: bool = True,
    learning: bool = True,
) -> CachedSignals:
    """Build market, votes and signals of a bundle.

    Args:
        data: folder of bars or ``synthetic``; by default ``settings.run.data``.
        symbols: by default ``settings.run.symbols``.
        start_ns, end_ns: first and last close to trade on. Without a start the bundle's held-out
            span is run; with a start alone, to the last bar. All bars before are warm-up.
        cache: folder of votes computed before; None computes them anew.

    Raises:
        FixData: No such bars, or a start inside the bundle's training span.
        RefusedArtifact: Features of another version, or no models for these bars.
    """
    if data is not None:
        settings = replace_run(settings, data=data)
    if symbols:
        settings = replace_run(settings, symbols=tuple(symbols))
    if start_ns is None:
        start_ns = instant_of(bundle, "test_start")
        end_ns = instant_of(bundle, "test_end") if end_ns is None else end_ns
    market, votes = market_of_bundle(settings, bundle, end_ns, cache)
    first = first_row_of(start_ns, market, bundle)
    last = last_row_of(end_ns, settings.run, market)
    if first >= last:
        raise FixData("the period holds no bar to trade: choose an earlier start or a later end")
    return CachedSignals(
        prepare(market, settings.core), votes, settings.core, bundle.manager.copy(),
        bundle.pool_line, bundle.exit_slopes, first_row=first, last_row=last,
        emit_labels=emit_labels, learning=learning,
    )  # fmt: skip
