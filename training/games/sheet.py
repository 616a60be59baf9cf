"""One line of the certificate: a value the code produced beside the answer that is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

Rule = Literal["equal", "at most", "at least"]
RELATIVE = 1e-6


@dataclass(frozen=True)
class Row:
    """One known answer; ``number`` is its row in the specification's table of known answers.

    ``tolerance`` is absolute. A value that is not finite never passes.
    """

    number: int
    case: str
    value: float
    expected: float
    tolerance: float
    rule: Rule = "equal"

    @property
    def passed(self) -> bool:
        """Whether the value agrees with the answer within the tolerance."""
        if not isfinite(self.value):
            return False
        away = self.value - self.expected
        if self.rule == "at most":
            return away <= self.tolerance
        if self.rule == "at least":
            return -away <= self.tolerance
        return abs(away) <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary; the value is text of 9 digits, so that digests survive last bits."""
        return {
            "number": self.number,
            "case": self.case,
            "value": f"{self.value:.9g}",
            "expected": f"{self.expected:.9g}",
            "tolerance": f"{self.tolerance:.3g}",
            "rule": self.rule,
            "passed": self.passed,
        }


@dataclass
class Sheet:
    """Collects the rows of a game."""

    rows: list[Row] = field(default_factory=list)

    def equal(self, number: int, case: str, value: float, expected: str) -> None:
        """Expect a figure as it is printed, within half a unit of its last place."""
        tolerance = 0.5001 * 10.0 ** -len(expected.partition(".")[2])
        self.rows.append(Row(number, case, float(value), float(expected), tolerance))

    def exact(self, number: int, case: str, value: float, expected: float) -> None:
        """Expect a figure that is no rounded print: 1e-6 relative, 1e-9 where it is 0."""
        tolerance = RELATIVE * abs(expected) if expected else 1e-9
        self.rows.append(Row(number, case, float(value), expected, tolerance))

    def near(self, number: int, case: str, value: float, expected: float, within: float) -> None:
        """Expect a figure within an absolute tolerance: what was learned or drawn."""
        self.rows.append(Row(number, case, float(value), expected, within))

    def at_most(
        self, number: int, case: str, value: float, bound: float, within: float = 0.0
    ) -> None:
        """Expect a proved upper bound to hold."""
        self.rows.append(Row(number, case, float(value), bound, within, "at most"))

    def at_least(
        self, number: int, case: str, value: float, bound: float, within: float = 0.0
    ) -> None:
        """Expect at least so much."""
        self.rows.append(Row(number, case, float(value), bound, within, "at least"))


@dataclass(frozen=True)
class Game:
    """A named part of the certificate; ``numbers`` are the rows it fills.

    ``exact`` games need no learning and take milliseconds.
    """

    name: str
    play: Callable[[Sheet], None]
    exact: bool
    numbers: tuple[int, ...]
