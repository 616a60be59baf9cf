from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.core.instrument import Instrument
from runtime.adapters import wire
from runtime.adapters.wire import UnreadableAnswer
from runtime.port_values import OrderStatus, TriggerStatus

BTC = Instrument.of("BTCUSDT", "0.10", "0.001", 100.0)
ORDER: dict[str, Any] = {
    "orderId": 283194212, "symbol": "BTCUSDT", "status": "PARTIALLY_FILLED",
    "clientOrderId": "qt-1", "price": "43200.10", "avgPrice": "43200.1", "origQty": "0.020",
    "executedQty": "0.003", "cumQuote": "129.60030", "timeInForce": "GTC", "type": "LIMIT",
    "reduceOnly": False, "side": "SELL", "origType": "LIMIT", "updateTime": 1_700_000_000_123,
}  # fmt: skip
TRADE: dict[str, Any] = {
    "symbol": "BTCUSDT", "id": 17, "orderId": 5, "side": "BUY", "price": "43200.10",
    "qty": "0.003", "realizedPnl": "-0.12345678", "quoteQty": "129.60030",
    "commission": "0.05184012", "commissionAsset": "USDT", "time": 1_700_000_000_124,
    "maker": True,
}  # fmt: skip


@given(st.integers(0, 10**12), st.sampled_from(["0.1", "0.01", "0.001", "1", "0.5", "0.00000001"]))
def test_counts_go_out_and_come_back_exactly(count: int, unit: str) -> None:
    step = Fraction(unit)
    text = wire.text_of(count, step)
    assert Fraction(text) == count * step
    instrument = Instrument("A", step, step)
    assert wire.steps({"q": text}, "q", instrument) == count
    assert wire.ticks({"q": text}, "q", instrument) == count


@given(st.integers(-(10**17), 10**17))
def test_amounts_are_exact_beyond_what_a_float_holds(count: int) -> None:
    whole, rest = divmod(abs(count), 10**8)
    text = f"{'-' if count < 0 else ''}{whole}.{rest:08d}"
    assert wire.units({"x": text}, "x") == count


@pytest.mark.parametrize(
    "bad", [None, 1.5, True, "", "abc", "NaN", "Infinity", "1e", [], {}, "0.000000001"]
)
def test_what_is_no_exact_amount_is_refused(bad: object) -> None:
    with pytest.raises(UnreadableAnswer, match="x"):
        wire.units({"x": bad}, "x")


def test_a_quantity_finer_than_a_step_is_refused() -> None:
    with pytest.raises(UnreadableAnswer, match="finer"):
        wire.steps({"q": "0.0005"}, "q", BTC)


def test_an_order() -> None:
    view = wire.order_view(ORDER, BTC)
    assert (view.order_id, view.client_id, view.side) == (283194212, "qt-1", -1)
    assert (view.qty_steps, view.filled_steps, view.price_ticks) == (20, 3, 432_001)
    assert view.filled_units == 12_960_030_000
    assert view.status is OrderStatus.PARTIALLY_FILLED
    assert view.is_open


@pytest.mark.parametrize("name", ["orderId", "clientOrderId", "status", "origQty", "executedQty",
                                  "side", "updateTime"])  # fmt: skip
def test_an_order_without_what_identifies_it_is_no_answer(name: str) -> None:
    with pytest.raises(UnreadableAnswer, match=name):
        wire.order_view({k: v for k, v in ORDER.items() if k != name}, BTC)


@pytest.mark.parametrize(
    ("told", "meant"),
    [("EXPIRED_IN_MATCH", "EXPIRED"), ("NEW_ADL", "NEW"), ("NEW_INSURANCE", "NEW")],
)
def test_rare_states(told: str, meant: str) -> None:
    assert wire.order_view(ORDER | {"status": told}, BTC).status.value == meant
    with pytest.raises(UnreadableAnswer, match="not known"):
        wire.order_view(ORDER | {"status": "SOMETHING"}, BTC)


def test_a_fill_is_booked_to_the_last_digit() -> None:
    fill = wire.fill_of(TRADE, BTC)
    assert (fill.trade_id, fill.qty_steps, fill.price_ticks) == (17, 3, 432_001)
    assert fill.quote_units == 12_960_030_000
    assert fill.fee_units == 5_184_012
    assert fill.realised_units == -12_345_678
    assert fill.maker
    without = {k: v for k, v in TRADE.items() if k != "quoteQty"}
    assert wire.fill_of(without, BTC) == fill


