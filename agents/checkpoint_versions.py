"""How older files of sizing agents become present ones, one version at a time (spec 15)."""

from __future__ import annotations

from typing import Any

from agents.learned import LearnedIds
from envs.artifact import Arrays, migration

SCHEMA_NAME = "sizing-agent"
SCHEMA_VERSION = 2


@migration(SCHEMA_NAME, 1)
def with_hashed_ids(payload: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Version 1 held the learned ids as pairs, the discount as a number, and no last update.

    The last files of version 1 were in the present form already; they come through unchanged.
    """
    state, settings = dict(payload["state"]), dict(payload["settings"])
    if not isinstance(settings.get("discount", ""), str):
        settings["discount"] = repr(float(settings["discount"]))
    if "learned" in state:
        pairs = [(str(decision_id), int(part)) for decision_id, part in state.pop("learned")]
        learned = LearnedIds()
        for pair in pairs:
            learned.add(pair)
        arrays = {**arrays, "learned": learned.to_array()}
        last = (_time_in(decision_id) for decision_id, _ in pairs)
        state.setdefault("last_update_ns", max(last, default=0))
    return {**payload, "state": state, "settings": settings}, arrays


def _time_in(decision_id: str) -> int:
    """Bar time at the end of ``account:symbol:time``; 0 for an id of another form."""
    time = decision_id.rpartition(":")[2]
    return int(time) if time.isdecimal() else 0
