"""Conformance suite for weight managers, such as the reinforcement manager (spec 6.7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from agents.checks.failed import refused_or_ignored, require
from agents.checks.rows import sample_rows
from envs.artifact import content_digest, load_artifact
from envs.core.actions import preset
from envs.core.trade import ClosedTrade, ResolvedDecision, ResolvedLabel
from envs.core.types import MODEL_NAMES, BoolArray, Float64Array

WHO = "weight manager"
_N = len(MODEL_NAMES)
_BARS = 24


class WeightManager(Protocol):
    """Weights of the models, moved by labels and trades."""

    def learn_one(self, resolved: ResolvedDecision) -> Any:
        """Learn a closed trade, each id once."""
        ...

    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        """Learn resolved labels, each id once."""
        ...

    def predict(
        self, p_up: Float64Array, p_down: Float64Array
    ) -> tuple[float, float, Float64Array]:
        """Pooled probabilities and the weights behind them."""
        ...

    def weights_of(self, valid: BoolArray) -> Float64Array:
        """Weights over the valid models."""
        ...

    def checkpoint(self, path: Path, **stamp: Any) -> None:
        """Write everything learned."""
        ...

    def restore(self, path: Path) -> None:
        """Take over a checkpoint."""
        ...


MakeManager = Callable[[], WeightManager]
Bars = list[tuple[list[ResolvedLabel], list[ResolvedDecision]]]


def check_manager(make: MakeManager, folder: Path, schema: tuple[str, int], seed: int = 0) -> None:
    """Check a manager; ``make`` returns a new one, always the same; files go below ``folder``.

    Forecasting is pure; weights are a distribution over the models that voted; each label and trade
    is learned once, also across a restart; to restore and go on equals never having stopped; a row
    that cannot be learned is refused with a FixInput and changes nothing. ``schema`` is name and
    version of its file. ``check_checkpoint`` checks the files themselves.

    Raises:
        FailedCheck: The first rule that is broken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    probe = _Probe(folder / "manager.json", schema)
    bars = sample_bars(_BARS, seed)
    _check_learning(make, probe, bars)
    _check_forecasts(make, probe, bars)
    _check_bad_rows(make, probe, bars)


def sample_bars(n: int, seed: int) -> Bars:
    """Labels of two symbols for each of ``n`` bars, and a trade every third, in order of time."""
    grid = preset("classic")
    rows = [r for r in sample_rows(grid, 9 * n, seed) if isinstance(r.outcome, ClosedTrade)]
    out: Bars = []
    for t in range(n):
        rng = np.random.default_rng([seed, t])
        labels = [_label(name, t, rng) for name in ("X", "Y")]
        trades = [_with_votes(rows[t], t, rng)] if t % 3 == 0 and t < len(rows) else []
        out.append((labels, trades))
    return out


class _Probe:
    """Reads what a manager learned from its own file."""

    def __init__(self, path: Path, schema: tuple[str, int]) -> None:
        self._path, self._schema = path, schema

    def digest(self, manager: WeightManager) -> str:
        """Digest of the saved content."""
        manager.checkpoint(self._path)
        name, version = self._schema
        content = load_artifact(self._path, schema_name=name, max_version=version)
        return content_digest(content.payload, content.arrays)

    def copy(self, manager: WeightManager, make: MakeManager) -> WeightManager:
        """Return a new manager restored from the file of another."""
        manager.checkpoint(self._path)
        out = make()
        out.restore(self._path)
        return out


def _check_learning(make: MakeManager, probe: _Probe, bars: Bars) -> None:
    manager, half = make(), len(bars) // 2
    _teach(manager, bars[:half])
    once = probe.digest(manager)
    _require(once != probe.digest(make()), "learns nothing")
    _teach(manager, bars[:half])
    _require(probe.digest(manager) == once, "learned a row twice")
    restored = probe.copy(manager, make)
    _require(probe.digest(restored) == once, "another digest after restoring")
    _teach(restored, bars[:half])
    _require(probe.digest(restored) == once, "learned a row again after a restart")
    _teach(manager, bars[half:])
    _teach(restored, bars[half:])
    _require(probe.digest(restored) == probe.digest(manager), "learns differently after restoring")
    twin = make()
    _teach(twin, bars)
    _require(probe.digest(twin) == probe.digest(manager), "equal rows gave another digest")


