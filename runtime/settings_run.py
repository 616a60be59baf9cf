"""Settings of one run: which data, which span, how long, where to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from envs.core.settings import setting
from envs.core.types import NS_PER_SECOND

NS_PER_MICROSECOND = 1_000
SYNTHETIC = "synthetic"
QUICK_EPISODES = 3


@dataclass(frozen=True)
class RunSettings:
    """What the programs in ``training/`` are asked to do (spec 16)."""

    data: str = setting(
        SYNTHETIC, "QT_DATA", "folder or synthetic",
        "bars: the built-in market, or a folder of files",
        option="--data", metavar="DIR|synthetic", hashed=False,
    )  # fmt: skip
    data_dir: Path = setting(
        Path("data"), "QT_DATA_DIR", "path", "where downloads go", hashed=False
    )
    symbols: tuple[str, ...] = setting(
        ("BTCUSDT", "ETHUSDT"), "QT_SYMBOLS", "list", "perpetuals traded on one account",
        option="--symbols", metavar="LIST", pattern="[A-Z0-9]{2,30}",
    )  # fmt: skip
    timeframe: str = setting(
        "1h", "QT_INTERVAL", "bar interval", "length of a bar",
        option="--timeframe", choices=("1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d"),
    )  # fmt: skip
    detail_timeframe: str = setting(
        "5m", "QT_DETAIL_INTERVAL", "bar interval",
        "length of the finer bars inside a bar; read with QT_INTRABAR_RULE=detail only",
        choices=("1m", "5m", "15m", "30m", "1h", "2h", "4h"),
    )  # fmt: skip
    start: datetime | None = setting(
        None, "QT_START", "UTC date", "first bar used; without: the first there is",
        option="--start", metavar="DATE",
    )  # fmt: skip
    train_end: datetime | None = setting(
        None, "QT_TRAIN_END", "UTC date", "end of training; without: chosen from the span",
        option="--train-end", metavar="DATE",
    )  # fmt: skip
    test_end: datetime | None = setting(
        None, "QT_TEST_END", "UTC date", "end of the held-out period; without: the last bar",
        option="--test-end", metavar="DATE",
    )  # fmt: skip
    funding: str = setting(
        "file", "QT_FUNDING", "file, default",
        "missing funding files: refused, or replaced by COST_FUNDING_RATE",
        option="--funding", choices=("file", "default"),
    )  # fmt: skip
    episodes: int = setting(
        20, "QT_EPISODES", "passes", f"passes over the signal tape ({QUICK_EPISODES} with --quick)",
        option="--episodes", metavar="N", ge=1, le=100_000,
    )  # fmt: skip
    agent: str = setting(
        "table", "QT_AGENT", "table, dqn, ppo",
        "sizing agent that is trained: the table, or a deep-RL baseline (stable-baselines3)",
        option="--agent", choices=("table", "dqn", "ppo"),
    )  # fmt: skip
    seed: int = setting(
        0, "QT_SEED", "integer", "seed of every random draw",
        option="--seed", metavar="N", ge=0, le=2**63 - 1,
    )  # fmt: skip
    out: Path | None = setting(
        None, "", "path", "run folder; without: runs/<utc>-<hash>",
        option="--out", metavar="DIR", hashed=False,
    )  # fmt: skip
    resume: bool = setting(
        False, "", "bool", "continue the stopped run in the run folder",
        option="--resume", hashed=False,
    )  # fmt: skip
    quick: bool = setting(
        False, "QT_QUICK", "bool", "a short run: few episodes on half a year", option="--quick"
    )
    synthetic_bars: int = setting(
        17_520, "QT_SYNTHETIC_BARS", "bars", "length of the built-in market", ge=2_000, le=1_000_000
    )
    synthetic_edge: str = setting(
        "strong", "QT_SYNTHETIC_EDGE", "zero, weak, strong or a number",
        "edge planted in the built-in market", pattern=r"zero|weak|strong|\d+(\.\d+)?",
    )  # fmt: skip

    @property
    def is_synthetic(self) -> bool:
        """Whether the built-in market is asked for."""
        return self.data == SYNTHETIC

    @property
    def start_ns(self) -> int | None:
        """First bar used, int64 UTC nanoseconds."""
        return to_ns(self.start)

    @property
    def train_end_ns(self) -> int | None:
        """End of training, int64 UTC nanoseconds."""
        return to_ns(self.train_end)

    @property
    def test_end_ns(self) -> int | None:
        """End of the held-out period, int64 UTC nanoseconds."""
        return to_ns(self.test_end)


def to_ns(moment: datetime | None) -> int | None:
    """Turn an aware datetime into int64 UTC nanoseconds, exactly."""
    if moment is None:
        return None
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * NS_PER_SECOND + moment.microsecond * NS_PER_MICROSECOND
