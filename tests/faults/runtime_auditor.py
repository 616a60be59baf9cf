"""An auditor at the venue: it reads the exchange's own books, never the runtime's.

After every command and every step of the market it looks whether each position is covered by a
resting reduce-only stop, and keeps the spans of market time in which one was not, in which two
rested, and in which one rested without a position.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from runtime.adapters.client_ids import is_ours, purpose_of
from runtime.exchange.events import VenueEvent
from runtime.exchange.moving import MarketMove
from runtime.exchange.orders import AlgoOrder, IncomeType, Order, OrderType, Trade
from runtime.exchange.session import ExchangeSession
from runtime.port_values import Purpose

UNPROTECTED, DOUBLED, ORPHAN = "unprotected", "doubled", "orphan"
_NS = 1e9


@dataclass
class Span:
    """Something that held from one market time to another; ``ended_ns`` None while it does."""

    kind: str
    symbol: str
    began_ns: int
    ended_ns: int | None = None
    stops: tuple[str, ...] = ()

    def seconds(self, now_ns: int) -> float:
        """Length so far."""
        return ((now_ns if self.ended_ns is None else self.ended_ns) - self.began_ns) / _NS


@dataclass
class Episode:
    """A position of the venue from flat to flat, as its trades and income rows tell it."""

    symbol: str
    side: int
    qty_steps: int = 0
    gross_units: int = 0
    fee_units: int = 0
    net_units: int = 0
    trades: list[Trade] = field(default_factory=list)


class Auditor:
    """Watches one exchange session from its first moment.

    Attributes:
        spans: everything irregular, in order of its beginning.
        watched: how often it looked.
        on_look: called after every look, for what must happen at an exact moment.
    """

    def __init__(self, session: ExchangeSession) -> None:
        self.session = session
        self.spans: list[Span] = []
        self.watched = 0
        self.on_look: list[Callable[[], None]] = []
        self._open: dict[tuple[str, str], Span] = {}
        self._ends = [session.listen(self._events), session.on_market(self._moved)]
        self.look()

    def close(self) -> None:
        """Stop watching."""
        for end in self._ends:
            end()

    def look(self) -> None:
        """Compare positions and stops as they are now."""
        state, now_ns = self.session.state, self.session.now_ns
        self.watched += 1
        for symbol in state.listings:
            held = state.holdings.get(symbol)
            stops = [a for a in state.open_algos(symbol) if is_stop(a)]
            side, qty = (0, 0) if held is None else (held.side, held.book.qty)
            covering = [a for a in stops if a.side == -side and a.qty_steps >= qty]
            self._note(UNPROTECTED, symbol, held is not None and not covering, now_ns, stops)
            self._note(DOUBLED, symbol, len(stops) > 1, now_ns, stops)
            self._note(ORPHAN, symbol, held is None and bool(stops), now_ns, stops)

    def worst_s(self, kind: str) -> float:
        """Longest span of a kind, seconds of market time; 0 without any."""
        now_ns = self.session.now_ns
        return max((s.seconds(now_ns) for s in self.spans if s.kind == kind), default=0.0)

    def lasting(self, kind: str) -> list[Span]:
        """Spans of a kind that have not ended."""
        return [s for (k, _), s in self._open.items() if k == kind]

    def duplicates(self) -> list[str]:
        """Client ids of entries beyond the first that filled for one decision."""
        filled: dict[str, list[str]] = defaultdict(list)
        for order in self.entries():
            if order.filled_steps:
                filled[decision_hash(order.client_id)].append(order.client_id)
        twice = [name for names in filled.values() for name in names[1:]]
        used = Counter(self.sent())
        return twice + [name for name, n in used.items() if n > 1]

    def entries(self) -> list[Order]:
        """Entries of ours the venue ever had."""
        return [o for o in self.orders_of_ours() if purpose_of(o.client_id) is Purpose.ENTRY]

    def orders_of_ours(self) -> list[Order]:
        """Orders that bear ids of this program; a child bears that of its conditional order."""
        return [o for o in self.session.state.orders.values() if is_ours(o.client_id)]

    def sent(self) -> list[str]:
        """Client ids of everything of ours the venue ever accepted."""
        algos = self.session.state.algos.values()
        names = [a.client_id for a in algos if is_ours(a.client_id)]
        return [o.client_id for o in self.orders_of_ours() if not o.algo_id] + names

    def episodes(self) -> list[Episode]:
        """Positions that are closed, in the order in which they closed."""
        done: list[Episode] = []
        open_: dict[str, Episode] = {}
        steps: Counter[str] = Counter()
        ledger = self.session.state.ledger
        by_trade: dict[int, int] = defaultdict(int)
        other: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for row in ledger.income:
            if row.trade_id:
                by_trade[row.trade_id] += row.units
            elif row.type is not IncomeType.TRANSFER:
                other[row.symbol].append((row.time_ns, row.units))
        for trade in ledger.trades:
            episode = open_.setdefault(trade.symbol, Episode(trade.symbol, trade.side))
            episode.trades.append(trade)
            steps[trade.symbol] += trade.side * trade.qty_steps
            episode.qty_steps += trade.qty_steps if trade.side == episode.side else 0
            episode.gross_units += trade.realised_units
            episode.fee_units += trade.fee_units
            episode.net_units += by_trade[trade.trade_id]
            if steps[trade.symbol] == 0:
                rows = other[trade.symbol]
                taken = [r for r in rows if r[0] <= trade.time_ns]
                other[trade.symbol] = rows[len(taken) :]
                episode.net_units += sum(units for _, units in taken)
                done.append(open_.pop(trade.symbol))
        return done

    def _note(self, kind: str, symbol: str, holds: bool, now_ns: int,
              stops: Sequence[AlgoOrder]) -> None:  # fmt: skip
        span = self._open.get((kind, symbol))
        if holds and span is None:
            span = Span(kind, symbol, now_ns, stops=tuple(a.client_id for a in stops))
            self._open[kind, symbol] = span
            self.spans.append(span)
        elif not holds and span is not None:
            span.ended_ns = now_ns
            del self._open[kind, symbol]

    def _events(self, events: Sequence[VenueEvent]) -> None:
        self._looked()

    def _moved(self, move: MarketMove) -> None:
        self._looked()

    def _looked(self) -> None:
        self.look()
        for callback in tuple(self.on_look):
            callback()


def is_stop(algo: AlgoOrder) -> bool:
    """Whether a conditional order protects: a reduce-only stop that sends a market order."""
    stops = (OrderType.STOP_MARKET, OrderType.TRAILING_STOP_MARKET)
    return algo.type in stops and algo.reduce_only and not algo.close_position


def decision_hash(client_id: str) -> str:
    """The part of an id of ours that tells its decision."""
    return client_id.split("-")[2]
