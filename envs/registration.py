"""Registered ids: importing this module registers them (``gymnasium.register_envs`` likewise).

gymnasium dropped the discovery of installed packages in its version 1.0, so one import is needed:
``import envs`` after gymnasium, ``import envs.registration`` at any time, or the module named in
the id: ``gymnasium.make("envs.registration:QuantumTrader/Sizing-v0")``.
"""

from __future__ import annotations

from typing import Any

IDS = {
    "QuantumTrader/Trading-v0": "envs.registration:make_trading",
    "QuantumTrader/Sizing-v0": "envs.registration:make_sizing",
    "QuantumTrader/SizingTabular-v0": "envs.registration:make_sizing_tabular",
    "QuantumTrader/Weights-v0": "envs.registration:make_weights",
}


def register() -> None:
    """Register every id once."""
    import gymnasium as gym

    for id_, entry in IDS.items():
        if id_ not in gym.registry:
            gym.register(id=id_, entry_point=entry)


def make_trading(**kwargs: Any) -> Any:
    """Direction and size of every closed bar of every flat symbol."""
    from envs.trading import TradingEnv

    return TradingEnv(**kwargs)


def make_sizing(**kwargs: Any) -> Any:
    """Size of the executable candidates of the signal tape."""
    from envs.trading import TradingEnv
    from envs.views import SizingView

    return SizingView(TradingEnv(candidates="signals", **kwargs))


def make_sizing_tabular(**kwargs: Any) -> Any:
    """The same with the 300 table states as observation."""
    from envs.views import TabularView

    return TabularView(make_sizing(**kwargs))


def make_weights(**kwargs: Any) -> Any:
    """Weights of the four models."""
    from envs.weights_env import WeightsEnv

    return WeightsEnv(**kwargs)


register()
