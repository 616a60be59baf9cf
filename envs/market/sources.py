"""Reading bars, funding and marks from a folder of Parquet or CSV files.

Layout: ``perp/BTCUSDT-1h.parquet``, ``perp/BTCUSDT-funding.parquet``,
``perp/BTCUSDT-mark-1h.parquet`` (the ``perp`` folder may be left out; ``.csv`` works alike), and
optionally ``instruments.json``. ``timestamp`` is the bar's OPEN time, UTC.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from envs.core.errors import FixData, FixInput
from envs.core.instrument import Instrument
from envs.core.types import NS_PER_HOUR, Int64Array
from envs.market.bars import RawSeries, check_prices, check_stamps
from envs.market.funding import check_funding, whole_minutes
from envs.market.mark import rolled_up

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

    Marks come from ``SYMBOL-mark-TIMEFRAME`` or are made of the hourly ones where those divide the
    timeframe; marks coarser than the bars are left out, since their extremes lie ahead.

    Raises:
        FixData: A file is missing, truncated, lacks a column or holds bad funding or marks; the
            message names file, row and column.
    """
    base = _base(folder)
    raw = _bars(_wanted(base, symbol, timeframe), symbol, timeframe)
    funding = _find(base, f"{symbol}-funding")
    if funding is None and not funding_default:
        raise FixData(
            f"{base}: no funding file {symbol}-funding.parquet; give it, or pass "
            "--funding default to use the default rate at 00:00, 08:00 and 16:00 UTC"
        )
    if funding is not None:
        table = _table(funding, ("timestamp", "funding_rate"))
        stamps = whole_minutes(_stamps(funding, table["timestamp"]))
        rates = _numbers(funding, table, "funding_rate")
        check_funding(funding.name, stamps, rates)
        raw = replace(raw, funding_ns=stamps, funding_rate=rates)
    raw = _with_mark(raw, base, timeframe)
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
    except (ValueError, KeyError, TypeError, ZeroDivisionError, FixInput) as error:
        raise FixData(f"{path}: not a list of instruments ({error!r})") from error


def symbols_in(folder: Path, timeframe: str) -> tuple[str, ...]:
    """Symbols that have a file of bars of this timeframe, sorted.

    Raises:
        FixData: The folder does not exist.
    """
    pattern = re.compile(rf"([A-Z0-9]+)-{re.escape(timeframe)}\.(parquet|csv)")
    found = (pattern.fullmatch(p.name) for p in _base(folder).iterdir())
    return tuple(sorted({m[1] for m in found if m}))


def _base(folder: Path) -> Path:
    base = folder / "perp" if (folder / "perp").is_dir() else folder
    if not base.is_dir():
        raise FixData(f"data folder {folder} does not exist: give --data a folder of bars")
    return base


def _wanted(base: Path, symbol: str, timeframe: str) -> Path:
    path = _find(base, f"{symbol}-{timeframe}")
    if path is None:
        raise FixData(
            f"{base}: no file {symbol}-{timeframe}.parquet or .csv; "
            f"run `python training/data.py download --symbols {symbol} --timeframe {timeframe}`"
        )
    return path


def _with_mark(raw: RawSeries, base: Path, timeframe: str) -> RawSeries:
    path, width = _find(base, f"{raw.symbol}-mark-{timeframe}"), raw.interval_ns
    if path is None and width > NS_PER_HOUR and width % NS_PER_HOUR == 0:
        path, width = _find(base, f"{raw.symbol}-mark-1h"), NS_PER_HOUR
    if path is None:
        return raw
    table = _table(path, _BAR_COLUMNS[:5])
    open_ns = _stamps(path, table["timestamp"])
    prices = np.stack([_numbers(path, table, c) for c in _BAR_COLUMNS[1:5]], axis=1)
    check_stamps(path.name, open_ns, None, width)
    check_prices(path.name, open_ns, None, prices)
    if width != raw.interval_ns and open_ns.size:
        open_ns, prices = rolled_up(open_ns, prices, width, raw.interval_ns)
    return replace(raw, mark_open_ns=open_ns, mark=prices)


def _find(base: Path, stem: str) -> Path | None:
    for suffix in (".parquet", ".csv"):
        path = base / f"{stem}{suffix}"
        if path.exists():
            return path
    return None


def _bars(path: Path, symbol: str, timeframe: str) -> RawSeries:
    table = _table(path, _BAR_COLUMNS)
    o, h, low, c, volume = (_numbers(path, table, name) for name in _BAR_COLUMNS[1:])
    stamps = _stamps(path, table["timestamp"])
    return RawSeries(
        symbol, interval_ns_of(timeframe), stamps, o, h, low, c, volume, source=path.name
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
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(column):
        raise FixData(
            f"{path}: column timestamp holds numbers, of which unit is unknown; "
            "write times such as 2024-01-01T00:00:00Z"
        )
    try:
        parsed = pd.to_datetime(column, utc=True)
    except (ValueError, TypeError) as error:
        raise FixData(f"{path}: column timestamp holds what is not a time ({error})") from error
    missing = np.flatnonzero(parsed.isna().to_numpy())
    if missing.size:
        raise FixData(f"{path}: row {missing[0]}: column timestamp is empty; mend or drop the row")
    values = parsed.dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
    return np.ascontiguousarray(values)


def _numbers(path: Path, table: Any, column: str) -> Any:
    try:
        return np.ascontiguousarray(table[column].to_numpy(dtype=np.float64))
    except (ValueError, TypeError) as error:
        raise FixData(f"{path}: column {column} holds what is not a number ({error})") from error
