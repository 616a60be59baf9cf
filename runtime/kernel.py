"""The order of the steps: from a closed bar to orders, from fills to learning; no rules of its own.

A driver calls ``on_vertex`` and ``on_close`` (lockstep: sim, local exchange) or ``monitor``,
``on_close`` and ``reconcile`` (by the clock). One commit of the journal stands before everything
that has consequences: before learning, before orders are sent, and after the venue has answered.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from envs.core.account import Account
from envs.core.decide import Desk, decide
from envs.core.rules.rounding import from_units
from envs.core.trade import ClosedTrade, ResolvedDecision, ResolvedLabel
from envs.core.types import ExitReason
from envs.kernel.counterfactual import compiled_ladder
from runtime.kernel_parts import KernelParts
from runtime.kernel_ports import Quote, Record
from runtime.monitor import CLOSE, SECOND, Monitor
from runtime.port_errors import StoreUnavailable
from runtime.port_market import Bar
from runtime.reconcile import Reconciler
from runtime.trading import records
from runtime.trading.at_once import Failures
from runtime.trading.books import Books
from runtime.trading.context import Context, Observer
from runtime.trading.entering import Entering
from runtime.trading.exits import Exits
from runtime.trading.live_world import LiveWorld
from runtime.trading.protecting import Protecting
from runtime.trading.state import BooksState, restore_books
from runtime.trading.taking import Taking
from runtime.trading.tickets import Ticket

_LOG = logging.getLogger(__name__)
STATE_VERSION = 1


class Kernel:
    """One account, traded.

    Attributes:
        context: the shared state; read it freely.
        bar_ns: close of the last bar received, 0 before the first.
    """

    def __init__(self, parts: KernelParts) -> None:
        self.parts, self.bar_ns = parts, 0
        account = Account(
            parts.settings.core.start_equity_quote, parts.signals.data.contracts,
            # By the clock it would grow for months; the journal has it all.
            keep_ledger=parts.options.in_turn,
        )  # fmt: skip
        books = Books(account, parts.symbols)
        self.context = Context(
            parts.settings.core, parts.account_name, parts.symbols, parts.venue, parts.journal,
            parts.signals, parts.learning, parts.stop, books, parts.options,
        )  # fmt: skip
        # Its changes are committed with everything else, not only when something else changes.
        parts.stop.persist = self.context.tell
        self.taking = Taking(self.context)
        self.entering = Entering(self.context, self.taking)
        self.exits = Exits(self.context, self.taking)
        self.protecting = Protecting(self.context, self.exits)
        self.watcher = Monitor(
            self.context, self.taking, self.entering, self.exits, self.protecting
        )
        self.reconciler = Reconciler(
            self.context, self.taking, self.entering, self.protecting, parts.store,
            adopts=parts.adopts,
        )  # fmt: skip
        self.world = LiveWorld(parts.settings.core, parts.signals, account, parts.stop)
        self._books_state = BooksState(self.context, self.taking)
        self._desk: Desk | None = None
        self._decided_ns = 0
        self._labels: list[tuple[ResolvedLabel, ...]] = []
        self._resolved: list[ResolvedDecision] = []
        self._blocks: dict[str, str] = {}

    @property
    def trades(self) -> list[ClosedTrade]:
        """Closed trades since the start of this process, in order; by the clock the last 1,000."""
        return self.context.trades

    @property
    def observers(self) -> list[Observer]:
        """Called with every record as it is made; must be quick and never raise."""
        return self.context.observers

    def observe(self, observer: Observer, kinds: Collection[str] | None = None) -> None:
        """Let an observer hear the records of some kinds; None: of all, as ``observers``."""
        self.context.observe(observer, kinds)

    def block_entries(self, symbol: str, reason: str) -> None:
        """Take no new risk in a contract (stale feed, clock); an empty reason lifts it."""
        if reason:
            self._blocks[symbol] = reason
        else:
            self._blocks.pop(symbol, None)

    async def start(self, quotes: Mapping[str, Quote] | None = None) -> None:
        """Recover: journal, venue, missing events, stops; decide what was not decided yet.

        ``quotes``: where the contracts stand now, if known; without, open positions are valued
        with the first that come.

        Raises:
            VenueUnavailable: The venue did not tell everything; try again.
            RefusedArtifact: The state is of a newer version or of other contracts.
        """
        context, parts = self.context, self.parts
        context.now_ns = max(parts.clock_ns(), 0)
        state = await parts.journal.last_state()
        if state is None:
            await self._begin()
        else:
            self._restore(state)
        context.tell(Record(records.RUN, context.now_ns, str(context.now_ns), dict(parts.run)))
        await self._commit()
        context.books.set_quotes(quotes or {})
        await self._obey()
        await self.reconciler.recover()
        await self._commit()
        await self.watcher.look(SECOND, {}, stepped=parts.options.in_turn)
        await self._commit()
        # Stops first: only now what is new risk.
        if await self.reconciler.entries(self._protect):
            await self.watcher.look(SECOND, {}, stepped=parts.options.in_turn)
            await self._commit()
        age_ns = context.now_ns - self.bar_ns
        if self.bar_ns > self._decided_ns and age_ns <= parts.options.decide_within_s * 1e9:
            await parts.signals.vote()
            parts.signals.weigh()
            await self._signal_and_decide(self.bar_ns)

    async def on_vertex(self, now_ns: int, index: int, quotes: Mapping[str, Quote]) -> None:
        """Lockstep: act on what happened up to a vertex (0 open, 1, 2 extremes, 3 close)."""
        self.context.now_ns, failures = now_ns, Failures()
        if index == CLOSE:
            await failures.of(self._obey())
        await failures.of(self.watcher.look(index, quotes, stepped=True))
        self._tell_gate()
        await self._commit()
        failures.tell()

    async def monitor(self, now_ns: int, quotes: Mapping[str, Quote]) -> None:
        """By the clock: the same between closes, at whatever the prices are."""
        self.context.now_ns, failures = now_ns, Failures()
        await failures.of(self._obey())
        await failures.of(self.watcher.look(SECOND, quotes, stepped=False))
        self._tell_gate()
        await self._commit()
        failures.tell()

    async def watch(self) -> None:
        """By the clock: see that stops still rest, and protect at once what lost its own."""
        await self._look_after(self.reconciler.watch())

    async def reconcile(self) -> None:
        """Compare with the venue."""
        await self._look_after(self.reconciler.compare())

    async def _look_after(self, asking: Awaitable[None]) -> None:
        """Ask the venue, and protect at once what turned out to be bare."""
        self.context.now_ns, failures = max(self.context.now_ns, self.parts.clock_ns()), Failures()
        await failures.of(asking)
        books = self.context.books
        if any(t.stop is None for s, t in books.tickets.items() if s in books.account.positions):
            await failures.of(self.watcher.look(SECOND, {}, stepped=self.parts.options.in_turn))
        await self._commit()
        failures.tell()

    async def on_close(
        self, close_ns: int, bars: Sequence[Bar], *, quotes: Mapping[str, Quote] | None = None
    ) -> None:
        """Take in the bars of a close, learn what they resolve, decide and send.

        ``quotes``: by the clock, the prices at which resting entries and time exits are judged; in
        lockstep ``on_vertex`` of the close did that.
        """
        context, parts = self.context, self.parts
        context.now_ns = max(context.now_ns, close_ns)
        failures = Failures()
        if quotes is not None:
            await failures.of(self.watcher.look(CLOSE, quotes, stepped=False))
        labels = parts.signals.receive(close_ns, bars)
        self.bar_ns = close_ns
        context.closed_bars(close_ns, bars)
        if labels:
            context.tell(records.labels_record(close_ns, labels))
            self._labels.append(labels)
        self._resolved += context.resolved(parts.learning.due(parts.signals.row))
        await self._commit()
        await self._learn()
        await parts.signals.vote()
        parts.signals.weigh()
        late = parts.clock_ns() - close_ns > parts.options.decide_within_s * 1e9
        if late or failures:
            self._decided_ns = close_ns
            why = "the bar is too old to decide on" if late else "no decision after an error"
            context.alarm(str(close_ns), why)
            failures.tell()
            return
        await self._signal_and_decide(close_ns)

    async def finish(self) -> None:
        """The market has ended: close what is open at the last close, reason END, and learn."""
        books, failures = self.context.books, Failures()
        await failures.of(self.context.at_work.wait())
        for s in sorted(books.account.pending):
            await failures.of(self._call_off(s, "END"))
        for s in sorted(books.account.positions):
            books.tickets[s].exit = None
            await failures.of(self.exits.send(s, int(ExitReason.END)))
        await failures.of(self.watcher.look(SECOND, {}, stepped=True))
        await failures.of(self.context.at_work.wait())
        failures.tell()
        self._resolved += self.context.resolved(self.parts.learning.finish())
        await self._commit()
        await self._learn(force=True)

    async def stop(self, *, flatten: bool) -> tuple[str, ...]:
        """End in order; positions are closed when asked, else left with their stops.

        Returns the contracts still open, those whose entry may yet fill among them.
        """
        context, books, failures = self.context, self.context.books, Failures()
        await failures.of(context.at_work.wait())
        for s in sorted(books.account.pending):
            await failures.of(self._call_off(s, "STOPPED"))
        if flatten:
            for s in sorted(books.account.positions):
                await failures.of(self.exits.send(s, int(ExitReason.EMERGENCY)))
        await failures.of(self.watcher.look(SECOND, {}, stepped=self.parts.options.in_turn))
        await failures.of(context.at_work.wait())
        await self._commit()
        await self._learn(force=True)
        failures.tell()
        open_ = {*books.account.positions, *books.account.pending}
        return tuple(context.symbols[s] for s in sorted(open_))

    async def _call_off(self, s: int, reason: str) -> None:
        """Cancel an entry; what it filled meanwhile stays."""
        ticket = self.context.books.tickets[s]
        await self.entering.cancel(ticket)
        if ticket.is_empty and not ticket.entry_open:
            self.entering.drop(ticket, reason)

    def state(self) -> dict[str, Any]:
        """The state document of this moment."""
        parts = self.parts
        return {
            "version": STATE_VERSION,
            "now_ns": self.context.now_ns,
            "bar_ns": self.bar_ns,
            "decided_ns": self._decided_ns,
            "books": self._books_state.told(),
            "stop": parts.stop.state(),
            "signals": parts.signals.state(),
            "learning": parts.learning.state(),
        }

    async def _begin(self) -> None:
        """A new journal: the account holds what the venue says."""
        await self.taking.begin()
        if self.parts.signals.row >= 0:
            self.bar_ns = self.world.now_ns
        equity = from_units(self.context.books.account.cash_units)
        # Records without a state: something of the journal is gone, so nothing new begins.
        known = getattr(self.parts.journal, "last_seq", 0) > 0
        self.parts.stop.restore(None, equity, self.context.now_ns, known=known)

    def _restore(self, state: Mapping[str, Any]) -> None:
        context, parts = self.context, self.parts
        restore_books(state["books"], context, self.taking)
        # The clock of a market that has told nothing yet stands at its begin.
        context.now_ns = max(context.now_ns, int(state["now_ns"]))
        self.bar_ns, self._decided_ns = int(state["bar_ns"]), int(state["decided_ns"])
        parts.signals.restore(state["signals"])
        if parts.found is not None:
            parts.learning.restore(state["learning"], parts.found)
        equity = from_units(context.books.account.cash_units)
        parts.stop.restore(
            state.get("stop"), equity, context.now_ns, known=True, watched=context.symbols
        )

    async def _learn(self, *, force: bool = False) -> None:
        """Learn what is journalled; what could not be journalled waits."""
        labels, resolved = self._labels, self._resolved
        for told in labels:
            self.parts.learning.learn_labels(told)
        if resolved:
            self.parts.learning.learn(resolved)
        self._labels, self._resolved = [], []
        # Before more is told: a checkpoint names the last record, which has to be on disk.
        if self.parts.checkpoint is not None and (resolved or force):
            await self.parts.checkpoint(force)
        if self.parts.learns:
            self.context.learned(self.bar_ns, resolved, labels)

    async def _signal_and_decide(self, close_ns: int) -> None:
        """The row's signals; every candidate in its order; then all entries are sent."""
        parts = self.parts
        if parts.options.full:
            for record in records.signal_records(parts.signals, self.context.symbols, close_ns):
                self.context.tell(record)
        tickets = self._decide()
        self._decided_ns = close_ns
        try:
            await self._commit()
        except StoreUnavailable:
            for ticket in tickets:
                self.entering.drop(ticket, "NOT_JOURNALLED")
            raise
        if tickets:
            await self.entering.send(tickets, self._protect)
            if parts.options.in_turn:
                for ticket in tickets:
                    await self._protect(ticket.s)
            await self._commit()

    async def _protect(self, s: int) -> None:
        if s in self.context.books.account.positions and s in self.context.books.tickets:
            await self.protecting.ensure(s)

    def _decide(self) -> list[Ticket]:
        """Decide the candidates of the row; returns what is to be sent."""
        parts, desk = self.parts, self._desk_now()
        out: list[Ticket] = []
        if parts.signals.row >= parts.signals.last_row:
            return out
        for s in desk.candidates():
            view = desk.view(s)
            blocked = self._blocked(s) if view.executable else ""
            if blocked:
                view = replace(view, executable=False, block_reason=blocked)
            decision = decide(view, parts.brain, parts.chain)
            self.context.decided(view, decision)
            parts.learning.watch(view, decision)
            if decision.chosen is None:
                continue
            if desk.commit(view, decision):
                out.append(self.entering.prepare(s, self.context.books.account.pending[s]))
            else:
                self.context.skipped(decision, decision.reason or "SKIP")
        return out

    def _blocked(self, s: int) -> str:
        """Why the runtime takes no new risk in a contract, whatever the world's limits say."""
        symbol = self.context.symbols[s]
        if barred := self.context.barred(symbol):
            return barred
        if not self.context.can_value:
            return "MARK_UNKNOWN"
        if s in self.context.books.tickets:
            return "POSITION_OPEN"
        if not self.parts.stop.symbol_active(symbol, self.context.now_ns):
            return "SYMBOL_HALTED"
        return self._blocks.get(symbol, "") or self._blocks.get("", "")

    def _desk_now(self) -> Desk:
        """The desk over the present columns; live ones may be laid out anew when they grow."""
        parts = self.parts
        if self._desk is None or self._desk.tape is not parts.signals.tape:
            self._desk = Desk(
                self.world, parts.signals.tape, parts.preset, parts.settings.core,
                parts.signals.votes, compiled_ladder(), parts.account_name,
            )  # fmt: skip
            bind = getattr(parts.learning, "bind", None)
            if bind is not None:
                bind(self._desk)
        return self._desk

    async def _obey(self) -> None:
        """Carry out what operators asked of the emergency stop."""
        if self.parts.requests is not None:
            stop = self.parts.stop
            stop.obey(await self.parts.requests(stop.obeyed), self.context.now_ns)

    def _tell_gate(self) -> None:
        """Journal the changes of the emergency stop since the last time."""
        if events := self.parts.stop.events:
            for event in events:
                self.context.tell(records.gate_record(event))
            events.clear()

    async def _commit(self) -> None:
        """Bring what happened to disk; without it nothing goes on."""
        if not self.context.dirty:
            return
        self.context.dirty = False
        try:
            await self.parts.journal.commit(self.state)
        except BaseException:
            self.context.dirty = True
            raise
