"""The main job as a user runs it, on a short built-in market."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from envs.core.errors import RefusedArtifact
from runtime.bundle import load_bundle

Program = Callable[..., subprocess.CompletedProcess[str]]


def test_the_run_folder_holds_everything_needed_to_repeat_it(finished: Path) -> None:
    names = {p.name for p in finished.iterdir()}
    wanted = {"bundle", "command.txt", "config.toml", "data.json", "metrics.json", "tensorboard"}
    assert wanted <= names
    assert "--seed 5" in (finished / "command.txt").read_text()
    metrics = json.loads((finished / "metrics.json").read_text())
    policies = {p["name"] for p in metrics["evaluation"]["policies"]}
    assert {"agent", "skip", "fixed 1x", "fixed largest", "random", "ev_kelly"} <= policies
    assert sum(metrics["occupancy"]["training"]["regime"]) == pytest.approx(1.0)
    scored = {s["algorithm"] for s in metrics["weight_algorithms"]["scores"]}
    assert scored == {"aa", "fixed_share", "exponential", "platt_exponential", "uniform"}
    assert "Weight algorithm: aa" in (finished / "report.md").read_text()


def test_same_seed_and_data_give_the_same_table(
    finished: Path, program: Program, short: list[str]
) -> None:
    folder = finished.parent
    done = program("train_sizing.py", *short, "--out", "again", cwd=folder)
    assert done.returncode == 0, done.stderr
    digests = [
        json.loads((folder / name / "metrics.json").read_text())["table_digest"]
        for name in ("run", "again")
    ]
    assert digests[0] == digests[1]


def test_resuming_with_other_settings_is_refused(
    finished: Path, program: Program, short: list[str]
) -> None:
    options = ["--episodes", "3", "--out", "run", "--resume"]
    done = program("train_sizing.py", *options, cwd=finished.parent)
    assert done.returncode == 2
    assert "other settings" in done.stderr


def test_a_folder_that_holds_a_run_is_not_overwritten(
    finished: Path, program: Program, short: list[str]
) -> None:
    done = program("train_sizing.py", *short, "--out", "run", cwd=finished.parent)
    assert done.returncode == 2
    assert "already holds a run" in done.stderr


def test_the_bundle_loads_as_of_the_end_of_training(finished: Path) -> None:
    bundle = load_bundle(finished / "bundle")
    assert bundle.manifest["signal_origin"] == "planted"
    assert bundle.manager.algorithm == bundle.manifest["weight_algorithm"]
    trained = bundle.manifest["spans"]["train_end"].removesuffix("Z")
    assert 0 < bundle.manager.labels.last_ns <= np.datetime64(trained, "ns").astype(np.int64)


@pytest.mark.parametrize(
    "name", ["sizing.json", "sizing.npz", "features.json", "ev_lines.json", "config.toml"]
)
def test_one_altered_byte_in_a_bundle_is_refused(finished: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(finished / "bundle", copy)
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    with pytest.raises(RefusedArtifact, match=name):
        load_bundle(copy)


def test_missing_and_foreign_files_in_a_bundle_are_refused(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(finished / "bundle", copy)
    (copy / "stray.txt").write_text("x")
    with pytest.raises(RefusedArtifact, match=r"stray\.txt"):
        load_bundle(copy)
    (copy / "stray.txt").unlink()
    (copy / "costs.json").unlink()
    with pytest.raises(RefusedArtifact, match=r"costs\.json"):
        load_bundle(copy)


def test_other_features_are_refused_naming_both(finished: Path) -> None:
    with pytest.raises(RefusedArtifact, match="expected other, found"):
        load_bundle(finished / "bundle", feature_hash="other")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--preset", "big"], "big"),
        (["--data", "nowhere"], "nowhere"),
        (["--train-end", "2024-01-01", "--test-end", "2023-01-01"], "2023-01-01"),
        (["--episodes", "0"], "QT_EPISODES"),
        (["--set", "RL_WEIGHT_ALGORITHM=best"], "fixed_share"),
        (["--set", "RL_SIZING_EPSILN=1"], "RL_SIZING_EPSILON"),
    ],
)
def test_bad_options_name_themselves_and_leave_no_run(
    program: Program, tmp_path: Path, options: list[str], words: str
) -> None:
    done = program("train_sizing.py", *options, "--out", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
