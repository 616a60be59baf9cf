"""Saving and checking the arrays of a tabular agent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from agents.protocol import AgentState
from envs.core.errors import RefusedArtifact
from envs.core.types import Float64Array

Tables = dict[str, Float64Array]


def tables_digest(tables: Mapping[str, Float64Array]) -> str:
    """SHA-256 over names and bytes, in the given order."""
    h = hashlib.sha256()
    for name, table in tables.items():
        h.update(name.encode())
        h.update(table.tobytes())
    return h.hexdigest()


def checked_tables(
    state: AgentState, schema: str, preset: str, mine: Mapping[str, Float64Array]
) -> Tables:
    """Return copies of the saved tables once all of them fit.

    Raises:
        RefusedArtifact: Another schema, a missing table, or another shape; both are named.
    """
    values, arrays = state
    if values.get("schema") != schema:
        raise RefusedArtifact(f"sizing agent: expected a {schema}, found {values.get('schema')!r}")
    for name, table in mine.items():
        if name not in arrays:
            raise RefusedArtifact(f"sizing agent: table {name!r} is missing")
        if arrays[name].shape != table.shape:
            raise RefusedArtifact(
                f"table {name}: preset {preset} needs shape {table.shape}, the file has "
                f"{arrays[name].shape} (preset {values.get('preset')})"
            )
    if values.get("preset") != preset:
        raise RefusedArtifact(
            f"sizing agent: expected preset {preset}, found {values.get('preset')!r}"
        )
    return {name: np.array(arrays[name], dtype=np.float64) for name in mine}


def preset_mismatch(what: str, expected: int, found: tuple[int, ...]) -> str:
    """Text of an error about arrays that belong to another preset."""
    return f"{what}: this agent's preset has {expected} actions, the arrays have shape {found}"
