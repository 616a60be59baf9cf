"""gym-anytrading: long or short of one symbol, a window of 12 prices and differences."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.peers.stepping import NUMBERS, main

DISTRIBUTION = "gym-anytrading"


def make(bars: dict[str, Any]) -> Any:
    """Its stock environment with its default fees on the first symbol."""
    import pandas as pd

    envs = importlib.import_module("gym_anytrading.envs")
    names = ("Open", "High", "Low", "Close", "Volume")
    frame = pd.DataFrame({n: bars[n.lower()][:, 0] for n in names})
    window = NUMBERS // 2
    return envs.StocksEnv(df=frame, window_size=window, frame_bound=(window, len(frame)))


if __name__ == "__main__":
    main(DISTRIBUTION, make)
