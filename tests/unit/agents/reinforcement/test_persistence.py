"""Restore and go on equals never having stopped, bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.persistence import learned_under
from agents.reinforcement.rewards import TradeResult
from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from envs.artifact import previous
from envs.core.errors import DamagedArtifact, FixInput, RefusedArtifact
from envs.core.trade import ResolvedLabel
from envs.core.types import MODEL_NAMES


class Vote:
    valid = True


VOTES = {name: Vote() for name in MODEL_NAMES}
Log = list[tuple[object, ...]]


def fresh(algorithm: str, horizon: int = 8) -> ReinforcementManager:
    settings = ReinforcementSettings(algorithm=algorithm, vote_kappa=1.0)
    return ReinforcementManager(settings, horizon, np.random.default_rng(7))


def live(m: ReinforcementManager, first: int, last: int) -> Log:
    """Bars of random votes, labels of two symbols, trades and explored weights."""
    log: Log = []
    for t in range(first, last):
        rng = np.random.default_rng([11, t])
        up = rng.uniform(0.2, 0.8, (2, 4))
        up[0, rng.integers(0, 4)] = np.nan
        m.learn_labels(
            [
                ResolvedLabel(
                    name, t, t + 8, up[i], 1.0 - up[i], int(rng.random() < 0.5), i,
                )
                for i, name in enumerate(("A", "B"))
            ]
        )  # fmt: skip
        if t % 3 == 0:
            trade = TradeResult("A", int(t % 2), float(rng.normal(0, 40)), 1_000.0, 0.3, t)
            sides = rng.integers(-1, 2, 4).tolist()
            m.learn_trade(f"t{t}", trade, sides, [0.6] * 4)
        explored = m.apply_reinforcement_to_signal(VOTES, True)
        log.append((*m.predict(up[1], 1.0 - up[1])[:2], explored[0].tolist(), *explored[1:]))
    return log


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_restoring_and_going_on_equals_the_uninterrupted_run(
    algorithm: str, tmp_path: Path
) -> None:
    whole = fresh(algorithm)
    expected = live(whole, 0, 260)
    half = fresh(algorithm)
    live(half, 0, 140)
    half.checkpoint(tmp_path / "manager.json")
    again = fresh(algorithm)
    again.restore(tmp_path / "manager.json")
    assert live(again, 140, 260) == expected[140:]
    assert again.get_diagnostics() == whole.get_diagnostics()
    assert again.signals == whole.signals
    assert np.array_equal(again.pool.posterior, whole.pool.posterior)
    loaded = ReinforcementManager.load(tmp_path / "manager.json")
    assert live(loaded, 140, 260) == expected[140:]


def test_a_restored_manager_knows_what_it_learned(tmp_path: Path) -> None:
    m = fresh("exponential")
    live(m, 0, 30)
    m.checkpoint(tmp_path / "m.json")
    again = ReinforcementManager.load(tmp_path / "m.json")
    trade = TradeResult("A", 0, 9.0, 1_000.0, 0.3, 5)
    assert again.learn_trade("t3", trade, [1] * 4, [0.5] * 4) == m.signals["t3"]
    before = again.pool.posterior.copy()
    again.learn_label(ResolvedLabel("A", 3, 11, np.full(4, 0.9), np.full(4, 0.1), 1, 0))
    assert np.array_equal(before, again.pool.posterior)


def test_a_checkpoint_of_another_setup_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    m = fresh("aa")
    live(m, 0, 5)
    m.checkpoint(path)
    for other, words in (
        (fresh("uniform"), "algorithm: expected 'uniform', found 'aa'"),
        (fresh("aa", 4), "horizon_bars: expected 4, found 8"),
    ):
        before = other.get_diagnostics()
        with pytest.raises(RefusedArtifact, match=words):
            other.restore(path)
        assert other.get_diagnostics() == before
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(RefusedArtifact, match=r"m\.json"):
        fresh("aa").restore(path)


def test_a_generator_that_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    m = ReinforcementManager(ReinforcementSettings(), 8, np.random.Generator(np.random.MT19937(1)))
    with pytest.raises(FixInput, match="MT19937"):
        m.checkpoint(tmp_path / "m.json")
    assert not (tmp_path / "m.json").exists()


def test_settings_that_shape_learning_are_saved() -> None:
    names = learned_under(ReinforcementSettings())
    assert {"algorithm", "learning_rate", "pull", "share", "vote_kappa"} <= set(names)


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("part", ["m.json", "m.npz"])
def test_a_damaged_checkpoint_gives_way_to_the_copy_before_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    """One flipped byte in either file; the copy goes on to the same numbers as the original."""
    path, m = tmp_path / "m.json", fresh("aa")
    live(m, 0, 40)
    m.checkpoint(path)
    live(m, 40, 60)
    m.checkpoint(path)
    damage(tmp_path / part)
    again = fresh("aa")
    again.restore(path)
    assert "is intact: loaded m.json.prev instead" in caplog.text
    whole = fresh("aa")
    log = live(whole, 0, 60)
    assert live(again, 40, 60) == log[40:]
    loaded = ReinforcementManager.load(path)
    assert loaded.labels.last_ns == 39 + 8
    # A file of another setup is refused although a copy lies beside it.
    with pytest.raises(RefusedArtifact, match="horizon_bars"):
        fresh("aa", 4).restore(path)


def test_two_damaged_copies_are_refused_and_change_nothing(tmp_path: Path) -> None:
    path, m = tmp_path / "m.json", fresh("exponential")
    live(m, 0, 40)
    m.checkpoint(path)
    m.checkpoint(path)
    damage(path)
    damage(previous(path))
    other = fresh("exponential")
    live(other, 0, 7)
    before = other.get_diagnostics()
    with pytest.raises(DamagedArtifact, match=r"m\.json\.prev is damaged too"):
        other.restore(path)
    assert other.get_diagnostics() == before
