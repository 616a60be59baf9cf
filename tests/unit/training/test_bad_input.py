"""Bad input as a user meets it: exit code 2, a message that names the thing, nothing left behind.

Every case runs the program's ``main`` on files in a temporary folder.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from envs.artifact import file_digest, json_digest
from training import data, evaluate, train_sizing

BARS = 2_000
START = pd.Timestamp("2021-01-01", tz="UTC")
Harm = Callable[[pd.DataFrame], pd.DataFrame]


def history(bars: int = BARS) -> pd.DataFrame:
    """A plain random walk, one row an hour."""
    rng = np.random.default_rng(7)
    close = np.round(1000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.005, bars))), 2)
    first = np.append(1000.0, close[:-1])
    spread = np.round(rng.uniform(0.0, 4.0, bars), 2)
    return pd.DataFrame(
        {
            "timestamp": pd.date_range(START, periods=bars, freq="h"),
            "open": first,
            "high": np.maximum(first, close) + spread,
            "low": np.minimum(first, close) - spread,
            "close": close,
            "volume": rng.uniform(1.0, 9.0, bars),
        }
    )


def put(folder: Path, table: pd.DataFrame, symbol: str = "BTCUSDT") -> Path:
    (folder / "perp").mkdir(parents=True, exist_ok=True)
    path = folder / "perp" / f"{symbol}-1h.parquet"
    table.to_parquet(path)
    return path


def cell(row: int, column: str, value: float) -> Harm:
    def harm(table: pd.DataFrame) -> pd.DataFrame:
        changed = table[column].to_numpy().copy()
        changed[row] = value
        return table.assign(**{column: changed})

    return harm


def swapped(table: pd.DataFrame) -> pd.DataFrame:
    order = np.arange(len(table))
    order[[70, 71]] = order[[71, 70]]
    return table.iloc[order].reset_index(drop=True)


def doubled(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table.iloc[:71], table.iloc[70:]], ignore_index=True)


def turned(table: pd.DataFrame) -> pd.DataFrame:
    high, low = table["high"].to_numpy().copy(), table["low"].to_numpy().copy()
    high[70], low[70] = low[70], high[70]
    return table.assign(high=high, low=low)


def without_volume(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="volume")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def refused(
    capsys: pytest.CaptureFixture[str], program: Callable[[list[str]], int], *options: str
) -> str:
    """Run a program that must refuse; the message."""
    assert program(list(options)) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def train(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Train from the files in ``data`` and find no trace of it afterwards."""
    said = refused(
        capsys, train_sizing.main, "--data", "data", "--symbols", "BTCUSDT",
        "--funding", "default", "--out", "run", *options,
    )  # fmt: skip
    assert not Path("run").exists()
    assert not Path("cache").exists()
    return said


DAMAGES = [
    pytest.param(swapped, ("row 71", "timestamp", "not sorted"), id="unsorted"),
    pytest.param(doubled, ("row 71", "timestamp", "duplicate"), id="duplicate"),
    pytest.param(cell(70, "close", np.nan), ("row 70", "close", "NaN"), id="nan price"),
    pytest.param(cell(70, "low", -1.0), ("row 70", "low", "positive"), id="negative price"),
    pytest.param(cell(70, "open", 0.0), ("row 70", "open", "positive"), id="zero price"),
    pytest.param(turned, ("row 70", "high < low"), id="high below low"),
    pytest.param(cell(70, "volume", -1.0), ("row 70", "volume", "negative"), id="volume"),
    pytest.param(without_volume, ("volume", "missing"), id="column missing"),
]


@pytest.mark.parametrize(("harm", "words"), DAMAGES)
def test_damaged_rows_name_file_row_and_column(
    place: Path, capsys: pytest.CaptureFixture[str], harm: Harm, words: tuple[str, ...]
) -> None:
    put(place / "data", harm(history()))
    said = train(capsys)
    for word in ("BTCUSDT-1h.parquet", *words):
        assert word in said


