from __future__ import annotations

import numpy as np
import pytest

from ensemble.crossfit import prepare_data
from ensemble.window import last_bars
from envs.core.errors import FixInput
from envs.core.settings import CoreSettings
from envs.market.build import build_market
from envs.market.synthetic import SyntheticSettings, generate


def test_the_last_bars_are_cut_from_every_column() -> None:
    drawn = generate(SyntheticSettings(n_bars=1_700, seed=4))
    market, _ = build_market(drawn.series, drawn.instruments)
    data, _ = prepare_data(market, CoreSettings())
    cut = last_bars(data, 1_600, 50)
    assert cut.market.close_ns.tolist() == market.close_ns[1_551:1_601].tolist()
    assert cut.market.n_symbols == market.n_symbols
    assert cut.market.has_mark.tolist() == market.has_mark.tolist()
    assert cut.classes.shape == cut.cost.shape == cut.log_close.shape == cut.market.mark.shape[:2]
    assert np.array_equal(cut.market.features[-1], market.features[1_600], equal_nan=True)
    assert np.array_equal(cut.log_close, data.log_close[1_551:1_601], equal_nan=True)
    assert last_bars(data, 3, 50).market.n_bars == 4
    for row, n in ((-1, 50), (market.n_bars, 50), (3, 0)):
        with pytest.raises(FixInput, match=f"{n} bars up to row {row}"):
            last_bars(data, row, n)
