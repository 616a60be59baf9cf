"""A record that is made quickly differs in nothing but time."""

from __future__ import annotations

import copy
import inspect
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from envs.core.equality import ContentEqual
from envs.core.quick import quick
from envs.core.trade import ResolvedDecision
from envs.core.view import DecisionView


@dataclass(frozen=True)
class Slow:
    a: int
    b: tuple[int, ...] = (1, 2)
    c: str = ""


@quick
@dataclass(frozen=True)
class Quick:
    a: int
    b: tuple[int, ...] = (1, 2)
    c: str = ""


@quick
@dataclass(frozen=True, eq=False)
class Held(ContentEqual):
    x: Any
    y: int = 0
    z: list[int] = field(default_factory=list)


@pytest.mark.parametrize(
    ("args", "named"),
    [((1,), {}), ((1, (3,)), {"c": "x"}), ((), {"c": "x", "a": 2}), ((1, (), "y"), {})],
)
def test_same_arguments_same_content(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    slow, made = Slow(*args, **named), Quick(*args, **named)
    assert type(made) is Quick
    assert vars(made) == vars(slow)
    assert list(vars(made)) == list(vars(slow))
    assert repr(made) == repr(slow).replace("Slow", "Quick")
    assert hash(made) == hash(slow)
    assert made == Quick(*args, **named)
    assert made != Quick(99)


@pytest.mark.parametrize(("args", "named"), [((), {}), ((1, 2, 3, 4), {}), ((1,), {"z": 1})])
def test_wrong_arguments_are_refused(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Quick"):
        Quick(*args, **named)


def test_nothing_can_be_set_afterwards() -> None:
    made = Quick(1)
    with pytest.raises(FrozenInstanceError):
        made.a = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del made.a
    assert (replace(made, a=5), made) == (Quick(5), Quick(1))


def test_copies_are_whole_and_their_own() -> None:
    made = Held(np.array([1.0, np.nan]), 3, [7])
    for again in (copy.copy(made), copy.deepcopy(made)):
        assert again == made
        assert type(again) is Held
        with pytest.raises(FrozenInstanceError):
            again.y = 2  # type: ignore[misc]
    assert copy.copy(made).z is made.z
    assert copy.deepcopy(made).z is not made.z
    assert Held(1).z is not Held(1).z


def test_arrays_are_compared_by_content() -> None:
    assert Held(np.array([1.0, np.nan])) == Held(np.array([1.0, np.nan]))
    assert Held(np.array([1.0])) != Held(np.array([1.0]), 1)


def test_signatures_stay() -> None:
    named = [
        [(p.name, p.default, p.kind) for p in inspect.signature(cls).parameters.values()]
        for cls in (Quick, Slow)
    ]
    assert named[0] == named[1]
    for cls in (DecisionView, ResolvedDecision):
        assert list(inspect.signature(cls).parameters) == list(cls.__dataclass_fields__)


def test_what_it_cannot_do_is_refused() -> None:
    @dataclass(frozen=True)
    class WithMore:
        a: int

        def __post_init__(self) -> None: ...

    @dataclass(frozen=True, slots=True)
    class WithSlots:
        a: int

    @dataclass(frozen=True)
    class WithHidden:
        a: int = field(init=False, default=3)

    class Plain:
        pass

    for cls in (WithMore, WithSlots, WithHidden, Plain):
        with pytest.raises(TypeError, match=cls.__name__):
            quick(cls)
