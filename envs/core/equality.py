"""Equality by content for frozen records that hold arrays."""

from __future__ import annotations

from dataclasses import fields

import numpy as np


class ContentEqual:
    """Dataclass mixin: equal when every field is, arrays element by element (NaN equals NaN)."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        for f in fields(self):  # type: ignore[arg-type]
            a, b = getattr(self, f.name), getattr(other, f.name)
            if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
                if not _same_array(a, b):
                    return False
            elif a != b and not (a != a and b != b):
                return False
        return True

    __hash__ = None  # type: ignore[assignment]


def _same_array(a: object, b: object) -> bool:
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return False
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
