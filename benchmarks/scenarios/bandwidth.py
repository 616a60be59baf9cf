"""What the machine can write at most: the limit that the environments are held against."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, prange, set_num_threads

from benchmarks.drive import make, written_bytes
from benchmarks.framework.metrics import Outcome, median_of
from benchmarks.framework.registry import Options, scenario
from benchmarks.framework.timing import disturbance, repeated

ENVS = 4_096
STREAM_FLOATS = 32 * 2**20
THREADS = 2


def _write_rows(obs: Any, rewards: Any, states: Any, value: float) -> None:
    for e in prange(obs.shape[0]):
        row = obs[e]
        for i in range(row.shape[0]):
            row[i] = value
        rewards[e] = value
        states[e] = e


def _stream(out: Any, value: float) -> None:
    parts = 64
    length = out.shape[0] // parts
    for part in prange(parts):
        piece = out[part * length : (part + 1) * length]
        for i in range(length):
            piece[i] = value


@cache
def compiled_writers() -> tuple[Any, Any]:
    """Rows of one step's shape, and one long array."""
    options: Any = {"parallel": True, "error_model": "numpy", "nogil": True}
    return njit(**options)(_write_rows), njit(**options)(_stream)


@scenario("write-bandwidth", "compiled loops that only write: a step's rows, and 128 MiB at once")
def write_bandwidth(options: Options) -> Outcome:
    """Rows of a step written per second (in cache), and memory streamed."""
    set_num_threads(THREADS)
    env = make(ENVS)
    size = env.single_observation_space.shape[0]
    obs = np.zeros((2, ENVS, size), dtype=np.float32)
    rewards, states = np.zeros(ENVS), np.zeros(ENVS, dtype=np.int64)
    rows, stream = compiled_writers()
    calls = 500 if options.quick else 2_000

    def write_rows() -> None:
        for k in range(calls):
            rows(obs[k & 1], rewards, states, float(k))

    memory = np.zeros(STREAM_FLOATS, dtype=np.float32)

    def write_stream() -> None:
        for k in range(4):
            stream(memory, float(k))

    a = repeated(write_rows, options.repeats)
    b = repeated(write_stream, options.repeats)
    gib = 4 * memory.nbytes / 2**30
    row_bytes = written_bytes(env)
    streamed = [4 * memory.nbytes / row_bytes / t.wall for t in b]
    metrics = {
        "rows_per_s": median_of([ENVS * calls / t.wall for t in a], "rows/s", "higher"),
        "stream_gib_per_s": median_of([gib / t.wall for t in b], "GiB/s", "higher"),
        "stream_rows_per_s": median_of(streamed, "rows/s", "higher"),
        "row_bytes": median_of([row_bytes], "B", "lower", 0.0),
    }
    notes = (f"{row_bytes} bytes a row: {size} float32, a reward and a state index",)
    return Outcome(metrics, notes, disturbance([*a, *b], THREADS))
