"""Copying an exchange's history page by page into Parquet files that a later run continues."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from envs.core.errors import FixInput
from envs.durable import writer_lock
from envs.market.sources import interval_ns_of
from training.history import MS, HistoryFile, Page, Task

PAGE_ROWS = 1000
TRIES = 5


class Exchange(Protocol):
    """The part of a ccxt exchange that a download calls; times in milliseconds."""

    def load_markets(self) -> Mapping[str, Mapping[str, Any]]:
        """Markets by unified symbol, each with ``id``, ``swap`` and ``linear``."""
        ...

    def milliseconds(self) -> int:
        """Now."""
        ...

    def fetch_ohlcv(
        self, symbol: str, timeframe: str, since: int, limit: int, params: Mapping[str, Any]
    ) -> list[list[float]]:
        """Rows of time, open, high, low, close, volume from ``since`` on, ascending."""
        ...

    def fetch_funding_rate_history(
        self, symbol: str, since: int, limit: int
    ) -> list[Mapping[str, Any]]:
        """Rows with ``timestamp`` and ``fundingRate`` from ``since`` on, ascending."""
        ...


@dataclass(frozen=True)
class Retry:
    """Errors of the exchange worth another try, errors that are an answer, and how to wait."""

    errors: tuple[type[Exception], ...] = ()
    refusals: tuple[type[Exception], ...] = ()
    wait: Callable[[float], None] = time.sleep


def plan(
    exchange: Exchange,
    symbols: Sequence[str],
    timeframe: str,
    start_ns: int,
    end_ns: int | None,
    folder: Path,
    *,
    marks: bool = True,
    retry: Retry | None = None,
) -> list[Task]:
    """Files to fetch for the symbols: bars, funding and, if wanted, mark prices.

    The bar that is still open is never fetched.

    Raises:
        FixInput: The exchange has no such linear perpetual, or the span is empty.
    """
    known = {
        m["id"]: name
        for name, m in _call(exchange.load_markets, "the list of markets", retry).items()
        if m.get("swap") and m.get("linear")
    }
    step = interval_ns_of(timeframe) // MS
    now = exchange.milliseconds()
    end = now if end_ns is None else min(now, end_ns // MS)
    start, end = start_ns // MS, end
    if start >= end // step * step:
        raise FixInput("nothing to download: the period ends before its first bar has closed")
    tasks = []
    for symbol in symbols:
        if symbol not in known:
            raise FixInput(f"{symbol}: the exchange has no linear perpetual of this name")
        files = {"bars": timeframe, "funding": "funding"}
        if marks:
            files["mark"] = f"mark-{timeframe}"
        for kind, stem in files.items():
            path = folder / "perp" / f"{symbol}-{stem}.parquet"
            span = (
                (start, end)
                if kind == "funding"
                else (-(-start // step) * step, end // step * step)
            )
            tasks.append(
                Task(
                    symbol,
                    kind,
                    known[symbol],
                    timeframe,
                    path,
                    *span,
                    1 if kind == "funding" else step,
                )
            )
    return tasks


def run_task(
    exchange: Exchange,
    task: Task,
    *,
    retry: Retry | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Fetch what the file lacks before its first and after its last row; return new rows.

    The file is replaced in one step every ``PAGES_A_WRITE`` pages, and when the run stops for
    whatever reason. ``on_progress`` gets the milliseconds of the span that are done.

    Raises:
        FixInput: The exchange stays unreachable, the disk is full, or the file there is damaged.
    """
    task.path.parent.mkdir(parents=True, exist_ok=True)
    with writer_lock(task.path):
        stored = HistoryFile(task)
        before = stored.rows
        try:
            for since, until in stored.lacking():
                for page in _pages(exchange, task, since, until, retry):
                    stored.add(page)
                    if on_progress is not None:
                        on_progress(page[-1][0] - task.start_ms)
        finally:
            stored.write()
        if on_progress is not None:
            on_progress(task.end_ms - task.start_ms)
        return stored.rows - before


def _pages(
    exchange: Exchange, task: Task, since: int, until: int, retry: Retry | None
) -> Iterator[Page]:
    what = f"{task.symbol} {task.kind}"
    while since < until:
        rows = _call(partial(_fetch, exchange, task, since), what, retry)
        page = [row for row in rows if since <= row[0] < until]
        if not page:
            return
        yield page
        since = page[-1][0] + task.step_ms


def _fetch(exchange: Exchange, task: Task, since: int) -> Page:
    if task.kind == "funding":
        stamps = exchange.fetch_funding_rate_history(task.market, since, PAGE_ROWS)
        # The exchange stamps some milliseconds late; the charge falls on the minute.
        return [
            ((int(r["timestamp"]) + 30_000) // 60_000 * 60_000, [float(r["fundingRate"])])
            for r in stamps
        ]
    params = {"price": "mark"} if task.kind == "mark" else {}
    bars = exchange.fetch_ohlcv(task.market, task.timeframe, since, PAGE_ROWS, params)
    return [(int(r[0]), [float(x or 0.0) for x in r[1:6]]) for r in bars]


def _call(work: Callable[[], Any], what: str, retry: Retry | None) -> Any:
    retry = retry or Retry()
    last: Exception | None = None
    for attempt in range(TRIES):
        try:
            return work()
        except retry.errors as error:
            last = error
            if attempt < TRIES - 1:
                retry.wait(2.0**attempt)
        except retry.refusals as error:
            raise FixInput(f"{what}: the exchange refused: {error}") from error
    raise FixInput(
        f"{what}: the exchange did not answer in {TRIES} tries ({last}); "
        "what came is saved, repeat the command later"
    ) from last
