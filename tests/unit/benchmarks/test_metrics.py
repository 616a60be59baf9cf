from __future__ import annotations

import json
import math

import pytest

from benchmarks.framework.metrics import (
    SCHEMA,
    Metric,
    Outcome,
    Record,
    from_json,
    median_of,
    to_json,
)

MACHINE = {"cpu": "some", "cores": 2, "python": "3.11.0", "commit": "abc"}


def test_median_keeps_the_extremes_and_the_number_of_runs() -> None:
    m = median_of([5.0, 1.0, 9.0, 2.0, 3.0], "s", "lower", 0.1)
    assert (m.value, m.low, m.high, m.runs) == (3.0, 1.0, 9.0, 5)
    assert median_of([1.0, 2.0], "s", "lower").value == 1.5


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_a_median_of_nothing_or_of_no_number_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"median|measured"):
        median_of(values, "s", "lower")


def test_a_metric_refuses_unknown_directions_tolerances_and_values() -> None:
    with pytest.raises(ValueError, match="direction"):
        Metric(1.0, "s", "faster")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="tolerance"):
        Metric(1.0, "s", "lower", -0.1)
    with pytest.raises(ValueError, match="finite"):
        Metric(math.nan, "s", "lower")


def test_a_run_survives_json() -> None:
    outcome = Outcome(
        {"time": median_of([1.0, 2.0, 4.0], "s", "lower", 0.1), "one": Metric(3.0, "B", "higher")},
        ("a note",),
        "two threads got 1.10 cores",
    )
    records = [Record("a/b", outcome), Record("c", skipped="needs a peer")]
    document = json.loads(json.dumps(to_json(records, MACHINE), allow_nan=False))
    assert document["schema"] == SCHEMA
    assert document["machine"] == MACHINE
    assert document["scenarios"]["c"] == {"skipped": "needs a peer"}
    assert document["scenarios"]["a/b"]["disturbed"] == outcome.disturbed
    assert set(document["scenarios"]["a/b"]["metrics"]["time"]) == {
        "value", "unit", "direction", "tolerance", "low", "high", "runs",
    }  # fmt: skip
    found = from_json(document)
    assert set(found) == {"a/b"}
    assert found["a/b"]["time"] == outcome.metrics["time"]
    assert math.isnan(found["a/b"]["one"].low)


def test_the_same_figures_give_the_same_bytes() -> None:
    record = Record("a", Outcome({"x": Metric(1.23456789, "s", "lower")}))
    first, second = (json.dumps(to_json([record], MACHINE)) for _ in range(2))
    assert first == second
    assert to_json([record], MACHINE)["scenarios"]["a"]["metrics"]["x"]["value"] == 1.2346


def test_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema"):
        from_json({"schema": SCHEMA + 1, "scenarios": {}})
