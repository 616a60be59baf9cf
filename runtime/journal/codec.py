"""Frozen records as JSON values and back, bit for bit.

Dataclasses and NamedTuples are objects with every field by name; a field of several classes is
``[class name, value]``; tuples, lists and sets are lists; enums their values; decimals texts;
arrays ``[dtype, shape, base64 of the bytes]``. Numbers keep every bit: floats are written with the
digits that bring them back, NaN, the infinities and whole numbers beyond 64 bits as texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast

import orjson

from envs.core.errors import DamagedArtifact
from runtime.journal.reading import Mismatch, read_any, reader_of, structure_reader
from runtime.journal.writing import structure_writer, write_any

T = TypeVar("T")


def encode(value: Any) -> Any:
    """JSON value of a dataclass, NamedTuple, enum, tuple, mapping, array, Decimal or plain value.

    Fields are written by their hints: ``decode(type(value), encode(value)) == value``. Without a
    hint (inside a plain mapping) lists stand for tuples and an object for a record, which a reader
    decodes by the class it knows.

    Raises:
        TypeError: Nothing knows how to write it.
    """
    return write_any(value)


def encode_without(value: Any, names: frozenset[str]) -> dict[str, Any]:
    """JSON value of a structure without some of its fields."""
    cls: Any = type(value)
    written: dict[str, Any] = structure_writer(cls, names)(value)
    return written


def decode(cls: type[T], value: Any) -> T:
    """Value of type ``cls`` (a class, or a hint such as ``tuple[Leg, ...]``) from its JSON value.

    Raises:
        DamagedArtifact: A field is missing, unknown or of another type; the message names it.
    """
    hint: Any = cls
    with _named(cls):
        return cast(T, reader_of(hint)(value))


def decode_with(cls: type[T], value: Any, known: Mapping[str, Any]) -> T:
    """Structure of what ``encode_without`` left, and of the values of the fields it left out.

    Raises:
        DamagedArtifact: As ``decode``.
    """
    hint: Any = cls
    with _named(cls):
        return cast(T, _reader_without(hint, frozenset(known))(value, **known))


def dumps(value: Any) -> str:
    """JSON text of ``encode(value)``: without spaces, keys in the order of the fields."""
    return orjson.dumps(write_any(value)).decode()


def loads(text: str) -> Any:
    """Value of a text that ``dumps`` made of a plain mapping.

    Raises:
        DamagedArtifact: It is not JSON.
    """
    try:
        value = orjson.loads(text)
        return read_any(value) if '{"$' in text else value
    except (ValueError, KeyError) as error:
        raise DamagedArtifact(f"journal: not what was written ({error}): {text[:80]!r}") from error


_reader_without = cache(structure_reader)


@contextmanager
def _named(cls: Any) -> Iterator[None]:
    try:
        yield
    except Mismatch as error:
        name = getattr(cls, "__name__", str(cls))
        where = f"{name}.{error.where}" if error.where else name
        raise DamagedArtifact(
            f"journal: {where}: {error.problem}; it was not written by this version of the program"
        ) from error
