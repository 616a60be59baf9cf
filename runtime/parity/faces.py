"""Running the faces of one comparison, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from envs.core.errors import FixInput
from runtime.parity.env_face import EnvFace
from runtime.parity.ground import Field
from runtime.parity.tale import Tale

FaceName = Literal["env", "compiled", "sim", "local"]
FACES: tuple[str, ...] = get_args(FaceName)
Told = Callable[[str, int], None]
"""Told of the face and of the bars it has closed."""


def chosen_faces(text: str) -> tuple[str, ...]:
    """Faces of a comma-separated list, in their order; the first is what others are held against.

    Raises:
        FixInput: An unknown face, fewer than two, or the compiled one without the plain one.
    """
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in FACES]
    if unknown or len(set(wanted)) < 2:
        raise FixInput(f"--faces: two or more of {', '.join(FACES)}, got {text!r}")
    if "compiled" in wanted and "env" not in wanted:
        raise FixInput("--faces: compiled repeats the actions of env, so it needs env")
    return tuple(name for name in FACES if name in wanted)


def run_faces(field: Field, faces: Sequence[str], progress: Told | None = None) -> list[Tale]:
    """Every face from the same bundle on the same bars; nothing that learns is shared."""
    tales: list[Tale] = []
    lived: EnvFace | None = None
    for name in faces:

        def told(bars: int, face: str = name) -> None:
            if progress is not None:
                progress(face, bars)

        if name == "env":
            lived = EnvFace(field.ground(), told)
            tales.append(lived.run())
        elif name == "compiled" and lived is not None:
            from runtime.parity.compiled_face import run_compiled

            tales.append(run_compiled(lived, told))
        elif name == "sim":
            from runtime.parity.sim_face import run_sim

            tales.append(asyncio.run(run_sim(field.ground(), told)))
        elif name == "local":
            from runtime.parity.local_face import run_local

            tales.append(asyncio.run(run_local(field.ground(), told)))
    return tales