def _check_forecasts(make: MakeManager, probe: _Probe, bars: Bars) -> None:
    manager = make()
    for labels, trades in bars:
        before = probe.digest(manager)
        for label in labels:
            up, down, weights = manager.predict(label.p_up, label.p_down)
            again = manager.predict(label.p_up, label.p_down)
            _require((up, down) == again[:2], "forecasts differently twice")
            _require(0.0 <= up <= 1.0 and 0.0 <= down <= 1.0, f"forecasts {up} and {down}")
            valid = np.isfinite(label.p_up)
            for found in (weights, manager.weights_of(valid)):
                sound = found.shape == (_N,) and bool((found >= 0.0).all())
                sound = sound and abs(float(found.sum()) - 1.0) < 1e-9
                _require(sound, f"weights {found} are no distribution")
                _require(not found[~valid].any(), "weighs a model that did not vote")
        _require(probe.digest(manager) == before, "forecasting changed what it learned")
        manager.learn_labels(labels)
        for trade in trades:
            manager.learn_one(trade)


def _check_bad_rows(make: MakeManager, probe: _Probe, bars: Bars) -> None:
    manager = make()
    _teach(manager, bars)
    label = _label("X", len(bars), np.random.default_rng(1))
    found = [t for _, trades in bars for t in trades]
    trade, outcome = next((t, t.outcome) for t in found if isinstance(t.outcome, ClosedTrade))
    decision = trade.decision
    fresh = replace(decision, decision_id="check:new")
    nothing = np.full(_N, np.nan)
    labels = {
        "a label without votes": replace(label, p_up=nothing, p_down=nothing),
        "votes of three models": replace(label, p_up=label.p_up[:3], p_down=label.p_down[:3]),
        "a probability above 1": replace(label, p_up=np.full(_N, 1.5)),
        "an outcome that is no 0 or 1": replace(label, y_long=2),
        "a label out of order": replace(label, resolved_ns=0, bar_close_ns=-8),
    }
    trades = {
        "a trade without votes": replace(trade, decision=replace(fresh, votes_up=())),
        "a trade out of order": replace(
            trade, decision=fresh, outcome=replace(outcome, exit_ns=-1, entry_ns=-2)
        ),
        "a trade with a NaN outcome": replace(
            trade, decision=fresh, outcome=replace(outcome, r_net=np.nan, log_growth=np.nan)
        ),
    }
    attempts: list[tuple[str, Callable[[], Any]]] = [
        (what, partial(manager.learn_labels, [bad])) for what, bad in labels.items()
    ]
    attempts += [(what, partial(manager.learn_one, row)) for what, row in trades.items()]
    for what, learn in attempts:
        before = probe.digest(manager)
        _require(refused_or_ignored(learn, WHO, what), f"does not refuse {what}")
        _require(probe.digest(manager) == before, f"learned {what}")


def _label(symbol: str, t: int, rng: np.random.Generator) -> ResolvedLabel:
    up = rng.uniform(0.2, 0.8, _N)
    up[t % _N] = np.nan if t % 5 == 1 else up[t % _N]
    y = int(rng.random() < 0.5)
    return ResolvedLabel(symbol, t, t + 8, up, 1.0 - up, y, 1 - y)


def _with_votes(row: ResolvedDecision, t: int, rng: np.random.Generator) -> ResolvedDecision:
    up = tuple(rng.uniform(0.2, 0.8, _N).tolist())
    decision = replace(
        row.decision, decision_id=f"check:X:{t}", bar_close_ns=t, votes_up=up,
        votes_down=tuple(1.0 - p for p in up),
    )  # fmt: skip
    outcome = row.outcome
    if isinstance(outcome, ClosedTrade):
        outcome = replace(outcome, decision_id=decision.decision_id, entry_ns=t, exit_ns=t + 1)
    return replace(row, decision=decision, outcome=outcome)


def _teach(manager: WeightManager, bars: Bars) -> None:
    for labels, trades in bars:
        manager.learn_labels(labels)
        for trade in trades:
            manager.learn_one(trade)


def _require(holds: bool, what: str) -> None:
    require(holds, f"{WHO} {what}")
