"""Lines carried on bar by bar have the bits that TA-Lib gives over the whole window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envs.core.types import NS_PER_DAY, NS_PER_HOUR
from envs.market import recurrences, rolling, ta
from envs.market.feature_lines import Lines, lines_of
from envs.market.features import LAGS
from envs.market.indicators import Window
from envs.market.line_memory import BarRow, LineMemory, is_exact
from envs.market.regime import regime_lines

SHORTEST = LineMemory(1, NS_PER_HOUR).least_bars + 1
LONGEST = 1_536
STEPS = {"walk": 0.01, "calm": 1e-4, "wild": 1.0, "flat": 0.0}
KINDS = (*STEPS, "pauses", "jumps")
worlds = st.tuples(
    st.integers(0, 2**32 - 1),
    st.sampled_from(KINDS),
    st.sampled_from(("some", "often none", "none", "a pause")),
    st.sampled_from(("flat", "drawn", "by stamps", "rare shocks", "late")),
)
World = tuple[int, str, str, str]


def window_of(world: World, n: int, interval_ns: int = NS_PER_HOUR) -> Window:
    """Bars on a grid of ticks, at price levels from a millionth to a hundred thousand."""
    seed, kind, trade, funded = world
    rng = np.random.default_rng(seed)
    level = 10.0 ** rng.integers(-6, 6)
    tick = level * 10.0 ** rng.integers(-6, -1)
    step = STEPS.get(kind, 0.01)
    moves = rng.normal(0.0, step, n)
    if kind == "pauses":
        moves[rng.random(n) < 0.5] = 0.0
        for first in rng.integers(0, n, 3):
            moves[first : first + 250] = 0.0
    elif kind == "jumps":
        moves[rng.integers(0, n, 6)] = rng.choice([-1.0, 1.0], 6) * np.log(1_000.0)
    close = level * np.exp(np.clip(np.cumsum(moves), -12.0, 12.0))
    close = np.maximum(1.0, np.round(close / tick)) * tick
    first = np.concatenate([close[:1], close[:-1]])
    above, below = (np.abs(rng.normal(0.0, step, n)) * (rng.random(n) < 0.7) for _ in range(2))
    high = np.round(np.maximum(first, close) * np.exp(above) / tick) * tick
    low = np.maximum(1.0, np.round(np.minimum(first, close) * np.exp(-below) / tick)) * tick
    high, low = (
        np.maximum(high, np.maximum(first, close)),
        np.minimum(low, np.minimum(first, close)),
    )
    volume, funding = volume_of(rng, trade, n), funding_of(rng, funded, n)
    basis = rng.normal(0.0, 1e-4, n)
    return Window(first, high, low, close, volume, funding, basis, interval_ns * np.arange(n))


def volume_of(rng: np.random.Generator, trade: str, n: int) -> np.ndarray:
    volume = rng.exponential(10.0 ** rng.integers(-3, 7), n)
    if trade == "often none":
        volume[rng.random(n) < 0.3] = 0.0
    elif trade == "none":
        volume[:] = 0.0
    elif trade == "a pause":
        volume[n // 2 : n // 2 + 400] = 0.0
    return volume


def funding_of(rng: np.random.Generator, funded: str, n: int) -> np.ndarray:
    funding = np.full(n, 1e-4)
    if funded == "drawn":
        funding = rng.normal(1e-4, 1e-4, n)
    elif funded == "by stamps":
        funding = np.repeat(rng.normal(1e-4, 1e-4, n // 8 + 1), 8)[:n]
    elif funded == "rare shocks":
        funding[rng.integers(0, n, 3)] = 0.01
    elif funded == "late":
        funding[: n // 9] = np.nan
    return funding


def whole(w: Window, interval_ns: int) -> Lines:
    regime = regime_lines(w)
    return {**regime, **lines_of(w, regime["atr"], interval_ns)}


def row_of(windows: list[Window], places: list[int]) -> BarRow:
    o, high, low, close, volume, funding, basis = (
        np.array([getattr(w, name)[t] for w, t in zip(windows, places, strict=True)])
        for name in ("open", "high", "low", "close", "volume", "funding", "basis")
    )
    close_ns = int(windows[0].close_ns[places[0]])
    return BarRow(o, high, low, close, volume, funding, basis, close_ns)


def differences(
    windows: list[Window], begun: int, stop: int, absent: Iterator[np.ndarray]
) -> list[tuple[str, int, int]]:
    """Line, symbol and bar where what was carried on is not what TA-Lib says."""
    interval_ns = int(windows[0].close_ns[1])
    memory = LineMemory(len(windows), interval_ns)
    wanted = [whole(w, interval_ns) for w in windows]
    places = [begun] * len(windows)
    for s, w in enumerate(windows):
        assert memory.fill(s, w.take(np.arange(begun)))
    found = []
    while max(places) < stop:
        there = ~next(absent)
        memory.add(row_of(windows, places), there)
        for s in np.flatnonzero(there).tolist():
            places[s] += 1
        for s, lines in enumerate(wanted):
            rows = slice(places[s] - LAGS - 1, places[s])
            found += [
                (name, s, places[s])
                for name, values in lines.items()
                if name != "close_ns"
                and memory.lines[name][:, s].tobytes() != values[rows].tobytes()
            ]
    return found


def nobody(n: int) -> Iterator[np.ndarray]:
    while True:
        yield np.zeros(n, dtype=bool)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8)
@given(worlds, st.integers(SHORTEST, 1_024))
@example((0, "walk", "some", "late"), SHORTEST + 120)
def test_every_line_is_that_of_the_whole_window(kind: str, world: World, begun: int) -> None:
    world = (world[0], kind, *world[2:])
    if world[3] == "late":
        # The long mean of funding must be known before.
        begun = max(begun, LONGEST // 9 + SHORTEST)
    w = window_of(world, LONGEST)
    assert differences([w], begun, min(LONGEST, begun + 350), nobody(1)) == []


@pytest.mark.parametrize("interval_ns", [NS_PER_HOUR // 4, 4 * NS_PER_HOUR, NS_PER_DAY])
def test_other_timeframes_are_carried_on_too(interval_ns: int) -> None:
    w = window_of((0, "walk", "some", "drawn"), LONGEST, interval_ns)
    begun = LineMemory(1, interval_ns).least_bars + 1
    assert differences([w], begun, begun + 300, nobody(1)) == []


@settings(max_examples=10)
@given(st.lists(worlds, min_size=2, max_size=4), st.integers(0, 2**32 - 1))
def test_a_symbol_without_a_bar_stays_as_it_is(given_worlds: list[World], seed: int) -> None:
    rng = np.random.default_rng(seed)
    windows = [window_of((a, b, c, "by stamps"), LONGEST) for a, b, c, _ in given_worlds]

    def absent() -> Iterator[np.ndarray]:
        while True:
            yield rng.random(len(windows)) < 0.1

    assert differences(windows, SHORTEST, SHORTEST + 300, absent()) == []


def test_a_window_that_is_too_short_is_not_carried_on() -> None:
    w = window_of((0, "walk", "some", "drawn"), LONGEST)
    memory = LineMemory(2, NS_PER_HOUR)
    assert not memory.fill(1, w.take(np.arange(SHORTEST - 1)))
    assert all(np.isnan(x[:, 1]).all() for k, x in memory.lines.items() if k != "close_ns")
    late = window_of((0, "walk", "some", "late"), LONGEST)
    assert not memory.fill(1, late.take(np.arange(LONGEST // 9 + 719)))
    assert memory.fill(1, w.take(np.arange(SHORTEST)))


def test_the_installed_library_is_followed_to_the_bit() -> None:
    assert is_exact()


@pytest.mark.parametrize(
    ("place", "name", "other"),
    [
        (recurrences, "fused", lambda a, b, c: a * b + c),
        (rolling.Variances, "next", lambda self: {k: np.zeros(1) for k in self._pairs}),
        (ta, "RSI", lambda x, n: np.full_like(x, 50.0)),
    ],
)
def test_a_library_that_calculates_otherwise_is_noticed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: object, name: str,
    other: object,
) -> None:  # fmt: skip
    monkeypatch.setattr(place, name, other)
    assert not is_exact.__wrapped__()
    assert "TA-Lib rounds otherwise" in caplog.text
