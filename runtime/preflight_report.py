"""What the checks before a start found: each a name, a verdict, and a sentence on what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from envs.core.errors import FixInput
from envs.core.instrument import Instrument

if TYPE_CHECKING:
    from rich.console import Console


class Verdict(StrEnum):
    """OK: nothing to do. WARN: starts, perhaps without entries somewhere. REFUSE: does not."""

    OK = "ok"
    WARN = "warn"
    REFUSE = "refuse"


_COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.REFUSE: "red"}


@dataclass(frozen=True)
class Check:
    """One finding.

    ``blocks`` names contracts that take no entries because of it, and why (an empty name: all of
    them); ``adopted`` contracts whose definition the venue's replaces.
    """

    name: str
    verdict: Verdict
    text: str
    blocks: Mapping[str, str] = field(default_factory=dict)
    adopted: tuple[Instrument, ...] = ()


def ok(name: str, text: str) -> Check:
    """A check passed."""
    return Check(name, Verdict.OK, text)


def warn(name: str, text: str, **blocks: str) -> Check:
    """A person should know; ``blocks`` by contract."""
    return Check(name, Verdict.WARN, text, blocks)


def refuse(name: str, text: str) -> Check:
    """The run must not start."""
    return Check(name, Verdict.REFUSE, text)


@dataclass(frozen=True)
class PreflightReport:
    """All findings of one start, in the order they were made."""

    checks: tuple[Check, ...]

    @property
    def refused(self) -> bool:
        """Whether the run must not start (exit code 2)."""
        return any(c.verdict is Verdict.REFUSE for c in self.checks)

    @property
    def warnings(self) -> tuple[Check, ...]:
        """What a person should know."""
        return tuple(c for c in self.checks if c.verdict is Verdict.WARN)

    @property
    def blocks(self) -> dict[str, str]:
        """Contracts that take no entries, and why; the empty name stands for all."""
        return {symbol: why for c in self.checks for symbol, why in c.blocks.items()}

    @property
    def adopted(self) -> dict[str, Instrument]:
        """Contracts to be traded with the venue's definition instead of the bundle's."""
        return {i.symbol: i for c in self.checks for i in c.adopted}

    def require(self) -> None:
        """Go on only if nothing refuses.

        Raises:
            FixInput: Something does; the message holds every such sentence.
        """
        found = [f"{c.name}: {c.text}" for c in self.checks if c.verdict is Verdict.REFUSE]
        if found:
            raise FixInput("\n".join(found))

    def show(self, console: Console) -> None:
        """Print a table of all findings."""
        from rich.markup import escape
        from rich.table import Table

        table = Table("", "check", "finding", title="Before the start")
        for c in self.checks:
            colour = _COLOURS[c.verdict]
            table.add_row(f"[{colour}]{c.verdict.value}[/]", c.name, escape(c.text))
        console.print(table)
