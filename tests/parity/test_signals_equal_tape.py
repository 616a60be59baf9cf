"""Signals revealed or computed bar by bar are, bit for bit, the tape that training makes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.rewards import ReinforcementSignal, TradeResult
from envs.core.tape import SignalTape
from runtime.signals.cached import CachedSignals
from tests.parity.signals_scene import CORE, TRAINED, Scene, same_manager, same_rows, scene
from training.weight_pass import WeightPass

FROM_LABELS = ["aa", "fixed_share", "uniform"]
FIRST, LAST = TRAINED + 20, TRAINED + 1_200


def cached(at: Scene, *, emit: bool = True, learning: bool = True) -> CachedSignals:
    return CachedSignals(
        at.data, at.votes, CORE, at.manager.copy(), at.line, at.slopes, first_row=FIRST,
        last_row=LAST, emit_labels=emit, learning=learning,
    )  # fmt: skip


def run(signals: CachedSignals, stop: int) -> None:
    """Row by row up to ``stop``; emitted labels are learned as the kernel has them learned."""
    for row in range(signals.row + 1, stop + 1):
        labels = signals.receive(int(signals.data.market.close_ns[row]))
        assert signals.row == row
        signals.manager.learn_labels(labels)
        asyncio.run(signals.vote())
        signals.weigh()


@pytest.mark.parametrize("kappa", [0.0, 2.0])
@pytest.mark.parametrize("algorithm", FROM_LABELS)
def test_cached_rows_are_the_tapes(algorithm: str, kappa: float) -> None:
    at = scene(algorithm, kappa)
    want: SignalTape = at.tape().signals
    signals = cached(at)
    for row in range(at.data.market.n_bars):
        same_rows(signals.tape, want, row)
    assert 50 < want.candidate[FIRST:LAST].sum() < 2 * (LAST - FIRST)


@pytest.mark.parametrize("kappa", [0.0, 2.0])
@pytest.mark.parametrize("algorithm", FROM_LABELS)
def test_a_manager_that_catches_up_is_one_that_learned_each_label(
    algorithm: str, kappa: float
) -> None:
    at = scene(algorithm, kappa)
    step, lazy = cached(at), cached(at, emit=False)
    for stop in (FIRST, FIRST + 1, FIRST + 9, FIRST + 300, FIRST + 301):
        run(step, stop)
        for row in range(lazy.row + 1, stop + 1):
            assert lazy.receive(int(at.data.market.close_ns[row])) == ()
        same_manager(lazy.manager, step.manager)
    assert lazy.manager.labels.last_ns > at.manager.labels.last_ns
    assert lazy.manager is lazy.manager


def test_the_manager_goes_on_from_a_checkpoint_it_was_restored_from(tmp_path: Path) -> None:
    at = scene("aa")
    whole, broken = cached(at, emit=False), cached(at, emit=False)
    for signals in (whole, broken):
        for row in range(FIRST, FIRST + 100):
            signals.receive(int(at.data.market.close_ns[row]))
    path = tmp_path / "manager.json"
    broken.manager.checkpoint(path)
    state = json.loads(json.dumps(broken.state()))
    again = cached(at, emit=False)
    again.manager.restore(path)
    again.restore(state)
    for signals in (whole, again):
        for row in range(FIRST + 100, FIRST + 250):
            signals.receive(int(at.data.market.close_ns[row]))
    same_manager(again.manager, whole.manager)


def test_without_learning_the_weights_stay_the_bundles() -> None:
    at = scene("aa")
    signals = cached(at, learning=False)
    assert signals.receive(int(at.data.market.close_ns[FIRST])) == ()
    same_manager(signals.manager, at.manager)
    assert np.unique(signals.tape.weights[FIRST:LAST], axis=0).shape[0] == 1
    assert signals.tape.weights[LAST, 0].tolist() == at.manager.raw_weights().tolist()
    assert np.unique(at.tape().signals.weights[FIRST:LAST], axis=0).shape[0] > 1


Trade = tuple[int, str, TradeResult, list[int], list[float]]


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[Trade]:
    """Trades the tape's reference account closes, each with the row it is learned at."""
    trades: list[Trade] = []
    due, learn = WeightPass._learn_due, ReinforcementManager.learn_trade

    def at_row(self: WeightPass, row: int) -> None:
        def note(
            manager: ReinforcementManager, trade_id: str, trade: TradeResult,
            agreement: list[int], confidence: list[float],
        ) -> ReinforcementSignal:  # fmt: skip
            trades.append((row, trade_id, trade, agreement, confidence))
            return learn(manager, trade_id, trade, agreement, confidence)

        with monkeypatch.context() as patch:
            patch.setattr(ReinforcementManager, "learn_trade", note)
            due(self, row)

    monkeypatch.setattr(WeightPass, "_learn_due", at_row)
    return trades


def follow(signals: CachedSignals, trades: list[Trade], stop: int) -> None:
    """Row by row, the manager learning labels and then trades."""
    for row in range(signals.row + 1, stop + 1):
        signals.manager.learn_labels(signals.receive(int(signals.data.market.close_ns[row])))
        for at, *trade in trades:
            if at == row:
                signals.manager.learn_trade(*trade)
        signals.weigh()


@pytest.mark.parametrize("algorithm", ["exponential", "platt_exponential"])
def test_rows_weighed_by_trades_are_the_tapes(
    algorithm: str, moved: list[Trade], tmp_path: Path
) -> None:
    at = scene(algorithm, 1.0)
    moved.clear()
    want = at.tape().signals
    first, cut, last = TRAINED + 1, TRAINED + 500, TRAINED + 900
    made = [
        CachedSignals(
            at.data, at.votes, CORE, at.manager.copy(), at.line, at.slopes, first_row=first
        )
        for _ in range(2)
    ]
    follow(made[0], moved, cut)
    made[0].manager.checkpoint(tmp_path / "manager.json")
    made[1].manager.restore(tmp_path / "manager.json")
    made[1].restore(json.loads(json.dumps(made[0].state())))
    follow(made[0], moved, last)
    follow(made[1], moved, last)
    for row in range(first, last + 1):
        same_rows(made[0].tape, want, row)
    for row in range(cut - 1_000, last + 1):
        same_rows(made[1].tape, want, row)
    same_manager(made[1].manager, made[0].manager)
    assert np.unique(want.weights[first:last, 0], axis=0).shape[0] > 20
