"""Scenarios and their permanent ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.framework.metrics import Outcome

_ID = re.compile(r"[a-z0-9]+(?:[-./][a-z0-9]+)*")


class NotHere(Exception):
    """A scenario cannot run on this machine; the message says what is missing."""


@dataclass(frozen=True)
class Options:
    """What a scenario may be told: ``repeats`` timed runs, ``quick`` shorter ones."""

    repeats: int = 5
    quick: bool = False


@dataclass(frozen=True)
class Scenario:
    """A measurement. ``slow`` ones run only when asked for by name or with ``--slow``."""

    id: str
    about: str
    run: Callable[[Options], Outcome]
    slow: bool = False


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    id_: str, about: str, *, slow: bool = False
) -> Callable[[Callable[[Options], Outcome]], Callable[[Options], Outcome]]:
    """Register a function under an id that is never given to another measurement.

    Raises:
        ValueError: The id is taken or not of the form ``group/part/part``.
    """

    def keep(run: Callable[[Options], Outcome]) -> Callable[[Options], Outcome]:
        if not _ID.fullmatch(id_):
            raise ValueError(f"scenario id {id_!r}: lower-case words joined by / - or .")
        if id_ in SCENARIOS:
            raise ValueError(f"scenario id {id_!r} is taken")
        SCENARIOS[id_] = Scenario(id_, about, run, slow)
        return run

    return keep


def select(only: Sequence[str], slow: bool = False) -> list[Scenario]:
    """Scenarios to run: an id, or the leading parts of ids (``vector``, ``vector/4096``).

    Raises:
        ValueError: A name that no id begins with.
    """
    if not only:
        return [s for s in SCENARIOS.values() if slow or not s.slow]
    chosen: dict[str, Scenario] = {}
    for name in only:
        wanted = name.rstrip("/")
        found = [s for s in SCENARIOS.values() if s.id == wanted or s.id.startswith(wanted + "/")]
        if not found:
            raise ValueError(f"no scenario is named {name!r}: choose from {', '.join(SCENARIOS)}")
        chosen.update({s.id: s for s in found})
    return [s for s in SCENARIOS.values() if s.id in chosen]
