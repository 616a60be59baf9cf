"""Values as JSON values, by the hints of their fields: compiled once per class."""

from __future__ import annotations

import types
from binascii import b2a_base64
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from functools import cache
from operator import index
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
import orjson

from runtime.journal.pieces import Piece, Pieces
from runtime.journal.shapes import (
    I64_MIN,
    PRIMITIVES,
    U64_MAX,
    alternatives,
    field_hints,
    is_structure,
    tags,
)

Writer = Callable[[Any], Any]
SPECIAL = "$"
"""First letter of the key of a value that JSON has no word for, where no hint helps."""


def write_float(value: Any) -> Any:
    """A finite number as it is; the others as texts."""
    if type(value) is not float:
        if not isinstance(value, (float, int, np.floating, np.integer)):
            raise TypeError(f"not a number: {value!r}")
        value = float(value)
    # NaN and the infinities are the only numbers whose difference with themselves is no zero.
    return value if value - value == 0.0 else str(value)


def write_int(value: Any) -> Any:
    """A whole number; as text where 64 bits do not hold it."""
    if type(value) is not int:
        value = int(index(value))
    return value if I64_MIN <= value <= U64_MAX else str(value)


def write_array(array: Any) -> Any:
    """Type, shape and bytes."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise TypeError(f"not an array of numbers: {array!r}")
    data = b2a_base64(array.tobytes(), newline=False).decode("ascii")
    return [array.dtype.str, list(array.shape), data]


def write_any(value: Any) -> Any:
    """A value without a hint, by its own class.

    Raises:
        TypeError: Nothing knows how to write it.
    """
    cls: Any = type(value)
    writer = _plain(cls)
    return value if writer is None else writer(value)


@cache
def writer_of(hint: Any) -> Writer | None:
    """Writer of a hint; None where the value is written as it is.

    Raises:
        TypeError: Nothing knows how to write it.
    """
    origin = get_origin(hint)
    if hint in _BY_HINT:
        return _BY_HINT[hint]
    if origin is Literal:
        return None
    if origin in (Union, types.UnionType) or hasattr(hint, "__constraints__"):
        return _union(hint)
    if hint is np.ndarray or origin is np.ndarray:
        return write_array
    base = hint if origin is None else origin
    if is_structure(base):
        return structure_writer(base)
    if isinstance(base, type) and issubclass(base, Enum):
        return lambda value: value.value
    return _collection(base, get_args(hint), hint)


@cache
def structure_writer(cls: type, left_out: frozenset[str] = frozenset()) -> Writer:
    """Writer of a structure's fields by name, without some of them."""
    parts: list[tuple[str, Writer | None]] = []

    def write(value: Any) -> Any:
        if not parts:
            # Compiled at first use: a class may speak of itself.
            hints = [(name, hint) for name, hint in field_hints(cls) if name not in left_out]
            parts.extend((name, writer_of(hint)) for name, hint in hints)
        return {
            name: getattr(value, name) if writer is None else writer(getattr(value, name))
            for name, writer in parts
        }

    return write


def _union(hint: Any) -> Writer | None:
    members, optional = alternatives(hint)
    if all(member in PRIMITIVES for member in members) and len(members) > 1:
        return write_any
    if len(members) == 1:
        writer = writer_of(members[0])
        if writer is None or not optional:
            return writer
        return lambda value: None if value is None else writer(value)
    named = {cls: (name, writer_of(cls)) for cls, name in tags(members).items()}

    def write(value: Any) -> Any:
        if value is None and optional:
            return None
        if type(value) not in named:
            raise TypeError(f"{value!r} is none of {[m.__name__ for m in named]}")
        name, chosen = named[type(value)]
        return [name, value if chosen is None else chosen(value)]

    return write


