"""What counts on the way back, and what was begun too early to count."""

from __future__ import annotations

import pytest

from agents.outcomes import TradeOutcome
from agents.probation import Probation, ProbationRules, Standing
from envs.core.errors import RefusedArtifact

RULES = ProbationRules(wins=3, length_ns=1_000)
SINCE = 100


def outcome(entry: int, net_r: float = 1.0) -> TradeOutcome:
    return TradeOutcome("t", "X", entry, entry + 10, net_r)


def test_a_paper_trade_begun_before_probation_is_none_of_its_own() -> None:
    on = Probation().start(SINCE)
    for _ in range(3):
        on = on.after_paper(outcome(SINCE - 1), RULES)
    assert on == Probation().start(SINCE)
    for _ in range(3):
        on = on.after_paper(outcome(SINCE), RULES)
    assert on.standing is Standing.RE_ENTRY
    assert on.since_ns == SINCE + 10


def test_a_real_trade_opened_before_re_entry_does_not_count_towards_its_end() -> None:
    on = Probation(Standing.RE_ENTRY, SINCE, left=5)
    for _ in range(5):
        on = on.after_real(outcome(SINCE - 1))
    assert on.left == 5
    for left in (4, 3, 2, 1):
        on = on.after_real(outcome(SINCE))
        assert on.left == left
    assert on.after_real(outcome(SINCE)) == Probation(Standing.ACTIVE, SINCE + 10)


def test_time_alone_leads_back_and_says_when() -> None:
    on = Probation().start(SINCE)
    assert Probation().ends_ns(RULES) is None
    assert on.ends_ns(RULES) == SINCE + 1_000
    assert on.at(SINCE + 999, RULES) is on
    small = on.at(SINCE + 1_000, RULES)
    assert (small.standing, small.factor) == (Standing.RE_ENTRY, 0.25)
    assert small.at(SINCE + 1_999, RULES) is small
    # Whether asked in between or not, it ends at the same time.
    for asked in (small, on):
        assert asked.at(SINCE + 2_000, RULES) == Probation(Standing.ACTIVE, SINCE + 2_000)


def test_values_come_back_and_others_are_refused() -> None:
    on = Probation().start(SINCE).after_paper(outcome(SINCE, -0.5), RULES)
    assert Probation.from_values(on.values()) == on
    for bad in ([], ["LOST", 0, [], 0, 0], ["ACTIVE", None, [], 0, 0]):
        with pytest.raises(RefusedArtifact, match="standing of a symbol"):
            Probation.from_values(bad)
