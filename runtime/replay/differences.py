"""What differs between two records, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Difference:
    """One field that is not what was journalled: where it is, and both sides."""

    field: str
    journalled: str
    recomputed: str


def differences(journalled: Any, recomputed: Any, name: str = "") -> Iterator[Difference]:
    """Every field of two values that is not the same to the last bit; NaN equals NaN."""
    if type(journalled) is not type(recomputed):
        yield Difference(name, repr(journalled), repr(recomputed))
    elif isinstance(journalled, np.ndarray):
        yield from _of_arrays(journalled, recomputed, name)
    elif is_dataclass(journalled):
        for f in fields(journalled):
            below = f"{name}.{f.name}" if name else f.name
            yield from differences(getattr(journalled, f.name), getattr(recomputed, f.name), below)
    elif isinstance(journalled, tuple | list):
        yield from _of_items(journalled, recomputed, name)
    elif isinstance(journalled, Mapping):
        for key in sorted({*journalled, *recomputed}):
            a, b = journalled.get(key), recomputed.get(key)
            yield from differences(a, b, f"{name}.{key}")
    elif not _same(journalled, recomputed):
        yield Difference(name, repr(journalled), repr(recomputed))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float):
        # By their bits: 0.0 and -0.0 differ, NaN equals NaN.
        return a.hex() == float(b).hex()
    return bool(a == b)


def _of_items(a: Any, b: Any, name: str) -> Iterator[Difference]:
    if len(a) != len(b):
        yield Difference(name, f"{len(a)} items", f"{len(b)} items")
        return
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        yield from differences(x, y, f"{name}[{k}]")


def _of_arrays(a: Any, b: Any, name: str) -> Iterator[Difference]:
    if a.dtype != b.dtype or a.shape != b.shape:
        yield Difference(name, f"{a.dtype}{a.shape}", f"{b.dtype}{b.shape}")
        return
    if a.tobytes() == b.tobytes():
        return
    for k, (x, y) in enumerate(zip(a.reshape(-1).tolist(), b.reshape(-1).tolist(), strict=True)):
        if not _same(x, y):
            yield Difference(f"{name}[{k}]", repr(x), repr(y))
