"""How often the claims came true: buckets of the claimed probability of a net profit (12.13)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.errors import RefusedArtifact
from envs.core.types import Float64Array

EDGES = (0.5, 0.6, 0.7, 0.8, 0.9)
_N = len(EDGES) + 1


@dataclass(frozen=True)
class Bucket:
    """Claims in ``[low, high)``: their number, mean claim and realised share of net profits."""

    low: float
    high: float
    n: int
    stated: float
    realised: float


class Claims:
    """Counts of six buckets, and the mean squared error of all claims (Brier).

    Exact counts that do not fade: a calibration of a day's trades would say nothing.
    """

    def __init__(self) -> None:
        self._sums: Float64Array = np.zeros((_N, 3))
        self._squares = 0.0

    def add(self, claim: float, won: bool) -> None:
        """Count one claim in [0, 1]; NaN, a trade without votes, is not counted."""
        if claim != claim:
            return
        y = 1.0 if won else 0.0
        k = sum(claim >= edge for edge in EDGES)
        self._sums[k] += (1.0, claim, y)
        self._squares += (claim - y) * (claim - y)

    @property
    def n(self) -> int:
        """Number of claims."""
        return int(self._sums[:, 0].sum())

    def brier(self) -> float | None:
        """Mean squared error; None before the first claim."""
        return self._squares / self.n if self.n else None

    def buckets(self) -> tuple[Bucket, ...]:
        """Return the buckets that hold claims, in order."""
        edges = (0.0, *EDGES, 1.0)
        return tuple(
            Bucket(edges[k], edges[k + 1], int(n), stated / n, realised / n)
            for k, (n, stated, realised) in enumerate(self._sums.tolist())
            if n > 0
        )

    def array(self) -> Float64Array:
        """Return the sums as (6, 4); the last column holds the squared error in its first row."""
        out = np.zeros((_N, 4))
        out[:, :3], out[0, 3] = self._sums, self._squares
        return out

    @classmethod
    def from_array(cls, array: Float64Array) -> Claims:
        """Rebuild from ``array()``.

        Raises:
            RefusedArtifact: Another shape, or numbers that are not finite.
        """
        if array.shape != (_N, 4) or not np.isfinite(array).all():
            raise RefusedArtifact(f"claims: expected finite ({_N}, 4), found {array.shape}")
        out = cls()
        out._sums, out._squares = np.asarray(array[:, :3], dtype=np.float64), float(array[0, 3])
        return out
