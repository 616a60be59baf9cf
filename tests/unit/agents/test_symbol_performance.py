from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.adviser_settings import PerformanceSettings
from agents.outcomes import TradeOutcome
from agents.probation import Standing
from agents.symbol_performance import ON_PROBATION, SymbolPerformanceManager
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.hooks import HookPoint, Keep, Scale, Veto
from envs.core.types import NS_PER_DAY, NS_PER_HOUR

HOUR, DAY = NS_PER_HOUR, NS_PER_DAY
SIZE, UNIVERSE = HookPoint.POSITION_SIZING, HookPoint.UNIVERSE_FILTER


def trade(k: int, net_r: float, *, paper: bool = False, symbol: str = "X") -> TradeOutcome:
    return TradeOutcome(
        f"t{k}", symbol, k * HOUR, (k + 1) * HOUR, net_r, 100.0 * net_r, paper=paper
    )


def fed(results: Iterable[float], **settings: Any) -> tuple[SymbolPerformanceManager, int]:
    manager, now = SymbolPerformanceManager(PerformanceSettings(**settings)), 0
    for k, net_r in enumerate(results):
        manager.learn_one(trade(k, net_r))
        now = (k + 1) * HOUR
    return manager, now


def at(now_ns: int, symbol: str = "X") -> Any:
    return SimpleNamespace(symbol=symbol, bar_close_ns=now_ns, decision_id="d")


def test_nine_losses_trade_at_half_and_the_tenth_is_probation() -> None:
    manager, now = fed([-1.0] * 9)
    assert manager.context("X", now).standing is Standing.ACTIVE
    assert manager.context("X", now).factor == 0.5
    assert manager.context("X", now).loss_streak == 9
    manager.learn_one(trade(9, -1.0))
    on_paper = manager.context("X", 10 * HOUR)
    assert (on_paper.standing, on_paper.factor) == (Standing.PROBATION, 0.0)
    assert on_paper.ends_ns == 10 * HOUR + 14 * DAY
    assert manager.universe(["Y", "X"], 10 * HOUR) == ("Y",)


def test_three_paper_wins_lead_to_re_entry_at_a_quarter_for_five_real_trades() -> None:
    manager, _ = fed([-1.0] * 10)
    for k, net_r in enumerate([1.0, -0.5, 1.0]):
        manager.learn_one(trade(20 + k, net_r, paper=True))
        assert manager.on_paper("X", (21 + k) * HOUR)
    manager.learn_one(trade(23, 1.0, paper=True))
    assert not manager.on_paper("X", 24 * HOUR)
    for k in range(5):
        found = manager.context("X", (24 + k) * HOUR)
        assert (found.standing, found.factor) == (Standing.RE_ENTRY, 0.25)
        manager.learn_one(trade(24 + k, 1.0))
    found = manager.context("X", 29 * HOUR)
    assert (found.standing, found.factor) == (Standing.ACTIVE, 0.5)


def test_paper_wins_without_a_positive_mean_of_the_last_five_do_not_count() -> None:
    manager, _ = fed([-1.0] * 10)
    for k, net_r in enumerate([0.1, 0.1, -5.0, 0.1, 0.1, 0.1]):
        manager.learn_one(trade(20 + k, net_r, paper=True))
    assert manager.on_paper("X", 26 * HOUR)
    # The sixth paper trade pushes nothing out yet; two more leave the loss behind.
    manager.learn_one(trade(26, 0.1, paper=True))
    assert manager.on_paper("X", 27 * HOUR)
    manager.learn_one(trade(27, 0.1, paper=True))
    assert manager.context("X", 28 * HOUR).standing is Standing.RE_ENTRY


def test_fourteen_days_without_trades_lead_to_re_entry() -> None:
    manager, now = fed([-1.0] * 10)
    assert manager.on_paper("X", now + 14 * DAY - 1)
    found = manager.context("X", now + 14 * DAY)
    assert (found.standing, found.factor) == (Standing.RE_ENTRY, 0.25)
    # Reading it later changes nothing, and trades too small to be filled do not keep it small.
    assert manager.context("X", now + 28 * DAY).standing is Standing.ACTIVE
    assert manager.context("X", now + 14 * DAY) == found


