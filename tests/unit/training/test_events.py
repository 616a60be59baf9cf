from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import summary

from envs.core.errors import FixInput
from training.events import EventFile


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def test_what_was_added_is_read_by_tensorboard(tmp_path: Path) -> None:
    events = EventFile(tmp_path / "log")
    for step in range(5):
        events.add(summary.scalar("a/b", 0.5 * step), step)
    events.add(summary.text("words", "| a |\n|---|\n| 1 |"))
    events.close()
    found = read(tmp_path / "log")
    assert [(e.step, e.value) for e in found.Scalars("a/b")] == [(k, 0.5 * k) for k in range(5)]
    assert found.Tags()["tensors"] == ["words/text_summary"]
    assert len(list((tmp_path / "log").iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are POSIX")
def test_a_full_disk_names_the_file_and_keeps_whole_records(tmp_path: Path) -> None:
    events = EventFile(tmp_path)
    for step in range(10):
        events.add(summary.scalar("a", 1.0), step)
    events.flush()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        for step in range(10, 500):
            events.add(summary.scalar("a", 1.0), step)
        with pytest.raises(FixInput, match=r"events\.out\..*cannot be written: File too large"):
            events.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(read(tmp_path).Scalars("a")) == 10
    events.close()
    assert len(read(tmp_path).Scalars("a")) == 500
