"""Settings of the four models and their cross-fitting (spec 2, 5)."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.settings import setting


@dataclass(frozen=True)
class EnsembleSettings:
    """Which models vote, how they are calibrated and how much time the networks get."""

    models: tuple[str, ...] = setting(
        ("xgboost", "lightgbm", "nhits", "patchtst"),
        "QT_ENSEMBLE_MODELS",
        "list",
        "models that vote; the others abstain",
        choices=("xgboost", "lightgbm", "nhits", "patchtst"),
    )
    calibrator: str = setting(
        "platt",
        "QT_ENSEMBLE_CALIBRATOR",
        "platt, isotonic, beta",
        "calibration of probabilities",
        choices=("platt", "isotonic", "beta"),
    )
    boosting_rounds: int = setting(
        150,
        "QT_ENSEMBLE_BOOSTING_ROUNDS",
        "rounds",
        "trees per class of the boosters",
        ge=1,
        le=10_000,
    )
    network_steps: int = setting(
        800,
        "QT_ENSEMBLE_NETWORK_STEPS",
        "steps",
        "training steps of a network per fold",
        ge=1,
        le=1_000_000,
    )
    fold_months: int = setting(
        6, "QT_ENSEMBLE_FOLD_MONTHS", "months", "length of a walk-forward test block", ge=1, le=60
    )
    first_months: int = setting(
        12,
        "QT_ENSEMBLE_FIRST_MONTHS",
        "months",
        "training before the first test block",
        ge=1,
        le=120,
    )
