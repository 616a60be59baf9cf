"""What an operator asks of the emergency stop, from another process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from envs.core.errors import FixInput

MAX_TEXT = 500


class Ask(StrEnum):
    """What can be asked for."""

    ACK = "ack"
    TRIP = "trip"
    HALT = "halt"
    RELEASE = "release"


@dataclass(frozen=True)
class StopRequest:
    """One request: who asks for what, and why; ``level`` counts for TRIP alone.

    ``number`` orders the requests of one state; ``asked_ns`` is the asker's wall clock, UTC.
    """

    number: int
    ask: Ask
    by: str
    note: str
    asked_ns: int
    level: int = 0

    def __post_init__(self) -> None:
        for name, text in (("--by", self.by), ("--note", self.note)):
            if not text.strip() or len(text) > MAX_TEXT:
                raise FixInput(
                    f"emergency stop: {name} must say something, up to {MAX_TEXT} characters"
                )
        if self.ask is Ask.TRIP and self.level not in (1, 2, 3):
            raise FixInput(f"emergency stop: --level must be 1, 2 or 3, got {self.level}")