def test_a_truncated_file_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(place / "data", history())
    path.write_bytes(path.read_bytes()[:2_000])
    said = train(capsys)
    assert "BTCUSDT-1h.parquet: cannot be read" in said
    assert "download it again" in said


PERIODS = [
    pytest.param(["--symbols", "ETHUSDT"], ("no file ETHUSDT-1h.parquet", "data.py download"),
                 id="missing file"),
    pytest.param(["--funding", "file"], ("BTCUSDT-funding.parquet", "--funding default"),
                 id="missing funding"),
    pytest.param(["--data", "nowhere"], ("data folder nowhere", "--data"), id="missing folder"),
    pytest.param(["--start", "2030-01-01"], ("BTCUSDT: no bars in the period", "2021-01-01"),
                 id="symbol without data"),
    pytest.param(["--train-end", "2021-03-01", "--test-end", "2021-02-01"],
                 ("QT_TRAIN_END", "QT_TEST_END"), id="overlapping periods"),
    pytest.param(["--start", "2021-03-01", "--train-end", "2021-02-01"],
                 ("QT_START", "QT_TRAIN_END"), id="period reversed"),
    pytest.param(["--start", "2021-03-01"], ("BTCUSDT", "bars are too few", "start earlier"),
                 id="too few bars for features"),
    pytest.param(["--train-end", "2024-01-01"], ("--train-end", "2024-01-01"),
                 id="training ends after the data"),
    pytest.param([], ("too short for one fold", "start earlier"), id="too few for a fold"),
    pytest.param(["--preset", "big"], ("big", "classic", "overview", "full"), id="unknown preset"),
    pytest.param(["--start", "yesterday"], ("QT_START", "yesterday"), id="not a date"),
    pytest.param(["--episodes", "many"], ("QT_EPISODES", "many"), id="not a number"),
    pytest.param(["--set", "QT_EPISODE=3"], ("QT_EPISODE", "QT_EPISODES"), id="unknown name"),
    pytest.param(["--config", "none.toml"], ("none.toml",), id="missing settings file"),
    pytest.param(["--resume"], ("run", "nothing to resume"), id="nothing to resume"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "words"), PERIODS)
def test_what_cannot_be_run_says_what_to_change(
    place: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: tuple[str, ...]
) -> None:
    put(place / "data", history())
    said = train(capsys, *options)
    for word in words:
        assert word in said, said


