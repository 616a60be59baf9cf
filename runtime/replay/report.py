"""What a replay found: how many of each kind were checked, and the first that differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from runtime.replay.differences import Difference


@dataclass
class Check:
    """One kind of check; ``note`` says why it could not be made."""

    name: str
    checked: int = 0
    equal: int = 0
    note: str = ""
    where: str = ""
    first: tuple[Difference, ...] = ()

    def judge(self, where: str, found: Iterable[Difference]) -> bool:
        """Count one comparison; the first that differs is kept with its fields."""
        self.checked += 1
        listed = tuple(found)
        if not listed:
            self.equal += 1
        elif not self.where:
            self.where, self.first = where, listed
        return not listed

    @property
    def passed(self) -> bool:
        """Whether everything that was checked is equal."""
        return self.checked == self.equal


@dataclass
class Report:
    """All checks of a replay, in the order they are shown in."""

    chain: Check = field(default_factory=lambda: Check("hash chain"))
    decisions: Check = field(default_factory=lambda: Check("decisions"))
    signals: Check = field(default_factory=lambda: Check("scores, weights, EV, candidates"))
    trades: Check = field(default_factory=lambda: Check("closed trades from their fills"))
    learned: Check = field(default_factory=lambda: Check("learned state of checkpoints"))

    @property
    def checks(self) -> tuple[Check, ...]:
        """All of them."""
        return self.chain, self.decisions, self.signals, self.trades, self.learned

    @property
    def passed(self) -> bool:
        """Whether nothing differs, and anything was checked at all."""
        return all(check.passed for check in self.checks)
