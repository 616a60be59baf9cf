"""Compiled forms of the label rules: one bar at a time for live use, whole periods for the tape.

Both call the plain rules of ``envs.core.rules.pool``, so they give the same bits. Numba's own cache
does not notice edits in other files; its folder therefore carries a digest of every source.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from agents.reinforcement import calibration as claims
from agents.reinforcement.regret import note_gap
from envs.core.rules import pool, vote

_OPTIONS: dict[str, Any] = {"error_model": "numpy"}


def learn_games(
    stated: Any,
    outcomes: Any,
    count: int,
    platt: Any,
    bars: Any,
    posterior: Any,
    gap: Any,
    rounds: Any,
    eta: float,
    share: float,
    rate: float,
    experts: Any,
    losses: Any,
    pooled: Any,
) -> None:
    """Learn the labels that ended at one bar in both games, index 0 and 1.

    ``stated`` (2, K, 4) and ``outcomes`` (2, K), K >= count; ``losses`` (2, 7) and ``pooled`` (2,)
    take the mean losses before the update; the other arrays as in ``AggregatingPool``.
    """
    for game in range(2):
        pooled[game] = pool.learn_bar(
            platt[game],
            bars[game],
            posterior[game],
            stated[game],
            outcomes[game],
            count,
            eta,
            share,
            rate,
            experts,
            losses[game],
        )
        note_gap(gap[game], losses[game], pooled[game])
        rounds[game] += 1


def predict_games(
    up: Any, down: Any, platt: Any, posterior: Any, eta: float, experts: Any
) -> tuple[float, float]:
    """Pooled probabilities of both games from stated ones (4,)."""
    pool.fill_experts(up, platt[0], experts)
    first = pool.aggregate(experts, posterior[0], eta)
    pool.fill_experts(down, platt[1], experts)
    return first, pool.aggregate(experts, posterior[1], eta)


def is_awake(p: Any) -> bool:
    """Whether any model states a probability."""
    stated = 0
    for i in range(pool.N_MODELS):
        if p[i] == p[i]:
            stated += 1
    return stated > 0


def learn_claims(
    stats: Any, samples: Any, ev: Any, up: Any, down: Any, y_long: float, y_short: float
) -> None:
    """Learn the directional claims of one label: each model's own side by its EV line."""
    for i in range(pool.N_MODELS):
        side = vote.model_side(ev[i])
        if side > 0 and up[i] == up[i]:
            claims.learn_claim(stats, samples, i, up[i], y_long)
        elif side < 0 and down[i] == down[i]:
            claims.learn_claim(stats, samples, i, down[i], y_short)


@cache
def compiled(function: Callable[..., Any]) -> Any:
    """Compile a loop over the label rules, cached on disk."""
    import numba

    _register()
    folder = _cache_folder(numba.__version__)
    folder.mkdir(parents=True, exist_ok=True)
    config: Any = numba.config
    previous = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    finally:
        config.CACHE_DIR = previous


@cache
def _register() -> None:
    from numba.extending import register_jitable

    for f in (
        pool.logit, pool.sigmoid, pool.fill_experts, pool.game_loss, pool.aggregate, pool.reweigh,
        pool.platt_step, pool.learn_bar, pool.shown_weights, vote.model_side, claims.learn_claim,
        note_gap, learn_games, predict_games, is_awake, learn_claims,
    ):  # fmt: skip
        register_jitable(**_OPTIONS)(f)


def _cache_folder(version: str) -> Path:
    base = os.environ.get("QT_KERNEL_CACHE_DIR")
    root = Path(base) if base else Path.home() / ".cache" / "quantum-trader" / "kernel"
    h = hashlib.sha256(f"{version}{_OPTIONS}".encode())
    for folder in (Path(pool.__file__).parent, Path(__file__).parent):
        for path in sorted(folder.glob("*.py")):
            h.update(path.name.encode())
            h.update(path.read_bytes())
    return root / f"labels-{h.hexdigest()[:16]}"
