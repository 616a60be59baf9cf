"""Drawn orders on drawn shock markets: the venue's books stay exact, its orders legal."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from envs.core.series import fees_of, prepare
from envs.core.settings import CoreSettings
from runtime.exchange import commands as c
from runtime.exchange.applying import AccountModes, apply
from runtime.exchange.depth import SyntheticBook
from runtime.exchange.engine import Engine
from runtime.exchange.errors import VenueError
from runtime.exchange.events import AlgoEvent, OrderEvent, VenueEvent
from runtime.exchange.filling import liquidate_holding
from runtime.exchange.market import ExchangeMarket
from runtime.exchange.moving import MarketWalk
from runtime.exchange.orders import (
    CONDITIONAL,
    OPEN,
    AlgoRequest,
    AlgoStatus,
    IncomeType,
    OrderRequest,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from runtime.exchange.state import VenueState
from tests.property.strategies import FIRST_ROW, small_market

START_QUOTE = 10_000.0
ALGO_ENDS = {AlgoStatus.FINISHED, AlgoStatus.CANCELED, AlgoStatus.EXPIRED}


@dataclass
class Venue:
    """An engine on a drawn market, with everything it reported."""

    walk: MarketWalk
    events: list[VenueEvent] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    modes: AccountModes = field(default_factory=AccountModes)

    @property
    def state(self) -> VenueState:
        return self.walk.engine.state

    def do(self, command: c.Command) -> None:
        before = summary(self.state)
        try:
            apply(command, self.walk.engine, self.modes, self.walk.now_ns)
        except VenueError as error:
            self.refusals.append(error.code)
            assert summary(self.state) == before, "a refusal changed something"
        self.hear()

    def step(self) -> None:
        if not self.walk.ended:
            self.walk.step()
        self.hear()

    def hear(self) -> None:
        self.events += self.state.take_events()
        check(self)


def summary(state: VenueState) -> tuple[object, ...]:
    return (
        state.ledger.wallet_units, dict(state.orders), dict(state.algos), dict(state.holdings),
        dict(state.leverage), dict(state.isolated), len(state.events),
    )  # fmt: skip


def venue_of(seed: int, symbols: int, shock: float, lockstep: bool, depth: bool) -> Venue:
    drawn = small_market(seed, 24, symbols, shock, True)
    core = CoreSettings()
    market = ExchangeMarket(prepare(drawn, core), FIRST_ROW, tick_s=300.0)
    state = VenueState(market.listings(), fees_of(core), START_QUOTE)
    engine = Engine(state, SyntheticBook(market, seed) if depth else None)
    return Venue(MarketWalk(engine, market, lockstep))


def check(venue: Venue) -> None:
    """What must hold after every command and every step."""
    state = venue.state
    ledger = state.ledger
    assert ledger.wallet_units == ledger.start_units + sum(i.units for i in ledger.income)
    assert ledger.wallet_units >= 0
    position: dict[str, int] = defaultdict(int)
    for trade in ledger.trades:
        order = state.orders[trade.order_id]
        before = position[trade.symbol]
        position[trade.symbol] += trade.side * trade.qty_steps
        assert trade.qty_steps > 0
        assert trade.price_ticks > 0
        if order.reduce_only:
            after = position[trade.symbol]
            assert before * trade.side < 0, "a reduce-only order opened something"
            assert after == 0 or after * before > 0, "a reduce-only order turned a position"
    held = {n: h.side * h.book.qty for n, h in state.holdings.items()}
    assert {n: q for n, q in position.items() if q} == held
    for order in state.orders.values():
        assert 0 <= order.filled_steps <= order.qty_steps
        assert (order.filled_steps == order.qty_steps) == (order.status is OrderStatus.FILLED)
    assert all(o.is_open for o in state.open_orders())
    check_ledger(state)


def check_ledger(state: VenueState) -> None:
    """Every trade is booked once, whole: result, fee, and insurance for liquidations only."""
    rows = defaultdict(int)
    for income in state.ledger.income:
        rows[income.type, income.trade_id] += income.units
    for trade in state.ledger.trades:
        assert rows[IncomeType.REALIZED_PNL, trade.trade_id] == trade.realised_units
        assert rows[IncomeType.COMMISSION, trade.trade_id] == -trade.fee_units
        if state.orders[trade.order_id].type is not OrderType.LIQUIDATION:
            assert rows[IncomeType.INSURANCE_CLEAR, trade.trade_id] == 0
    assert [t.trade_id for t in state.ledger.trades] == list(range(1, len(state.ledger.trades) + 1))


def check_events(venue: Venue) -> None:
    """The stream tells every change, in a legal order, and ends with the state itself."""
    state = venue.state
    last: dict[int, OrderEvent] = {}
    algos: dict[int, AlgoStatus] = {}
    heard = []
    for event in venue.events:
        if isinstance(event, OrderEvent):
            order, known = event.order, last.get(event.order.order_id)
            if known is None:
                assert event.execution in ("NEW", "CALCULATED")
            else:
                assert known.order.status in OPEN, "something happened to an order that had ended"
                assert order.filled_steps >= known.order.filled_steps
            last[order.order_id] = event
            if event.trade is not None:
                heard.append(event.trade)
        elif isinstance(event, AlgoEvent):
            known_status = algos.get(event.algo.algo_id, AlgoStatus.NEW)
            assert known_status not in ALGO_ENDS
            algos[event.algo.algo_id] = event.algo.status
    assert heard == state.ledger.trades
    assert {i: e.order for i, e in last.items()} == state.orders
    assert algos == {i: a.status for i, a in state.algos.items()}
    assert all(a.status in {AlgoStatus.NEW, *ALGO_ENDS} for a in state.algos.values())


@st.composite
def commands(draw: st.DrawFn, venue: Venue) -> c.Command:
    """Any command, at prices near enough to matter."""
    state = venue.state
    symbol = draw(st.sampled_from(sorted(state.listings)))
    last = state.quotes[symbol].last_ticks
    price = max(1, int(last * draw(st.sampled_from([0.7, 0.95, 0.99, 1.0, 1.01, 1.05, 1.3]))))
    side = draw(st.sampled_from([1, -1]))
    qty = draw(st.sampled_from([1, 7, 100, 2_000, 50_000]))
    name = f"n{draw(st.integers(0, 50))}"
    kind = draw(st.sampled_from(["order", "order", "algo", "algo", "cancel", "amend", "other"]))
    if kind == "order":
        type_ = draw(st.sampled_from([OrderType.MARKET, OrderType.LIMIT]))
        limited = type_ is OrderType.LIMIT
        force = draw(st.sampled_from(list(TimeInForce))) if limited else TimeInForce.GTC
        reduce_only = draw(st.booleans())
        return c.Place(
            OrderRequest(
                name, symbol, side, type_, qty, price if limited else 0, force, reduce_only
            )
        )
    if kind == "algo":
        type_ = draw(st.sampled_from(sorted(CONDITIONAL)))
        limit = price if type_ in (OrderType.STOP, OrderType.TAKE_PROFIT) else 0
        trailing = type_ is OrderType.TRAILING_STOP_MARKET
        closes = draw(st.booleans()) and not limit and not trailing
        trigger = max(1, int(last * draw(st.sampled_from([0.9, 0.98, 1.02, 1.1]))))
        request = AlgoRequest(
            name, symbol, side, type_, 0 if closes else qty, 0 if trailing else trigger, limit,
            draw(st.sampled_from(list(TimeInForce))) if limit else TimeInForce.GTC,
            reduce_only=draw(st.booleans()) and not closes, close_position=closes,
            on_mark=draw(st.booleans()), callback_frac=0.01 if trailing else 0.0,
            activation_ticks=trigger if trailing and draw(st.booleans()) else 0,
        )  # fmt: skip
        return c.PlaceAlgo(request)
    if kind == "cancel":
        return draw(
            st.sampled_from(
                [
                    c.CancelAllOrders(symbol),
                    c.CancelAllAlgos(symbol),
                    c.Cancel(symbol, 1),
                    c.CancelAlgo(client_id=name),
                    c.Cancel(symbol, client_id=name),
                ]
            )
        )
    if kind == "amend":
        return c.Amend(symbol, None, name, qty, price)
    return draw(
        st.sampled_from(
            [
                c.SetLeverage(symbol, draw(st.sampled_from([1, 5, 125]))),
                c.Liquidate(symbol),
                c.CloseExternally(symbol),
                c.SetMarginType(symbol, False),
            ]
        )
    )


@given(data=st.data())
@settings(max_examples=150)
def test_whatever_is_asked_the_books_are_exact(data: st.DataObject) -> None:
    venue = venue_of(
        data.draw(st.integers(0, 10**6)), data.draw(st.integers(1, 3)),
        data.draw(st.sampled_from([0.0, 0.1, 0.3])), data.draw(st.booleans()),
        data.draw(st.booleans()),
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 30))):
        if data.draw(st.booleans()):
            venue.do(data.draw(commands(venue)))
        for _ in range(data.draw(st.sampled_from([0, 1, 4]))):
            venue.step()
    check_events(venue)


@given(
    seed=st.integers(0, 10**6),
    side=st.sampled_from([1, -1]),
    leverage=st.sampled_from([1, 3, 20, 125]),
    rates=st.lists(st.floats(-0.003, 0.003), max_size=3),
    share=st.floats(0.05, 0.95),
)
@settings(max_examples=80)
def test_a_liquidation_costs_the_margin_and_the_fee_at_most(
    seed: int, side: int, leverage: int, rates: list[float], share: float
) -> None:
    venue = venue_of(seed, 1, 0.0, False, False)
    state, now = venue.state, venue.walk.now_ns
    last = state.quotes["A"].last_ticks
    listing = state.listings["A"].contract
    step_quote = last * listing.tick_num / listing.tick_den * listing.step_num / listing.step_den
    qty = max(1, int(START_QUOTE * share * 0.9 * leverage / (1 + leverage * 0.0006) / step_quote))
    apply(c.SetLeverage("A", leverage), venue.walk.engine, venue.modes, now)
    request = OrderRequest("x", "A", side, OrderType.MARKET, qty)
    apply(c.Place(request), venue.walk.engine, venue.modes, now)
    for rate in rates:
        venue.walk.engine.fund("A", float(last), rate, now)
    margin, wallet = state.holdings["A"].book.margin, state.ledger.wallet_units
    order = liquidate_holding(state, "A", now)
    lost = wallet - state.ledger.wallet_units
    fee = state.ledger.trades[-1].fee_units
    assert lost == margin + fee
    assert fee >= 0
    assert state.ledger.wallet_units >= 0
    assert order.client_id.startswith("autoclose-")
    assert "A" not in state.holdings


@given(data=st.data())
@settings(max_examples=30)
def test_the_same_commands_lead_to_the_same_state(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 10**6))
    lockstep, depth = data.draw(st.booleans()), data.draw(st.booleans())
    venue = venue_of(seed, 2, 0.1, lockstep, depth)
    script: list[tuple[c.Command, object]] = []
    for _ in range(data.draw(st.integers(1, 12))):
        command = data.draw(commands(venue))
        refused = len(venue.refusals)
        venue.do(command)
        if len(venue.refusals) == refused:
            script.append((command, venue.walk.point))
        for _ in range(data.draw(st.sampled_from([0, 1, 5]))):
            venue.step()
    again = venue_of(seed, 2, 0.1, lockstep, depth)
    for command, point in script:
        again.walk.move_to(point)
        written = c.from_json(c.to_json(command))
        assert written == command
        again.do(written)
    again.walk.move_to(venue.walk.point)
    assert summary(again.state)[:-1] == summary(venue.state)[:-1]
    assert again.state.ledger.income == venue.state.ledger.income
    assert again.state.quotes == venue.state.quotes
    assert replace(again.modes) == venue.modes
