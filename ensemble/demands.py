"""Demands on votes, datasets and saved files; one that is not met raises ``FailedCheck``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.protocol import Dataset, RawVotes
from envs.core.errors import FixInput, QuantumTraderError, RefusedArtifact
from envs.core.types import BoolArray

SAFE_FORMATS = (".json", ".txt", ".safetensors")
_STEP = 1e-6
_READ = ("features", "complete", "valid", "atr_frac", "close_ticks")


class FailedCheck(QuantumTraderError):
    """A forecaster broke a rule of the protocol: the message says which, and where."""


def _columns(data: Dataset) -> list[np.ndarray[Any, Any]]:
    own = [getattr(data, f.name) for f in fields(data) if f.name not in ("market", "horizon")]
    return own + [getattr(data.market, name) for name in _READ]


def copy_of(data: Dataset) -> list[np.ndarray[Any, Any]]:
    """Copy every array a forecaster reads."""
    return [x.copy() for x in _columns(data)]


def unchanged(before: list[np.ndarray[Any, Any]], data: Dataset) -> bool:
    """Whether a dataset still holds what ``copy_of`` copied, bit by bit."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(before, _columns(data), strict=True))


def require_probabilities(votes: RawVotes, n: int, name: str) -> None:
    """Demand N rounded probabilities of both sides, or NaN for both."""
    for p in (votes.up, votes.down):
        shaped = isinstance(p, np.ndarray) and p.shape == (n,) and p.dtype == np.float64
        require(shaped, name, f"gives {p!r:.60}, not a float64 array of shape ({n},)")
    known = np.isfinite(votes.up)
    both = np.array_equal(np.isnan(votes.up), np.isnan(votes.down)) and bool(
        (known | np.isnan(votes.up)).all()
    )
    require(both, name, "gives one side of a vote only, or an infinite one")
    up, down = votes.up[known], votes.down[known]
    for p in (up, down):
        inside = bool(((p >= 0.0) & (p <= 1.0) & ~np.signbit(p)).all())
        require(inside, name, "gives probabilities outside [0, 1]")
        require(bool((np.round(p, 6) == p).all()), name, "does not round its votes to 1e-6")
    fits = bool((up + down <= 1.0 + 2.0 * _STEP).all())
    require(fits, name, "gives both sides more than the whole probability")


def require_same(a: RawVotes, b: RawVotes, name: str, what: str) -> None:
    """Demand equal votes; ``what`` says what went wrong."""
    for x, y in ((a.up, b.up), (a.down, b.down)):
        require(bool(np.array_equal(x, y, equal_nan=True)), name, what)


def part(votes: RawVotes, of: slice | BoolArray) -> RawVotes:
    """Some of the votes."""
    return RawVotes(votes.up[of], votes.down[of])


def silent(votes: RawVotes) -> bool:
    """Whether all abstain."""
    both = np.concatenate([votes.up, votes.down])
    return bool(np.isnan(both).all())


def text_of(votes: RawVotes, i: int) -> str:
    """One vote as text."""
    return f"{votes.up[i]}/{votes.down[i]}"


@contextmanager
def refusal(name: str, what: str, *named: str) -> Iterator[None]:
    """Demand that the body is refused in words that contain ``named``."""
    try:
        yield
    except (RefusedArtifact, FixInput) as error:
        for word in named:
            require(word in str(error), name, f"refuses but does not say {word!r}: {error}")
    except Exception as error:
        raise FailedCheck(
            f"forecaster {name} {what}: raises {error!r}, not an error that says what to do"
        ) from error
    else:
        raise FailedCheck(f"forecaster {name} {what}")


def require(holds: bool, name: str, what: str) -> None:
    """Demand a condition of the forecaster ``name``."""
    if not holds:
        raise FailedCheck(f"forecaster {name} {what}")


def is_safe(path: Path) -> bool:
    """Whether a file is of a format that executes nothing, by its name and by its content."""
    raw = path.read_bytes()
    try:
        if path.suffix == ".json":
            json.loads(raw)
        elif path.suffix == ".txt":
            raw.decode("utf-8")
        elif path.suffix == ".safetensors":
            json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    except ValueError:
        return False
    return path.suffix in SAFE_FORMATS
