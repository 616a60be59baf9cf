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
    assert times(tape.take([bar(1), bar(2)], tape.forming_ms)) == [2]


def test_an_answer_under_way_when_a_bar_closes_shows_it_as_it_stood_before() -> None:
    tape = BarTape("A", SPAN)
    tape.begin([bar(1)])
    asked = tape.forming_ms
    assert tape.begins(3 * SPAN)
    assert tape.take([bar(1), bar(2, close=1.1)], asked) == ()
    assert tape.take([bar(1), bar(2)], tape.forming_ms) == (bar(2),)
    assert tape.revised == ()


def test_an_answer_under_way_when_a_socket_tells_the_final_bar_revises_nothing() -> None:
    tape = BarTape("A", SPAN)
    tape.begin([bar(1)])
    asked = tape.forming_ms
    assert tape.take_final(bar(2)) == (bar(2),)
    assert tape.take([bar(1), bar(2, close=1.1)], asked) == ()
    assert tape.revised == ()
    assert tape.last == bar(2)


def test_a_final_bar_is_told_once_and_only_after_the_one_before() -> None:
    tape = BarTape("A", SPAN)
    assert tape.take_final(bar(1)) is None
    tape.begin([bar(1)])
    assert tape.take_final(bar(1)) == ()
    assert tape.take_final(bar(3)) is None
    assert times(tape.take([bar(2), bar(3)], tape.forming_ms)) == [2, 3]
    assert tape.take_final(bar(3, close=1.9)) == ()
    assert tape.take([bar(3)], tape.forming_ms) == ()
    assert tape.take_final(bar(4)) == (bar(4),)
    assert tape.take([bar(4, close=1.9), bar(5)]) == ()
    assert tape.revised == (4 * SPAN,)


def test_while_a_bar_is_missing_the_venue_is_asked() -> None:
    tape = BarTape("A", SPAN)
    tape.begin([bar(1)])
    assert times(tape.take([bar(1), bar(3), bar(4)])) == [3]
    assert tape.take_final(bar(4)) is None
    assert times(tape.take([bar(2), bar(3), bar(4)], tape.forming_ms)) == [2, 4]
    assert tape.missing == ()


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


@given(st.lists(st.sampled_from(["closes", "begins", "final", "ask", "answer"]), max_size=60))
def test_whatever_comes_in_whatever_order_each_bar_is_told_once_as_it_ended(
    events: list[str],
) -> None:
    tape, forming = BarTape("A", SPAN), 2
    tape.begin([bar(1)])
    told: list[Bar] = []
    under_way: list[tuple[list[Bar], int]] = []
    for event in [*events, "closes", "ask", *["answer"] * (len(events) + 1)]:
        if event == "closes":
            forming += 1
        elif event == "begins":
            tape.begins(forming * SPAN)
        elif event == "final":
            told += tape.take_final(bar(forming - 1)) or ()
        elif event == "ask":
            ended = [bar(i) for i in range((tape.since_ms or 0) // SPAN, forming)]
            under_way.append(([*ended, bar(forming, close=1.01)], tape.forming_ms))
        elif under_way:
            told += tape.take(*under_way.pop(0))
    assert told == [bar(i) for i in range(2, forming)]
    assert tape.revised == ()


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
