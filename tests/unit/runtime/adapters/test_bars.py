from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.adapters.bars import BarTape, UnreadableBar, bar_of
from runtime.port_market import Bar

SPAN = 60_000


def bar(i: int, close: float = 1.5) -> Bar:
    return Bar("A", i * SPAN, (i + 1) * SPAN, 1.0, 2.0, 1.0, close, 3.0)


def times(bars: tuple[Bar, ...]) -> list[int]:
    return [b.open_ms // SPAN for b in bars]


def test_a_bar_is_closed_when_the_next_has_begun() -> None:
    tape = BarTape("A", SPAN)
    assert tape.take([bar(1)]) == ()
    assert times(tape.take([bar(1), bar(2)])) == [1]
    assert tape.take([bar(1), bar(2)]) == ()
    assert tape.since_ms == SPAN


def test_a_socket_may_say_that_a_bar_has_begun() -> None:
    tape = BarTape("A", SPAN)
    tape.begin([bar(1)])
    assert not tape.begins(2 * SPAN)
    assert tape.begins(3 * SPAN)
    assert times(tape.take([bar(1), bar(2)])) == [2]


def test_bars_left_out_are_missing_until_they_come() -> None:
    tape = BarTape("A", SPAN)
    tape.begin([bar(1)])
    assert times(tape.take([bar(1), bar(4), bar(5)])) == [4]
    assert tape.missing == (2 * SPAN, 3 * SPAN)
    assert tape.since_ms == 2 * SPAN
    assert times(tape.take([bar(3), bar(4), bar(5)])) == [3]
    assert tape.missing == (2 * SPAN,)
    assert times(tape.take([bar(2), bar(4), bar(5)])) == [2]
    assert tape.missing == ()
    assert tape.last == bar(4)


def test_a_bar_changed_after_its_close_is_noticed_and_not_told_again() -> None:
    tape = BarTape("A", SPAN)
    tape.begin([bar(1)])
    assert tape.take([bar(1, close=1.9), bar(2)]) == ()
    assert tape.revised == (SPAN,)
    assert times(tape.take([bar(1, close=1.9), bar(2), bar(3)])) == [2]


@given(st.lists(st.sets(st.integers(0, 40), max_size=15), max_size=15))
def test_every_bar_is_told_at_most_once(answers: list[set[int]]) -> None:
    tape = BarTape("A", SPAN)
    told: list[int] = []
    for answer in answers:
        told += times(tape.take([bar(i) for i in sorted(answer)]))
    assert len(told) == len(set(told))
    assert not {t * SPAN for t in told} & set(tape.missing)
    if told:
        missing = {t // SPAN for t in tape.missing}
        assert set(told) | missing == set(range(min(told), max(told) + 1))


@pytest.mark.parametrize(
    "row",
    [
        [], "text", [1, 2, 3], [0, "x", "2", "1", "1.5", "3"], [0, "1", "2", "1", "1.5", None],
        [0, "1", "0.5", "1", "1.5", "3"], [0, "1", "2", "1.2", "1.5", "3"],
        [0, "1", "inf", "1", "1.5", "3"], [0, "nan", "2", "1", "1.5", "3"],
        [0, "1", "2", "1", "1.5", "-3"], [7, "1", "2", "1", "1.5", "3"],
        [0, "0", "0", "0", "0", "0"],
    ],
)  # fmt: skip
def test_rows_that_are_no_bars_are_refused(row: object) -> None:
    with pytest.raises(UnreadableBar, match="A"):
        bar_of(row, "A", SPAN)  # type: ignore[arg-type]


def test_a_row_of_twelve_columns_is_read() -> None:
    row = [SPAN, "1.0", "2.0", "1.0", "1.5", "3.0", 2 * SPAN - 1, "0", 1, "0", "0", "0"]
    assert bar_of(row, "A", SPAN) == bar(1)
