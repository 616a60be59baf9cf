"""One file of downloaded history: what it holds, what it lacks, and its replacement in one step."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from envs.core.errors import FixData
from envs.durable import atomic_write_bytes

PAGES_A_WRITE = 50
MS = 1_000_000
BAR_COLUMNS = ("open", "high", "low", "close", "volume")
FUNDING_COLUMNS = ("funding_rate",)

_LONGEST_FUNDING_MS = 8 * 3_600_000

Page = list[tuple[int, list[float]]]
"""Rows of a page: time in milliseconds and the values of the columns."""


@dataclass(frozen=True)
class Task:
    """One file: what it holds, and the span wanted, in milliseconds, end excluded."""

    symbol: str
    kind: str
    market: str
    timeframe: str
    path: Path
    start_ms: int
    end_ms: int
    step_ms: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns beside ``timestamp``."""
        return FUNDING_COLUMNS if self.kind == "funding" else BAR_COLUMNS


class HistoryFile:
    """A file's rows in memory: times in milliseconds and columns."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._times, self._values = _read(task)
        self._new: Page = []
        self._pages = 0

    @property
    def rows(self) -> int:
        """Rows there are, written or not."""
        return int(self._times.shape[0]) + len(self._new)

    def lacking(self) -> list[tuple[int, int]]:
        """Spans without rows: before, between (a download of earlier days stopped) and after."""
        task, times = self._task, self._times
        if times.size == 0:
            return [(task.start_ms, task.end_ms)]
        # A stamp's jitter was rounded away: the first step must leave it behind.
        step = 60_000 if task.kind == "funding" else task.step_ms
        usual = _LONGEST_FUNDING_MS if task.kind == "funding" else task.step_ms
        holes = np.flatnonzero(np.diff(times) > usual)
        spans = [(task.start_ms, int(times[0]))]
        spans += [(int(times[k]) + step, int(times[k + 1])) for k in holes]
        spans += [(int(times[-1]) + step, task.end_ms)]
        cut = [(max(a, task.start_ms), min(b, task.end_ms)) for a, b in spans]
        return [(a, b) for a, b in cut if a < b]

    def add(self, page: Page) -> None:
        """Take a page; every ``PAGES_A_WRITE`` pages the file is written."""
        self._new += page
        self._pages += 1
        if self._pages % PAGES_A_WRITE == 0:
            self.write()

    def write(self) -> None:
        """Merge new rows and replace the file; nothing new, nothing written."""
        import pandas as pd

        if not self._new:
            return
        times = np.array([t for t, _ in self._new], dtype=np.int64)
        values = np.array([v for _, v in self._new], dtype=np.float64)
        times = np.concatenate([self._times, times])
        values = np.concatenate([self._values, values])
        self._times, place = np.unique(times, return_index=True)
        self._values, self._new = values[place], []
        stamps = pd.to_datetime(self._times * MS, utc=True).astype("datetime64[ns, UTC]")
        table = pd.DataFrame({"timestamp": stamps})
        for k, name in enumerate(self._task.columns):
            table[name] = self._values[:, k]
        buffer = io.BytesIO()
        table.to_parquet(buffer, compression="zstd", index=False)
        atomic_write_bytes(self._task.path, buffer.getvalue())


def _read(task: Task) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    import pandas as pd

    width = len(task.columns)
    if not task.path.exists():
        return np.zeros(0, dtype=np.int64), np.zeros((0, width))
    try:
        table = pd.read_parquet(task.path)
        stamps = pd.to_datetime(table["timestamp"], utc=True).dt.tz_convert(None)
        times = stamps.to_numpy().astype("datetime64[ms]").astype(np.int64)
        values = table[list(task.columns)].to_numpy(dtype=np.float64)
    except Exception as error:  # the readers raise many kinds for a damaged file
        raise FixData(
            f"{task.path}: cannot be continued ({error}); delete it to download it anew"
        ) from error
    if times.size and bool(np.any(np.diff(times) <= 0)):
        raise FixData(f"{task.path}: is not sorted by time; delete it to download it anew")
    return times, values
