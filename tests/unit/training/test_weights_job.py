"""``train_weights.py`` as a user runs it, on a short built-in market."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ALGORITHMS
from envs.artifact import file_digest

Program = Callable[..., subprocess.CompletedProcess[str]]
OPTIONS = ["--set", "QT_SYNTHETIC_BARS=2200", "--seed", "5"]


@pytest.fixture(scope="module")
def run(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished run; copy it before changing it."""
    folder = tmp_path_factory.mktemp("weights_job")
    done = program("train_weights.py", *OPTIONS, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    for words in ("Held-out forecasts", "auto would have chosen", "aggregating family", "uniform"):
        assert words in done.stdout
    return folder / "run"


def metrics_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


def timeless(folder: Path) -> dict[str, Any]:
    """Figures of a run without the times it took."""
    found = metrics_of(folder)
    found.pop("seconds")
    for own in found["algorithms"].values():
        own.pop("seconds")
    return found


def test_the_manifest_names_every_file_with_its_digest(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    assert "--seed 5" in manifest["command"]
    assert manifest["weight_algorithm"] == "aa"
    wanted = {"config.toml", "command.txt", "metrics.json", "report.md", "reinforcement.json",
              "weights_path.json", "data.json"}  # fmt: skip
    assert wanted <= set(manifest["files"])
    found = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(manifest["files"]) == found
    for name, digest in manifest["files"].items():
        assert file_digest(run / name) == digest


def test_every_algorithm_and_baseline_is_scored_on_the_same_forecasts(run: Path) -> None:
    metrics = metrics_of(run)
    rows = {x["name"]: x for x in metrics["held_out"]}
    assert set(rows) == {*ALGORITHMS, "constant 0.5", "best single"}
    assert {x["n"] for x in rows.values()} == {metrics["forecasts"]}
    assert rows["constant 0.5"]["brier"] == pytest.approx(0.25)
    for row in (*rows.values(), *metrics["models"]):
        parts = row["reliability"] - row["resolution"] + row["uncertainty"] + row["within"]
        assert parts == pytest.approx(row["brier"], abs=1e-12)
        assert row["brier"] == pytest.approx((row["brier_up"] + row["brier_down"]) / 2)
        span = row["versus"]["uniform"]
        assert span["low"] <= span["mean"] <= span["high"]
        difference = row["brier"] - rows["uniform"]["brier"]
        assert span["mean"] == pytest.approx(difference, abs=1e-12)
    best = next(x for x in metrics["models"] if x["name"] == metrics["best_single_in_training"])
    assert rows["best single"]["brier"] == pytest.approx(best["brier"])


def test_regret_stands_beside_the_bound_that_applies(run: Path) -> None:
    rows = {x["algorithm"]: x for x in metrics_of(run)["regret"]}
    for name in ("aa", "fixed_share"):
        assert rows[name]["training"]["bound"] is None
        assert rows[name]["classes"]["used"] <= rows[name]["classes"]["bound"]
    assert rows["uniform"]["classes"] is None


def test_the_checkpoint_is_the_manager_as_of_the_end_of_training(run: Path) -> None:
    manager = ReinforcementManager.load(run / "reinforcement.json")
    assert manager.algorithm == "aa"
    of_pass = ReinforcementManager.load(run / "passes" / "aa.manager.json")
    assert manager.get_diagnostics() == of_pass.get_diagnostics()
    told = metrics_of(run)["algorithms"]["aa"]["diagnostics"]
    assert told == json.loads(json.dumps(manager.get_diagnostics()))
    path = json.loads((run / "weights_path.json").read_text())
    assert len(path["aa"]["weights"]) == len(path["close_ns"]) > 300
    assert len(path["aa"]["posterior"][0][0]) == len(path["experts"]) == 7
    assert sum(path["aa"]["weights"][-1]) == pytest.approx(1.0)


def test_weights_posteriors_and_brier_scores_are_scalars_over_time(run: Path) -> None:
    log = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    log.Reload()
    tags = set(log.Tags()["scalars"])
    for name in ALGORITHMS:
        assert {f"brier/{name}", f"weights_{name}/xgboost"} <= tags
    assert {"posterior_aa_up/constant", "posterior_fixed_share_down/nhits"} <= tags
    assert len(log.Scalars("posterior_aa_up/xgboost")) > 300
    assert 0.0 < log.Scalars("brier/aa")[-1].value < 0.5


def test_a_resumed_run_takes_over_finished_passes_and_ends_equal(
    run: Path, program: Program, tmp_path: Path
) -> None:
    """Interrupted after some passes, one of them damaged: those are run anew, the rest is kept."""
    shutil.copytree(run, tmp_path / "run")
    for name in ("manifest.json", "metrics.json", "report.md", "weights_path.json"):
        (tmp_path / "run" / name).unlink()
    for path in (tmp_path / "run" / "passes").glob("platt_exponential*"):
        path.unlink()
    hurt = tmp_path / "run" / "passes" / "fixed_share.npz"
    data = bytearray(hurt.read_bytes())
    data[len(data) // 2] ^= 1
    hurt.write_bytes(bytes(data))
    done = program("train_weights.py", *OPTIONS, "--out", "run", "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    how = {name: "taken over" for name in ALGORITHMS}
    how.update(fixed_share="run", platt_exponential="run")
    for name, expected in how.items():
        assert f"pass of {name}: {expected}" in done.stdout
    assert timeless(tmp_path / "run") == timeless(run)
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1


def test_the_folder_of_another_program_is_not_resumed(run: Path, program: Program) -> None:
    done = program(
        "train_sizing.py", *OPTIONS, "--out", "run", "--resume", cwd=run.parent
    )  # fmt: skip
    assert done.returncode == 2
    assert "was started by python training/train_weights.py" in done.stderr
