from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.types import NS_PER_HOUR
from envs.market.bars import RawSeries
from envs.market.sources import interval_ns_of, read_folder, read_instruments, symbols_in

Walk = Callable[..., RawSeries]


def bars_table(raw: RawSeries) -> pd.DataFrame:
    columns = {k: getattr(raw, k) for k in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame({"timestamp": pd.to_datetime(raw.open_ns, utc=True), **columns})


def write(folder: Path, raw: RawSeries, suffix: str = "parquet", timeframe: str = "1h") -> None:
    (folder / "perp").mkdir(exist_ok=True)
    funding = pd.DataFrame(
        {"timestamp": pd.to_datetime(raw.funding_ns, utc=True), "funding_rate": raw.funding_rate}
    )
    mark = pd.DataFrame({"timestamp": pd.to_datetime(raw.mark_open_ns, utc=True), "volume": 0.0})
    assert raw.mark is not None
    for k, name in enumerate(("open", "high", "low", "close")):
        mark[name] = raw.mark[:, k]
    files = {timeframe: bars_table(raw), "funding": funding, f"mark-{timeframe}": mark}
    for stem, table in files.items():
        path = folder / "perp" / f"{raw.symbol}-{stem}.{suffix}"
        if suffix == "csv":
            table.to_csv(path, index=False)
        else:
            table.to_parquet(path, index=False)


def read(folder: Path, **options: Any) -> RawSeries:
    return read_folder(folder, "BTCUSDT", "1h", **{"funding_default": False, **options})


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_what_was_written_is_read(tmp_path: Path, walk: Walk, suffix: str) -> None:
    raw = walk(50)
    write(tmp_path, raw, suffix)
    found = read(tmp_path)
    for name in ("open_ns", "open", "high", "low", "close", "volume", "funding_ns",
                 "funding_rate", "mark_open_ns", "mark"):  # fmt: skip
        assert np.array_equal(getattr(found, name), getattr(raw, name)), name
    assert found.source == f"BTCUSDT-1h.{suffix}"
    assert read(tmp_path / "perp").open_ns.size == 50
    assert symbols_in(tmp_path, "1h") == ("BTCUSDT",)
    assert symbols_in(tmp_path, "5m") == ()


def test_a_missing_file_or_folder_is_named(tmp_path: Path, walk: Walk) -> None:
    with pytest.raises(FixData, match="nowhere does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(FixData, match=r"no file BTCUSDT-1h.parquet or .csv.*data.py download"):
        read(tmp_path)
    write(tmp_path, walk(30))
    (tmp_path / "perp" / "BTCUSDT-funding.parquet").unlink()
    with pytest.raises(FixData, match=r"no funding file BTCUSDT-funding.*--funding default"):
        read(tmp_path)
    assert read(tmp_path, funding_default=True).funding_ns is None
    with pytest.raises(FixData, match=r"no detail bars BTCUSDT-5m"):
        read(tmp_path, funding_default=True, detail="5m")


def test_a_truncated_parquet_file_is_named(tmp_path: Path, walk: Walk) -> None:
    write(tmp_path, walk(50))
    path = tmp_path / "perp" / "BTCUSDT-1h.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FixData, match=r"BTCUSDT-1h.parquet: cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("2020-01-01T02:00:00Z,1,1,1,one,1", "column close holds what is not a number"),
        (",1,1,1,1,1", "row 1: column timestamp is empty"),
        ("soon,1,1,1,1,1", "column timestamp holds what is not a time"),
    ],
)
def test_bad_text_names_the_column(tmp_path: Path, row: str, what: str) -> None:
    text = f"timestamp,open,high,low,close,volume\n2020-01-01T01:00:00Z,1,1,1,1,1\n{row}\n"
    (tmp_path / "BTCUSDT-1h.csv").write_text(text)
    with pytest.raises(FixData, match=what):
        read(tmp_path, funding_default=True)


def test_numbers_as_timestamps_and_missing_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1h.csv"
    path.write_text("timestamp,open,high,low,close,volume\n1577836800000,1,1,1,1,1\n")
    with pytest.raises(FixData, match="column timestamp holds numbers"):
        read(tmp_path, funding_default=True)
    path.write_text("timestamp,open,high,low,volume\n")
    with pytest.raises(FixData, match="column close is missing"):
        read(tmp_path, funding_default=True)


def test_bad_funding_and_marks_name_their_file(tmp_path: Path, walk: Walk) -> None:
    raw = walk(50)
    write(tmp_path, raw)
    path = tmp_path / "perp" / "BTCUSDT-funding.parquet"
    pd.concat([pd.read_parquet(path)] * 2).to_parquet(path, index=False)
    with pytest.raises(FixData, match=r"BTCUSDT-funding.parquet: row \d+.*earlier than the row"):
        read(tmp_path)
    write(tmp_path, raw)
    path = tmp_path / "perp" / "BTCUSDT-mark-1h.parquet"
    table = pd.read_parquet(path)
    table.loc[3, "open"] = -1.0
    table.to_parquet(path, index=False)
    with pytest.raises(FixData, match=r"BTCUSDT-mark-1h.parquet: row 3.*column open is not a posi"):
        read(tmp_path)


def test_hourly_marks_serve_longer_bars_only(tmp_path: Path, walk: Walk) -> None:
    raw = walk(50)
    write(tmp_path, raw)
    four = pd.DataFrame(bars_table(raw).iloc[::4])
    four.to_parquet(tmp_path / "perp" / "BTCUSDT-4h.parquet", index=False)
    four.to_parquet(tmp_path / "perp" / "BTCUSDT-15m.parquet", index=False)
    longer = read_folder(tmp_path, "BTCUSDT", "4h", funding_default=False)
    assert raw.mark is not None
    assert longer.mark is not None
    assert longer.mark_open_ns is not None
    assert longer.mark_open_ns.tolist() == raw.open_ns[:48:4].tolist()
    assert longer.mark[1].tolist() == [
        raw.mark[4, 0], raw.mark[4:8, 1].max(), raw.mark[4:8, 2].min(), raw.mark[7, 3],
    ]  # fmt: skip
    assert read_folder(tmp_path, "BTCUSDT", "15m", funding_default=False).mark is None


def test_instruments_come_from_their_file(tmp_path: Path) -> None:
    assert read_instruments(tmp_path) == {}
    mine = Instrument.of("XYZUSDT", "0.05", "10")
    path = tmp_path / "instruments.json"
    path.write_text(json.dumps([mine.to_json()]))
    assert read_instruments(tmp_path) == {"XYZUSDT": mine}
    for bad in ("{", "[1]", '[{"symbol": "X", "tick": "1/0"}]'):
        path.write_text(bad)
        with pytest.raises(FixData, match=r"instruments.json: not a list of instruments"):
            read_instruments(tmp_path)


def test_timeframes() -> None:
    assert interval_ns_of("15m") * 4 == interval_ns_of("1h") == NS_PER_HOUR
    for bad in ("h", "0h", "1w", "1H", ""):
        with pytest.raises(FixData, match="is not like 1m"):
            interval_ns_of(bad)