def test_re_entry_starts_a_new_streak() -> None:
    manager, now = fed([-1.0] * 10)
    start = (now + 14 * DAY) // HOUR
    for k in range(9):
        manager.learn_one(trade(start + k, -1.0))
        assert not manager.on_paper("X", (start + k + 1) * HOUR)
    manager.learn_one(trade(start + 9, -1.0))
    assert manager.on_paper("X", (start + 10) * HOUR)


def test_twenty_trades_with_sixty_percent_wins_and_a_fifth_of_r_are_good() -> None:
    results = [1.0, -1.0, 1.0, -1.0, 1.0] * 4
    manager, now = fed(results)
    found = manager.context("X", now)
    assert found.trades == 20
    assert found.win_rate == pytest.approx(0.6, abs=0.005)
    assert found.mean_r == pytest.approx(0.2, abs=0.01)
    assert found.factor == 1.2
    assert found.net_quote == pytest.approx(400.0, rel=0.05)
    assert fed(results[1:])[0].context("X", now).factor == 1.0


@pytest.mark.parametrize(
    ("results", "factor"),
    [
        ([], 1.0),
        ([-1.0] * 5, 1.0),  # five trades an hour apart weigh less than five
        ([-1.0] * 6, 0.5),
        ([3.0, -1.0, -1.0] * 4, 0.5),  # one win in three is poor whatever it earned
        ([-1.0, -1.0, 3.0, 3.0] * 2, 1.0),
        ([0.1, 0.1, -1.0] * 4, 0.5),  # many wins that earn nothing are poor
        ([0.0] * 6, 0.5),  # a trade that earned nothing is no win
    ],
)
def test_the_size_follows_the_statistics(results: list[float], factor: float) -> None:
    manager, now = fed(results)
    assert manager.context("X", now).factor == factor


def test_statistics_halve_in_fourteen_days_of_event_time() -> None:
    manager, now = fed([-1.0] * 8)
    before, after = manager.context("X", now), manager.context("X", now + 14 * DAY)
    assert after.weighted == pytest.approx(before.weighted / 2)
    assert after.win_rate == before.win_rate
    assert after.mean_r == pytest.approx(before.mean_r)
    assert (before.factor, after.factor) == (0.5, 1.0)
    assert manager.context("X", now - DAY).weighted == before.weighted


def test_symbols_are_judged_alone() -> None:
    manager, now = fed([-1.0] * 10)
    manager.learn_one(trade(0, 1.0, symbol="Y"))
    assert manager.context("Y", now).factor == 1.0
    assert manager.on_paper("X", now)


def test_each_trade_is_learned_once_and_paper_stands_for_no_real_trade() -> None:
    manager = SymbolPerformanceManager()
    assert manager.learn_one(trade(0, 1.0))
    digest = manager.digest()
    assert not manager.learn_one(trade(0, 1.0))
    assert manager.digest() == digest
    manager.learn_one(trade(5, 1.0))
    assert not manager.learn_one(trade(0, 1.0))
    assert manager.learn_one(trade(0, 1.0, paper=True))
    assert manager.context("X", HOUR).trades == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net_r": nan}, "not finite"),
        ({"net_r": inf}, "not finite"),
        ({"net_quote": nan}, "not finite"),
        ({"exit_ns": 3}, "learned in order of time"),
        ({"exit_ns": 20 * HOUR, "entry_ns": 21 * HOUR}, "before its entry"),
        ({"trade_id": ""}, "needs an id"),
        ({"claim": 1.5}, "lies in"),
        ({"regime": 7}, "unknown sizing regime 7"),
    ],
)
def test_bad_trades_are_refused_and_change_nothing(change: dict[str, Any], message: str) -> None:
    manager, _ = fed([1.0, -1.0])
    digest = manager.digest()
    bad = {"trade_id": "bad", "entry_ns": 0, **change}
    with pytest.raises(FixInput, match=message):
        manager.learn_one(replace(trade(5, 1.0), **bad))
    assert manager.digest() == digest


