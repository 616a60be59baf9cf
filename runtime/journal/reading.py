"""Values from JSON values, by the hints of their fields; what does not fit is named."""

from __future__ import annotations

import types
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from runtime.journal.shapes import (
    I64_MIN,
    NOT_FINITE,
    PRIMITIVES,
    U64_MAX,
    alternatives,
    field_hints,
    is_structure,
    tags,
)

Reader = Callable[[Any], Any]


class Mismatch(Exception):
    """A value does not fit its type; ``where`` is the path to it."""

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(problem, where)
        self.problem, self.where = problem, where

    def under(self, name: str) -> Mismatch:
        """The same, seen from one level further out."""
        return Mismatch(self.problem, f"{name}.{self.where}" if self.where else name)


@cache
def reader_of(hint: Any) -> Reader:
    """Reader of a hint; it raises ``Mismatch``.

    Raises:
        TypeError: Nothing knows how to read it.
    """
    origin = get_origin(hint)
    if hint in _BY_HINT:
        return _BY_HINT[hint]
    if origin is Literal:
        return _one_of(get_args(hint))
    if origin in (Union, types.UnionType) or hasattr(hint, "__constraints__"):
        return _union(hint)
    if hint is np.ndarray or origin is np.ndarray:
        return read_array
    base = hint if origin is None else origin
    if is_structure(base):
        return structure_reader(base)
    if isinstance(base, type) and issubclass(base, Enum):
        return _enum(base)
    return _collection(base, get_args(hint), hint)


def read_array(value: Any) -> Any:
    """Array of type, shape and bytes."""
    try:
        kind, shape, data = value
        dtype = np.dtype(kind)
        if dtype.kind not in "biuf":
            raise Mismatch(f"an array of {kind}")
        return np.frombuffer(b64decode(data, validate=True), dtype).reshape(shape).copy()
    except (TypeError, ValueError) as error:
        raise Mismatch(f"not an array ({error})") from error


def structure_reader(cls: type, known: frozenset[str] = frozenset()) -> Callable[..., Any]:
    """Reader of a structure's fields by name; ``known`` are given to it instead of read."""
    parts: dict[str, Reader] = {}

    def read(value: Any, **given: Any) -> Any:
        if not parts:
            # Compiled at first use: a class may speak of itself.
            hints = [(name, hint) for name, hint in field_hints(cls) if name not in known]
            parts.update((name, reader_of(hint)) for name, hint in hints)
        if not isinstance(value, dict):
            raise Mismatch(f"{cls.__name__} is an object, not {_shown(value)}")
        if value.keys() != parts.keys():
            raise Mismatch(_differing(cls, value, parts))
        name = ""
        try:
            for name, reader in parts.items():
                given[name] = reader(value[name])
        except Mismatch as error:
            raise error.under(name) from None
        return cls(**given)

    return read


def _differing(cls: type, value: Mapping[str, Any], parts: Mapping[str, Reader]) -> str:
    missing = [name for name in parts if name not in value]
    unknown = [name for name in value if name not in parts]
    said = [f"without {name!r}" for name in missing] + [f"unknown {name!r}" for name in unknown]
    return f"{cls.__name__}: {', '.join(said)}"


def _union(hint: Any) -> Reader:
    members, optional = alternatives(hint)
    if all(member in PRIMITIVES for member in members) and len(members) > 1:
        return read_any
    if len(members) == 1:
        reader = reader_of(members[0])
        return (lambda value: None if value is None else reader(value)) if optional else reader
    readers = {name: reader_of(cls) for cls, name in tags(members).items()}

    def read(value: Any) -> Any:
        if value is None and optional:
            return None
        if type(value) is not list or len(value) != 2 or value[0] not in readers:
            raise Mismatch(f"one of {sorted(readers)} with its name, not {_shown(value)}")
        return readers[value[0]](value[1])

    return read


