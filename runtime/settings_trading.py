"""Settings of ``python -m runtime trade``: where it trades, how often it looks, what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envs.core.settings import setting


@dataclass(frozen=True)
class TradingSettings:
    """The venue, the times of the loop in market seconds, and the run's traces.

    None of them shapes a decision, so none is part of a run's hash.
    """

    venue: str = setting(
        "local", "QT_VENUE", "venue",
        "sim: in this process; local: the built-in exchange; demo: the exchange's demo; live: "
        "refused without QT_ALLOW_LIVE and a typed confirmation",
        choices=("sim", "local", "demo", "live"), hashed=False,
    )  # fmt: skip
    exchange: str = setting(
        "binanceusdm", "QT_EXCHANGE", "ccxt id", "exchange of demo and live",
        choices=("binanceusdm",), hashed=False,
    )  # fmt: skip
    cycle_s: float = setting(
        30.0, "QT_CYCLE_S", "s", "between two comparisons of the books with the venue",
        ge=1.0, le=3_600.0, hashed=False,
    )  # fmt: skip
    monitor_s: float = setting(
        5.0, "QT_MONITOR_S", "s", "between two looks at open positions", ge=0.1, le=300.0,
        hashed=False,
    )  # fmt: skip
    protect_deadline_s: float = setting(
        5.0, "QT_PROTECT_DEADLINE_S", "s",
        "a position may be without a confirmed stop; then it is closed", gt=0.0, le=60.0,
        hashed=False,
    )  # fmt: skip
    max_data_age_s: float = setting(
        10.0, "QT_MAX_DATA_AGE_S", "s", "age of prices and account data that blocks entries",
        gt=0.0, le=600.0, hashed=False,
    )  # fmt: skip
    model_deadline_ms: int = setting(
        250, "QT_MODEL_DEADLINE_MS", "ms", "a model that has not answered by then abstains",
        ge=1, le=60_000, hashed=False,
    )  # fmt: skip
    journal: str = setting(
        "auto", "QT_JOURNAL", "auto, full, trades",
        "full: every view and decision before it acts; trades: what was traded, the rest counted; "
        "auto: trades on sim, else full",
        choices=("auto", "full", "trades"), hashed=False,
    )  # fmt: skip
    on_exit: str = setting(
        "leave", "QT_ON_EXIT", "leave, flatten",
        "open positions when the run is stopped: left with their stops at the venue, or closed",
        choices=("leave", "flatten"), hashed=False,
    )  # fmt: skip
    foreign_positions: str = setting(
        "leave", "QT_FOREIGN_POSITIONS", "leave, adopt",
        "positions that this journal did not open: left alone, and their contract is not traded; "
        "or adopted: protected by a stop and managed",
        choices=("leave", "adopt"), hashed=False,
    )  # fmt: skip
    changed_filters: str = setting(
        "refuse", "QT_CHANGED_FILTERS", "refuse, adopt",
        "tick, step or minimum order of a contract differ from the bundle's: do not start, or "
        "take the venue's",
        choices=("refuse", "adopt"), hashed=False,
    )  # fmt: skip
    min_free_mb: int = setting(
        500, "QT_MIN_FREE_MB", "MB", "free space on the journal's disk below which nothing starts",
        ge=1, le=10_000_000, hashed=False,
    )  # fmt: skip
    log_level: str = setting(
        "INFO", "QT_LOG_LEVEL", "level", "least level that is logged",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"), hashed=False,
    )  # fmt: skip
    log_path: Path = setting(
        Path("logs/quantum.log"), "QT_LOG_PATH", "path",
        "log of the runtime, JSON lines; a relative path lies in the state folder", hashed=False,
    )  # fmt: skip
