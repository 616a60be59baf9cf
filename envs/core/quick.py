"""Frozen records that are made by the thousand."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass, make_dataclass
from typing import Any, TypeVar

Made = TypeVar("Made")


def quick(cls: type[Made]) -> type[Made]:
    """Let records of a frozen dataclass be made in about a third of the time.

    Above ``@dataclass(frozen=True)``. A frozen class sets each of its fields past its own guard,
    which is slow: here a twin without guard is filled and then becomes the record. Arguments,
    equality, copies and frozenness stay the same; not to be derived from.

    Raises:
        TypeError: Not a dataclass, or one with slots, ``__post_init__`` or fields without
            argument.
    """
    found = fields(cls) if is_dataclass(cls) else ()
    strange = hasattr(cls, "__post_init__") or hasattr(cls, "__slots__")
    if not found or strange or not all(f.init for f in found):
        raise TypeError(f"{cls.__qualname__}: a plain frozen dataclass is wanted")
    twin: Any = make_dataclass(
        cls.__name__,
        [
            (
                f.name,
                f.type,
                field(default=f.default, default_factory=f.default_factory, kw_only=f.kw_only),
            )
            for f in found
        ],
        eq=False,
        repr=False,
    )

    def make(of: type[Made], /, *args: Any, **named: Any) -> Made:
        made: Made = twin(*args, **named)
        made.__class__ = of
        return made

    make.__signature__ = inspect.signature(twin.__init__)  # type: ignore[attr-defined]
    cls.__new__ = make  # type: ignore[assignment,method-assign]
    cls.__reduce__ = _reduced  # type: ignore[method-assign]
    del cls.__init__
    return cls


def _reduced(self: object) -> tuple[Any, ...]:
    return _again, (type(self), vars(self))


def _again(cls: type[Made], values: Mapping[str, Any]) -> Made:
    """A copy: what ``__new__`` wants is not known to who copies."""
    made = object.__new__(cls)
    vars(made).update(values)
    return made
