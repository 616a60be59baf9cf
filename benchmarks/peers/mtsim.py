"""gym-mtsim: orders in several symbols of a simulated terminal, windows of 3 closes and opens."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

from benchmarks.peers.stepping import NUMBERS, main

DISTRIBUTION = "gym-mtsim"
BARS = 300
"""Its set-up looks every bar up in a table, which takes longer than stepping it."""


@cache
def modules() -> tuple[Any, Any, Any]:
    """Its environments, simulator and terminal, without its package's own start.

    That start unpickles market data in a format of old pandas, which present ones refuse.
    """
    spec = importlib.util.find_spec("gym_mtsim")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("gym_mtsim")
    bare = ModuleType("gym_mtsim")
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules["gym_mtsim"] = bare
    envs, simulator, terminal = (
        importlib.import_module(f"gym_mtsim.{name}") for name in ("envs", "simulator", "metatrader")
    )
    return envs, simulator, terminal


def make(bars: dict[str, Any]) -> Any:
    """Its environment with hedging and a proportional fee on every symbol given."""
    import pandas as pd

    envs, simulators, terminal = modules()
    index = pd.to_datetime(bars["time_ns"][:BARS], utc=True)
    simulator = simulators.MtSimulator(unit="USD", balance=10_000.0, leverage=10.0, hedge=True)
    symbols = [f"S{k}USD" for k in range(bars["close"].shape[1])]
    for k, name in enumerate(symbols):
        info = SimpleNamespace(
            name=name, path=f"Crypto\\{name}", currency_margin="USD", currency_profit="USD",
            trade_contract_size=1.0, volume_min=0.01, volume_max=1.0, volume_step=0.01,
        )  # fmt: skip
        simulator.symbols_info[name] = terminal.SymbolInfo(info)
        columns = ("Open", "High", "Low", "Close", "Volume")
        simulator.symbols_data[name] = pd.DataFrame(
            {c: bars[c.lower()][:BARS, k] for c in columns}, index=index
        )
    window = NUMBERS // (2 * len(symbols))
    env = envs.MtEnv(simulator, symbols, window, fee=0.0005, symbol_max_orders=1)
    return without_infos(env)


def without_infos(env: Any) -> Any:
    """The environment without its infos: Gymnasium's vector environments cannot stack them."""
    import gymnasium

    class Quiet(gymnasium.Wrapper[Any, Any, Any, Any]):
        def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
            return self.env.reset(**kwargs)[0], {}

        def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
            return (*self.env.step(action)[:4], {})

    return Quiet(env)


if __name__ == "__main__":
    main(DISTRIBUTION, make)
