"""The bundle's ensemble: what is frozen when training ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ensemble.calibrators import Calibrator
from ensemble.protocol import Forecaster
from envs.core.tape import EvLine


@dataclass
class Fitted:
    """The bundle's ensemble: frozen models, calibrators (up, down) and EV lines per model."""

    models: dict[str, Forecaster] = field(default_factory=dict)
    calibrators: dict[str, tuple[Calibrator, Calibrator]] = field(default_factory=dict)
    lines: tuple[EvLine | None, ...] = ()

    def save(self, folder: Path) -> None:
        """Write every model in its library's own format."""
        for model in self.models.values():
            model.save(folder)

    def calibrators_json(self) -> dict[str, Any]:
        """Plain dictionary of all calibrators."""
        return {
            name: {"up": up.to_json(), "down": down.to_json()}
            for name, (up, down) in self.calibrators.items()
        }
