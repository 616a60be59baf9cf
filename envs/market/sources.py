"""Reading bars, funding and marks from a folder of Parquet or CSV files.

Layout: ``perp/BTCUSDT-1h.parquet``, ``perp/BTCUSDT-funding.parquet``, ``perp/BTCUSDT-mark-1h.parquet``
(the ``perp`` folder may be left out; ``.csv`` works alike). ``timestamp`` is the bar's OPEN time.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.types import NS_PER_HOUR, Int64Array
from envs.market.bars import RawSeries

_UNITS = {"m": NS_PER_HOUR // 60, "h": NS_PER_HOUR, "d": 24 * NS_PER_HOUR}
_BAR_COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")


def interval_ns_of(timeframe: str) -> int:
    """Length of a timeframe such as ``1h`` in nanoseconds."""
    match = re.fullmatch(r"(\d+)([mhd])", timeframe)
    if not match or int(match[1]) < 1:
        raise FixData(f"timeframe {timeframe!r} is not like 1m, 15m, 1h, 4h or 1d")
    return int(match[1]) * _UNITS[match[2]]


def read_folder(
    folder: Path, symbol: str, timeframe: str, *, funding_default: bool, detail: str | None = None
) -> RawSeries:
    """Read one symbol.

    Raises:
        FixData: A file is missing, truncated or lacks a column; the message names it.
    """
    base = folder / "perp" if (folder / "perp").is_dir() else folder
    if not base.is_dir():
        raise FixData(f"data folder {folder} does not exist")
    path = _find(base, f"{symbol}-{timeframe}")
    if path is None:
        raise FixData(
            f"{base}: no file {symbol}-{timeframe}.parquet or .csv; "
            f"run `python training/data.py download --symbols {symbol}`"
        )
    raw = _bars(path, symbol, timeframe)
    funding = _find(base, f"{symbol}-funding")
    if funding is None and not funding_default:
        raise FixData(
            f"{base}: no funding file {symbol}-funding.parquet; give it, or pass "
            "--funding default to use the default rate at 00:00, 08:00 and 16:00 UTC"
        )
    if funding is not None:
        table = _table(funding, ("timestamp", "funding_rate"))
        raw = replace(
            raw,
            funding_ns=_stamps(funding, table["timestamp"]),
            funding_rate=_numbers(funding, table, "funding_rate"),
        )
    mark = _find(base, f"{symbol}-mark-{timeframe}")
    if mark is not None:
        table = _table(mark, _BAR_COLUMNS[:5])
        columns = [_numbers(mark, table, c) for c in _BAR_COLUMNS[1:5]]
        raw = replace(
            raw,
            mark_open_ns=_stamps(mark, table["timestamp"]),
            mark=np.stack(columns, axis=1),
        )
    if detail is not None:
        finer = _find(base, f"{symbol}-{detail}")
        if finer is None:
            raise FixData(f"{base}: no detail bars {symbol}-{detail}.parquet")
        raw = replace(raw, finer=_bars(finer, symbol, detail))
    return raw


def read_instruments(folder: Path) -> dict[str, Instrument]:
    """Contracts named in the folder's ``instruments.json``, empty without the file."""
    path = folder / "instruments.json"
    if not path.exists():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {r["symbol"]: Instrument.from_json(r) for r in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise FixData(f"{path}: not a list of instruments ({error})") from error


def _find(base: Path, stem: str) -> Path | None:
    for suffix in (".parquet", ".csv"):
        path = base / f"{stem}{suffix}"
        if path.exists():
            return path
    return None


def _bars(path: Path, symbol: str, timeframe: str) -> RawSeries:
    table = _table(path, _BAR_COLUMNS)
    return RawSeries(
        symbol,
        interval_ns_of(timeframe),
        _stamps(path, table["timestamp"]),
        *(_numbers(path, table, c) for c in _BAR_COLUMNS[1:]),
        source=path.name,
    )


def _table(path: Path, columns: tuple[str, ...]) -> Any:
    import pandas as pd

    try:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except Exception as error:  # the readers raise many kinds for a damaged file
        raise FixData(f"{path}: cannot be read ({error}); download it again") from error
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise FixData(f"{path}: column {missing[0]} is missing; expected {', '.join(columns)}")
    return table


def _stamps(path: Path, column: Any) -> Int64Array:
    import pandas as pd

    try:
        parsed = pd.to_datetime(column, utc=True)
    except (ValueError, TypeError) as error:
        raise FixData(f"{path}: column timestamp holds what is not a time ({error})") from error
    if bool(parsed.isna().any()):
        raise FixData(f"{path}: column timestamp is empty in row {int(parsed.isna().argmax())}")
    values = parsed.dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
    return np.ascontiguousarray(values)


def _numbers(path: Path, table: Any, column: str) -> Any:
    try:
        return np.ascontiguousarray(table[column].to_numpy(dtype=np.float64))
    except (ValueError, TypeError) as error:
        raise FixData(f"{path}: column {column} holds what is not a number ({error})") from error
