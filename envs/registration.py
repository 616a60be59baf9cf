"""Registered ids: importing this module registers them (``gymnasium.register_envs`` likewise).

gymnasium dropped the discovery of installed packages in its version 1.0, so one import is needed:
``import envs`` after gymnasium, ``import envs.registration`` at any time, or the module named in
the id: ``gymnasium.make("envs.registration:QuantumTrader/Sizing-v0")``.
"""

from __future__ import annotations

from typing import Any

IDS: dict[str, tuple[str, str | None]] = {
    "QuantumTrader/Trading-v0": ("make_trading", "make_trading_vector"),
    "QuantumTrader/Sizing-v0": ("make_sizing", "make_sizing_vector"),
    "QuantumTrader/SizingTabular-v0": ("make_sizing_tabular", "make_sizing_tabular_vector"),
    "QuantumTrader/Weights-v0": ("make_weights", None),
}
"""Entry points of each id: one environment, and many on the compiled kernel."""


def register() -> None:
    """Register every id once."""
    import gymnasium as gym

    for id_, (single, vector) in IDS.items():
        if id_ not in gym.registry:
            gym.register(
                id=id_,
                entry_point=f"{__name__}:{single}",
                vector_entry_point=None if vector is None else f"{__name__}:{vector}",
            )


def make_trading(**kwargs: Any) -> Any:
    """Direction and size of every closed bar of every flat symbol."""
    return _single("trading", kwargs)


def make_sizing(**kwargs: Any) -> Any:
    """Size of the executable candidates of the signal tape."""
    return _single("sizing", kwargs)


def make_sizing_tabular(**kwargs: Any) -> Any:
    """The same with the 300 table states as observation."""
    return _single("tabular", kwargs)


def _single(view: Any, kwargs: dict[str, Any]) -> Any:
    """One environment on the kernel; on the plain core where advisers (``chain``) are given."""
    if kwargs.get("chain") is None:
        from envs.compiled import CompiledEnv

        kwargs.pop("chain", None)
        return CompiledEnv(view, **kwargs)
    from envs.trading import TradingEnv
    from envs.views import SizingView, TabularView

    if view == "trading":
        return TradingEnv(**kwargs)
    sizing = SizingView(TradingEnv(candidates="signals", **kwargs))
    return TabularView(sizing) if view == "tabular" else sizing


def make_trading_vector(num_envs: int = 1, **kwargs: Any) -> Any:
    """Many accounts deciding direction and size of every closed bar, on the compiled kernel."""
    from envs.vector import TradingVectorEnv

    return TradingVectorEnv(num_envs, view="trading", **kwargs)


def make_sizing_vector(num_envs: int = 1, **kwargs: Any) -> Any:
    """Many accounts sizing the executable candidates, on the compiled kernel."""
    from envs.vector import TradingVectorEnv

    return TradingVectorEnv(num_envs, view="sizing", **kwargs)


def make_sizing_tabular_vector(num_envs: int = 1, **kwargs: Any) -> Any:
    """The same with the 300 table states as observation."""
    from envs.vector import TradingVectorEnv

    return TradingVectorEnv(num_envs, view="tabular", **kwargs)


def make_weights(**kwargs: Any) -> Any:
    """Weights of the four models."""
    from envs.weights_env import WeightsEnv

    return WeightsEnv(**kwargs)


register()
