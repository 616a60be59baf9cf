from __future__ import annotations

from typing import Any

import pytest

from benchmarks.runtime_close import WARM, quantiles, report


def close(
    arrived: float, received: float, sent: float, news: float | None = None
) -> dict[str, Any]:
    wall = {"arrived": arrived, "received": received, "sent": sent, "done": sent + 0.1}
    if news is not None:
        wall["news"] = news
    cpu = {name: at / 2 for name, at in wall.items()}
    return {"wall": wall, "cpu": cpu, "candidates": 40, "entries": 10}


def run(closes: list[dict[str, Any]]) -> dict[str, Any]:
    return report({
        "closes": closes, "looks": [[0, 1.0], [10, 0.002], [10, 0.004]],
        "memory_mib": {"peak": 1.0}, "exchange_peak_mib": 2.0, "opened_s": 3.0, "alarms": [],
    })  # fmt: skip


def test_stages_count_from_the_first_word_and_from_the_last_bar_and_warm_ones_do_not() -> None:
    slow = [close(0.0, 5.0, 9.0)] * WARM
    found = run(slow + [close(10.0, 10.01, 10.0 + 0.1 * k, news=9.95) for k in (1, 2, 3)])
    assert found["closes"] == 3
    sent = found["from_last_bar_ms"]["sent"]
    assert (sent["p50"], sent["max"]) == (pytest.approx(200.0), pytest.approx(300.0))
    assert "arrived" not in found["from_last_bar_ms"]
    word, cpu = found["from_first_word_ms"], found["from_first_word_cpu_ms"]
    assert word["sent"]["p50"] == pytest.approx(250.0)
    assert word["arrived"]["p50"] == pytest.approx(50.0)
    assert cpu["sent"]["p50"] == pytest.approx(125.0)
    assert "protected" not in word


def test_a_close_whose_first_word_was_missed_counts_from_its_last_bar_only() -> None:
    found = run([close(0.0, 0.1, 0.2)] * (WARM + 1))
    assert found["from_first_word_ms"] == {}
    assert found["from_last_bar_ms"]["sent"]["p50"] == pytest.approx(200.0)


def test_a_close_that_was_begun_without_its_last_bar_is_left_out_and_told() -> None:
    whole = [close(1.0, 1.1, 1.2)] * (WARM + 1)
    found = run([*whole, close(5.0, 3.0, 3.1)])
    assert (found["closes"], found["bars_late"]) == (1, 1)


def test_looks_are_those_at_most_positions() -> None:
    look = run([close(1.0, 1.1, 1.2)] * (WARM + 1))["look_ms"]
    assert (look["positions"], look["looks"], look["max"]) == (10, 2, pytest.approx(4.0))


def test_quantiles_are_milliseconds() -> None:
    assert quantiles([0.001, 0.003]) == {
        "p50": pytest.approx(2.0), "p99": pytest.approx(2.98), "max": pytest.approx(3.0)
    }  # fmt: skip
