"""What TensorBoard finds in the folder of a finished run."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


@pytest.fixture(scope="module")
def log(finished: Path) -> EventAccumulator:
    found = EventAccumulator(str(finished / "tensorboard"), size_guidance={"scalars": 0})
    found.Reload()
    return found


def test_one_folder_holds_one_file(finished: Path) -> None:
    assert len(list((finished / "tensorboard").iterdir())) == 1


def test_scalars_cover_training_votes_and_the_held_out_period(log: EventAccumulator) -> None:
    tags = log.Tags()["scalars"]
    groups = {tag.partition("/")[0] for tag in tags}
    wanted = {"train", "actions", "weights", "scalers", "brier", "equity", "drawdown", "held_out"}
    assert wanted <= groups
    assert [e.step for e in log.Scalars("train/coverage")] == [0, 1]
    assert log.Scalars("brier/pool")[0].step > 0


def test_tables_of_the_report_are_texts(log: EventAccumulator) -> None:
    pages = ("evaluation", "weight_algorithms", "occupancy", "actions")
    assert {f"report/{p}/text_summary" for p in pages} <= set(log.Tags()["tensors"])


def test_the_run_is_one_line_of_the_table_of_runs(log: EventAccumulator) -> None:
    pages = log.PluginTagToContent("hparams")
    start = pages["_hparams_/session_start_info"]
    for word in (b"learner", b"counterfactual", b"preset", b"BTCUSDT,ETHUSDT", b"seed"):
        assert word in start
    assert b"held_out/mean_reward_bps" in pages["_hparams_/experiment"]