def test_a_refused_run_leaves_the_latest_one_the_latest(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nowhere" in refused(capsys, train_sizing.main, "--data", "nowhere")
    assert list(place.iterdir()) == []
    (place / "runs" / "old").mkdir(parents=True)
    (place / "runs" / "latest").symlink_to("old")
    refused(capsys, train_sizing.main, "--data", "nowhere")
    assert sorted(p.name for p in (place / "runs").iterdir()) == ["latest", "old"]
    assert (place / "runs" / "latest").resolve().name == "old"


def test_gaps_are_reported_and_go_by_the_setting(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two bars lack: within the setting the features go on, beyond it they warm up anew."""
    put(place / "data", history().drop(index=[1_200, 1_201]).reset_index(drop=True))
    assert "too short for one fold" in train(capsys)
    refuse = ["--set", "QT_MAX_GAP_BARS=1"]
    code = train_sizing.main(
        ["--data", "data", "--symbols", "BTCUSDT", "--funding", "default", "--out", "run", *refuse]
    )
    said = capsys.readouterr()
    assert code == 2
    assert "no bar of the period has complete features" in said.err
    assert data.main(["check", "data", "--symbols", "BTCUSDT"]) == 0
    assert "longest gap" in capsys.readouterr().out


def test_a_bundle_that_is_none_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, evaluate.main, "--bundle", "nowhere", "--json", "figures.json")
    assert "nowhere/manifest.json" in said
    assert "is this a bundle?" in said
    assert not (place / "figures.json").exists()


def edited(folder: Path, name: str, **values: object) -> None:
    """Change a JSON file of a bundle and every checksum that knows it: whole, but another."""
    path = folder / name
    body = json.loads(path.read_text())
    body.update(values)
    if "sha256" in body:
        body["sha256"] = json_digest({k: v for k, v in body.items() if k != "sha256"})
    path.write_text(json.dumps(body, sort_keys=True, indent=1) + "\n")
    if name != "manifest.json":
        manifest = json.loads((folder / "manifest.json").read_text())
        edited(folder, "manifest.json", files={**manifest["files"], name: file_digest(path)})


def other_features(folder: Path) -> None:
    """Made by code whose features were others."""
    edited(folder, "features.json", hash="0" * 16)
    for name in ("sizing.json", "reinforcement.json"):
        edited(folder, name, feature_schema_hash="0" * 16)


def newer_bundle(folder: Path) -> None:
    edited(folder, "manifest.json", bundle_version=99)


def newer_table(folder: Path) -> None:
    edited(folder, "sizing.json", schema_version=99)


def other_byte(folder: Path) -> None:
    path = folder / "costs.json"
    path.write_text(path.read_text() + " ")


def cut_short(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:100])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (other_features, ("features.json", "hash", "expected", "found", "retrain")),
        (newer_bundle, ("manifest.json", "bundle version", "99")),
        (newer_table, ("sizing.json", "version", "99")),
        (other_byte, ("costs.json", "sha256", "expected", "found")),
        (cut_short, ("manifest.json", "not JSON")),
    ],
)
def test_a_bundle_that_does_not_match_is_refused(
    place: Path, finished: Path, capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], None], words: tuple[str, ...],
) -> None:  # fmt: skip
    shutil.copytree(finished / "bundle", place / "bundle")
    harm(place / "bundle")
    said = refused(capsys, evaluate.main, "--bundle", "bundle", "--json", "figures.json")
    for word in ("bundle/", *words):
        assert word in said, said
    assert not (place / "figures.json").exists()


def digest_of(folder: Path) -> str:
    return str(json.loads((folder / "metrics.json").read_text())["table_digest"])


def half_written(folder: Path) -> list[str]:
    """Temporary names and anything of a bundle that is not whole."""
    found = [p.name for p in folder.rglob("*") if p.name.endswith((".tmp", ".part"))]
    return found + [p.name for p in folder.glob("bundle*")]


def started(
    root: Path, place: Path, environment: dict[str, str], *options: str
) -> subprocess.Popen[str]:
    command = [sys.executable, str(root / "training" / "train_sizing.py"), *options]
    return subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_ctrl_c_leaves_a_run_that_resumes_to_the_same_table(
    root: Path, place: Path, clean_environment: dict[str, str], short: list[str], finished: Path
) -> None:
    options = [*short, "--out", "run"]
    job = started(root, place, clean_environment, *options)
    checkpoint = place / "run" / "checkpoint.json"
    until = time.monotonic() + 120.0
    while not checkpoint.exists() and job.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    job.send_signal(signal.SIGINT)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 130, said
    assert "--resume" in said
    assert "Traceback" not in said
    assert half_written(place / "run") == []
    # However late the signal came: as if it had come within the second pass.
    for suffix in ("json", "npz"):
        before = place / "run" / f"checkpoint.{suffix}.prev"
        if before.exists():
            before.replace(place / "run" / f"checkpoint.{suffix}")
    job = started(root, place, clean_environment, *options, "--resume")
    _, said = job.communicate(timeout=200)
    assert job.returncode == 0, said
    assert digest_of(place / "run") == digest_of(finished)


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are POSIX")
def test_a_full_disk_names_the_file_and_leaves_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files stands for the disk: writes beyond it fail alike."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        said = refused(capsys, train_sizing.main, "--quick", "--out", "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "run/config.toml: cannot be written" in said
    assert "make room" in said
    assert list(place.iterdir()) == []
