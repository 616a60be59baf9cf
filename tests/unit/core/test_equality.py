"""Records with arrays are equal by content; NaN equals NaN, a type is part of the content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from envs.core.equality import ContentEqual


@dataclass(frozen=True, eq=False)
class Record(ContentEqual):
    a: Any
    b: Any


def test_content() -> None:
    nan = float("nan")
    assert Record(np.array([1.0, nan]), nan) == Record(np.array([1.0, nan]), nan)
    assert Record(np.array([1.0]), 1) != Record(np.array([2.0]), 1)
    assert Record(np.array([1.0]), 1) != Record(np.array([1]), 1)
    assert Record(np.array([1.0]), 1) != Record(1.0, 1)
    assert Record(1, 1) != Record(1, 2)
    assert Record(1, 1) != (1, 1)


def test_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Record(1, 1))
