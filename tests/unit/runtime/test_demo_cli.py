from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from envs.core.errors import FixInput
from runtime import demo_cli
from runtime.cli import main
from runtime.demo_cli import bundle_for, last_bundle, trade_options
from tests.parity.runtime_bundle import make_bundle

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("demo") / "bundle")


def placed(bundle: Path, where: Path, **changes: object) -> Path:
    """A copy of a bundle with another manifest."""
    shutil.copytree(bundle, where)
    path = where / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return where


def test_the_last_whole_bundle_of_the_built_in_market_is_taken(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert last_bundle(tmp_path) is None
    placed(bundle, tmp_path / "a" / "bundle", created_ns=1)
    newest = placed(bundle, tmp_path / "demo" / "b" / "bundle", created_ns=2)
    placed(bundle, tmp_path / "c" / "bundle", created_ns=3, signal_origin="oos")
    broken = placed(bundle, tmp_path / "d" / "bundle", created_ns=4)
    (broken / "sizing.json").unlink()
    assert last_bundle(tmp_path) == newest
    assert "passed over" in capsys.readouterr().out


def test_bars_and_speed_fill_the_minutes(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    options = dict(zip(*[iter(trade_options(manifest, 3.0))] * 2, strict=True))
    assert options["--speed"] == "1800"
    begin = datetime.fromisoformat(manifest["spans"]["test_start"])
    end = datetime.fromisoformat(options["--end"])
    assert (end - begin).total_seconds() == 90 * 3_600


def test_a_training_that_fails_ends_the_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    class Done:
        returncode = 2

    monkeypatch.setattr(demo_cli.subprocess, "run", lambda *_, **__: Done())
    with pytest.raises(FixInput, match="exit code 2"):
        bundle_for(NOW, anew=True)


def test_minutes_out_of_range_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--minutes", "0"]) == 2
    assert "--minutes" in capsys.readouterr().err


@pytest.mark.timeout(240)
def test_it_runs_to_its_end_by_itself(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--bundle", str(bundle), "--minutes", "0.3", "--view", "plain"]) == 0
    said = capsys.readouterr().out
    for word in ("the data ended", "No position is open", "Look closer", "runs/demo"):
        assert word in said, word
    (state,) = (tmp_path / "runs" / "demo").iterdir()
    assert (state / "journal.db").exists()
    assert (state / "exchange.journal").exists()
