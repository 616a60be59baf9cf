"""Times random steps of a peer's environment, alone and 64 in a ``SyncVectorEnv``.

Needs NumPy and Gymnasium only, so that it runs in an interpreter where this project is not
installed. Reads the bars from an ``.npz``: ``time_ns`` (T,), ``open high low close volume`` (T, S).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

SYNC = 64
SEED = 0
NUMBERS = 24
"""Length of an observation, costs on: the setting the peers are compared in."""

Make = Callable[[dict[str, Any]], Any]


def main(distribution: str, make: Make) -> None:
    """Measure and print one line of JSON; arguments: the file of bars, repeats, steps."""
    bars = dict(np.load(Path(sys.argv[1])))
    repeats, steps = int(sys.argv[2]), int(sys.argv[3])
    from gymnasium.vector import SyncVectorEnv

    one = make(bars)
    single = _repeated(lambda: _steps_alone(one, steps), repeats, steps)
    many = SyncVectorEnv([lambda: make(bars) for _ in range(SYNC)])
    rounds = max(5, steps // SYNC)
    sync = _repeated(lambda: _steps_together(many, rounds), repeats, rounds * SYNC)
    found = {
        "version": metadata.version(distribution),
        "numpy": np.__version__,
        "single": single,
        "sync": sync,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _repeated(work: Callable[[], None], repeats: int, steps: int) -> list[tuple[float, float]]:
    """Wall and CPU seconds a step; the first run is thrown away."""
    out = []
    for run in range(repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if run:
            out.append((wall / steps, cpu / steps))
    return out


def _steps_alone(env: Any, steps: int) -> None:
    env.action_space.seed(SEED)
    actions = [env.action_space.sample() for _ in range(256)]
    env.reset(seed=SEED)
    for k in range(steps):
        _, _, terminated, truncated, _ = env.step(actions[k & 255])
        if terminated or truncated:
            env.reset()


def _steps_together(env: Any, rounds: int) -> None:
    env.action_space.seed(SEED)
    actions = [env.action_space.sample() for _ in range(32)]
    env.reset(seed=SEED)
    for k in range(rounds):
        env.step(actions[k & 31])
