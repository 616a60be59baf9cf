"""What the calibration of the planted models comes to under the default law and costs.

Fitting it takes over a second, which every new process would pay before its first step. A test
fits it anew and compares; after a change of the generator write what the test prints.
"""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.tape import EvLine
from envs.market.synthetic import EDGES


@dataclass(frozen=True)
class PlantedModel:
    """A model: correlation of its view with the signal, its calibration, its EV line.

    ``curve`` (intercept, slope): P(long net profitable | view x) = logistic(intercept + slope*x),
    and P(short net profitable | x) = logistic(intercept - slope*x).
    """

    accuracy: float
    curve: tuple[float, float]
    line: EvLine


CALIBRATED: dict[float, tuple[tuple[PlantedModel, ...], EvLine]] = {
    EDGES["weak"]: (
        (
            PlantedModel(
                0.75,
                (-0.06839164118962474, 0.07904472909665103),
                EvLine(1.3939700532747858, 0.0, 0.02735639891933485, 237504),
            ),
            PlantedModel(
                0.7,
                (-0.06838032742040087, 0.07398812326597763),
                EvLine(1.389916856946498, 0.0, 0.030264865739802707, 237504),
            ),
            PlantedModel(
                0.65,
                (-0.06836351633327048, 0.06728778343766213),
                EvLine(1.3896809575823617, 0.0, 0.0332691877774909, 237504),
            ),
            PlantedModel(
                0.55,
                (-0.06834575412902753, 0.05862968596656039),
                EvLine(1.3939112745561044, 0.0, 0.03817958833813838, 237504),
            ),
        ),
        EvLine(2.412032728247787, 0.0, 0.04064793872442875, 237504),
    ),
    EDGES["strong"]: (
        (
            PlantedModel(
                0.75,
                (-0.065441501355025, 0.29783902008755503),
                EvLine(1.4232888748616341, 0.0, 0.020566231890160096, 237504),
            ),
            PlantedModel(
                0.7,
                (-0.06524538470186853, 0.2726602118969672),
                EvLine(1.4287994321751276, 0.0, 0.02344849472742592, 237504),
            ),
            PlantedModel(
                0.65,
                (-0.06505626411292595, 0.25020476328989005),
                EvLine(1.4277377790178587, 0.0, 0.02710386984890315, 237504),
            ),
            PlantedModel(
                0.55,
                (-0.06480950189598936, 0.21465816546552582),
                EvLine(1.4200789053672362, 0.0, 0.03326659715304964, 237504),
            ),
        ),
        EvLine(2.4745864608914507, 0.0, 0.02745797696532928, 237504),
    ),
}
"""By claimed edge: the four models and the line of their uniform pool."""
