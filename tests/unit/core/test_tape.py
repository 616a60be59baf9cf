"""A tape names its origin, and its digest is its identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envs.core.errors import FixData
from tests.property.strategies import signals, small_market

TAPE = signals(small_market(1, 20, 2, 0.1, False), 3)


def test_in_sample_signals_are_refused() -> None:
    with pytest.raises(FixData, match=r"signal_origin must be one of .*'in_sample'"):
        replace(TAPE, origin="in_sample")


def test_digest_changes_with_one_value() -> None:
    ev = TAPE.ev.copy()
    assert replace(TAPE, ev=ev).digest() == TAPE.digest()
    ev[3, 1] += 1e-12
    assert replace(TAPE, ev=ev).digest() != TAPE.digest()
    assert replace(TAPE, algorithm="other").digest() != TAPE.digest()
