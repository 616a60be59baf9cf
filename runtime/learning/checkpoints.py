"""Checkpoints of everything that learns, one consistent generation at a time.

A generation is a folder of its own; the manifest that names it is replaced in one step, and the
one before stays beside it. Each file is bound to the manifest by its checksum, so nothing of a
damaged generation is ever taken over.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from envs.artifact import file_digest, load_artifact, previous, save_artifact
from envs.core.errors import DamagedArtifact, RefusedArtifact

SCHEMA_NAME = "runtime-checkpoint"
SCHEMA_VERSION = 1
MANIFEST, FIRST = "checkpoint.json", "first.json"
_log = logging.getLogger(__name__)


class Saved(Protocol):
    """Something that learns, as a file."""

    @property
    def name(self) -> str:
        """Name of its file, without the ending."""
        ...

    def save(self, path: Path) -> None:
        """Write all of it."""
        ...

    def restore(self, path: Path) -> None:
        """Take over what was written; raises RefusedArtifact and has then changed nothing."""
        ...


@dataclass(frozen=True)
class Generation:
    """One consistent set of files.

    ``seq`` is the last record of the journal that is learned in it; ``extra`` JSON values.
    """

    folder: Path
    seq: int
    files: Mapping[str, str]
    extra: Mapping[str, Any] = field(default_factory=dict)

    def verify(self) -> None:
        """Check that every file is the one that was written.

        Raises:
            DamagedArtifact: One is missing or altered.
        """
        for name, expected in sorted(self.files.items()):
            path = self.folder / name
            found = file_digest(path) if path.is_file() else "no file"
            if found != expected:
                raise DamagedArtifact(f"{path}: sha256: expected {expected}, found {found}")

    def restore(self, parts: Sequence[Saved]) -> None:
        """Take over the files into what learns.

        Raises:
            RefusedArtifact: A part is missing, or was saved under other settings.
        """
        for part in parts:
            path = self.folder / f"{part.name}.json"
            if path.name not in self.files:
                raise RefusedArtifact(f"{self.folder}: no {path.name}: it was not learning then")
            part.restore(path)


class Checkpoints:
    """Generations of one folder; the newest two are kept, and the one a run began with."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def save(
        self, parts: Sequence[Saved], seq: int, extra: Mapping[str, Any], manifest: str = MANIFEST
    ) -> Generation:
        """Write a new generation; a kill at any moment leaves the one before in force.

        Raises:
            FixInput: The folder cannot be written or the disk is full.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = self._new_folder(seq)
        for part in parts:
            part.save(folder / f"{part.name}.json")
        files = {p.name: file_digest(p) for p in sorted(folder.iterdir()) if _is_content(p)}
        payload = {"folder": folder.name, "seq": seq, "files": files, "extra": dict(extra)}
        save_artifact(
            self.folder / manifest, schema_name=SCHEMA_NAME, schema_version=SCHEMA_VERSION,
            payload=payload,
        )  # fmt: skip
        self._forget_others()
        return Generation(folder, seq, files, dict(extra))

    def save_first(self, parts: Sequence[Saved], extra: Mapping[str, Any]) -> None:
        """Keep for good what a run begins with, before it has learned anything of its journal."""
        if not (self.folder / FIRST).exists():
            self.save(parts, 0, extra, manifest=FIRST)

    def first(self) -> Generation | None:
        """What the run began with; None where it was never saved.

        Raises:
            DamagedArtifact: It is not what was written.
        """
        path = self.folder / FIRST
        if not path.exists():
            return None
        found = self._read(path)
        found.verify()
        return found

    def generations(self) -> tuple[Generation, ...]:
        """Generations that are whole, newest first; damaged ones are logged and left out.

        Raises:
            RefusedArtifact: A manifest of a newer version.
        """
        out = []
        for path in self._manifests():
            try:
                found = self._read(path)
                found.verify()
            except DamagedArtifact as error:
                _log.warning("checkpoint not used: %s", error)
                continue
            out.append(found)
        return tuple(out)

    def _manifests(self) -> list[Path]:
        newest = self.folder / MANIFEST
        return [p for p in (newest, previous(newest)) if p.exists()]

    def _read(self, path: Path) -> Generation:
        found = load_artifact(path, schema_name=SCHEMA_NAME, max_version=SCHEMA_VERSION).payload
        try:
            folder = self.folder / str(found["folder"])
            return Generation(folder, int(found["seq"]), dict(found["files"]), found["extra"])
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedArtifact(f"{path}: not what was written ({error!r})") from error

    def _new_folder(self, seq: int) -> Path:
        taken = {p.name for p in self.folder.iterdir()}
        n = 0
        while f"g{seq:012d}-{n}" in taken:
            n += 1
        folder = self.folder / f"g{seq:012d}-{n}"
        folder.mkdir()
        return folder

    def _forget_others(self) -> None:
        """Remove folders that no manifest names: older generations and unfinished ones."""
        named = set()
        first = self.folder / FIRST
        for path in (*self._manifests(), *([first] if first.exists() else [])):
            with contextlib.suppress(DamagedArtifact):
                named.add(self._read(path).folder)
        for path in self.folder.glob("g*-*"):
            if path not in named:
                shutil.rmtree(path, ignore_errors=True)


def _is_content(path: Path) -> bool:
    return path.suffix in (".json", ".npz")