def _collection(base: Any, args: tuple[Any, ...], hint: Any) -> Writer:
    if not isinstance(base, type):
        raise TypeError(f"{hint}: nothing knows how to write it")
    if base is tuple and args and args[-1] is not Ellipsis:
        return _fixed_tuple([writer_of(a) for a in args])
    item = writer_of(args[0]) if args else write_any
    if issubclass(base, Mapping):
        return _mapping(args[0] if args else str, writer_of(args[1]) if args else write_any)
    if issubclass(base, AbstractSet):
        return (lambda value: sorted(value)) if item is None else (
            lambda value: sorted([item(v) for v in value])
        )  # fmt: skip
    if issubclass(base, Sequence) or base is deque:
        return list if item is None else (lambda value: [item(v) for v in value])
    raise TypeError(f"{hint}: nothing knows how to write it")


def _fixed_tuple(writers: list[Writer | None]) -> Writer:
    def write(value: Any) -> Any:
        return [
            v if writer is None else writer(v) for v, writer in zip(value, writers, strict=True)
        ]

    return write


def _mapping(key_hint: Any, writer: Writer | None) -> Writer:
    if isinstance(key_hint, type) and issubclass(key_hint, Enum):
        return lambda value: {
            str(k.value): v if writer is None else writer(v) for k, v in value.items()
        }
    if key_hint not in (str, int):
        raise TypeError(f"keys of {key_hint} cannot be written")
    return lambda value: {str(k): v if writer is None else writer(v) for k, v in value.items()}


@cache
def _plain(cls: type) -> Writer | None:
    """Writer of a class where no hint says more."""
    if cls in _PLAIN:
        return _PLAIN[cls]
    if is_structure(cls):
        return structure_writer(cls)
    for bases, writer in _PLAIN_BASES:
        if issubclass(cls, bases):
            return writer
    raise TypeError(f"{cls.__module__}.{cls.__qualname__}: nothing knows how to write it")


def _any_float(value: float) -> Any:
    return value if value - value == 0.0 else {SPECIAL + "float": str(value)}


def _any_int(value: int) -> Any:
    return value if I64_MIN <= value <= U64_MAX else {SPECIAL + "int": str(value)}


def _any_mapping(value: Mapping[Any, Any]) -> Any:
    out = {}
    for key, item in value.items():
        if type(key) is not str or key.startswith(SPECIAL):
            raise TypeError(f"key {key!r}: texts that do not begin with {SPECIAL!r} are wanted")
        out[key] = write_any(item)
    return out


def _piece(value: Piece | Pieces) -> Any:
    """Text of a part that does not change, written the first time it is asked for."""
    if value.text is None:
        plain = _any_mapping(value) if isinstance(value, Piece) else _any_list(value)
        value.text = orjson.Fragment(orjson.dumps(plain))
    return value.text


def _any_list(value: Sequence[Any]) -> Any:
    return [write_any(v) for v in value]


_BY_HINT: dict[Any, Writer | None] = {
    Any: write_any,
    object: write_any,
    bool: lambda value: value if value is True or value is False else _flag(value),
    int: write_int,
    float: write_float,
    str: None,
    Decimal: str,
    bytes: lambda value: b2a_base64(value, newline=False).decode("ascii"),
    type(None): None,
}
_PLAIN: dict[type, Writer | None] = {
    type(None): None,
    bool: None,
    str: None,
    float: _any_float,
    int: _any_int,
    Decimal: str,
}
_PLAIN_BASES: tuple[tuple[Any, Writer], ...] = (
    ((Piece, Pieces), _piece),
    (Enum, lambda value: value.value),
    (np.ndarray, write_array),
    (np.bool_, bool),
    (np.integer, int),
    (np.floating, lambda value: _any_float(float(value))),
    (str, str),
    (Mapping, _any_mapping),
    ((list, tuple, deque), _any_list),
)


def _flag(value: Any) -> bool:
    if not isinstance(value, np.bool_):
        raise TypeError(f"not true or false: {value!r}")
    return bool(value)
