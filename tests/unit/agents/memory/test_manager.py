from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from math import nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.adviser_settings import MemorySettings
from agents.memory import MemoryStateManager
from agents.memory.context import Level
from agents.memory.setups import Bar
from agents.outcomes import TradeOutcome
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.hooks import HookChain, HookPoint, Keep, Mode, Raise, Scale, Seat
from envs.core.rules.state import state_index
from envs.core.types import NS_PER_DAY, NS_PER_HOUR, Regime

HOUR, DAY = NS_PER_HOUR, NS_PER_DAY
THRESHOLD, SIZE = HookPoint.CONFIDENCE_ADJUSTMENT, HookPoint.POSITION_SIZING
GROUND = [-0.2, 0.2] * 30
"""Sixty trades that leave no trace: medium level, sums near 0, no streak beyond one."""


def trade(k: int, net_r: float, **changes: Any) -> TradeOutcome:
    made = TradeOutcome(
        f"t{k}", f"S{k % 5}", k * HOUR, (k + 1) * HOUR, net_r,
        decided_ns=k * HOUR, regime=1, atr_frac=0.01, claim=0.55,
    )  # fmt: skip
    return replace(made, **changes)


def fed(results: Iterable[float], **changes: Any) -> tuple[MemoryStateManager, int]:
    memory, now = MemoryStateManager(), 0
    for k, net_r in enumerate(results):
        memory.learn_one(trade(k, net_r, **changes))
        now = (k + 1) * HOUR
    return memory, now


def context(memory: MemoryStateManager, now: int, regime: int = 3, symbol: str = "S0") -> Any:
    return memory.context(memory.setup(symbol, now, regime, 0.01), now)


def view(now: int, confidence: float = 1.0, symbol: str = "S0", regime: int = 3) -> Any:
    state = SimpleNamespace(
        state=state_index(regime, 0, 0, 0), atr_frac=0.01, confidence=confidence
    )
    return SimpleNamespace(symbol=symbol, bar_close_ns=now, decision_id="d", context=state)


def test_a_streak_of_three_asks_for_a_tenth_more_and_halves_the_size() -> None:
    memory, now = fed([*GROUND, -0.2, -0.2, -0.2])
    found = context(memory, now)
    assert found.loss_streak == 3
    assert (found.delta, found.risk_factor, found.level) == (0.10, 0.5, Level.MEDIUM)
    assert found.allow_new_entries
    young = context(*fed([-0.2, -0.2, -0.2]))
    assert (young.delta, young.risk_factor, young.level) == (0.10, 0.5, Level.COLD_START)


def test_stricter_raises_the_threshold_and_never_the_confidence() -> None:
    memory, now = fed([*GROUND, -0.2, -0.2, -0.2])
    assert memory.answer(THRESHOLD, view(now)) == Raise(0.10)
    for mode in (Mode.ADVISORY, Mode.ENFORCED):
        chain = HookChain([Seat(memory, mode)], min_confidence=0.20)
        assert chain.check_entry(view(now, 0.301)).allowed
        refused = chain.check_entry(view(now, 0.299))
        assert (refused.allowed, refused.reason) == (False, "BELOW_THRESHOLD")
    assert HookChain([Seat(memory, Mode.OBSERVE)], 0.20).check_entry(view(now, 0.20)).allowed


def test_a_streak_of_seven_blocks_and_twelve_hours_later_three_small_entries() -> None:
    memory, now = fed([*GROUND, *[-0.1] * 7])
    assert not context(memory, now).allow_new_entries
    assert memory.answer(SIZE, view(now)) == Scale(0.0)
    assert not context(memory, now + 12 * HOUR - 1).allow_new_entries
    resumed = context(memory, now + 12 * HOUR)
    assert (resumed.allow_new_entries, resumed.risk_factor) == (True, 0.1)
    k = now // HOUR + 12
    for place in range(3):
        assert context(memory, (k + place) * HOUR).risk_factor == 0.1
        memory.learn_one(trade(k + place, 0.1))
    after = context(memory, (k + 3) * HOUR)
    assert (after.allow_new_entries, after.risk_factor) == (True, 1.0)


def test_losses_go_on_to_block_but_never_without_a_trial_between() -> None:
    memory, now = fed([*GROUND, *[-0.1] * 7])
    # A trade opened before the block does not prolong it and is no part of the trial.
    memory.learn_one(trade(200, -0.1, entry_ns=now - 1, exit_ns=now + 13 * HOUR))
    k = now // HOUR + 13
    for place in range(3):
        assert context(memory, (k + place) * HOUR).allow_new_entries
        memory.learn_one(trade(k + place, -0.1))
    again = (k + 3) * HOUR
    assert not context(memory, again).allow_new_entries
    assert context(memory, again + 12 * HOUR).allow_new_entries


