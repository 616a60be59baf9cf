"""Everything the journal holds comes back bit for bit, through the text."""

from __future__ import annotations

import asyncio
import copy
import json
import struct
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Union, get_args, get_origin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.core.errors import DamagedArtifact
from envs.core.events import GateEvent, LedgerEntry
from envs.core.position import PendingEntry, Position
from envs.core.rules.booking import Book, Tier
from envs.core.rules.exits import Levels
from envs.core.rules.lifecycle import Guard
from envs.core.rules.limits import Ess, Ladder
from envs.core.rules.walk import Order
from envs.core.trade import (
    Alternatives,
    ClosedTrade,
    Decision,
    NextState,
    ResolvedDecision,
    ResolvedLabel,
    SizingContext,
    Skipped,
)
from envs.core.view import DecisionView
from envs.core.world import World
from runtime import port_values
from runtime.journal.bodies import decision_of, resolved_of
from runtime.journal.codec import decode, dumps, encode, loads
from runtime.journal.memory_journal import MemoryJournal
from runtime.journal.shapes import alternatives, field_hints, is_structure
from runtime.kernel_ports import Quote
from runtime.port_events import Filled, WalletChanged
from runtime.port_market import Bar, Mark
from runtime.trading.records import decision_record, resolved_record
from tests.property.strategies import Case, cases, play

RECORDS = (
    Alternatives, Bar, Book, ClosedTrade, Decision, DecisionView, Ess, Filled, GateEvent, Guard,
    Ladder, LedgerEntry, Levels, Mark, NextState, Order, PendingEntry, Position, Quote,
    ResolvedDecision, ResolvedLabel, SizingContext, Skipped, Tier, WalletChanged,
    port_values.AccountModes, port_values.AccountView, port_values.Answer, port_values.Balance,
    port_values.Fill, port_values.IncomeRow, port_values.Intent, port_values.NewOrder,
    port_values.NewTrigger, port_values.OrderView, port_values.Position, port_values.Replaced,
    port_values.TriggerView,
)  # fmt: skip
FLOATS = st.floats() | st.sampled_from([-0.0, 5e-324, 2.0**-1022, 0.1 + 0.2])
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers() | st.integers(-(2**63) - 2, 2**64 + 2),
    float: FLOATS,
    bool: st.booleans(),
    str: st.text() | st.sampled_from(["nan", '{"$float":"nan"}', "\0"]),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
}


def arrays(hint: Any) -> st.SearchStrategy[Any]:
    """Arrays of the hint's type of any bytes and of 0 to 3 axes."""
    dtype = np.dtype(get_args(get_args(hint)[1])[0])

    @st.composite
    def drawn(draw: st.DrawFn) -> Any:
        shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
        n = int(np.prod(shape)) * dtype.itemsize
        data = draw(st.binary(min_size=n, max_size=n))
        if dtype.kind == "b":
            data = bytes(b & 1 for b in data)
        made = np.frombuffer(data, dtype).reshape(shape)
        return made.T if draw(st.booleans()) else made

    return drawn()


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a hint."""
    origin, args = get_origin(hint), get_args(hint)
    members, optional = alternatives(hint)
    if optional or len(members) > 1 or origin in (Union, types.UnionType):
        drawn = [values(m) for m in members] + ([st.none()] if optional else [])
        return st.one_of(drawn)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is np.ndarray:
        return arrays(hint)
    base = origin or hint
    if is_structure(base):
        return st.deferred(lambda: st.builds(base, **{n: values(h) for n, h in field_hints(base)}))
    if issubclass(base, Enum):
        return st.sampled_from(list(base))
    if base is tuple and args[-1] is not Ellipsis:
        return st.tuples(*(values(a) for a in args))
    if issubclass(base, Mapping):
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    made = st.lists(values(args[0]), max_size=3)
    return made if base is list else made.map(tuple)


def same(a: Any, b: Any) -> bool:
    """Whether two values have the same types and the same bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (a != a and b != b)
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
@given(data=st.data())
@settings(max_examples=40)
def test_a_record_comes_back_bit_for_bit(cls: type, data: st.DataObject) -> None:
    value = data.draw(values(cls))
    text = dumps(value)
    assert same(decode(cls, json.loads(text)), value)
    assert same(decode(cls, loads(text)), value)
    assert dumps(decode(cls, loads(text))) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text().filter(lambda k: not k.startswith("$")), inner, max_size=3)
    ),
)


@given(st.dictionaries(st.sampled_from("abc"), JSON))
def test_a_state_of_plain_values_comes_back_bit_for_bit(state: dict[str, Any]) -> None:
    assert same(loads(dumps(state)), state)
    json.loads(dumps(state), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
@given(data=st.data())
@settings(max_examples=5)
def test_missing_and_unknown_fields_are_refused_by_name(cls: type, data: st.DataObject) -> None:
    value = data.draw(values(cls))
    told = encode(value)
    name = data.draw(st.sampled_from(sorted(told)))
    without = {k: v for k, v in told.items() if k != name}
    with pytest.raises(DamagedArtifact, match=f"{cls.__name__}.*without '{name}'"):
        decode(cls, without)
    with pytest.raises(DamagedArtifact, match=f"{cls.__name__}.*unknown 'added'"):
        decode(cls, told | {"added": 1})


@given(cases())
@settings(max_examples=15)
def test_what_an_episode_makes_comes_back_through_the_journal(case: Case) -> None:
    journal = MemoryJournal()
    made: list[tuple[Any, Any]] = []

    def keep(value: Any) -> None:
        made.append((decode(type(value), loads(dumps(value))), copy.deepcopy(value)))

    def watch(world: World) -> None:
        account, gate = world.account, world.gate
        for value in (*account.positions.values(), *account.pending.values(), gate.ess):
            keep(value)
        keep(gate.ladder)

    episode = play(case, watch=watch)
    for view, decision in episode.sent:
        journal.add(decision_record(view, decision))
    for resolved in episode.resolved:
        unit = ResolvedDecision(resolved.decision, resolved.outcome, 0.0)
        journal.add(resolved_record(resolved.row, unit))
    asyncio.run(journal.commit())
    for back, value in made:
        assert same(plainly(back), plainly(value))
    found = {e.key: decision_of(e.body) for e in journal.read({"decision"})}
    assert len(found) == len(episode.sent)
    for view, decision in episode.sent:
        assert same(plainly(found[view.decision_id]), plainly((view, decision)))
    units = [resolved_of(e.body, lambda name: found[name]) for e in journal.read({"resolved"})]
    for unit, resolved in zip(units, episode.resolved, strict=True):
        assert unit.decision is found[resolved.decision.decision_id][1]
        assert same(plainly(unit.outcome), plainly(resolved.outcome))


def plainly(value: Any) -> Any:
    """The same with plain numbers: NumPy's scalars come back as Python's, with the same bits."""
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plainly(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [plainly(v) for v in value]
    return value
