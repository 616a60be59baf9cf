"""Signals of a market as it comes: a rolling window of bars, features, votes and weights."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from agents.reinforcement.algorithms import EXPONENTIAL
from agents.reinforcement.manager import ReinforcementManager
from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.series import MarketSeries
from envs.core.tape import EvLine, ExitSlope, SignalTape, VoteTable
from envs.core.trade import ResolvedLabel
from envs.market.bars import RawSeries
from envs.market.indicators import WARMUP_BARS
from runtime.port_market import Bar
from runtime.settings import Settings
from runtime.signals.bar_ticks import NS_PER_MS, ticks_of
from runtime.signals.catching_up import CatchingUp
from runtime.signals.label_rows import LabelRows
from runtime.signals.live_inputs import Funding, Marks, pending_bars
from runtime.signals.live_labels import labels_ending
from runtime.signals.live_votes import LiveVotes
from runtime.signals.live_window import CAPACITY, KEPT_ROWS, LiveWindow
from runtime.signals.past import Past, past_of, silence, without
from runtime.signals.row_writer import RowWriter, empty_tape
from runtime.signals.snapshots import Snapshot, Snapshots
from runtime.signals.turn import Turn
from runtime.signals.voters import Voter
from runtime.signals.weight_course import WeightCourse, weigh_again

NEVER_ROW = 2**40
_HISTORY_S = 10.0
"""Seconds for the votes of a bar of the history, on which nobody waits to decide."""
_log = logging.getLogger(__name__)


class LiveSignals:
    """The ``Signals`` port over a feed (local exchange in its own time, demo).

    Columns hold a bounded number of rows; when they are full the oldest leave and ``row`` shrinks
    by as many, so whoever remembers a bar remembers its close, never its row.

    Use: make it, ``restore`` where the journal holds a state, ``await start()``; then for each
    close of ``pending()`` and each new one ``receive``, ``await vote()``, ``weigh``; at the end
    ``await stop()``.

    Args:
        manager: changed in place; on a restart it must have been restored before ``start``.
        line, slopes: the bundle's.
        history: closed bars, one series per symbol in order of their names, with funding and marks
            as far as known: ``past.LEAST_BARS`` at least; from ``past.FULL_BARS`` on a restart
            gives the same bits as a process that never stopped. Bars after the close of a restored
            state are ``pending``.
        instruments: contracts of those symbols; their ticks must hold the history's prices.
        budget_s: seconds ``vote`` may take; models that are not done by then abstain, and no other
            question is put to them before they have come back.
        learning: False: no label is learned or returned.
        clock: monotonic seconds.

    Attributes:
        turn: held by whoever hands a close on; lent while the models are asked, when others may
            look after positions but hand no close on.
    """

    data: MarketSeries
    tape: SignalTape
    votes: VoteTable

    def __init__(
        self,
        history: Sequence[RawSeries],
        instruments: Sequence[Instrument],
        voter: Voter,
        settings: Settings,
        manager: ReinforcementManager,
        line: EvLine | None,
        slopes: tuple[ExitSlope | None, ...],
        *,
        budget_s: float = 0.2,
        learning: bool = True,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        names = [r.symbol for r in history]
        if not names or names != sorted(set(names)) or names != [i.symbol for i in instruments]:
            raise FixData(f"one series and contract per symbol, by name: got {', '.join(names)}")
        self.manager, self.row, self.last_row = manager, -1, NEVER_ROW
        self.turn = Turn()
        self._history, self._instruments, self._voter = history, instruments, voter
        self._settings, self._line, self._slopes = settings, line, slopes
        self._budget_s, self._learning, self._clock = budget_s, learning, clock
        self._interval_ns = history[0].interval_ns
        self._snapshots = Snapshots(Snapshot.of(manager, -1))
        self._course = WeightCourse(-1, manager.weights)
        self._abstained: list[tuple[int, str]] = []
        self._gaps: dict[tuple[int, str], bool] = {}
        self._pending: dict[int, list[Bar]] = {}
        self._restored_ns: int | None = None
        self._started = False

    async def start(self) -> None:
        """Compute features and votes of the history and weigh its last rows.

        A start without state learns the history's labels that the manager does not know: write
        the first checkpoint after this.

        Raises:
            FixData: Bad bars, or too few.
        """
        await asyncio.to_thread(self._start)
        self._started = True
        # Half a million objects of the models' libraries live for good: looking through them
        # again and again would stop the process for hundreds of milliseconds.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """End the threads."""
        if self._started:
            await asyncio.to_thread(self._work.close)

    def pending(self) -> tuple[int, ...]:
        """Closes of history bars after ``row``, in order: each still wants ``receive(close)``."""
        return tuple(t for t in sorted(self._pending) if t > self._close_ns)

    def settle(self, symbol: str, stamp_ns: int, rate: float) -> None:
        """Note a settled funding rate; known from the next close received on."""
        self._funding[self._index(symbol)].note(stamp_ns, rate)

    def mark(self, bar: Bar) -> None:
        """Note a closed bar of the mark price; before ``receive`` of the same close."""
        self._marks.note(self._index(bar.symbol), bar)

    def receive(self, close_ns: int, bars: Sequence[Bar] = ()) -> tuple[ResolvedLabel, ...]:
        """Take in the bars that close at ``close_ns``; a symbol without one has a gap there.

        Without bars, those of the history are taken (``pending``). Earlier ones among ``bars``
        came late: they mend the history, not what was decided. Features follow in ``vote``.

        Returns:
            Labels that ended since the last call.

        Raises:
            FixData: A time off the grid or not after the last one, a bar after ``close_ns``, or
                prices that are no whole ticks. Nothing is taken in then.
        """
        interval = self._interval_ns
        if close_ns % interval or close_ns <= self._close_ns:
            raise FixData(
                f"{close_ns} ns: bars close every {interval} ns, the last at {self._close_ns} ns"
            )
        given = list(bars) or self._pending.get(close_ns, [])
        read = [self._read(bar, close_ns) for bar in given]
        self._work.settle()
        labels: list[ResolvedLabel] = []
        for place, bar_ns, ticks, volume in read:
            if bar_ns <= self._close_ns:
                self._mend(place, bar_ns, ticks, volume)
        for at in range(self._close_ns + interval, close_ns + 1, interval):
            now = {s: (ticks, volume) for s, bar_ns, ticks, volume in read if bar_ns == at}
            if not now and at != close_ns:
                rest = [self._read(bar, at) for bar in self._pending.get(at, [])]
                now = {s: (ticks, volume) for s, _, ticks, volume in rest}
            self._append(at, now)
            if self._learning:
                labels += labels_ending(
                    self._window.market, self.votes, self._settings.core.costs, self.row
                )
        for at in [t for t in self._pending if t <= close_ns]:
            del self._pending[at]
        return tuple(labels)

    async def vote(self) -> None:
        """Features of the row, and all models about all its symbols, in threads of their own.

        What fails or is late abstains. While the row is one of the history there is no hurry.
        """
        past = self._close_ns <= self._history_ns
        budget = max(_HISTORY_S, self._budget_s) if past else self._budget_s
        async with self.turn.lent():
            failed = await self._work.vote(self.row, budget)
        self._abstained += [(self._close_ns, name) for name in failed]
        if failed:
            _log.warning("%s: abstain at %d ns", ", ".join(failed), self._close_ns)

    def weigh(self) -> None:
        """Pool the row's votes with the manager's weights: side, edge, candidate."""
        self._course.note(self._close_ns, self.manager.weights)
        self._writer.weigh(self.row, self.manager)
        self._snapshots.note(self.manager, self._close_ns, self._interval_ns)
        self._work.prepare()

    def settled(self) -> None:
        """Wait until what is prepared between two bars is done."""
        self._work.settle()

    @property
    def is_hanging(self) -> bool:
        """Whether the models have not come back from a question for ten seconds."""
        return self._work.is_hanging

    @property
    def spent_s(self) -> Mapping[str, float]:
        """Seconds the last row's features and models took."""
        return self._work.spent

    def state(self) -> dict[str, Any]:
        """What bars, votes and the manager do not tell: a few kilobytes."""
        first_ns = self._close_ns - WARMUP_BARS * self._interval_ns
        self._abstained = [x for x in self._abstained if x[0] > first_ns]
        self._gaps = {k: v for k, v in self._gaps.items() if k[0] > first_ns}
        held = self._snapshots.before(self._close_ns, self._interval_ns)
        self._course.forget(first_ns)
        moves = self.manager.algorithm in EXPONENTIAL
        return {
            "close_ns": self._close_ns,
            "snapshot": held.to_json(),
            "weights": self._course.to_json() if moves else [],
            "abstained": [list(x) for x in self._abstained],
            "gaps": [[*key, mended] for key, mended in self._gaps.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue after the close of ``state``; before ``start``, with the manager restored.

        Raises:
            FixData: Already started elsewhere.
        """
        close_ns = int(state["close_ns"])
        if self._started:
            if close_ns != self._restored_ns:
                raise FixData("signals: give the journal's state before they are started")
            return
        self._restored_ns = close_ns
        self._snapshots = Snapshots(Snapshot.from_json(state["snapshot"]))
        if state["weights"]:
            self._course = WeightCourse.from_json(state["weights"])
        self._abstained = [(int(t), str(name)) for t, name in state["abstained"]]
        self._gaps = {(int(t), str(s)): bool(mended) for t, s, mended in state["gaps"]}

    @property
    def _close_ns(self) -> int:
        return int(self._window.market.close_ns[self.row])

    def _start(self) -> None:
        past = self._past()
        market, core, manager = past.market, self._settings.core, self.manager
        n, fresh = market.n_bars, self._restored_ns is None
        pool = self._snapshots.replay(manager, market, past.votes, self._learning)
        if fresh and self._learning:
            labels = LabelRows(market, past.votes)
            CatchingUp(manager, market, past.votes, labels, pool).to(n - 1)
        elif self._learning:
            _compare(manager, pool.posterior[n - 1], pool.platt[n - 1])
        tape = empty_tape(n, past.votes, manager.algorithm, self._slopes)
        writer = RowWriter(past.data, past.votes, tape, core, self._line)
        first = max(0, n - WARMUP_BARS)
        close_ns = market.close_ns.tolist()
        weigh_again(writer, past.votes, pool, manager, self._course, close_ns, first, n)
        for row in range(first + 1, n):
            writer.confirm(row)
        window = LiveWindow(
            self._instruments, self._interval_ns, close_ns[max(0, n - KEPT_ROWS)], core,
            manager.algorithm, self._slopes, self._voter.origin,
        )  # fmt: skip
        self.row = window.load(market, past.laid, past.data, past.dataset, past.votes, tape)
        self._window = window
        self.data, self.votes, self.tape = window.data, window.votes, window.tape
        self._writer = RowWriter(window.data, window.votes, window.tape, core, self._line)
        self._work = LiveVotes(window, self._voter, self._settings.market, self.row, self._clock)
        self._work.prepare()

    def _past(self) -> Past:
        """The history up to the last close that was dealt with, and what waits after it."""
        history, interval = self._history, self._interval_ns
        self._history_ns = max(int(r.open_ns[-1]) + interval for r in history if r.open_ns.size)
        until = self._history_ns if self._restored_ns is None else self._restored_ns
        missed: dict[str, set[int]] = {}
        for (close_ns, symbol), mended in self._gaps.items():
            if not mended:
                missed.setdefault(symbol, set()).add(close_ns)
        cut = [without(r.between(None, until), missed.get(r.symbol, set())) for r in history]
        if max(int(r.open_ns[-1]) + interval for r in cut if r.open_ns.size) != until:
            raise FixData(
                f"the history ends before the journal's last bar, {until} ns: ask the venue again"
            )
        past = past_of(cut, self._instruments, self._settings, self._voter)
        silence(past.market, past.votes, self._abstained, self._gaps)
        self._pending = pending_bars(history, until)
        rate = self._settings.core.costs.funding_rate
        self._funding = [Funding(r.funding_ns, r.funding_rate, interval, rate) for r in history]
        self._marks = Marks(history)
        self._history = ()
        return past

    def _read(self, bar: Bar, close_ns: int) -> tuple[int, int, tuple[int, int, int, int], float]:
        s, bar_ns = self._index(bar.symbol), bar.close_ms * NS_PER_MS
        if bar_ns > close_ns or bar_ns % self._interval_ns:
            raise FixData(
                f"{bar.symbol}: a bar closing at {bar.close_ms} ms among those of {close_ns} ns"
            )
        if not 0.0 <= bar.volume < np.inf:
            raise FixData(f"{bar.symbol}: bar closing at {bar.close_ms} ms: volume {bar.volume}")
        return s, bar_ns, ticks_of(bar, self._instruments[s]), bar.volume

    def _append(
        self, close_ns: int, bars: Mapping[int, tuple[tuple[int, int, int, int], float]]
    ) -> None:
        if self.row + 1 >= CAPACITY:
            k = CAPACITY - KEPT_ROWS
            self._window.shift(k)
            self.row -= k
            self._work.shifted(k)
            self._marks.forget(int(self._window.market.close_ns[0]))
        self.row += 1
        marks = {s: m for s in bars if (m := self._marks.at(s, close_ns - self._interval_ns))}
        self._window.put_bars(self.row, bars, marks, [f.at(close_ns) for f in self._funding])
        self._writer.confirm(self.row)
        for s, name in enumerate(self._window.market.symbols):
            if s not in bars:
                self._gaps[(close_ns, name)] = False

    def _mend(self, s: int, close_ns: int, ticks: tuple[int, int, int, int], volume: float) -> None:
        """Put a late bar where it belongs; what was computed without it stays."""
        market = self._window.market
        row = self.row - (self._close_ns - close_ns) // self._interval_ns
        if row < 0:
            return
        if market.valid[row, s]:
            if self.data.bars[s][row] != ticks:
                _log.warning(
                    "%s: another bar closing at %d ns: the first is kept", market.symbols[s],
                    close_ns,
                )  # fmt: skip
            return
        self._window.mend_bar(
            row, s, ticks, volume, self._marks.at(s, close_ns - self._interval_ns)
        )
        self._gaps[(close_ns, market.symbols[s])] = True
        self._work.mended(s)

    def _index(self, symbol: str) -> int:
        for s, instrument in enumerate(self._instruments):
            if instrument.symbol == symbol:
                return s
        raise FixData(f"{symbol}: not among the symbols that are traded")


def _compare(manager: ReinforcementManager, posterior: Any, platt: Any) -> None:
    """Tell when the history leads to other weights than the ones the checkpoint holds."""
    same = np.array_equal(manager.pool.posterior, posterior)
    if not (same and np.array_equal(manager.pool.platt, platt)):
        _log.warning(
            "the history does not lead to the weights of the checkpoint: the venue's past bars, "
            "or the models' votes on them, are not those of the former run; ranks of the last "
            "%d bars may differ", WARMUP_BARS,
        )  # fmt: skip
