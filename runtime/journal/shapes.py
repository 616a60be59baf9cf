"""What the codec knows of a type: its named fields and the plain values behind its hints."""

from __future__ import annotations

import types
from collections.abc import Collection
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

PRIMITIVES = (bool, int, float, str)
I64_MIN, U64_MAX = -(2**63), 2**64 - 1
"""Whole numbers outside are written as texts: JSON readers cannot hold them."""

NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def is_named_tuple(cls: object) -> bool:
    """Whether ``cls`` is a NamedTuple class."""
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")


def is_structure(cls: object) -> bool:
    """Whether values of ``cls`` are written field by field."""
    return isinstance(cls, type) and (is_dataclass(cls) or is_named_tuple(cls))


@cache
def field_hints(cls: type) -> tuple[tuple[str, Any], ...]:
    """Name and resolved hint of every field, in their order.

    Raises:
        TypeError: A hint cannot be resolved at run time.
    """
    names = [f.name for f in fields(cls)] if is_dataclass(cls) else list(cls._fields)  # type: ignore[attr-defined]
    try:
        hints = get_type_hints(cls)
    except NameError as error:
        raise TypeError(f"{cls.__qualname__}: a hint cannot be resolved ({error})") from error
    return tuple((name, hints[name]) for name in names)


def alternatives(hint: Any) -> tuple[tuple[Any, ...], bool]:
    """Members of a union without None, and whether None is one of them.

    A type variable stands for its constraints; anything else is a union of one.
    """
    if isinstance(hint, TypeVar):
        hint = Union[hint.__constraints__] if hint.__constraints__ else Any  # noqa: UP007
    if get_origin(hint) not in (Union, types.UnionType):
        return (hint,), False
    members = get_args(hint)
    return tuple(m for m in members if m is not type(None)), type(None) in members


def tags(members: Collection[Any]) -> dict[type, str]:
    """Class and tag of every member of a union of several structures.

    Raises:
        TypeError: Values could not be told apart.
    """
    found = {m: m.__name__ for m in members if is_structure(m)}
    if len(found) != len(members) or len(set(found.values())) != len(found):
        raise TypeError(f"a union of {[str(m) for m in members]} cannot be written")
    return found
