"""Gym-Trading-Env: short, flat or long of one symbol, 22 features and its 2 own."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks.peers.stepping import NUMBERS, main

DISTRIBUTION = "gym-trading-env"
OWN_FEATURES = 2


def make(bars: dict[str, Any]) -> Any:
    """Its environment with fees and interest on the first symbol; no printing."""
    import pandas as pd

    environments = importlib.import_module("gym_trading_env.environments")
    index = pd.to_datetime(bars["time_ns"])
    names = ("open", "high", "low", "close", "volume")
    columns = {n: bars[n][:, 0] for n in names}
    change = np.diff(np.log(columns["close"]), prepend=np.log(columns["close"][0]))
    for lag in range(NUMBERS - OWN_FEATURES):
        columns[f"feature_{lag}"] = np.concatenate([np.zeros(lag), change[: len(change) - lag]])
    return environments.TradingEnv(
        pd.DataFrame(columns, index=index), positions=[-1, 0, 1], trading_fees=0.0005,
        borrow_interest_rate=0.0003 / 24, verbose=0,
    )  # fmt: skip


if __name__ == "__main__":
    main(DISTRIBUTION, make)
