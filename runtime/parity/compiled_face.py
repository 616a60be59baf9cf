"""A fourth face, as far as it can tell: the compiled environment repeats the plain one's actions.

It keeps no ledger and learns nothing; what it shows of the account at every step is compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from envs.compiled import CompiledEnv
from runtime.parity.env_face import EnvFace
from runtime.parity.tale import STEPS, Step, Tale


def run_compiled(lived: EnvFace, progress: Callable[[int], None] | None = None) -> Tale:
    """Repeat what a plain environment did; its signals are known by now."""
    started, tale = time.perf_counter(), Tale("compiled", frozenset({STEPS}))
    ground = lived.ground
    signals, first, last = ground.signals, ground.first_row, ground.last_row
    market = signals.data.market
    env = CompiledEnv(
        "sizing", market, signals.tape, signals.votes, ground.bundle.table.preset.name,
        ground.plan.settings.core, prepared=signals.data,
    )  # fmt: skip
    info = env.reset(seed=0, options={"start": first, "length": last - first})[1]
    row = first
    for action in lived.actions:
        tale.steps.append(
            Step(
                int(info["time_ns"]), info["symbol"], int(info["side"]), int(info["state_index"]),
                float(info["equity"]),
            )
        )  # fmt: skip
        row = market.row_at(int(info["time_ns"]))
        if progress is not None:
            progress(row - first)
        _, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            break
    tale.bars = last - first
    tale.cash_units = round(float(info["equity"]) * 1e8)
    if progress is not None:
        progress(tale.bars)
    tale.seconds = time.perf_counter() - started
    return tale