def test_a_trial_whose_trades_are_too_small_to_be_made_ends_by_time() -> None:
    memory, now = fed([*GROUND, *[-0.1] * 7])
    assert context(memory, now + 84 * HOUR - 1).risk_factor == 0.1
    assert context(memory, now + 84 * HOUR).risk_factor == 1.0


@pytest.mark.parametrize(
    "results",
    [
        [*GROUND, *[-3.5, 0.1] * 6],  # the last 20 sum below -12 R
        [*GROUND, *[-0.01, -0.01, -0.01, -0.01, 0.05] * 6],  # 6 wins of the last 30
    ],
)
def test_the_other_losing_runs_block_too(results: list[float]) -> None:
    memory, now = fed(results)
    assert not context(memory, now).allow_new_entries
    assert context(memory, now + 12 * HOUR).risk_factor == 0.1


@pytest.mark.parametrize(
    ("results", "delta"),
    [
        ([*GROUND, -7.0, 0.1], 0.15),
        ([*GROUND, -4.0, 0.1], 0.10),
        ([*GROUND, -1.5, 0.1], 0.05),
        ([*GROUND, -0.5, 0.1], 0.0),
        ([*GROUND, 7.0, -0.1], -0.05),
        ([*GROUND, *[-0.1] * 5], 0.20),
        ([*GROUND, *[-3.0] * 3], 0.20),  # .15 + .10, clamped
    ],
)
def test_delta_of_sums_and_streaks(results: list[float], delta: float) -> None:
    assert context(*fed(results)).delta == pytest.approx(delta)


@pytest.mark.parametrize(
    ("results", "factor"),
    [
        ([*GROUND, -0.1, -0.1], 0.7),
        ([*GROUND, 0.1, -0.1, -0.1, -0.1], 0.5),
        ([*GROUND, 0.1, *[-0.1] * 5], 0.2),
        ([*GROUND, -5.0, 0.1], 0.5),
        ([*GROUND, -11.9, 0.3], 0.3),
        ([*GROUND, 11.9, -0.1], 1.3),
        ([*GROUND, 0.1, -2.0, -2.0, -2.0], 0.25),
        ([*GROUND, 0.1, *[-2.3] * 5], 0.1),  # .2 x .3, clamped
        ([0.1] * 9, 0.5),
        ([0.1] * 10, 0.7),
        ([0.1, -0.1] * 25, 1.0),
    ],
)
def test_risk_factor_of_streaks_sums_and_levels(results: list[float], factor: float) -> None:
    assert context(*fed(results)).risk_factor == pytest.approx(factor)


