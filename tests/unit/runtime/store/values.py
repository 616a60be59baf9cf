"""Orders and fills that the tests of the stores write."""

from __future__ import annotations

from runtime.port_values import (
    Fill,
    Force,
    NewOrder,
    NewTrigger,
    OrderStatus,
    OrderView,
    Purpose,
    TriggerStatus,
    TriggerView,
)

ENTRY = NewOrder("qt-e", "BTCUSDT", 1, 10, 999, Force.GTX, False, Purpose.ENTRY)
STOP = NewTrigger("qt-s", "BTCUSDT", -1, 10, 900, on_mark=True)
VIEW = OrderView("qt-e", 7, "BTCUSDT", 1, "LIMIT", OrderStatus.NEW, 10, 0, 0, 999, False, 1)
REST = TriggerView(
    "qt-s", 7, "BTCUSDT", -1, "STOP_MARKET", TriggerStatus.NEW, 10, 900, True, True, 0, 1
)
FILL = Fill(3, 7, "BTCUSDT", 1, 10, 999, 2**53 + 1, 5, "USDT", -7, True, 8)
