"""What the control API shows of a session, in the texts of the dialect."""

from __future__ import annotations

from typing import Any

from runtime.exchange.klines import Kline
from runtime.exchange.moving import VERTEX_NAMES
from runtime.exchange.numbers import Scale, money_text, scale_for
from runtime.exchange.payloads import position_entry, user_payload
from runtime.exchange.session import Advance, ExchangeSession

_MS = 1_000_000


def state_view(session: ExchangeSession) -> dict[str, Any]:
    """Where market and account stand."""
    state = session.state
    return account_view(session) | {
        "now": session.now_ms,
        "number": session.market.number(session.point),
        "vertex": VERTEX_NAMES[session.point.vertex],
        "ended": session.ended,
        "start_wallet": money_text(state.ledger.start_units),
        "booked": money_text(state.ledger.booked_units),
        "speed": session.settings.speed,
        "resumed": session.resumed,
        "prices": prices_view(session),
        "open_orders": [
            {"orderId": o.order_id, "clientOrderId": o.client_id, "symbol": o.symbol}
            for o in state.open_orders()
        ],
        "open_algos": [
            {"algoId": a.algo_id, "clientAlgoId": a.client_id, "symbol": a.symbol}
            for a in state.open_algos()
        ],
        "counts": {
            "orders": state.next_order_id() - 1, "algos": state.next_algo_id() - 1,
            "trades": state.ledger.n_trades, "income": state.ledger.n_income,
        },
    }  # fmt: skip


def advance_view(done: Advance, session: ExchangeSession) -> dict[str, Any]:
    """The reply to an advance: all a client in lockstep needs until the next one.

    ``events`` are messages as the user stream sends them; their wallet and positions are those at
    the end of the advance.
    """
    return account_view(session) | {
        "vertex": done.vertex,
        "row": done.point.row,
        "number": session.market.number(done.point),
        "now": done.now_ns // _MS,
        "ended": done.ended,
        "prices": prices_view(session),
        "klines": [kline_view(k, _scale(k.symbol, session)) for k in done.klines],
        "events": [user_payload(e, session.state, session.now_ms) for e in done.events],
    }


def account_view(session: ExchangeSession) -> dict[str, Any]:
    """Wallet, free margin and positions."""
    state = session.state
    return {
        "wallet": money_text(state.ledger.wallet_units),
        "available": money_text(state.available_units()),
        "equity": f"{state.equity_quote():.8f}",
        "positions": [position_entry(name, state) for name in sorted(state.holdings)],
    }


def prices_view(session: ExchangeSession) -> dict[str, dict[str, str | int | float]]:
    """Last price and mark of every contract, in quote and as exact ticks."""
    out: dict[str, dict[str, str | int | float]] = {}
    for name, quote in session.state.quotes.items():
        scale = _scale(name, session)
        out[name] = {
            "last": scale.price(quote.last_ticks), "mark": scale.fine_price(quote.mark_ticks),
            "last_ticks": quote.last_ticks, "mark_ticks": quote.mark_ticks,
        }  # fmt: skip
    return out


def kline_view(kline: Kline, scale: Scale) -> dict[str, Any]:
    """A closed candle of the base interval; times in milliseconds."""
    return {
        "symbol": kline.symbol,
        "interval": kline.interval,
        "open_time": kline.open_ns // _MS,
        "close_time": kline.close_ns // _MS - 1,
        "open": scale.price(int(kline.open)),
        "high": scale.price(int(kline.high)),
        "low": scale.price(int(kline.low)),
        "close": scale.price(int(kline.close)),
        "volume": f"{kline.volume:.8f}",
        "quote_volume": f"{kline.quote_volume:.8f}",
        "closed": kline.closed,
    }


def _scale(symbol: str, session: ExchangeSession) -> Scale:
    return scale_for(session.state.listings[symbol].contract)
