from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.framework.docs import merged, rendered
from benchmarks.framework.machine import commit, describe
from benchmarks.framework.metrics import Metric, Outcome, Record, median_of, to_json
from benchmarks.framework.report import number, peer_rows, share_rows, show, target_rows
from benchmarks.framework.targets import TARGETS

V = "vector/4096/density-0.10"
MACHINE = {"cpu": "some", "cores": 2, "commit": "abc"}


def document(rate: float = 5e6, disturbed: str = "") -> dict[str, Any]:
    vector = Outcome({"decisions_per_s": median_of([rate], "1/s", "higher")}, ("noted",), disturbed)
    limit = {
        "rows_per_s": Metric(1e8, "rows/s", "higher"),
        "stream_rows_per_s": Metric(2e7, "rows/s", "higher"),
    }
    peer = {"sync64_steps_per_s": Metric(2e5, "1/s", "higher")}
    records = [
        Record(V, vector), Record("write-bandwidth", Outcome(limit)),
        Record("peers/x", Outcome(peer)), Record("peers/y", skipped="y is not installed"),
    ]  # fmt: skip
    return to_json(records, MACHINE)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (float("nan"), "-"), (0.0, "0"), (12.3456, "12.35"), (25_000.0, "25 k"),
     (5e6, "5 M"), (2.5e9, "2.5 G"), (0.00012, "1.20e-04")],
)  # fmt: skip
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number(value) == text


def test_bars_say_reached_not_reached_or_not_measured() -> None:
    marks = {row[4] + row[0]: row[3] for row in target_rows(document(5e6))}
    first = TARGETS[0]
    assert marks[first.scenario + first.about] == "reached"
    assert "not measured" in marks.values()
    assert target_rows(document(1e6))[0][3] == "NOT reached"
    assert target_rows(document(1e6, "neighbours"))[0][3] == "NOT reached (disturbed)"


def test_a_bar_of_a_smaller_is_better_figure_is_an_upper_bound() -> None:
    target = next(t for t in TARGETS if t.metric == "bytes_sizing")
    for value, met in ((target.bound, True), (target.bound + 1.0, False)):
        found = {target.scenario: {target.metric: Metric(value, "B", "lower")}}
        assert target.judge(found) == (value, met)


def test_peers_and_write_limits_are_ratios_of_the_same_run() -> None:
    assert peer_rows(document()) == [("x, vectorised", "5 M", "200 k", "25 x")]
    assert share_rows(document()) == [(V, "5.00%", "25.00%")]


def test_everything_is_printed_and_written() -> None:
    console = Console(record=True, width=200)
    show(document(disturbed="neighbours"), console)
    page = rendered(document(disturbed="neighbours"), "some bars", 5)
    for text in (console.export_text(), page):
        for part in (V, "neighbours", "y is not installed", "noted", "NOT reached", "25 x"):
            assert part in text or (part == "NOT reached" and "reached (disturbed)" in text)
    assert "{" not in page
    assert "preliminary" in page
    assert "preliminary" not in rendered(document(), "some bars", 5)


def test_runs_of_one_machine_merge_and_others_do_not() -> None:
    later = to_json([Record(V, Outcome({"x": Metric(1.0, "s", "lower")}))], MACHINE)
    both = merged([document(), later])
    assert list(both["scenarios"][V]["metrics"]) == ["x"]
    assert "peers/x" in both["scenarios"]
    with pytest.raises(ValueError, match="machine"):
        merged([document(), {**later, "machine": {**MACHINE, "commit": "other"}}])


def test_the_machine_is_described_without_a_time(tmp_path: Path) -> None:
    found = describe()
    assert {"cpu", "cores", "memory_gib", "python", "numba", "numpy", "commit"} <= set(found)
    assert found["cores"] >= 1
    assert not [k for k in found if "time" in k or "date" in k]
    assert commit(tmp_path) == ""