@pytest.mark.parametrize(
    ("trades", "level"),
    [(0, "COLD_START"), (9, "COLD_START"), (10, "LOW"), (49, "LOW"), (50, "MEDIUM"),
     (199, "MEDIUM"), (200, "HIGH")],
)  # fmt: skip
def test_levels_by_trades(trades: int, level: str) -> None:
    memory, now = fed([0.1, -0.1] * (trades // 2) + [0.1] * (trades % 2))
    assert context(memory, now).level == level
    assert (context(memory, now).delta >= 0.10) == (level == "COLD_START")


@pytest.mark.parametrize(("won", "delta"), [(3, 0.10), (5, 0.0), (8, -0.05)])
def test_the_win_rate_of_a_regime_moves_the_threshold(won: int, delta: float) -> None:
    results = [*GROUND, *[-0.01] * (10 - won), *[0.01] * won]
    memory = MemoryStateManager()
    for k, net_r in enumerate(results):
        memory.learn_one(trade(k, net_r, regime=1 if k < len(GROUND) else 4))
    now = len(results) * HOUR
    assert context(memory, now, regime=4).delta == pytest.approx(delta)
    # Evidence nobody adds to fades by halves, so no regime stays dear for ever.
    assert context(memory, now + DAY, regime=4).delta == pytest.approx(delta / 2)
    assert abs(context(memory, now + 60 * DAY, regime=4).delta) < 1e-9


def test_all_sums_halve_in_24_hours() -> None:
    memory, now = fed([*GROUND, -7.0, 0.1])
    deltas = [context(memory, now + h * HOUR).delta for h in (0, 12, 36, 72)]
    assert deltas == pytest.approx([0.15, 0.10, 0.05, 0.0])


def test_an_idle_streak_fades_by_halves() -> None:
    memory, now = fed([*GROUND, -0.1, -0.1, -0.1])
    streaks = [context(memory, now + h * HOUR).loss_streak for h in (0, 23, 24, 48, 10_000)]
    assert streaks == [3, 3, 1, 0, 0]
    memory.learn_one(trade(10_000, -0.1))
    assert context(memory, 10_001 * HOUR).loss_streak == 4


def test_the_blacklist_takes_a_symbol_through_probation() -> None:
    memory, now = fed([0.1, *[-0.1, -0.1, -0.1, 0.1, -0.1] * 2, *[-0.1] * 3])
    assert memory.blacklist(now) == ()
    memory = MemoryStateManager()
    results = [-0.1, -0.1, -0.1, 0.1, -0.1] * 3
    for k, net_r in enumerate(results):
        memory.learn_one(trade(k, net_r, symbol="BAD"))
        assert memory.on_paper("BAD", (k + 1) * HOUR) == (k == 14)
    now = 15 * HOUR
    assert context(memory, now).blacklist == ("BAD",)
    assert memory.answer(SIZE, view(now, symbol="BAD")) == Scale(0.0)
    for k in range(3):
        memory.learn_one(trade(20 + k, 1.0, symbol="BAD", paper=True))
    back = 23 * HOUR
    assert context(memory, back).blacklist == ()
    assert memory.answer(SIZE, view(back, symbol="BAD")) == Scale(0.25)
    # Fifteen new trades are needed before it is judged again.
    for k in range(14):
        memory.learn_one(trade(30 + k, -0.1, symbol="BAD"))
    assert not memory.on_paper("BAD", 44 * HOUR)
    memory.learn_one(trade(44, -0.1, symbol="BAD"))
    assert memory.on_paper("BAD", 45 * HOUR)
    assert not memory.on_paper("BAD", 45 * HOUR + 14 * DAY)


def test_time_alone_wipes_the_record_that_led_to_probation() -> None:
    memory, now = fed([-0.1] * 15, symbol="BAD")
    assert memory.on_paper("BAD", now)
    back = 15 + 14 * 24
    memory.learn_one(trade(back, -0.1, symbol="BAD"))
    assert not memory.on_paper("BAD", (back + 1) * HOUR)


def test_paper_trades_stay_in_order_over_a_restart() -> None:
    memory, _ = fed([-0.1] * 15, symbol="BAD")
    memory.learn_one(trade(40, 1.0, symbol="BAD", paper=True))
    restarted = MemoryStateManager()
    restarted.load_state_dict(memory.state_dict())
    for learner in (memory, restarted):
        before = learner.digest()
        with pytest.raises(FixInput, match="learned in order of time"):
            learner.learn_one(trade(30, 1.0, symbol="BAD", paper=True))
        assert learner.digest() == before


def test_a_pattern_speaks_from_its_fifth_trade_on() -> None:
    memory = MemoryStateManager()
    for k in range(5):
        setup = memory.setup("S", k * HOUR, 1, 0.01)
        assert memory.context(setup, k * HOUR).pattern is None
        memory.learn_one(trade(k, 1.0 if k < 3 else -1.0, symbol="S"))
    pattern = memory.context(setup, 5 * HOUR).pattern
    assert pattern is not None
    assert (pattern.setup, pattern.trades) == (setup.hash, 5)
    assert pattern.win_rate == pytest.approx(0.6, abs=0.03)
    other = memory.setup("S", 0, 1, 0.02)
    assert memory.context(other, 5 * HOUR).pattern is None


def test_unstable_regimes_ask_for_more() -> None:
    memory, now = fed(GROUND)
    for k in range(25):
        memory.learn_bar(Bar("S0", k * HOUR, k % 2 if k < 5 else 1))
    assert context(memory, now).delta == pytest.approx(0.05)
    assert context(memory, now).regime_stability == pytest.approx(1.0 - 5 / 6)
    assert context(memory, now, symbol="S1").delta == 0.0


def test_regimes_of_learned_bars_take_the_place_of_sizing_regimes() -> None:
    memory = MemoryStateManager()
    memory.learn_bar(Bar("S0", 5 * HOUR, Regime.BREAKOUT, 3, -1.5))
    setup = memory.setup("S0", 5 * HOUR, 1, 0.031)
    assert (setup.regime, setup.volatility, setup.momentum, setup.trend) == (
        "BREAKOUT", "EXTREME", "DOWN", "BEAR_STRONG",
    )  # fmt: skip
    assert memory.setup("S0", 6 * HOUR, 1, 0.031).regime == "LOW_VOL_TRENDING"


def test_claims_are_counted_in_buckets() -> None:
    memory = MemoryStateManager()
    for k, (claim, net_r) in enumerate([(0.45, -1.0), (0.5, 1.0), (0.58, -1.0), (0.9, 1.0)]):
        memory.learn_one(trade(k, net_r, claim=claim))
    memory.learn_one(trade(9, 1.0, claim=nan))
    buckets, brier = memory.calibration()
    assert [(b.low, b.n, b.realised) for b in buckets] == [
        (0.0, 1, 0.0), (0.5, 2, 0.5), (0.9, 1, 1.0),
    ]  # fmt: skip
    assert buckets[1].stated == pytest.approx(0.54)
    assert brier == pytest.approx((0.45**2 + 0.5**2 + 0.58**2 + 0.1**2) / 4)


def test_answers_and_failure(caplog: pytest.LogCaptureFixture) -> None:
    memory, now = fed([*GROUND, 11.9, -0.1])
    assert memory.answer(SIZE, view(now)) == Scale(1.3)
    assert memory.answer(HookPoint.RISK_CHECK, view(now)) == Keep()
    with caplog.at_level(logging.ERROR):
        broken: Any = SimpleNamespace(decision_id="d")
        assert memory.answer(THRESHOLD, broken) == Raise(0.10)
        assert memory.answer(SIZE, broken) == Scale(0.5)
    assert "memory failed at POSITION_SIZING for d" in caplog.text


def full_memory() -> MemoryStateManager:
    memory, _ = fed([*GROUND, *[-0.1] * 7])
    for k in range(40):
        memory.learn_bar(Bar("S0", k * HOUR, k % 3, k % 8, nan if k % 4 == 0 else 0.7 * k - 9.0))
    for k in range(20):
        memory.learn_one(trade(100 + k, -0.1, symbol="BAD"))
    memory.learn_one(trade(130, 1.0, symbol="BAD", paper=True))
    return memory


def test_a_restart_restores_the_same_context(tmp_path: Path) -> None:
    memory = full_memory()
    memory.checkpoint(tmp_path / "m.json", created_ns=3)
    restored = MemoryStateManager()
    restored.restore(tmp_path / "m.json")
    assert restored.digest() == memory.digest()
    for now in (70 * HOUR, 120 * HOUR, 131 * HOUR, 140 * HOUR, 90 * DAY):
        for symbol in ("S0", "BAD", "never seen"):
            assert context(restored, now, symbol=symbol) == context(memory, now, symbol=symbol)
    for m in (memory, restored):
        m.learn_bar(Bar("S0", 60 * HOUR, 2))
        for k in (3, 140, 141, 142):
            m.learn_one(trade(k, 0.5 if k > 140 else -1.0, symbol="BAD", paper=k == 142))
    assert restored.digest() == memory.digest()
    assert restored.calibration() == memory.calibration()


def test_a_checkpoint_altered_by_one_digit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    full_memory().checkpoint(path)
    path.write_bytes(path.read_bytes().replace(b'"trades": 87', b'"trades": 88'))
    memory = MemoryStateManager()
    with pytest.raises(RefusedArtifact, match=r"m\.json: checksum"):
        memory.restore(path)
    assert memory.digest() == MemoryStateManager().digest()


def test_malformed_state_changes_nothing() -> None:
    memory = full_memory()
    values, arrays = memory.state_dict()
    json.dumps(values, allow_nan=False)
    before = memory.digest()
    spoilt: dict[str, Any] = {
        "recent": [1], "claims": [[0.0]], "market": {"S": [[1]]}, "trades": None,
        "symbols": {"S": [{}, ["LOST", 0, [], 0, 0]]},
    }  # fmt: skip
    for key, bad in spoilt.items():
        with pytest.raises(RefusedArtifact):
            memory.load_state_dict(({**values, key: bad}, arrays))
    other = MemoryStateManager(MemorySettings(half_life_h=12.0))
    with pytest.raises(RefusedArtifact, match="half_life_ns"):
        other.load_state_dict((values, arrays))
    assert memory.digest() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net_r": nan}, "not finite"),
        ({"net_r": 1e7}, "not finite or beyond"),
        ({"exit_ns": 3, "entry_ns": 2}, "learned in order of time"),
        ({"regime": 9}, "unknown sizing regime"),
    ],
)
def test_bad_trades_are_refused_and_change_nothing(change: dict[str, Any], message: str) -> None:
    memory, _ = fed(GROUND)
    digest = memory.digest()
    with pytest.raises(FixInput, match=message):
        memory.learn_one(replace(trade(99, 1.0), **change))
    assert memory.digest() == digest
    assert not memory.learn_one(trade(5, 1.0))
    assert memory.digest() == digest


def test_bad_bars_are_refused_and_the_same_bar_is_ignored() -> None:
    memory = full_memory()
    digest = memory.digest()
    memory.learn_bar(Bar("S0", 39 * HOUR, 1))
    for bar, message in (
        (Bar("S0", 38 * HOUR, 1), "in order of time"),
        (Bar("S0", 50 * HOUR, 9), "unknown regime 9"),
        (Bar("NEW", 0, 0, 12), "market state 12"),
    ):
        with pytest.raises(FixInput, match=message):
            memory.learn_bar(bar)
    assert memory.digest() == digest
