"""Action presets of the sizing agent: size x leverage x exit strategy (spec 8.2)."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.errors import FixSettings
from envs.core.types import ExitStrategy


@dataclass(frozen=True)
class Action:
    """One cell of the grid; ``size`` multiplies the plan's margin, 0 is skip."""

    size: float
    leverage: int
    exit: ExitStrategy


SKIP = Action(0.0, 1, ExitStrategy.BALANCED)


@dataclass(frozen=True)
class ActionPreset:
    """A named, ordered tuple of actions; the index is what agents learn on."""

    name: str
    actions: tuple[Action, ...]

    @property
    def n(self) -> int:
        """Number of actions."""
        return len(self.actions)

    @property
    def skip_index(self) -> int | None:
        """Index of skip, or None in a preset without it."""
        return 0 if self.actions[0].size == 0.0 else None

    def without_skip(self) -> tuple[Action, ...]:
        """Actions that trade, in order."""
        return tuple(a for a in self.actions if a.size > 0.0)

    def index_of(self, size: float, leverage: int, exit_: ExitStrategy) -> int:
        """Return the index of one action.

        Raises:
            FixSettings: The preset has no such action.
        """
        for i, a in enumerate(self.actions):
            if a == Action(size, leverage, exit_):
                return i
        raise FixSettings(f"preset {self.name} has no action {size}x{leverage} {exit_.name}")

    def label(self, index: int) -> str:
        """Return a short text such as ``1.0x3 balanced``."""
        a = self.actions[index]
        return "skip" if a.size == 0.0 else f"{a.size:g}x{a.leverage} {a.exit.name.lower()}"


_SIZES = (0.3, 0.5, 0.7, 1.0, 1.5)
_LEVERAGES = (1, 2, 3, 4, 5)


def _classic() -> ActionPreset:
    grid = tuple(Action(s, lev, ExitStrategy.BALANCED) for s in _SIZES for lev in _LEVERAGES)
    return ActionPreset("classic", grid)


def _overview() -> ActionPreset:
    grid = tuple(
        Action(s, lev, e)
        for s in (0.5, 0.75, 1.0, 1.25)
        for lev in (1, 2, 3, 5)
        for e in ExitStrategy
    )
    return ActionPreset("overview", grid)


def _full() -> ActionPreset:
    grid = tuple(Action(s, lev, e) for s in _SIZES for lev in _LEVERAGES for e in ExitStrategy)
    return ActionPreset("full", (SKIP, *grid))


PRESETS: dict[str, ActionPreset] = {p.name: p for p in (_classic(), _overview(), _full())}


def preset(name: str) -> ActionPreset:
    """Return a preset by name.

    Raises:
        FixSettings: Unknown name.
    """
    if name not in PRESETS:
        raise FixSettings(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
