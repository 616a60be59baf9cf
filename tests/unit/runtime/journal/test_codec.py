"""What is written how, and what is refused with which words."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest

from envs.core.errors import DamagedArtifact
from runtime.journal.codec import decode, decode_with, dumps, encode, encode_without, loads


class Colour(Enum):
    RED = "r"


class Level(IntEnum):
    LOW = 1


class Pair(NamedTuple):
    left: int
    right: float


@dataclass(frozen=True)
class Leaf:
    name: str


@dataclass(frozen=True)
class Other:
    name: str


@dataclass(frozen=True)
class Tree:
    pair: Pair
    colour: Colour
    leaves: tuple[Leaf, ...]
    one: Leaf | Other | None
    by_level: Mapping[Level, float]
    by_number: dict[int, Leaf]
    word: Literal["a", "b"]
    recent: deque[int]
    mixed: int | str | float
    sets: frozenset[str]
    raw: bytes
    anything: Any
    child: Tree | None = None


TREE = Tree(
    Pair(2**64, float("inf")), Colour.RED, (Leaf("x"),), Other("y"), {Level.LOW: -0.0},
    {-3: Leaf("z")}, "b", deque([1, 2]), float("-inf"), frozenset("ba"), b"\0\xff",
    {"a": [1, None]},
)  # fmt: skip


def test_the_words_of_the_journal() -> None:
    assert encode(TREE) == {
        "pair": {"left": "18446744073709551616", "right": "inf"},
        "colour": "r",
        "leaves": [{"name": "x"}],
        "one": ["Other", {"name": "y"}],
        "by_level": {"1": -0.0},
        "by_number": {"-3": {"name": "z"}},
        "word": "b",
        "recent": [1, 2],
        "mixed": {"$float": "-inf"},
        "sets": ["a", "b"],
        "raw": "AP8=",
        "anything": {"a": [1, None]},
        "child": None,
    }
    array = np.array([[1.5, np.nan]])
    assert encode(array) == ["<f8", [1, 2], "AAAAAAAA+D8AAAAAAAD4fw=="]
    assert dumps({"b": 1, "a": (True, None)}) == '{"b":1,"a":[true,null]}'


def test_a_tree_and_its_child_come_back() -> None:
    tree = Tree(**{**vars(TREE), "child": TREE})
    back = decode(Tree, loads(dumps(tree)))
    assert back == tree
    assert back.child == TREE
    assert str(back.by_level[Level.LOW]) == "-0.0"
    assert decode(tuple[Pair, ...], [{"left": 1, "right": 2.0}]) == (Pair(1, 2.0),)


def test_numbers_of_numpy_become_plain_ones() -> None:
    pair = Pair(np.int64(3), np.float64(0.1))  # type: ignore[arg-type]
    back = decode(Pair, encode(pair))
    assert back == pair
    assert [type(x) for x in back] == [int, float]
    assert encode({"a": np.bool_(True), "b": np.float32(0.5), "c": np.int8(3)}) == {
        "a": True, "b": 0.5, "c": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("pair", {"left": 1}, r"Tree\.pair: Pair: without 'right'"),
        ("pair", {"left": 1, "right": 1}, r"Tree\.pair\.right: a number, not 1"),
        ("pair", {"left": True, "right": 1.0}, r"Tree\.pair\.left: a whole number, not True"),
        ("pair", {"left": "7", "right": 1.0}, r"Tree\.pair\.left: a whole number, not '7'"),
        ("pair", [1, 2.0], r"Tree\.pair: Pair is an object, not \[1, 2\.0\]"),
        ("colour", "b", r"Tree\.colour: 'b' is no Colour"),
        ("leaves", [{"name": "x"}, {"name": 1}], r"Tree\.leaves\.\[1\]\.name: a text, not 1"),
        ("leaves", {}, r"Tree\.leaves: a list"),
        ("one", {"name": "y"}, r"Tree\.one: one of \['Leaf', 'Other'\] with its name"),
        ("one", ["Tree", {}], r"Tree\.one: one of"),
        ("by_level", {"7": 1.0}, r"Tree\.by_level\.7: key '7'"),
        ("by_number", {"x": {"name": "a"}}, r"Tree\.by_number\.x: key 'x'"),
        ("word", "c", r"Tree\.word: one of \['a', 'b'\]"),
        ("raw", "?", r"Tree\.raw: not base64"),
    ],
)
def test_what_does_not_fit_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(DamagedArtifact, match=message):
        decode(Tree, encode(TREE) | {path: value})


@pytest.mark.parametrize(
    "value",
    [None, [], ["<f8", [2], "AAAAAAAA+D8="], ["|O", [1], "AAAAAAAA+D8="], ["x", [1], "AA=="],
     ["<f8", [1], "!"], ["<f8", [1]]],
)  # fmt: skip
def test_what_is_no_array_is_refused(value: Any) -> None:
    with pytest.raises(DamagedArtifact, match="array"):
        decode(np.ndarray, value)


@pytest.mark.parametrize("text", ["", "{", '{"a":NaN}', '{"a":{"$float":"x"}}'])
def test_what_is_no_text_of_ours_is_refused(text: str) -> None:
    with pytest.raises(DamagedArtifact, match="not what was written"):
        loads(text)


def test_what_nothing_knows_to_write_is_refused() -> None:
    for value in (object(), {"a": {1: 2}}, {"$x": 1}, np.array([object()]), [1j]):
        with pytest.raises(TypeError):
            encode(value)
    with pytest.raises(TypeError, match="not a number"):
        encode(Pair(1, "x"))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        encode(Pair(1.5, 1.0))  # type: ignore[arg-type]


def test_fields_can_be_left_out_and_given_back() -> None:
    told = encode_without(TREE, frozenset({"pair", "one"}))
    assert set(told) == set(encode(TREE)) - {"pair", "one"}
    known = {"pair": TREE.pair, "one": TREE.one}
    assert decode_with(Tree, told, known) == TREE
    with pytest.raises(DamagedArtifact, match="unknown 'pair'"):
        decode_with(Tree, encode(TREE), known)
