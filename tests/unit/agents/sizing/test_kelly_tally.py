from __future__ import annotations

import pytest

from agents.settings import KellySettings
from agents.sizing.kelly_tally import NEGATIVE_EDGE, KellyTally
from envs.core.errors import FixInput, RefusedArtifact


def tally(real: list[float], **options: object) -> KellyTally:
    out = KellyTally(KellySettings(**options))  # type: ignore[arg-type]
    for k, net_r in enumerate(real):
        out.record_real((f"real:{k}", 0), net_r)
    return out


def record(n: int, wins: int) -> list[float]:
    return [2.0] * wins + [-1.0] * (n - wins)


def test_19_trades_leave_the_risk_alone() -> None:
    allowed = tally(record(19, 2)).allowance(0.02)
    assert (allowed.risk_frac, allowed.kelly, allowed.reason) == (0.02, None, "")


def test_a_good_record_stays_at_the_planned_risk() -> None:
    allowed = tally(record(20, 12)).allowance(0.02)
    assert allowed.risk_frac == 0.02
    assert allowed.kelly == pytest.approx(0.10)


def test_a_second_way_back_counts_its_own_paper_trades() -> None:
    lost = tally([-1.0] * 5, min_trades=5)
    for k in range(20):
        lost.record_paper((f"paper:{k}", 1), 1.0)
    assert lost.on_trial
    for k in range(10):
        lost.record_real((f"trial:{k}", 0), -1.0)
    assert lost.on_paper
    # The wins that led back the first time say nothing of what follows.
    for k in range(20, 39):
        lost.record_paper((f"paper:{k}", 1), 1.0)
        assert lost.on_paper
    lost.record_paper(("paper:39", 1), 1.0)
    assert lost.on_trial


@pytest.mark.parametrize("net_r", [float("nan"), float("-inf"), 2e6])
def test_a_result_that_is_no_result_is_refused(net_r: float) -> None:
    lost = tally([-1.0] * 5, min_trades=5)
    before = lost.state_dict()
    for record_one in (lost.record_real, lost.record_paper):
        with pytest.raises(FixInput, match=r"net R is .*: not finite or beyond 1e"):
            record_one(("x", 0), net_r)
    assert str(lost.state_dict()) == str(before)


def test_a_small_kelly_binds() -> None:
    allowed = tally(record(20, 12), fraction=0.05).allowance(0.02)
    assert allowed.risk_frac == allowed.kelly == pytest.approx(0.01)


def test_a_negative_edge_stops_entries_and_starts_paper() -> None:
    lost = tally(record(20, 6))
    assert lost.allowance(0.02).risk_frac == 0.0
    assert lost.allowance(0.02).reason == NEGATIVE_EDGE
    assert lost.on_paper
    assert not tally(record(20, 12)).on_paper


@pytest.mark.parametrize("min_trades", [20, 30])
def test_the_way_back(min_trades: int) -> None:
    lost = tally(record(30, 6), min_trades=min_trades)
    for k, net_r in enumerate(record(20, 12)):
        assert lost.on_paper
        lost.record_paper((f"paper:{k}", 0), net_r)
    assert lost.on_trial
    assert lost.allowance(0.02).risk_frac == 0.005
    for k in range(10):
        assert lost.on_trial
        lost.record_real((f"trial:{k}", 0), 1.0)
    # The window restarts from the ten trades of the trial: too few for Kelly to act.
    assert not lost.on_trial
    assert lost.allowance(0.02).kelly is None
    assert lost.state_dict()[1]["real"].tolist() == [1.0] * 10


def test_a_bad_paper_record_keeps_entries_closed_until_its_last_20_are_good() -> None:
    lost = tally(record(20, 6))
    for k, net_r in enumerate([*record(20, 4), *[2.0] * 6]):
        lost.record_paper((f"paper:{k}", 0), net_r)
    assert lost.on_paper
    # 7 wins of the last 20 at 2 to 1: f turns from -.025 to +.0125.
    lost.record_paper(("more", 0), 2.0)
    assert lost.on_trial


def test_paper_counts_only_while_entries_are_closed() -> None:
    fine = tally(record(20, 12))
    for k in range(40):
        fine.record_paper((f"paper:{k}", 0), 2.0)
    assert fine.state_dict()[1]["paper"].size == 0
    assert not fine.on_trial


def test_each_trade_counts_once_across_a_restart() -> None:
    lost = tally(record(20, 6))
    for k, net_r in enumerate(record(19, 12)):
        lost.record_paper((f"paper:{k}", 0), net_r)
    loaded = KellyTally(KellySettings())
    loaded.load_state_dict(lost.state_dict())
    for one in (lost, loaded):
        one.record_paper(("paper:3", 0), 2.0)
        assert one.on_paper
        one.record_paper(("paper:19", 0), 2.0)
        assert one.on_trial
        one.record_real(("real:3", 0), 2.0)
        one.record_real(("trial:0", 0), 2.0)
    again = KellyTally(KellySettings())
    again.load_state_dict(loaded.state_dict())
    assert again.on_trial
    assert again.state_dict()[1]["trial"].tolist() == [2.0]
    assert again.allowance(0.003).risk_frac == 0.003


def test_another_state_is_refused() -> None:
    with pytest.raises(RefusedArtifact, match="kelly-tally, found 'q-table'"):
        KellyTally(KellySettings()).load_state_dict(({"schema": "q-table"}, {}))


def test_only_the_last_100_trades_count() -> None:
    allowed = tally([*record(100, 20), *record(100, 60)]).allowance(1.0)
    assert allowed.kelly == pytest.approx(0.333333 / 2, rel=2e-6)
