"""The downloader against a local exchange: the one test double, since tests have no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from envs.core.errors import FixData, FixInput
from envs.market.sources import read_folder
from runtime.settings import load_settings
from training import history
from training.data import download
from training.download import TRIES, Retry, Task, plan, run_task

HOUR_MS = 3_600_000
START_MS = 1_600_002_000_000 // HOUR_MS // 8 * 8 * HOUR_MS
NS = 1_000_000


class NoAnswer(Exception):
    """A time-out, as the exchange library would raise it."""


class Refused(Exception):
    """An answer that says no."""


class LocalExchange:
    """Serves the hours ``[listed, until)`` of one contract, like the real one page by page."""

    def __init__(self, until: int = 3_000, listed: int = 0) -> None:
        self.now = START_MS + until * HOUR_MS + 17 * 60_000
        self.hours = range(listed, until + 1)
        self.asked: list[tuple[str, int]] = []
        self.failures: list[BaseException] = []

    def load_markets(self) -> Mapping[str, Mapping[str, Any]]:
        return {
            "BTC/USDT:USDT": {"id": "BTCUSDT", "swap": True, "linear": True},
            "BTC/USDT": {"id": "BTCUSDT", "swap": False, "linear": None},
            "ETH/USD:ETH": {"id": "ETHUSD_PERP", "swap": True, "linear": False},
        }

    def milliseconds(self) -> int:
        return self.now

    def fetch_ohlcv(
        self, symbol: str, timeframe: str, since: int, limit: int, params: Mapping[str, Any]
    ) -> list[list[float]]:
        assert (symbol, timeframe) == ("BTC/USDT:USDT", "1h")
        self._serve("mark" if params else "bars", since)
        level = 200.0 if params else 100.0
        hours = [h for h in self.hours if START_MS + h * HOUR_MS >= since][:limit]
        return [[START_MS + h * HOUR_MS, level + h, level + h + 2, level + h - 1, level + h + 1, h]
                for h in hours]  # fmt: skip

    def fetch_funding_rate_history(
        self, symbol: str, since: int, limit: int
    ) -> list[Mapping[str, Any]]:
        self._serve("funding", since)
        # Stamps come some milliseconds late.
        stamps = [(START_MS + h * HOUR_MS + h % 7, h) for h in self.hours if h % 8 == 0]
        found = [(t, h) for t, h in stamps if since <= t <= self.now][:limit]
        return [{"timestamp": t, "fundingRate": h * 1e-7} for t, h in found]

    def _serve(self, kind: str, since: int) -> None:
        self.asked.append((kind, since))
        if self.failures:
            raise self.failures.pop(0)


def tasks_of(
    exchange: LocalExchange, folder: Path, start: int = 0, end: int | None = None, **options: Any
) -> list[Task]:
    span = (
        (START_MS + start * HOUR_MS) * NS,
        None if end is None else (START_MS + end * HOUR_MS) * NS,
    )
    return plan(exchange, ["BTCUSDT"], "1h", *span, folder, **options)


def fetch(
    exchange: LocalExchange, folder: Path, start: int = 0, end: int | None = None
) -> list[int]:
    return [run_task(exchange, t) for t in tasks_of(exchange, folder, start, end)]


def hours_in(folder: Path, stem: str = "1h") -> list[int]:
    stamps = pd.read_parquet(folder / "perp" / f"BTCUSDT-{stem}.parquet")["timestamp"]
    assert str(stamps.dtype) == "datetime64[ns, UTC]"
    ms = stamps.dt.tz_convert(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    return ((ms - START_MS) // HOUR_MS).tolist()


def test_all_closed_bars_come_and_the_sources_read_them(tmp_path: Path) -> None:
    exchange = LocalExchange()
    assert fetch(exchange, tmp_path) == [3_000, 376, 3_000]
    raw = read_folder(tmp_path, "BTCUSDT", "1h", funding_default=False)
    assert raw.open_ns.tolist() == [(START_MS + h * HOUR_MS) * NS for h in range(3_000)]
    assert raw.close[7] == 108.0
    assert raw.volume[7] == 7.0
    assert raw.mark is not None
    assert raw.mark[7].tolist() == [207.0, 209.0, 206.0, 208.0]
    assert raw.funding_ns is not None
    assert raw.funding_rate is not None
    assert raw.funding_ns.tolist() == [(START_MS + h * HOUR_MS) * NS for h in range(0, 3_001, 8)]
    assert raw.funding_rate[2] == pytest.approx(16e-7)
    assert [k for k, _ in exchange.asked].count("bars") == 3


def test_a_second_run_continues_the_files(tmp_path: Path) -> None:
    fetch(LocalExchange(until=1_000), tmp_path)
    later = LocalExchange(until=1_040)
    assert fetch(later, tmp_path) == [40, 5, 40]
    assert later.asked[0] == ("bars", START_MS + 1_000 * HOUR_MS)
    assert hours_in(tmp_path) == list(range(1_040))
    assert hours_in(tmp_path, "funding") == list(range(0, 1_041, 8))
    assert fetch(LocalExchange(until=1_040), tmp_path) == [0, 0, 0]


def test_earlier_days_are_put_before(tmp_path: Path) -> None:
    fetch(LocalExchange(), tmp_path, start=2_000)
    assert fetch(LocalExchange(), tmp_path, start=500) == [1_500, 187, 1_500]
    assert hours_in(tmp_path) == list(range(500, 3_000))


def test_days_before_the_listing_are_asked_for_once(tmp_path: Path) -> None:
    exchange = LocalExchange(listed=800)
    fetch(exchange, tmp_path)
    assert hours_in(tmp_path) == list(range(800, 3_000))
    exchange.asked.clear()
    assert fetch(exchange, tmp_path) == [0, 0, 0]
    assert len(exchange.asked) <= 4


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), MemoryError()])
def test_a_stopped_run_keeps_what_came_and_goes_on(tmp_path: Path, stop: BaseException) -> None:
    bars = tasks_of(LocalExchange(), tmp_path)[0]
    exchange = LocalExchange()

    def stop_after_two_pages(done: int) -> None:
        if done >= 1_999 * HOUR_MS:
            raise stop

    with pytest.raises(type(stop)):
        run_task(exchange, bars, on_progress=stop_after_two_pages)
    assert hours_in(tmp_path) == list(range(2_000))
    assert run_task(LocalExchange(), bars) == 1_000
    assert hours_in(tmp_path) == list(range(3_000))
    assert [p.name for p in bars.path.parent.iterdir()] == ["BTCUSDT-1h.parquet"]


def test_a_stopped_download_of_earlier_days_leaves_no_hole(tmp_path: Path) -> None:
    fetch(LocalExchange(), tmp_path, start=2_500)
    bars = tasks_of(LocalExchange(), tmp_path)[0]

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_task(LocalExchange(), bars, on_progress=stop)
    assert len(hours_in(tmp_path)) == 1_500
    assert run_task(LocalExchange(), bars) == 1_500
    assert hours_in(tmp_path) == list(range(3_000))


def test_files_are_written_while_a_long_download_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGES_A_WRITE", 1)
    bars = tasks_of(LocalExchange(), tmp_path)[0]
    seen: list[int] = []
    run_task(LocalExchange(), bars, on_progress=lambda _: seen.append(len(hours_in(tmp_path))))
    assert seen == [1_000, 2_000, 3_000, 3_000]


def test_a_silent_exchange_is_asked_again(tmp_path: Path) -> None:
    bars = tasks_of(LocalExchange(), tmp_path)[0]
    waits: list[float] = []
    retry = Retry((NoAnswer,), (Refused,), waits.append)
    exchange = LocalExchange()
    exchange.failures = [NoAnswer()] * (TRIES - 1)
    assert run_task(exchange, bars, retry=retry) == 3_000
    assert waits == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("failures", "what"),
    [
        ([NoAnswer("no route")] * TRIES, r"BTCUSDT bars: the exchange did not answer.*no route"),
        ([Refused("banned")], "BTCUSDT bars: the exchange refused: banned"),
    ],
)
def test_an_exchange_that_fails_is_named(
    tmp_path: Path, failures: list[BaseException], what: str
) -> None:
    bars = tasks_of(LocalExchange(), tmp_path)[0]
    exchange = LocalExchange()
    exchange.failures = failures
    with pytest.raises(FixInput, match=what):
        run_task(exchange, bars, retry=Retry((NoAnswer,), (Refused,), lambda _: None))
    assert not bars.path.exists()


def test_what_cannot_be_planned_is_refused(tmp_path: Path) -> None:
    exchange = LocalExchange(until=10)
    for symbol in ("ETHUSD_PERP", "XYZUSDT"):
        with pytest.raises(FixInput, match=f"{symbol}: the exchange has no linear perpetual"):
            plan(exchange, [symbol], "1h", START_MS * NS, None, tmp_path)
    with pytest.raises(FixInput, match="nothing to download"):
        tasks_of(exchange, tmp_path, start=10)
    kinds = [t.kind for t in tasks_of(exchange, tmp_path, marks=False)]
    assert kinds == ["bars", "funding"]


@pytest.mark.parametrize("spoil", [lambda b: b[:-9], lambda b: b"", lambda b: b"text"])
def test_a_damaged_file_is_not_continued(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    fetch(LocalExchange(until=50), tmp_path)
    path = tmp_path / "perp" / "BTCUSDT-1h.parquet"
    path.write_bytes(spoil(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(FixData, match=r"BTCUSDT-1h.parquet: cannot be continued"):
        fetch(LocalExchange(until=60), tmp_path)
    assert path.read_bytes() == before


def test_the_program_shows_each_file_and_stops_politely(tmp_path: Path) -> None:
    options = {"symbols": "BTCUSDT", "start": "2020-09-13", "QT_DATA_DIR": str(tmp_path)}
    run = load_settings(options).run
    console = Console(record=True, width=120)
    exchange = LocalExchange(until=1_500)
    exchange.failures = [KeyboardInterrupt()]
    with pytest.raises(SystemExit) as stopped:
        download(exchange, run, console)
    assert stopped.value.code == 130
    assert "repeat the command to continue" in console.export_text()
    download(exchange, run, console, marks=False)
    shown = console.export_text()
    assert "BTCUSDT bars: 1,500 new rows" in shown
    assert "BTCUSDT funding: 188 new rows" in shown
    assert hours_in(tmp_path) == list(range(1_500))
    assert not (tmp_path / "perp" / "BTCUSDT-mark-1h.parquet").exists()
