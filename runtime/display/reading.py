"""A snapshot of a running trader: reads, copies, changes nothing."""

from __future__ import annotations

from envs.core.position import Position
from envs.core.rules.rounding import from_units
from envs.core.rules.sizing import Contract
from envs.core.types import MODEL_NAMES
from runtime.display.snapshot import HealthLine, ModelLine, PositionLine, Snapshot
from runtime.display.watcher import Watcher
from runtime.display.words import utc
from runtime.trading.tickets import Ticket, is_adopted
from runtime.wiring.trader import Trader

_SHOWN_CURVE, _LETTERS = 2_000, 76


class Reader:
    """Takes snapshots of one trader.

    The digest of the sizing table costs milliseconds, so it is taken when asked for only.
    """

    def __init__(self, trader: Trader, watcher: Watcher) -> None:
        self._trader, self._watcher = trader, watcher
        self._began = trader.learning.agent.digest()
        self._digest = self._began
        self._labels = len(trader.signals.manager.labels)
        plan = trader.plan
        symbols = plan.settings.run.symbols
        named = " ".join(symbols[:4]) + (
            f" and {len(symbols) - 4} more" if len(symbols) > 4 else ""
        )
        self._title = f"{plan.venue}: {named} {plan.settings.run.timeframe}"

    def take(self, *, digest: bool = False) -> Snapshot:
        """What there is to see now; ``digest`` asks for the table's as well."""
        trader, watcher = self._trader, self._watcher
        if digest:
            self._digest = trader.learning.agent.digest()
        context = trader.kernel.context
        account = context.books.account
        stop = trader.emergency
        on = trader.plan.learn and trader.plan.settings.live.sizing_enabled
        return Snapshot(
            title=self._title,
            now_ns=max(context.now_ns, watcher.now_ns),
            bars=watcher.bars,
            most_bars=trader.most_bars,
            equity=account.equity_quote(),
            start=watcher.start or account.equity_quote(),
            curve=tuple(watcher.curve)[-_SHOWN_CURVE:],
            positions=self._positions(),
            decisions=tuple(watcher.decisions),
            trades=tuple(watcher.trades),
            models=self._models(),
            totals=watcher.totals(),
            learned=watcher.learned(
                on, len(trader.signals.manager.labels) - self._labels, self._began, self._digest
            ),
            gate=_gate_words(trader),
            gate_open=stop.active,
            health=self._health(),
        )

    def _positions(self) -> tuple[PositionLine, ...]:
        context = self._trader.kernel.context
        books = context.books
        return tuple(
            _position(
                context.symbols[s], p, books.tickets.get(s), context.data.contracts[s],
                books.account.marks[s],
            )
            for s, p in sorted(books.account.positions.items())
        )  # fmt: skip

    def _models(self) -> tuple[ModelLine, ...]:
        manager = self._trader.signals.manager
        weights, scalers = manager.raw_weights().tolist(), manager.vote_scalers().tolist()
        c = manager.calibration
        return tuple(
            ModelLine(name, weights[m], scalers[m], c.brier[m], c.samples[m])
            for m, name in enumerate(MODEL_NAMES)
        )

    def _health(self) -> tuple[HealthLine, ...]:
        trader = self._trader
        if trader.plan.venue == "sim":
            return ()
        lines = [_feed_line(trader), _venue_line(trader)]
        context = trader.kernel.context
        if context.wallet_off:
            text = f"the venue's differs by {from_units(context.wallet_off):,.2f}: no entries"
            lines.append(HealthLine("wallet", False, text))
        barred = {*context.unsure, *trader.venue.health().shut}
        if barred:
            lines.append(HealthLine("not traded", False, ", ".join(sorted(barred))))
        if self._watcher.alarms:
            when, about, text = self._watcher.alarms[-1]
            lines.append(HealthLine("attention", False, f"{utc(when)} {about}: {text}"[:_LETTERS]))
        return tuple(lines)


def _position(
    symbol: str, p: Position, ticket: Ticket | None, contract: Contract, mark_ticks: float
) -> PositionLine:
    side = p.levels.side
    tick = contract.tick_num / contract.tick_den
    gone = side * mark_ticks - p.levels.entry
    protection, safe = _protection(p, ticket)
    return PositionLine(
        symbol=symbol, side=side, qty=p.book.qty * contract.step_num / contract.step_den,
        entry=side * p.levels.entry * tick, mark=mark_ticks * tick,
        stop=side * p.guard.stop * tick, target=side * p.levels.target * tick,
        r=gone / p.levels.risk if p.levels.risk > 0 else 0.0, opened_ns=p.levels.entry_ns,
        protection=protection, safe=safe,
    )  # fmt: skip


def _protection(p: Position, ticket: Ticket | None) -> tuple[str, bool]:
    """What rests at the venue, and whether a confirmed stop covers all of it."""
    if ticket is None:
        return "not ours", False
    if ticket.exit is not None:
        return "closing", True
    stop = ticket.stop
    if stop is None or not stop.confirmed:
        return "no stop yet", False
    named = [("stop", stop), ("partial", ticket.partial), ("target", ticket.target)]
    words = " ".join(name for name, x in named if x is not None)
    if is_adopted(ticket.decision.decision_id):
        words += ", adopted"
    return words, stop.qty >= p.book.qty


def _gate_words(trader: Trader) -> str:
    stop = trader.emergency
    words = stop.state_name.lower().replace("_", " ")
    if stop.ess.level:
        words += f", level {stop.ess.level} since {utc(stop.ess.since_ns)}"
    return f"{words}, {stop.order_gate.value}"


def _feed_line(trader: Trader) -> HealthLine:
    found = [trader.feed.health(s) for s in trader.kernel.context.symbols]
    bad = [h for h in found if not h.usable]
    oldest = max((h.age_s for h in found), default=0.0)
    if not bad:
        return HealthLine("feed", True, f"{oldest:.1f} s old")
    h = bad[0]
    why = h.problem or ("stale" if h.stale else "bars missing" if h.missing else "crossed")
    return HealthLine("feed", False, f"{h.symbol}: {why} ({len(bad)} of {len(found)})")


def _venue_line(trader: Trader) -> HealthLine:
    h = trader.venue.health()
    if h.problems:
        return HealthLine("venue", False, h.problems[0])
    if not h.stream_up:
        return HealthLine("venue", False, "account stream is down, asking by REST")
    paused = f", paused {h.paused_s:.0f} s" if h.paused_s > 0.0 else ""
    return HealthLine("venue", not paused, f"stream up, clock {h.clock_offset_ms:+d} ms{paused}")
