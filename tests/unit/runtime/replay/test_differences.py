"""Differences are named field by field, to the last bit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from runtime.replay.differences import Difference, differences
from runtime.replay.report import Check, Report


@dataclass
class Inner:
    weights: tuple[float, ...]
    mask: np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass
class Outer:
    name: str
    inner: Inner
    more: dict[str, object]


def outer(weight: float = 0.5, allowed: bool = True, more: object = None) -> Outer:
    return Outer("a", Inner((0.1, weight), np.array([True, allowed])), {"x": more})


def test_equal_is_equal() -> None:
    assert list(differences(outer(math.nan), outer(math.nan))) == []


def test_every_field_is_named() -> None:
    found = list(differences(outer(), outer(0.25, False, 3)))
    assert found == [
        Difference("inner.weights[1]", "0.5", "0.25"),
        Difference("inner.mask[1]", "True", "False"),
        Difference("more.x", "None", "3"),
    ]


def test_bits_count() -> None:
    assert list(differences(0.0, -0.0, "x")) == [Difference("x", "0.0", "-0.0")]
    assert list(differences(1.0, math.nextafter(1.0, 2.0), "x"))
    assert list(differences(np.array([1.0]), np.array([1.0], dtype=np.float32), "x"))
    assert list(differences(np.array([0.0]), np.array([-0.0]), "x"))
    assert list(differences((1, 2), (1,), "x")) == [Difference("x", "2 items", "1 items")]
    assert list(differences(1, 1.0, "x"))


def test_the_first_difference_is_kept() -> None:
    check = Check("c")
    assert check.judge("a", ())
    assert not check.judge("b", [Difference("f", "1", "2")])
    assert not check.judge("c", [Difference("g", "1", "2")])
    assert (check.checked, check.equal, check.where) == (3, 1, "b")
    assert check.first == (Difference("f", "1", "2"),)
    report = Report()
    assert report.passed
    report.decisions = check
    assert not report.passed
