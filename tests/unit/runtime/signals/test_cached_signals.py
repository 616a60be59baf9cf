"""Signals built from a bundle: the spans it may be run on, and training's tape on them."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from envs.core.errors import FixData
from envs.core.tape import SignalTape
from runtime.bundle import Bundle, load_bundle
from runtime.settings import Settings, load_settings
from runtime.signals.cached import cached_signals
from runtime.signals.market import instant_of
from tests.parity.runtime_bundle import make_bundle
from training.bundle_evaluation import signals_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Settings]:
    bundle = load_bundle(make_bundle(tmp_path_factory.mktemp("signals") / "bundle"))
    return bundle, load_settings(base_toml=bundle.settings_toml)


def test_without_dates_the_held_out_span_is_run(made: tuple[Bundle, Settings]) -> None:
    bundle, settings = made
    signals = cached_signals(bundle, settings)
    close_ns = signals.data.market.close_ns
    assert close_ns[signals.row + 1] == instant_of(bundle, "test_start")
    assert close_ns[signals.last_row] == instant_of(bundle, "test_end")
    assert signals.manager is not bundle.manager
    want = signals_of(bundle, settings, None)[2].signals
    for f in fields(SignalTape):
        value = getattr(want, f.name)
        if isinstance(value, np.ndarray):
            assert getattr(signals.tape, f.name).tobytes() == value.tobytes(), f.name


def test_a_start_of_ones_own_lasts_to_the_last_bar(made: tuple[Bundle, Settings]) -> None:
    bundle, settings = made
    start = instant_of(bundle, "test_start") + 24 * 3_600 * 10**9
    signals = cached_signals(bundle, settings, start_ns=start, learning=False)
    assert signals.data.market.close_ns[signals.row + 1] == start
    assert signals.last_row == signals.data.market.n_bars - 1


def test_the_training_span_and_empty_periods_are_refused(made: tuple[Bundle, Settings]) -> None:
    bundle, settings = made
    with pytest.raises(FixData, match="inside the bundle's training span"):
        cached_signals(bundle, settings, start_ns=instant_of(bundle, "train_end"))
    end = instant_of(bundle, "test_end")
    with pytest.raises(FixData, match="no bar to trade"):
        cached_signals(bundle, settings, start_ns=end, end_ns=end)
    with pytest.raises(FixData, match="ends"):
        cached_signals(bundle, settings, end_ns=end + 10**18)
