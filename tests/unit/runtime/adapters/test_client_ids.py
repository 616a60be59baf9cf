from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.core.errors import FixInput
from runtime.adapters.client_ids import MOST_CHARACTERS, client_id, is_ours, purpose_of
from runtime.port_values import Purpose

TAKEN = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}\Z")


@given(st.text(min_size=1), st.sampled_from(Purpose), st.integers(0, 99_999))
def test_ids_fit_the_venue_and_tell_their_purpose(
    decision: str, purpose: Purpose, attempt: int
) -> None:
    name = client_id(decision, purpose, attempt)
    assert TAKEN.match(name)
    assert len(name) <= MOST_CHARACTERS
    assert name == client_id(decision, purpose, attempt)
    assert is_ours(name)
    assert purpose_of(name) is purpose


def test_decision_purpose_attempt_and_account_all_count() -> None:
    names = {
        client_id(d, p, n, account=a)
        for d in ("a", "b") for p in Purpose for n in (0, 1, 10) for a in ("", "x")
    }  # fmt: skip
    assert len(names) == 2 * len(Purpose) * 3 * 2


def test_others_are_not_ours() -> None:
    for name in ("", "web_abc", "autoclose-17", "x-cvBPrNm9aa", "qt-e-xyz-0"):
        assert not is_ours(name)
        assert purpose_of(name) is None


def test_a_decision_and_a_sane_attempt_are_needed() -> None:
    with pytest.raises(FixInput, match="decision"):
        client_id("", Purpose.ENTRY)
    with pytest.raises(FixInput, match="attempt"):
        client_id("d", Purpose.ENTRY, 100_000)
