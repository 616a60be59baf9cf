"""The simulated face of the core: decisions at closes, fills, paths and limits in between.

``World`` holds no rule: it orders the calls. A row t is the close of bar t; ``advance`` runs the
bar after it: funding, entries, the four vertices (all symbols in name order at each vertex), the
ladder at every vertex, and the close.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from envs.core.account import Account
from envs.core.events import EntryKind
from envs.core.gate import Gate
from envs.core.position import PendingEntry, Position
from envs.core.rules.booking import fund_book, net_units, price_of
from envs.core.rules.exits import Stop, defensive_stop, time_is_up
from envs.core.rules.fills import limit_fraction, limit_reached
from envs.core.rules.lifecycle import close_at, open_position, with_order, with_stop
from envs.core.rules.path import mark_at
from envs.core.rules.rounding import from_units
from envs.core.rules.walk import (
    END,
    STYLE_MARKET,
    STYLE_POST_ONLY,
    TIME,
    adverse_first,
    bar_in_reach,
    detail_basis,
    signed_vertex,
    step_vertex,
    vertex_ns,
)
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade, Decision, Skipped
from envs.core.types import ExitReason, IntrabarRule

_DEFENSIVE_LEVEL = 2
_CLOSE_ALL_LEVEL = 3
_STOP_REASONS = (ExitReason.STOP, ExitReason.TRAIL, ExitReason.BREAKEVEN, ExitReason.DEFENSIVE)


@dataclass(frozen=True)
class Resolved:
    """A decision whose outcome became known while advancing."""

    decision: Decision
    outcome: ClosedTrade | Skipped
    row: int


@dataclass
class _Walk:
    """Where each symbol's path stands inside the present bar (unsigned ticks)."""

    part: int
    parts: int
    bars: dict[int, tuple[int, ...]]
    adverse: dict[int, bool] = field(default_factory=dict)
    price: dict[int, int] = field(default_factory=dict)
    mark: dict[int, float] = field(default_factory=dict)


