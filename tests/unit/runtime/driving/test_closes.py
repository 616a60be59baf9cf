from __future__ import annotations

from runtime.driving.closes import Closes
from runtime.port_market import Bar


def bar(symbol: str, hour: int) -> Bar:
    ms = hour * 3_600_000
    return Bar(symbol, ms - 3_600_000, ms, 1.0, 2.0, 0.5, 1.5, 3.0)


def test_closes_wait_for_all_contracts_but_not_for_ever() -> None:
    closes = Closes(("A", "B"), grace_s=2.0)
    assert closes.take(0.0) is None
    assert closes.next_due_s() is None
    closes.add([bar("A", 1), bar("C", 1)], 10.0)
    assert closes.next_due_s() == 12.0
    assert closes.take(11.9) is None
    closes.add([bar("B", 1)], 11.9)
    assert closes.take(11.9) == (3_600_000, (bar("A", 1), bar("B", 1)))
    closes.add([bar("B", 2)], 20.0)
    assert closes.take(22.0) == (7_200_000, (bar("B", 2),))
    closes.add([bar("A", 2)], 22.1)
    assert closes.late == 1
    assert closes.take(99.0) is None


def test_a_complete_close_does_not_overtake_an_earlier_one() -> None:
    closes = Closes(("A", "B"), grace_s=60.0)
    closes.add([bar("A", 1)], 0.0)
    closes.add([bar("B", 2), bar("A", 2)], 0.1)
    closes.add([bar("A", 3)], 0.2)
    first, second = closes.take(0.3), closes.take(0.3)
    assert first is not None
    assert second is not None
    assert (first[0], len(first[1]), second[0], len(second[1])) == (3_600_000, 1, 7_200_000, 2)
    assert closes.take(0.3) is None
    assert closes.take(0.3, all_of_it=True) == (10_800_000, (bar("A", 3),))