def test_answers_of_the_hooks() -> None:
    manager, now = fed([-1.0] * 10)
    assert manager.answer(UNIVERSE, at(now)) == Veto(ON_PROBATION)
    assert manager.answer(SIZE, at(now)) == Scale(0.0)
    later = at(now + 14 * DAY)
    assert manager.answer(UNIVERSE, later) == Keep()
    assert manager.answer(SIZE, later) == Scale(0.25)
    assert manager.answer(HookPoint.RISK_CHECK, later) == Keep()


def test_a_failure_answers_half(caplog: pytest.LogCaptureFixture) -> None:
    manager, now = fed([1.0] * 30)
    manager._records["X"] = None  # type: ignore[assignment]
    with caplog.at_level(logging.ERROR):
        assert manager.answer(SIZE, at(now)) == Scale(0.5)
        assert manager.answer(UNIVERSE, at(now)) == Keep()
    assert "symbol performance failed at POSITION_SIZING for d" in caplog.text


def test_answering_is_pure() -> None:
    manager, now = fed([-1.0] * 10)
    digest = manager.digest()
    for when in (now + 40 * DAY, now, now + 14 * DAY, 0):
        manager.answer(SIZE, at(when))
        manager.answer(SIZE, at(when, "never seen"))
    assert manager.digest() == digest


def test_restored_and_continued_equals_never_stopped(tmp_path: Path) -> None:
    manager, _ = fed([-1.0] * 10)
    manager.learn_one(trade(20, 1.0, paper=True))
    manager.checkpoint(tmp_path / "p.json", created_ns=7)
    restored = SymbolPerformanceManager()
    restored.restore(tmp_path / "p.json")
    rows = [trade(21, 1.0, paper=True), trade(22, 1.0, paper=True), trade(23, -1.0), trade(24, 2.0)]
    for row in [trade(3, -1.0), *rows]:
        manager.learn_one(row)
        restored.learn_one(row)
    assert restored.digest() == manager.digest()
    assert restored.context("X", 25 * HOUR) == manager.context("X", 25 * HOUR)
    assert restored.context("X", 25 * HOUR).factor == 0.25


def test_a_damaged_checkpoint_gives_way_to_the_copy_before_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "p.json"
    manager, now = fed([-1.0] * 9)
    manager.checkpoint(path)
    first = manager.digest()
    manager.learn_one(trade(9, -1.0))
    manager.checkpoint(path)
    path.write_bytes(path.read_bytes().replace(b'"streak": 10', b'"streak": 11'))
    restored = SymbolPerformanceManager()
    with caplog.at_level(logging.WARNING):
        restored.restore(path)
    assert "p.json.prev" in caplog.text
    assert restored.digest() == first
    assert restored.learn_one(trade(9, -1.0))
    assert restored.on_paper("X", now + HOUR)
    (tmp_path / "p.json.prev").unlink()
    fresh = SymbolPerformanceManager()
    with pytest.raises(RefusedArtifact, match="checksum"):
        fresh.restore(path)
    assert fresh.digest() == SymbolPerformanceManager().digest()


def test_state_of_another_half_life_or_kind_is_refused() -> None:
    manager, _ = fed([1.0])
    other = SymbolPerformanceManager(PerformanceSettings(half_life_days=7.0))
    before = other.digest()
    with pytest.raises(RefusedArtifact, match="half_life_ns: expected 604800000000000"):
        other.load_state_dict(manager.state_dict())
    values, arrays = manager.state_dict()
    with pytest.raises(RefusedArtifact, match="schema: expected 'symbol-performance'"):
        other.load_state_dict(({**values, "schema": "memory"}, arrays))
    with pytest.raises(RefusedArtifact, match="array 'learned'"):
        manager.load_state_dict((values, {}))
    with pytest.raises(RefusedArtifact, match="malformed state"):
        manager.load_state_dict(({**values, "symbols": {"X": {}}}, arrays))
    assert other.digest() == before
    json.dumps(values, allow_nan=False)
