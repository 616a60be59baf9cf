"""The memory of a compiled market: what a glance promises, alignment, and what does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from envs.core.actions import preset
from envs.core.errors import FixInput
from envs.core.rules import columns
from envs.core.rules.booking import price_of
from envs.core.rules.walk import adverse_first, signed_vertex
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.kernel.layout import MarketMemory, lay_out
from envs.kernel.market import GLANCE, KNOWN, STAMPED, TRADED
from envs.kernel.pointer import CACHE_LINE, address_of, aligned_zeros
from envs.kernel.state import SLOT, account_dtype
from tests.parity.test_alone_equals_account import drawn_tape, shock_market

MARKET = shock_market(4, 0.06, True)
SETTINGS = CoreSettings()


def laid() -> MarketMemory:
    tape = drawn_tape(MARKET, 1)
    return lay_out(prepare(MARKET, SETTINGS), tape, None, SETTINGS, preset("full"), tape.candidate)


def test_records_fill_whole_cache_lines() -> None:
    assert GLANCE.itemsize == 2 * CACHE_LINE
    assert SLOT.itemsize == 3 * CACHE_LINE
    assert [SLOT.fields[name][1] for name in ("side", "stop0", "mark")] == [0, 64, 128]
    assert account_dtype(10).itemsize % 8 == 0
    for shape in ((1,), (7, 3), (1000, 4)):
        array = aligned_zeros(shape, SLOT)
        assert address_of(array) % CACHE_LINE == 0
        assert not array.view(np.uint8).any()


def test_a_glance_says_what_the_rules_say_of_the_bar() -> None:
    memory, data = laid(), prepare(MARKET, SETTINGS)
    for t in range(0, MARKET.n_bars, 7):
        for s in range(MARKET.n_symbols):
            g, row = memory.glances[s, t], data.rows[t, s]
            o, h, low, c = (row[k] for k in range(columns.OPEN, columns.CLOSE + 1))
            marks = [row[k] for k in range(columns.MARK_OPEN, columns.MARK_CLOSE + 1)]
            assert (g["open"], g["high"], g["low"], g["close"]) == (o, h, low, c)
            assert g["least"] <= min(low, *marks) < g["least"] + 1
            assert g["most"] - 1 < max(h, *marks) <= g["most"]
            assert bool(g["flags"] & TRADED) == bool(row[columns.VALID])
            assert bool(g["flags"] & STAMPED) == bool(row[columns.STAMP])
            assert g["flags"] & KNOWN
            for side in (1, -1):
                adverse = adverse_first(side, o, c, 0, False)
                for index in range(4):
                    mark = side * signed_vertex(index, side, adverse, *marks)
                    assert g[f"mark{index}"] == mark
                    assert g[f"price{index}"] == price_of(mark, data.contracts[s])


def test_unknown_marks_are_never_passed_at_a_glance() -> None:
    data = prepare(MARKET, SETTINGS)
    rows = data.rows.copy()
    rows[30, 0, columns.MARK_LOW] = np.nan
    tape = drawn_tape(MARKET, 1)
    memory = lay_out(replace(data, rows=rows), tape, None, SETTINGS, preset("full"), tape.candidate)
    assert not memory.glances[0, 30]["flags"] & KNOWN
    assert memory.glances[0, 29]["flags"] & KNOWN


def test_prices_of_too_many_ticks_are_refused() -> None:
    data = prepare(MARKET, SETTINGS)
    rows = data.rows.copy()
    rows[30, 0, columns.HIGH] = 2.0**27
    tape = drawn_tape(MARKET, 1)
    with pytest.raises(FixInput, match="134217728 ticks does not fit"):
        lay_out(replace(data, rows=rows), tape, None, SETTINGS, preset("full"), tape.candidate)


def test_arrays_that_are_not_contiguous_have_no_address() -> None:
    with pytest.raises(ValueError, match="not C-contiguous"):
        address_of(np.zeros((4, 4)).T[1:])
