from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from envs.core.actions import preset
from envs.core.events import GateEvent
from envs.core.trade import ClosedTrade, Decision, SizingContext, Skipped
from envs.core.types import ExitReason
from runtime.display.lines import EventLines
from runtime.display.watcher import Watcher, action_words, decision_words
from runtime.kernel_ports import Record
from runtime.trading import records

FULL = preset("full")
CLOSE = 1_593_828_000 * 10**9
CONTEXT = SizingContext(
    0, np.ones(2, dtype=np.bool_), np.zeros(2), np.zeros(2, dtype=np.bool_), 0.0, 0.0, 0.0, 0.0,
    np.zeros((3, 3)),
)  # fmt: skip


def decision(name: str, qty: int, reason: str = "", chosen: int | None = 1) -> Decision:
    return Decision(
        name, "BTCUSDT", CLOSE, 1, CONTEXT, chosen, None, qty, 0, 0, 0.0, (), (), (), (), reason
    )


def decided(of: Decision) -> Record:
    return Record(records.DECISION, CLOSE, of.decision_id, {"view": None, "decision": of})


def trade(name: str, net: int, r: float, reason: ExitReason = ExitReason.STOP) -> ClosedTrade:
    return ClosedTrade(
        decision_id=name, symbol="BTCUSDT", side=1, entry_ns=CLOSE, exit_ns=CLOSE + 1,
        entry_ticks=1, stop0_ticks=1, qty_steps=1, leverage=1, exit_strategy=0, legs=(),
        reason=reason, notional_units=0, margin_units=0, gross_units=0, fee_units=2 * 10**8,
        funding_units=-(10**7), insurance_units=0, slippage_units=0, net_units=net, risk_units=1,
        equity_units=1, r_gross=r, r_net=r, log_growth=0.01, mae_frac=0.0, mfe_frac=0.0,
    )  # fmt: skip


def test_sums_follow_the_records() -> None:
    equity = iter([10_000.0, 10_100.0, 9_595.0, 9_700.0])
    watcher = Watcher(FULL, lambda: next(equity))
    for k in range(4):
        watcher(Record(records.BAR, CLOSE + k, str(k), {"bars": ()}))
    watcher(records.trade_record(trade("a", 5 * 10**8, 1.5), []))
    watcher(records.trade_record(trade("b", -3 * 10**8, -1.0, ExitReason.LIQUIDATION), []))
    t = watcher.totals()
    assert watcher.bars == 4
    assert (t.trades, t.wins, t.forced) == (2, 1, 1)
    assert t.net == pytest.approx(2.0)
    assert t.fees == pytest.approx(4.0)
    assert t.funding == pytest.approx(-0.2)
    assert t.r == pytest.approx(0.5)
    assert t.deepest == pytest.approx(0.05)
    assert t.exits == (("LIQUIDATION", 1), ("STOP", 1))


def test_every_decision_is_counted_once_whatever_became_of_it() -> None:
    watcher = Watcher(FULL, lambda: 1.0)
    sent, lost = decision("a", 5), decision("b", 5)
    for one in (sent, lost, decision("c", 0, "SKIP", 0), decision("d", 0, "GATE_REDUCING", None)):
        watcher(decided(one))
    watcher(records.skip_record(CLOSE, lost, Skipped("UNFILLED")))
    watcher(records.skip_record(CLOSE, decision("c", 0), Skipped("SKIP")))
    t = watcher.totals()
    assert t.decisions == 4
    assert sum(n for _, n in t.reasons) == 4
    assert dict(t.reasons) == {
        "opened": 1, "sent, UNFILLED": 1, "SKIP": 1, "GATE_REDUCING": 1
    }  # fmt: skip


def test_the_start_is_the_equity_after_recovery() -> None:
    equity = iter([7.0, 8.0])
    watcher = Watcher(FULL, lambda: next(equity))
    watcher(Record(records.RUN, CLOSE, "x", {}))
    watcher(Record(records.BAR, CLOSE, "x", {"bars": ()}))
    assert watcher.start == 7.0
    assert list(watcher.curve) == [7.0, 8.0]


def test_records_of_other_kinds_are_left_alone() -> None:
    Watcher(FULL, lambda: 1.0)(Record("something", CLOSE, "x", {}))


def test_words() -> None:
    assert action_words(FULL, None) == "-"
    assert action_words(FULL, 0) == "skip"
    assert "x" in action_words(FULL, 5)
    assert decision_words(f"local:BTCUSDT:{CLOSE}#0") == "BTCUSDT 07-04 02:00"
    assert decision_words("") == ""


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (decided(decision("a", 5)), "BTCUSDT enters long"),
        (decided(decision("a", 0, "SKIP")), ""),
        (records.trade_record(trade("a", -3 * 10**8, -1.0), []), "closed long by stop: -3.00"),
        (records.alarm_record(CLOSE, "BTCUSDT", "look"), "ATTENTION BTCUSDT: look"),
        (records.gate_record(GateEvent(CLOSE, 1, 2, 0.0, 0.0, 0.0)), "tripped, level 2"),
        (records.gate_record(GateEvent(CLOSE, 0, 0, 0.0, 0.0, 0.0)), "emergency stop: armed"),
        (Record(records.BAR, CLOSE, "x", {}), ""),
    ],
)
def test_lines_say_what_is_news(record: Record, said: str) -> None:
    lines: list[str] = []
    EventLines(FULL, lines.append)(record)
    assert bool(lines) == bool(said)
    assert all(said in line and "\n" not in line for line in lines)


def test_a_liquidation_is_never_hidden() -> None:
    watcher = Watcher(FULL, lambda: 1.0)
    watcher(records.trade_record(trade("a", -1, -1.0, ExitReason.LIQUIDATION), []))
    watcher(records.trade_record(replace(trade("b", -1, -1.0), reason=ExitReason.STOP), []))
    assert watcher.totals().forced == 1