class World:
    """One account trading one market under the rules, bar by bar."""

    def __init__(
        self,
        data: MarketSeries,
        settings: CoreSettings,
        first_row: int = 0,
        last_row: int | None = None,
        keep_ledger: bool = True,
    ) -> None:
        self.data = data
        self.settings = settings
        self.row = first_row
        self.last_row = data.market.n_bars - 1 if last_row is None else last_row
        self.interval_ns = data.market.interval_ns
        self.account = Account(settings.start_equity_quote, data.contracts, keep_ledger)
        self.gate = Gate(settings, settings.start_equity_quote, self.now_ns)
        self.ruined = False
        self._last = [0] * data.market.n_symbols
        self._set_marks()

    @property
    def now_ns(self) -> int:
        """Close time of the present row."""
        return int(self.data.market.close_ns[self.row])

    @property
    def done(self) -> bool:
        """Whether the episode's last bar has closed or the account is ruined."""
        return self.ruined or self.row >= self.last_row

    def send(self, s: int, entry: PendingEntry) -> None:
        """Place an entry decided at this close; it fills from the next bar on."""
        self.account.pending[s] = entry

    def advance(self) -> list[Resolved]:
        """Run the next bar and return what it resolved, in order of time."""
        self.row += 1
        t, account = self.row, self.account
        out: list[Resolved] = []
        if account.positions or account.pending:
            self._pay_funding(t)
            for walk in self._walks(t):
                self._run_part(t, walk, out)
            self._judge_close(t, out)
        self._set_marks()
        self._evaluate(self.now_ns, out, at_close=True)
        floor = self.settings.ruin_fraction * self.settings.start_equity_quote
        if account.equity_quote() <= floor:
            self.ruined = True
        return out

    def finish(self) -> list[Resolved]:
        """Close what is still open at the last close with taker cost, reason END."""
        out: list[Resolved] = []
        for s in sorted(self.account.pending):
            entry = self.account.pending.pop(s)
            out.append(Resolved(entry.decision, Skipped("END"), self.row))
        for s in sorted(self.account.positions):
            # Not the row's close: the last row may be a gap.
            self._market_close(s, END, self._last[s], self.now_ns, out, True)
        return out

    def _walks(self, t: int) -> list[_Walk]:
        """Cut bar t into its finer bars (or take it whole) for every symbol with business."""
        account, data = self.account, self.data
        symbols = [
            s for s in sorted({*account.positions, *account.pending}) if data.series[s].valid[t]
        ]
        parts = data.series[0].detail.shape[1]
        detail = self.settings.entry.intrabar is IntrabarRule.DETAIL and parts > 0
        if not detail or not all(bool(data.series[s].detail_ok[t]) for s in symbols):
            return [_Walk(0, 1, {s: data.bars[s][t] for s in symbols})]
        return [
            _Walk(k, parts, {s: tuple(data.series[s].detail[t, k].tolist()) for s in symbols})
            for k in range(parts)
        ]

    def _pay_funding(self, t: int) -> None:
        for s in sorted(self.account.positions):
            series = self.data.series[s]
            if not (series.valid[t] and series.stamp[t]):
                continue
            p = self.account.positions[s]
            before = p.book.funding
            p.book = fund_book(
                p.levels.side,
                p.levels.entry,
                p.book,
                price_of(self.data.marks[s][t][0], self.data.contracts[s]),
                float(series.funding[t]),
                self.data.contracts[s],
                p.tier,
            )
            self.account.book(
                EntryKind.FUNDING,
                p.decision.symbol,
                p.book.funding - before,
                self.now_ns - self.interval_ns,
                p.decision.decision_id,
            )

    def _run_part(self, t: int, walk: _Walk, out: list[Resolved]) -> None:
        open_ns = self.now_ns - self.interval_ns
        for s in walk.bars:
            self._choose_path(t, s, walk)
        for index in range(4):
            now = vertex_ns(open_ns, self.interval_ns, walk.parts, walk.part, index)
            last = index == 3 and walk.part == walk.parts - 1
            for s in walk.bars:
                self._visit(t, s, index, last, walk, now, out)
            if self.account.positions and not last:
                self._evaluate(now, out, at_close=False)

    def _choose_path(self, t: int, s: int, walk: _Walk) -> None:
        o, h, low, c = walk.bars[s]
        m = self.data.marks[s][t]
        p = self.account.positions.get(s)
        entry = self.account.pending.get(s)
        side = p.levels.side if p else (entry.order.side if entry else 1)
        in_reach = True
        if p:
            if side > 0:
                in_reach = bar_in_reach(p.guard.stop, p.book.liq, low, h, m[2], m[1])
            else:
                in_reach = bar_in_reach(p.guard.stop, p.book.liq, -h, -low, -m[1], -m[2])
        walk.adverse[s] = adverse_first(side, o, c, int(self.settings.entry.intrabar), in_reach)

    def _visit(
        self, t: int, s: int, index: int, last: bool, walk: _Walk, now: int, out: list[Resolved]
    ) -> None:
        """Bring one symbol to a vertex: entry, resting levels, stop moves, market exits."""
        p = self.account.positions.get(s)
        entry = self.account.pending.get(s)
        side = p.levels.side if p else (entry.order.side if entry else 0)
        if side == 0:
            return
        to, mark_to = self._vertex(t, s, side, index, walk)
        price = to if index == 0 else walk.price[s]
        mark = mark_to if index == 0 else walk.mark[s]
        if p is None and entry is not None:
            slip = float(self.data.series[s].slip[t])
            if entry.order.style != STYLE_POST_ONLY:
                if index == 0 and walk.part == 0:
                    p = self._enter(s, entry, to, slip, now)
            elif limit_reached(to, entry.order.limit):
                p = self._enter(s, entry, entry.order.limit, 0.0, now)
                if index > 0:
                    mark = mark_at(mark, mark_to, limit_fraction(price, to, entry.order.limit))
                    price = entry.order.limit - 1
        walk.price[s], walk.mark[s] = to, mark_to
        self.account.marks[s] = side * mark_to
        self._last[s] = side * to
        if p is not None:
            self._step(t, s, p, 3 if last else min(index, 2), (price, to, mark, mark_to), now, out)

    def _vertex(self, t: int, s: int, side: int, index: int, walk: _Walk) -> tuple[int, float]:
        """Signed last price and mark at a vertex."""
        o, h, low, c = walk.bars[s]
        to = int(signed_vertex(index, side, walk.adverse[s], o, h, low, c))
        if walk.parts > 1:
            series = self.data.series[s]
            return to, to + side * detail_basis(series, t, walk.part, walk.parts, index)
        m = self.data.marks[s][t]
        return to, float(signed_vertex(index, side, walk.adverse[s], *m))

    def _step(
        self,
        t: int,
        s: int,
        p: Position,
        index: int,
        piece: tuple[int, int, float, float],
        now: int,
        out: list[Resolved],
    ) -> None:
        """Walk one piece, book its fills, settle what closed."""
        before, data = p.book, self.data
        price, to, mark, mark_to = piece
        step = step_vertex(
            index,
            price,
            to,
            mark,
            mark_to,
            p.levels,
            p.guard,
            before,
            p.tier,
            float(data.series[s].slip[t]),
            self._spare_units(s),
            data.fees,
            data.contracts[s],
        )
        p.guard, p.book = step.guard, step.book
        for fill in (step.first, step.second)[: step.n_fills]:
            self.account.book_fill(p, before, fill, now)
            if fill.reason in _STOP_REASONS:
                self.gate.stop_hit(now)
        if p.book.qty == 0:
            self._settle(s, out)

    def _enter(self, s: int, entry: PendingEntry, ref: int, slip: float, now: int) -> Position:
        order, data = entry.order, self.data
        rate = data.fees.maker if order.style == STYLE_POST_ONLY else data.fees.taker
        levels, guard, book, tier = open_position(
            order.side,
            ref,
            order.qty,
            order.leverage,
            order.atr,
            order.sl_atr,
            order.plan,
            slip,
            rate,
            data.fees,
            data.contracts[s],
            data.brackets[s],
            now,
        )
        del self.account.pending[s]
        p = Position(
            entry.decision, order, entry.exit_strategy, levels, guard, book, tier, book.margin,
            book.cost,
        )  # fmt: skip
        self.account.positions[s] = p
        self.account.last_entry_ns[s] = now
        self.account.book(
            EntryKind.FEE, entry.decision.symbol, -book.fees, now, entry.decision.decision_id
        )
        return p

    def _spare_units(self, s: int) -> int:
        """Cash without this position's own results and the margin of the others."""
        account = self.account
        return account.cash_units - net_units(account.positions[s].book) - account.margin_units(s)

    def _judge_close(self, t: int, out: list[Resolved]) -> None:
        account = self.account
        for s in sorted(account.positions):
            if not self.data.series[s].valid[t]:
                continue
            p = account.positions[s]
            close = p.levels.side * self.data.bars[s][t][3]
            if time_is_up(p.levels, self.now_ns, close, self.data.fees.time_min_r):
                p.guard = with_order(p.guard, TIME)
        for s in sorted(account.pending):
            entry = account.pending[s]
            if not self.data.series[s].valid[t]:
                continue
            if entry.order.unfilled_market:
                market = entry.order._replace(style=STYLE_MARKET)
                account.pending[s] = replace(entry, order=market)
            else:
                del account.pending[s]
                out.append(Resolved(entry.decision, Skipped("LAPSED"), t))

    def _set_marks(self) -> None:
        for s in range(len(self.account.marks)):
            if self.data.series[s].valid[self.row]:
                self.account.marks[s] = self.data.marks[s][self.row][3]
                self._last[s] = self.data.bars[s][self.row][3]

    def _evaluate(self, now: int, out: list[Resolved], at_close: bool) -> None:
        """Ladder and emergency stop; a level just reached acts on the open positions."""
        account = self.account
        unrealised = account.unrealised_quote()
        wallet = from_units(account.cash_units)
        level = self.gate.evaluate(
            wallet + unrealised, unrealised, wallet, not account.positions, now
        )
        if level < _DEFENSIVE_LEVEL:
            return
        for s in sorted(account.pending):
            entry = account.pending.pop(s)
            out.append(Resolved(entry.decision, Skipped("GATE_REDUCING"), self.row))
        for s in sorted(account.positions):
            p = account.positions[s]
            if level >= _CLOSE_ALL_LEVEL:
                self._leave(s, ExitReason.EMERGENCY, now, out, at_close)
                continue
            c = self.data.contracts[s]
            atr_ticks = p.order.atr * c.tick_den / c.tick_num
            side, stop = p.levels.side, Stop(p.guard.stop, p.guard.stop_kind)
            moved = defensive_stop(p.levels, stop, side * account.marks[s], atr_ticks)
            # The stop follows the mark; an exchange refuses one that the last price has passed.
            if moved.level > stop.level and moved.level >= side * self._last[s]:
                self._leave(s, ExitReason.DEFENSIVE, now, out, at_close)
            else:
                p.guard = with_stop(p.guard, moved)

    def _leave(
        self, s: int, reason: ExitReason, now: int, out: list[Resolved], at_close: bool
    ) -> None:
        """Close a position at market: at once, or at the next open when sent at a close."""
        if at_close:
            p = self.account.positions[s]
            p.guard = with_order(p.guard, int(reason))
            return
        if reason in _STOP_REASONS:
            self.gate.stop_hit(now)
        self._market_close(s, int(reason), self._last[s], now, out, False)

    def _market_close(
        self, s: int, reason: int, price: int, now: int, out: list[Resolved], truncated: bool
    ) -> None:
        p, data = self.account.positions[s], self.data
        before = p.book
        p.guard, p.book, fill = close_at(
            p.levels,
            p.guard,
            before,
            reason,
            p.levels.side * price,
            float(data.series[s].slip[self.row]),
            self._spare_units(s),
            data.fees,
            data.contracts[s],
            p.tier,
        )
        self.account.book_fill(p, before, fill, now)
        self._settle(s, out, truncated)

    def _settle(self, s: int, out: list[Resolved], truncated: bool = False) -> None:
        decision = self.account.positions[s].decision
        trade = self.account.close(s, truncated)
        self.gate.trade_closed()
        out.append(Resolved(decision, trade, self.row))
