"""No stream of trades shuts a symbol out for ever, and none is learned twice."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.adviser import Adviser
from agents.memory import MemoryStateManager
from agents.outcomes import TradeOutcome
from agents.symbol_performance import SymbolPerformanceManager
from envs.core.hooks import HookPoint, Raise, Scale
from envs.core.rules.state import state_index
from envs.core.types import NS_PER_DAY, NS_PER_HOUR

HOUR, DAY = NS_PER_HOUR, NS_PER_DAY
SYMBOLS = ("A", "B")
PROBATION = 14 * DAY
RESULTS = st.one_of(
    st.sampled_from([-1.0, -1.0, -1.0, 0.0, 1.0]), st.floats(-1e6, 1e6, allow_nan=False)
)
ROWS = st.lists(
    st.tuples(
        RESULTS, st.integers(0, 40 * HOUR), st.integers(0, 200 * HOUR), st.sampled_from(SYMBOLS),
        st.booleans(), st.integers(-1, 4), st.sampled_from([1, 1, 3, 12]),
    ),
    max_size=30,
)  # fmt: skip


def trades(rows: list[Any]) -> list[TradeOutcome]:
    """Runs of equal trades, one after the other in time."""
    out: list[TradeOutcome] = []
    now = 0
    for net_r, gap, length, symbol, paper, regime, repeats in rows:
        for _ in range(repeats):
            now += gap
            begun = now - length
            out.append(
                TradeOutcome(
                    f"t{len(out)}", symbol, begun, now, net_r, paper=paper, decided_ns=begun,
                    regime=regime,
                )
            )  # fmt: skip
    return out


def view(symbol: str, now_ns: int, regime: int = 0) -> Any:
    context = SimpleNamespace(state=state_index(regime, 0, 0, 0), atr_frac=0.01)
    return SimpleNamespace(symbol=symbol, bar_close_ns=now_ns, decision_id="d", context=context)


def factor(adviser: Adviser, symbol: str, now_ns: int, regime: int = 0) -> float:
    effect = adviser.answer(HookPoint.POSITION_SIZING, view(symbol, now_ns, regime))
    assert isinstance(effect, Scale)
    return effect.factor


def delta(memory: MemoryStateManager, symbol: str, now_ns: int, regime: int) -> float:
    effect = memory.answer(HookPoint.CONFIDENCE_ADJUSTMENT, view(symbol, now_ns, regime))
    assert isinstance(effect, Raise)
    return effect.delta


def advisers() -> Iterator[Adviser]:
    yield SymbolPerformanceManager()
    yield MemoryStateManager()


@given(ROWS)
def test_time_alone_leads_back_to_entries(rows: list[Any]) -> None:
    found = trades(rows)
    end = found[-1].exit_ns if found else 0
    performance, memory = SymbolPerformanceManager(), MemoryStateManager()
    for row in found:
        performance.learn_one(row)
        memory.learn_one(row)
    before = performance.digest(), memory.digest()
    cold = 0.10 if memory.trades < 10 else 0.0
    for symbol in SYMBOLS:
        assert factor(performance, symbol, end + PROBATION) >= 0.25
        assert factor(performance, symbol, end + 2 * PROBATION) >= 0.5
        assert factor(memory, symbol, end + PROBATION) >= 0.1
        for regime in range(5):
            assert factor(memory, symbol, end + 90 * DAY, regime) >= 0.5
            assert delta(memory, symbol, end + 90 * DAY, regime) <= cold + 1e-9
    assert (performance.digest(), memory.digest()) == before


@given(st.lists(RESULTS, min_size=1, max_size=8), st.integers(1, 80), st.booleans())
@settings(max_examples=40)
def test_whoever_trades_whenever_allowed_waits_no_longer_than_a_probation(
    results: list[float], step_h: int, paper: bool
) -> None:
    for adviser in advisers():
        waiting_since, now = 0, 0
        for k in range(150):
            now += step_h * HOUR
            net_r = results[k % len(results)]
            if factor(adviser, "A", now) > 0.0:
                waiting_since = now
                adviser.learn_one(TradeOutcome(f"t{k}", "A", now, now, net_r))
            elif paper:
                adviser.learn_one(TradeOutcome(f"t{k}", "A", now, now, net_r, paper=True))
            assert now - waiting_since <= PROBATION + step_h * HOUR


@given(ROWS, st.integers(0, 60), st.data())
def test_repeats_restarts_and_refusals_change_nothing(
    rows: list[Any], cut: int, data: st.DataObject
) -> None:
    found = trades(rows)
    for plain, other, fresh in zip(advisers(), advisers(), advisers(), strict=True):
        for row in found:
            plain.learn_one(row)
        for row in found[:cut]:
            other.learn_one(row)
        fresh.load_state_dict(other.state_dict())
        if found:
            again = data.draw(st.sampled_from(found))
            known = fresh.digest()
            assert fresh.learn_one(again) != (again in found[:cut]) or fresh.digest() != known
            fresh.load_state_dict(other.state_dict())
        for row in found:
            fresh.learn_one(row)
            fresh.learn_one(row)
        assert fresh.digest() == plain.digest()
