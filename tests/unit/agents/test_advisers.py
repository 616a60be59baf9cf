"""Both advisers in the environment, with the code they have everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.adviser_settings import MemorySettings, PerformanceSettings
from agents.advisers import advisers, seats
from agents.memory import MemoryStateManager
from agents.memory.feed import MarketFeed
from agents.paper import PaperBook
from agents.probation import Standing
from agents.symbol_performance import SymbolPerformanceManager
from envs.core.errors import FixInput
from envs.core.hooks import HookChain, Mode, Seat
from envs.core.trade import Alternatives
from envs.core.types import MarketState, Regime
from envs.trading import TradingEnv

STEPS = 1500


def run(env: TradingEnv, performance: Any = None, memory: Any = None, steps: int = STEPS) -> Any:
    """Trade the same action on the tape's side; learn from what resolves, paper included."""
    book = PaperBook(env.preset)
    feeds = [MarketFeed(memory, env.market)] if memory else []
    learners = [m for m in (performance, memory) if m]
    trail: list[Any] = []
    over = False
    _, info = env.reset(seed=0)
    while not over and len(trail) < steps:
        for feed in feeds:
            feed.advance(info["time_ns"])
        now, symbol = info["time_ns"], info["symbol"]
        on_paper = bool(performance) and performance.on_paper(symbol, now)
        earned = env.counterfactuals() if on_paper else None
        _, reward, terminated, truncated, info = env.step([1 if info["side"] > 0 else 2, 5])
        over = terminated or truncated
        trail.append((now, symbol, on_paper, info["reason"], reward, info["equity"]))
        if earned is not None:
            follow(book, env, info["resolved"], (now, symbol), earned)
        for row in (*info["resolved"], *book.due(info["time_ns"])):
            for learner in learners:
                learner.learn_one(row)
    return trail


def follow(book: PaperBook, env: TradingEnv, rows: Any, place: Any, earned: Alternatives) -> None:
    """Put the decision taken at ``place`` on paper, due when its action would have ended."""
    for d in (row.decision for row in rows):
        if (d.bar_close_ns, d.symbol) == place and d.chosen is not None:
            end = int(earned.end_bar[d.chosen])
            if end >= 0:
                book.follow(d, earned, int(env.market.close_ns[end]))


@pytest.fixture(scope="module")
def enforced() -> Any:
    performance = SymbolPerformanceManager(PerformanceSettings(disable_after_losses=4))
    memory = MemoryStateManager()
    chain = HookChain([Seat(performance, Mode.ENFORCED), Seat(memory, Mode.ENFORCED)])
    env = TradingEnv(preset_name="classic", chain=chain)
    return env, run(env, performance, memory), performance, memory


def test_they_learn_and_act_in_the_environment(enforced: Any) -> None:
    _, trail, performance, memory = enforced
    assert memory.trades > 50
    reasons = {reason for *_, reason, _, _ in trail}
    assert {"", "SIZED_TO_ZERO", "BELOW_THRESHOLD"} <= reasons
    assert all(
        reason in ("SIZED_TO_ZERO", "BELOW_THRESHOLD", "MASKED")
        for _, _, on_paper, reason, _, _ in trail
        if on_paper
    )
    held = [performance._records[s] for s in ("BTCUSDT", "ETHUSDT")]
    assert all(r.last_paper_ns > 0 for r in held)
    assert sum(r.tally.n for r in held) == memory.trades
    assert memory.calibration()[0]


def test_no_symbol_stays_shut_out(enforced: Any) -> None:
    _, trail, _, _ = enforced
    for symbol in ("BTCUSDT", "ETHUSDT"):
        entered = [k for k, row in enumerate(trail) if row[1] == symbol and row[3] == ""]
        on_paper = [k for k, row in enumerate(trail) if row[1] == symbol and row[2]]
        assert on_paper
        assert entered[-1] > on_paper[0], f"{symbol} never came back from paper"


def test_the_memory_knows_the_regimes_of_the_market(enforced: Any) -> None:
    env, trail, _, memory = enforced
    now = trail[-1][0]
    row = int(np.searchsorted(env.market.close_ns, now))
    for s, symbol in enumerate(env.market.symbols):
        setup = memory.setup(symbol, now, -1, 0.01)
        assert setup.regime == Regime(int(env.market.regime[row, s])).name
        state = MarketState(int(env.market.market_state[row, s]))
        assert setup.trend in (state.name, "NONE")
        seen = env.market.regime[row - 24 : row + 1, s]
        changes = int(np.count_nonzero(np.diff(seen)))
        found = memory.context(setup, now).regime_stability
        assert found == pytest.approx(max(0.0, 1.0 - changes / 6))


def test_watching_and_being_off_change_no_trade() -> None:
    plain = run(TradingEnv(preset_name="classic"), steps=400)
    for mode in (Mode.OFF, Mode.OBSERVE):
        performance = SymbolPerformanceManager(PerformanceSettings(disable_after_losses=4))
        memory = MemoryStateManager()
        chain = HookChain([Seat(performance, mode), Seat(memory, mode)])
        found = run(TradingEnv(preset_name="classic", chain=chain), performance, memory, 400)
        assert [(*r[:2], *r[3:]) for r in found] == [(*r[:2], *r[3:]) for r in plain]
        assert memory.trades > 20


def test_switched_off_they_are_not_made() -> None:
    assert advisers(PerformanceSettings(), MemorySettings()) == (None, None)
    assert seats((None, None)) == []
    made = advisers(PerformanceSettings(enabled=True), MemorySettings(enabled=True))
    assert [s.member.name for s in seats(made)] == ["symbol performance", "memory"]
    assert {s.mode for s in seats(made)} == {Mode.ENFORCED}
    assert seats(made, Mode.OFF)[0].mode is Mode.OFF


def test_the_feed_tells_no_future_and_refuses_another_run(enforced: Any) -> None:
    env, _, _, memory = enforced
    fresh = MemoryStateManager()
    market = env.market
    MarketFeed(fresh, market).advance(int(market.close_ns[2000]) - 1)
    last = fresh.setup(market.symbols[0], int(market.close_ns[1999]), -1, 0.01)
    assert last.regime != "UNKNOWN"
    assert fresh.setup(market.symbols[0], int(market.close_ns[2000]), -1, 0.01).trend == "UNKNOWN"
    with pytest.raises(FixInput, match="in order of time"):
        MarketFeed(memory, market).advance(int(market.close_ns[0]))


def test_probation_ends_in_the_environment_by_paper_or_by_time(enforced: Any) -> None:
    _, trail, performance, _ = enforced
    now = trail[-1][0] + 14 * 86_400 * 10**9
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert performance.context(symbol, now).standing is not Standing.PROBATION
