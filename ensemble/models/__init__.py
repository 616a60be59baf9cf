"""The four forecasters by their canonical names."""

from __future__ import annotations

from ensemble.protocol import Forecaster
from ensemble.settings import EnsembleSettings
from envs.core.errors import FixSettings

LIBRARY = {"xgboost": "xgboost", "lightgbm": "lightgbm", "nhits": "neuralforecast",
           "patchtst": "neuralforecast"}  # fmt: skip


def new_forecaster(name: str, settings: EnsembleSettings) -> Forecaster:
    """Untrained forecaster.

    Raises:
        FixSettings: Unknown name.
    """
    if name in ("lightgbm", "xgboost"):
        from ensemble.models.boosters import LightGbm, XgBoost

        return (LightGbm if name == "lightgbm" else XgBoost)(settings.boosting_rounds)
    if name == "nhits":
        from ensemble.models.nhits import NHits

        return NHits(settings.network_steps)
    if name == "patchtst":
        from ensemble.models.patchtst import PatchTst

        return PatchTst(settings.network_steps)
    raise FixSettings(f"unknown model {name!r}: choose from {', '.join(LIBRARY)}")
