"""What a scenario returns, and how it is written down."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["higher", "lower"]
"""Which way is better."""

SCHEMA = 1


@dataclass(frozen=True)
class Metric:
    """One figure: the median of its repeats.

    Attributes:
        value: median.
        unit: what it counts.
        direction: ``higher`` or ``lower`` is better.
        tolerance: relative loss that a comparison forgives; None: reported, never judged.
        low, high: smallest and largest repeat.
        runs: number of repeats.
    """

    value: float
    unit: str
    direction: Direction
    tolerance: float | None = None
    low: float = math.nan
    high: float = math.nan
    runs: int = 1

    def __post_init__(self) -> None:
        if self.direction not in ("higher", "lower"):
            raise ValueError(f"direction must be 'higher' or 'lower', got {self.direction!r}")
        if self.tolerance is not None and not 0.0 <= self.tolerance < 1.0:
            raise ValueError(f"tolerance must lie in [0, 1), got {self.tolerance}")
        if not math.isfinite(self.value):
            raise ValueError(f"a metric must be finite, got {self.value}")


@dataclass(frozen=True)
class Outcome:
    """Metrics of one scenario; ``disturbed`` says why its figures are not to be trusted."""

    metrics: Mapping[str, Metric]
    notes: tuple[str, ...] = ()
    disturbed: str = ""


@dataclass(frozen=True)
class Record:
    """A scenario that ran, or (``skipped``) why it could not."""

    id: str
    outcome: Outcome = field(default_factory=lambda: Outcome({}))
    skipped: str = ""


def median_of(
    values: Sequence[float], unit: str, direction: Direction, tolerance: float | None = None
) -> Metric:
    """Median of repeated values with their extremes.

    Raises:
        ValueError: No values, or one that is not finite.
    """
    if not values:
        raise ValueError("a median needs at least one value")
    for value in values:
        if not math.isfinite(value):
            raise ValueError(f"a repeat measured {value}")
    middle = float(statistics.median(values))
    return Metric(
        middle, unit, direction, tolerance, float(min(values)), float(max(values)), len(values)
    )


def to_json(records: Sequence[Record], machine: Mapping[str, Any]) -> dict[str, Any]:
    """The whole run as plain values; no time of day anywhere."""
    return {
        "schema": SCHEMA,
        "machine": dict(machine),
        "scenarios": {r.id: _record(r) for r in records},
    }


def _record(record: Record) -> dict[str, Any]:
    if record.skipped:
        return {"skipped": record.skipped}
    return {
        "metrics": {name: _metric(m) for name, m in record.outcome.metrics.items()},
        "notes": list(record.outcome.notes),
        "disturbed": record.outcome.disturbed,
    }


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "value": _short(metric.value),
        "unit": metric.unit,
        "direction": metric.direction,
        "tolerance": metric.tolerance,
        "low": _short(metric.low),
        "high": _short(metric.high),
        "runs": metric.runs,
    }


def _short(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.5g}")


def from_json(document: Mapping[str, Any]) -> dict[str, dict[str, Metric]]:
    """Metrics of a written run, by scenario; skipped scenarios are left out.

    Raises:
        ValueError: Another schema.
    """
    if document.get("schema") != SCHEMA:
        raise ValueError(f"schema {document.get('schema')!r}: this program reads {SCHEMA}")
    out: dict[str, dict[str, Metric]] = {}
    for id_, entry in document["scenarios"].items():
        if "metrics" in entry:
            out[id_] = {name: _read(m) for name, m in entry["metrics"].items()}
    return out


def _read(m: Mapping[str, Any]) -> Metric:
    low, high = (math.nan if m[k] is None else float(m[k]) for k in ("low", "high"))
    return Metric(
        float(m["value"]), m["unit"], m["direction"], m["tolerance"], low, high, int(m["runs"])
    )
