"""Sizing contexts and resolved decisions of games, as the real agents take them."""

from __future__ import annotations

import numpy as np

from envs.core.actions import Action, ActionPreset
from envs.core.trade import (
    Alternatives,
    Decision,
    NextState,
    ResolvedDecision,
    SizingContext,
    Skipped,
)
from envs.core.types import BoolArray, ExitStrategy, Float64Array

_PLAYED = Skipped("GAME")
_NO_SLOPES = ((float("nan"),) * 3,) * 3


def game_preset(n: int, name: str = "game") -> ActionPreset:
    """Preset of ``n`` actions that stand for a game's moves: no skip, equal stops."""
    return ActionPreset(name, (Action(1.0, 1, ExitStrategy.BALANCED),) * n)


def sizing_context(
    preset: ActionPreset, state: int = 0, *, mask: BoolArray | None = None,
    notional: Float64Array | None = None, ev: float = 0.0,
    slopes: tuple[tuple[float, ...], ...] = _NO_SLOPES,
) -> SizingContext:  # fmt: skip
    """Context of one decision at ATR 2 %, everything allowed unless ``mask`` (A,) says otherwise.

    ``notional`` (A,) over equity; a tenth of size times leverage without it.
    """
    if notional is None:
        notional = np.array([0.1 * a.size * a.leverage for a in preset.actions])
    allowed = np.ones(preset.n, dtype=np.bool_) if mask is None else mask
    return SizingContext(
        state, allowed, notional, np.zeros(preset.n, dtype=np.bool_), ev, 0.0, 0.00156, 0.02,
        np.array(slopes),
    )  # fmt: skip


def resolved(
    number: int, context: SizingContext, action: int, reward: float, *,
    following: NextState | None = None, rewards: Float64Array | None = None,
    overlap: tuple[int, int, int] = (0, 0, 0),
) -> ResolvedDecision:  # fmt: skip
    """One unit of learning; ``rewards`` (A,) of every action where all were seen.

    ``overlap`` are the other rows that overlap it, by exit.
    """
    decision = Decision(
        f"game:{number}", "GAME", number, 1, context, action, None, 0, 1, 1, 0.0, (), (), ()
    )
    seen = None
    if rewards is not None:
        n = rewards.shape[0]
        seen = Alternatives(
            rewards, np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64),
            np.array(overlap, dtype=np.int64),
        )  # fmt: skip
    return ResolvedDecision(decision, _PLAYED, reward, seen, following)
