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
    state: AgentState, mine: AgentState, tables: Mapping[str, Float64Array]
) -> Tables:
    """Return copies of the saved tables once everything fits ``mine``, the present state.

    Raises:
        RefusedArtifact: Another schema or preset, something missing, another shape, or a value
            that is not finite; expected and found are named.
    """
    values, arrays = state
    schema, preset = mine[0]["schema"], mine[0]["preset"]
    if values.get("schema") != schema:
        raise RefusedArtifact(f"sizing agent: expected a {schema}, found {values.get('schema')!r}")
    missing = sorted((set(mine[0]) - set(values)) | (set(mine[1]) - set(arrays)))
    if missing:
        raise RefusedArtifact(f"{schema}: the state lacks {', '.join(missing)}")
    for name, table in tables.items():
        if arrays[name].shape != table.shape:
            raise RefusedArtifact(
                f"table {name}: preset {preset} needs shape {table.shape}, the file has "
                f"{arrays[name].shape} (preset {values['preset']})"
            )
        if not np.isfinite(arrays[name]).all():
            raise RefusedArtifact(f"{schema}: table {name} holds a value that is not finite")
    if values["preset"] != preset:
        raise RefusedArtifact(f"{schema}: expected preset {preset}, found {values['preset']!r}")
    return {name: np.array(arrays[name], dtype=np.float64) for name in tables}


def whole_number(state: AgentState, name: str, least: int) -> int:
    """Whole number ``name`` of a saved state, at least ``least``.

    Raises:
        RefusedArtifact: Something else; what was found is named.
    """
    found = state[0][name]
    if not isinstance(found, int) or isinstance(found, bool) or found < least:
        raise RefusedArtifact(f"{name}: expected a whole number from {least} on, found {found!r}")
    return found


def preset_mismatch(what: str, expected: int, found: tuple[int, ...]) -> str:
    """Text of an error about arrays that belong to another preset."""
    return f"{what}: this agent's preset has {expected} actions, the arrays have shape {found}"