def test_income() -> None:
    row = wire.income_row(
        {"symbol": "", "incomeType": "TRANSFER", "income": "-0.37500000", "asset": "USDT",
         "info": "TRANSFER", "time": 5, "tranId": 9_689_322_392, "tradeId": ""}
    )  # fmt: skip
    assert (row.units, row.trade_id, row.income_id) == (-37_500_000, 0, 9_689_322_392)


def test_a_trigger_names_its_child_only_after_it_fired() -> None:
    body = {
        "algoId": 2_148_719, "clientAlgoId": "s", "orderType": "STOP_MARKET", "side": "SELL",
        "quantity": "0.002", "algoStatus": "NEW", "triggerPrice": "95.0", "reduceOnly": True,
        "workingType": "CONTRACT_PRICE", "actualOrderId": "", "updateTime": 7,
    }  # fmt: skip
    view = wire.trigger_view(body, BTC)
    assert (view.child_id, view.trigger_ticks, view.is_open) == (0, 950, True)
    fired = wire.trigger_view(body | {"algoStatus": "TRIGGERED", "actualOrderId": "12"}, BTC)
    assert (fired.child_id, fired.is_open) == (12, False)
    assert fired.status is TriggerStatus.TRIGGERED


def test_messages_of_the_stream() -> None:
    o = {
        "s": "BTCUSDT", "c": "x", "S": "BUY", "o": "LIMIT", "q": "0.003", "p": "100",
        "ap": "100.05",
        "X": "PARTIALLY_FILLED", "i": 5, "l": "0.001", "z": "0.002", "L": "100.1", "n": "0.0001",
        "N": "USDT", "T": 9, "t": 11, "m": True, "R": False, "ot": "LIMIT", "rp": "0",
    }  # fmt: skip
    view, fill = wire.stream_order(o, BTC), wire.stream_fill(o, BTC)
    assert (view.filled_steps, view.filled_units) == (2, 20_010_000)
    assert fill is not None
    assert (fill.trade_id, fill.quote_units, fill.fee_units) == (11, 10_010_000, 10_000)
    assert wire.stream_fill(o | {"t": 0, "l": "0"}, BTC) is None
    a = {"caid": "s", "aid": 1, "o": "STOP_MARKET", "s": "BTCUSDT", "S": "SELL", "q": "0.002",
         "X": "TRIGGERED", "ai": "7", "tp": "95", "R": True, "rm": ""}  # fmt: skip
    assert wire.stream_trigger(a, BTC, 3).child_id == 7


def test_positions_keep_prices_that_are_no_ticks() -> None:
    row = {
        "symbol": "BTCUSDT", "positionAmt": "-0.005", "entryPrice": "100.033333333333",
        "markPrice": "99.97", "liquidationPrice": "150.1", "isolatedWallet": "0.25",
        "unRealizedProfit": "0.000316666", "updateTime": 3,
    }  # fmt: skip
    position = wire.position_of(row, BTC)
    assert position.steps == -5
    assert position.entry_price == Decimal("100.033333333333")
    assert position.unrealised_units == 31_667


def test_the_wallet_and_a_missing_one() -> None:
    row = {"asset": "USDT", "walletBalance": "23.72469206", "marginBalance": "23.7",
           "availableBalance": "20"}  # fmt: skip
    assert wire.balance_of({"assets": [{"asset": "BNB"}, row]}).wallet_units == 2_372_469_206
    with pytest.raises(UnreadableAnswer, match="USDT"):
        wire.balance_of({"assets": []})


def test_a_contract_with_its_tiers() -> None:
    body = {
        "symbol": "BTCUSDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
        ],
    }
    tiers = wire.brackets_of(
        {"brackets": [
            {"notionalCap": 50_000, "maintMarginRatio": 0.004, "cum": 0.0},
            {"notionalCap": 10_000, "maintMarginRatio": 0.003, "cum": 0.0},
        ]}
    )  # fmt: skip
    made = wire.instrument_of(body, tiers)
    assert (made.tick, made.step) == (Fraction(1, 10), Fraction(1, 1000))
    assert [b.notional_cap for b in made.brackets] == [10_000.0, 50_000.0]
    with pytest.raises(UnreadableAnswer, match="decimal form"):
        wire.text_of(1, Fraction(1, 3))
