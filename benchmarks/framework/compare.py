"""Judges paired runs of two revisions."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.framework.metrics import Metric

Found = Mapping[str, Mapping[str, Metric]]


@dataclass(frozen=True)
class Verdict:
    """One metric over all pairs.

    Attributes:
        loss: median over the pairs of the relative loss of head against base; negative: a gain.
        tolerance: what was forgiven; None: not judged.
    """

    scenario: str
    metric: str
    base: float
    head: float
    loss: float
    tolerance: float | None

    @property
    def regressed(self) -> bool:
        """The loss exceeds the tolerance."""
        return self.tolerance is not None and self.loss > self.tolerance


def loss_of(base: Metric, head: Metric) -> float:
    """How much worse head is: 0.1 is 10 % more time, or 10 % more time for the same work.

    Raises:
        ValueError: The metrics differ in unit or direction.
    """
    if (base.unit, base.direction) != (head.unit, head.direction):
        raise ValueError(f"{base.unit}/{base.direction} against {head.unit}/{head.direction}")
    if base.value == head.value:
        return 0.0
    worse, better = head.value, base.value
    if head.direction == "higher":
        worse, better = base.value, head.value
    return worse / better - 1.0 if better > 0.0 else float("inf")


def judge(pairs: Sequence[tuple[Found, Found]]) -> list[Verdict]:
    """Verdicts on every metric that each pair of (base, head) measured.

    Raises:
        ValueError: No pairs.
    """
    if not pairs:
        raise ValueError("a comparison needs at least one pair of runs")
    out = []
    for id_, metrics in pairs[0][1].items():
        for name, metric in metrics.items():
            both = [
                (base[id_][name], head[id_][name])
                for base, head in pairs
                if name in base.get(id_, {}) and name in head.get(id_, {})
            ]
            if len(both) < len(pairs):
                continue
            loss = statistics.median(loss_of(b, h) for b, h in both)
            out.append(
                Verdict(
                    id_, name, statistics.median(b.value for b, _ in both),
                    statistics.median(h.value for _, h in both), loss, metric.tolerance,
                )
            )  # fmt: skip
    return out


def unmatched(pairs: Sequence[tuple[Found, Found]]) -> list[str]:
    """Judged metrics that only one side measured: nothing can be said about them."""
    names: set[str] = set()
    for base, head in pairs:
        for one, other in ((base, head), (head, base)):
            for id_, metrics in one.items():
                names |= {
                    f"{id_} {name}"
                    for name, m in metrics.items()
                    if m.tolerance is not None and name not in other.get(id_, {})
                }
    return sorted(names)
