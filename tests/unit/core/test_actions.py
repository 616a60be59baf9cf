"""Presets: order, skip, labels, refusals."""

from __future__ import annotations

import pytest

from envs.core.actions import PRESETS, SKIP, preset
from envs.core.errors import FixSettings
from envs.core.types import ExitStrategy


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(FixSettings, match=r"unknown preset 'x'.*classic, overview, full"):
        preset("x")


def test_only_full_has_skip_and_it_is_first() -> None:
    assert [PRESETS[n].skip_index for n in ("classic", "overview", "full")] == [None, None, 0]
    assert preset("full").actions[0] == SKIP
    assert SKIP not in preset("full").without_skip()
    assert len(preset("full").without_skip()) == 75
    assert preset("full").label(0) == "skip"


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_indices_are_found_again(name: str) -> None:
    grid = preset(name)
    assert len(set(grid.actions)) == grid.n
    for i, a in enumerate(grid.actions):
        assert grid.index_of(a.size, a.leverage, a.exit) == i
    with pytest.raises(FixSettings, match=f"preset {name} has no action"):
        grid.index_of(9.0, 1, ExitStrategy.BALANCED)
