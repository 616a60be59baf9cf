"""A snapshot with a bit of everything, for the tests of screen and summary."""

from __future__ import annotations

from runtime.display.snapshot import (
    DecisionLine,
    HealthLine,
    Learned,
    ModelLine,
    PositionLine,
    Snapshot,
    Totals,
    TradeLine,
)

NOW = 1_594_000_000 * 10**9
SAFE = PositionLine(
    "BTCUSDT", 1, 0.123, 9_123.4, 9_200.1, 9_050.0, 9_400.0, 0.85, NOW, "stop target", True
)
BARE = PositionLine("ETHUSDT", -1, 1.5, 232.12, 230.0, 235.0, 0.0, 0.3, NOW, "no stop yet", False)
FULL = Snapshot(
    title="local: BTCUSDT ETHUSDT 1h",
    now_ns=NOW,
    bars=300,
    most_bars=400,
    equity=10_044.1,
    start=10_000.0,
    curve=(10_000.0, 9_980.0, 10_044.1),
    positions=(SAFE, BARE),
    decisions=(
        DecisionLine(NOW, "BTCUSDT", 1, "0.5 x2 balanced", ""),
        DecisionLine(NOW, "ETHUSDT", -1, "-", "GATE_REDUCING"),
    ),
    trades=(TradeLine(NOW, "ETHUSDT", -1, -12.3, -0.4, "stop"),),
    models=(
        ModelLine("xgboost", 0.4, 0.9, 0.2443, 120.0),
        ModelLine("nhits", 0.6, 1.0, float("nan"), 0.0),
    ),
    totals=Totals(
        18, 9, 44.1, 23.4, -1.2, 2.3, 0.004, 0.012, 140, 19,
        (("SKIP", 100), ("POSITION_OPEN", 21), ("opened", 19)), (("STOP", 9), ("TARGET", 9)), 0,
    ),
    learned=Learned(True, 600, 140, "BTCUSDT 07-05 20:46", "a" * 64, "b" * 64),
    gate="tripped, level 1 since 2020-07-06 01:00, reducing",
    gate_open=False,
    health=(HealthLine("feed", True, "0.2 s old"), HealthLine("venue", False, "stream down")),
)  # fmt: skip