def _collection(base: Any, args: tuple[Any, ...], hint: Any) -> Reader:
    if not isinstance(base, type):
        raise TypeError(f"{hint}: nothing knows how to read it")
    if base is tuple and args and args[-1] is not Ellipsis:
        return _fixed_tuple([reader_of(a) for a in args])
    if issubclass(base, Mapping):
        return _mapping(args[0] if args else str, reader_of(args[1]) if args else read_any)
    made = _MADE_BY.get(base)
    if made is None:
        known = issubclass(base, (AbstractSet, Sequence))
        made = (frozenset if issubclass(base, AbstractSet) else tuple) if known else None
    if made is None:
        raise TypeError(f"{hint}: nothing knows how to read it")
    return _items(made, reader_of(args[0]) if args else read_any)


def _items(made: Callable[[Any], Any], reader: Reader) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not list:
            raise Mismatch(f"a list, not {_shown(value)}")
        found: list[Any] = []
        try:
            for item in value:
                found.append(reader(item))  # noqa: PERF401
        except Mismatch as error:
            raise error.under(f"[{len(found)}]") from None
        return made(found)

    return read


def _fixed_tuple(readers: list[Reader]) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not list or len(value) != len(readers):
            raise Mismatch(f"a list of {len(readers)}, not {_shown(value)}")
        return tuple(reader(v) for v, reader in zip(value, readers, strict=True))

    return read


def _mapping(key_hint: Any, reader: Reader) -> Reader:
    by_text: dict[str, Any] | None = None
    if isinstance(key_hint, type) and issubclass(key_hint, Enum):
        by_text = {str(member.value): member for member in key_hint}

    def key_of(text: str) -> Any:
        try:
            return key_hint(text) if by_text is None else by_text[text]
        except (KeyError, ValueError) as error:
            raise Mismatch(f"key {text!r}") from error

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise Mismatch(f"an object, not {_shown(value)}")
        key = ""
        try:
            found = {}
            for key, item in value.items():
                found[key_of(key)] = reader(item)
        except Mismatch as error:
            raise error.under(key) from None
        return found

    return read


def _enum(cls: type[Enum]) -> Reader:
    def read(value: Any) -> Any:
        try:
            return cls(value)
        except ValueError as error:
            raise Mismatch(f"{_shown(value)} is no {cls.__name__}") from error

    return read


def _one_of(allowed: tuple[Any, ...]) -> Reader:
    def read(value: Any) -> Any:
        if value not in allowed:
            raise Mismatch(f"one of {list(allowed)}, not {_shown(value)}")
        return value

    return read


def _float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is str and value in NOT_FINITE:
        return NOT_FINITE[value]
    raise Mismatch(f"a number, not {_shown(value)}")


def _int(value: Any) -> int:
    if type(value) is int:
        return value
    try:
        if type(value) is str and not I64_MIN <= int(value) <= U64_MAX:
            return int(value)
    except ValueError:
        pass
    raise Mismatch(f"a whole number, not {_shown(value)}")


def _exactly(cls: type, word: str) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not cls:
            raise Mismatch(f"{word}, not {_shown(value)}")
        return value

    return read


def _decimal(value: Any) -> Decimal:
    try:
        return Decimal(value) if type(value) is str else _exactly(str, "a decimal")(value)
    except InvalidOperation as error:
        raise Mismatch(f"a decimal, not {_shown(value)}") from error


def _bytes(value: Any) -> bytes:
    try:
        return b64decode(value, validate=True)
    except (TypeError, ValueError) as error:
        raise Mismatch("not base64") from error


def read_any(value: Any) -> Any:
    """A value without a hint; numbers JSON has no word for come back as they were."""
    if type(value) is dict:
        if len(value) == 1:
            if "$float" in value:
                return NOT_FINITE[value["$float"]]
            if "$int" in value:
                return int(value["$int"])
        return {key: read_any(item) for key, item in value.items()}
    if type(value) is list:
        return [read_any(item) for item in value]
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_MADE_BY: dict[type, Callable[[Any], Any]] = {
    tuple: tuple, list: list, deque: deque, set: set, frozenset: frozenset,
}  # fmt: skip
_BY_HINT: dict[Any, Reader] = {
    Any: read_any,
    object: read_any,
    bool: _exactly(bool, "true or false"),
    int: _int,
    float: _float,
    str: _exactly(str, "a text"),
    Decimal: _decimal,
    bytes: _bytes,
    type(None): _exactly(type(None), "null"),
}
