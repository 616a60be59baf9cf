"""Sampled decisions for the suites: many states, some without lines, and rows nobody may learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf, nan

import numpy as np

from envs.core.actions import ActionPreset, preset
from envs.core.rules.state import N_STATES
from envs.core.trade import (
    Alternatives,
    ClosedTrade,
    Decision,
    NextState,
    ResolvedDecision,
    SizingContext,
    Skipped,
)
from envs.core.types import ExitReason

_HUGE = 1e300
"""Finite, but its square is not: means of squares would be lost for ever."""
OBSERVED = 45
"""Length of the observation of a sampled context."""


def sample_rows(grid: ActionPreset, n: int, seed: int) -> Iterator[ResolvedDecision]:
    """Yield resolved decisions of many states: some without lines, some nearly all masked."""
    rng = np.random.default_rng(seed)
    for k in range(n):
        context = sample_context(grid, int(rng.integers(N_STATES)), rng, k)
        reward = np.where(context.mask, context.notional_frac * rng.normal(0.002, 0.02), np.nan)
        chosen = int(rng.choice(np.flatnonzero(context.mask)))
        decision = Decision(
            f"check:X:{k}", "X", k, 1, context, chosen, None, 0, 10**12, 10**12, 0.1, (), (), ()
        )
        outcome = (
            Skipped("CHECK") if chosen == grid.skip_index else _trade(k, float(reward[chosen]))
        )
        nothing = np.zeros(grid.n, dtype=np.int64)
        alternatives = Alternatives(reward, nothing, nothing, np.array([2, 3, 5]))
        following = NextState(int(rng.integers(N_STATES)), context.mask.copy(), k % 7 == 0)
        yield ResolvedDecision(decision, outcome, float(reward[chosen]), alternatives, following)


def sample_context(
    grid: ActionPreset, state: int, rng: np.random.Generator, kind: int = 0
) -> SizingContext:
    """Build a context; every third ``kind`` lacks lines, every fifth masks nearly everything."""
    mask = rng.random(grid.n) < (0.05 if kind % 5 == 4 else 0.8)
    mask[int(rng.integers(grid.n))] = True
    skip = grid.skip_index
    sizes = np.asarray([a.size * a.leverage for a in grid.actions])
    if skip is not None:
        mask[skip] = True
    notional = np.where(mask, 0.1 * sizes, 0.0)
    slopes = np.array([[1.9, 0.5, 2.0], [2.5, 0.8, 3.0], [4.2, 1.6, 4.0]])
    if kind % 3 == 2:
        slopes = np.full((3, 3), np.nan)
    ev = float(rng.random() * 0.004)
    return SizingContext(
        state, mask, notional, np.zeros(grid.n, dtype=np.bool_), ev,
        min(1.0, ev / 0.00156), 0.00156, 0.005 + 0.03 * float(rng.random()), slopes,
        np.sin(np.arange(OBSERVED) * (1.0 + state) + kind).astype(np.float32),
    )  # fmt: skip


def _trade(k: int, growth: float) -> ClosedTrade:
    """Build a closed trade that returned ``growth`` of equity at a risk of one hundredth of it."""
    net, equity = int(growth * 10**12), 10**12
    return ClosedTrade(
        f"check:X:{k}", "X", 1, k, k + 1, 100, 98, 1, 1, 1, (), ExitReason.TARGET, equity, equity,
        net, 0, 0, 0, 0, net, equity // 100, equity, 100.0 * growth, 100.0 * growth, growth,
        0.0, 0.0,
    )  # fmt: skip


def renamed(row: ResolvedDecision, decision_id: str) -> ResolvedDecision:
    """Return the row as that of another decision."""
    outcome = row.outcome
    if isinstance(outcome, ClosedTrade):
        outcome = replace(outcome, decision_id=decision_id)
    return replace(row, decision=replace(row.decision, decision_id=decision_id), outcome=outcome)


def bad_rows(grid: ActionPreset, seed: int) -> Iterator[tuple[str, ResolvedDecision]]:
    """Yield rows with one defect each, and its name."""
    rows = list(sample_rows(grid, 40, seed + 1))
    row, trade = next((r, r.outcome) for r in rows if isinstance(r.outcome, ClosedTrade))
    decision, context, earned = row.decision, row.decision.context, row.alternatives
    executed = replace(row, alternatives=None)
    for index in (grid.n, -1 - grid.n):
        unknown = replace(decision, chosen=index)
        yield f"the unknown action {index}", replace(executed, decision=unknown)
    masked = np.flatnonzero(~context.mask)
    if masked.size:
        of = replace(decision, chosen=int(masked[0]))
        yield f"the masked action {int(masked[0])}", replace(executed, decision=of)
    for value in (nan, inf, _HUGE):
        spoilt = replace(trade, r_net=value, log_growth=value)
        yield f"the outcome {value}", replace(executed, outcome=spoilt, reward=value)
    for state in (N_STATES, -1):
        of = replace(decision, context=replace(context, state=state))
        yield f"state {state}", replace(row, decision=of)
    short = replace(decision, context=replace(context, mask=context.mask[:-1]))
    yield "a mask of another length", replace(row, decision=short)
    if earned is not None:
        alone = replace(row, outcome=None, decision=replace(decision, chosen=None))
        for what, value in (("infinite", inf), ("huge", _HUGE)):
            spoilt_all = np.where(context.mask, value, np.nan)
            yield (
                f"{what} alternatives",
                replace(alone, alternatives=replace(earned, reward=spoilt_all)),
            )
        for m in (np.array([-1, 0, 0]), np.full(3, nan), np.zeros(2, dtype=np.int64)):
            counted = replace(earned, overlap=m)
            yield f"the overlaps {m.tolist()}", replace(alone, alternatives=counted)
    other = preset("classic" if grid.name != "classic" else "full")
    foreign = next(r for r in sample_rows(other, 9, seed) if isinstance(r.outcome, ClosedTrade))
    yield "a row of another preset", foreign
