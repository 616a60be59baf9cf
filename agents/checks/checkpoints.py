"""Conformance suite for saved files: whatever is saved comes back, older and damaged ones too."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from agents.checks.failed import FailedCheck, require
from envs.artifact import Arrays, load_artifact, previous, save_artifact
from envs.core.errors import RefusedArtifact

T = TypeVar("T")
Older = Callable[[dict[str, Any], Arrays], tuple[dict[str, Any], Arrays]]


@dataclass(frozen=True)
class Saved(Generic[T]):
    """How one kind of learner is made, taught, compared, saved and restored.

    Attributes:
        name: for messages.
        make: a new one that has learned something.
        teach: teaches it more, always the same, all of it new to what ``make`` returned.
        digest: of everything it learned.
        save, restore: write a file, and rebuild the learner from one; ``restore`` takes the copy
            before a damaged file.
        schema: name and version of the file.
        older: for each version before, how content of the next one looked in it.
        oldest: first version that must still be read; what came before held too little.
    """

    name: str
    make: Callable[[], T]
    teach: Callable[[T], None]
    digest: Callable[[T], str]
    save: Callable[[Path, T], None]
    restore: Callable[[Path], T]
    schema: tuple[str, int]
    older: Mapping[int, Older]
    oldest: int = 1


def check_checkpoint(saved: Saved[T], folder: Path) -> None:
    """Check the files of one kind of learner, written below the empty ``folder``.

    A file restores to the same digest and goes on learning as if never saved; a file of every older
    version does; one changed byte, of the JSON or of the arrays, is refused, or the copy before is
    loaded and a warning logged; a file of a newer version or another schema is refused.

    Raises:
        FailedCheck: The first rule that is broken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_round_trip(saved, folder / "round_trip.json")
    for version in range(saved.oldest, saved.schema[1]):
        _check_older(saved, version, folder)
    _check_damage(saved, folder)
    _check_foreign(saved, folder)


def _check_round_trip(saved: Saved[T], path: Path) -> None:
    learner = saved.make()
    before = saved.digest(learner)
    saved.save(path, learner)
    _require(saved, saved.digest(learner) == before, "changed by being saved")
    _goes_on(saved, learner, saved.restore(path), "a file")


def _check_older(saved: Saved[T], version: int, folder: Path) -> None:
    name, present = saved.schema
    if version not in saved.older:
        raise FailedCheck(f"{saved.name}: nothing says how version {version} of {name} looked")
    learner, path = saved.make(), folder / f"version_{version}.json"
    saved.save(path, learner)
    content = load_artifact(path, schema_name=name, max_version=present)
    payload, arrays = content.payload, content.arrays
    for step in range(present - 1, version - 1, -1):
        payload, arrays = saved.older[step](payload, arrays)
    save_artifact(
        path, schema_name=name, schema_version=version, payload=payload, arrays=arrays,
        config_hash=content.config_hash, feature_schema_hash=content.feature_schema_hash,
    )  # fmt: skip
    previous(path).unlink()
    try:
        loaded = saved.restore(path)
    except RefusedArtifact as error:
        raise FailedCheck(f"{saved.name} refuses a file of version {version}: {error}") from error
    _goes_on(saved, learner, loaded, f"a file of version {version}")


def _check_damage(saved: Saved[T], folder: Path) -> None:
    for suffix in (".json", ".npz"):
        path = folder / f"damaged{suffix.replace('.', '_')}.json"
        learner = saved.make()
        before = saved.digest(learner)
        saved.save(path, learner)
        if not path.with_suffix(suffix).exists():
            continue
        _flip(path.with_suffix(suffix))
        _refuses(saved, path, f"a changed byte in the {suffix} file")
        saved.save(path, learner)
        saved.teach(learner)
        saved.save(path, learner)
        _flip(path.with_suffix(suffix))
        heard = _Heard()
        logging.getLogger().addHandler(heard)
        try:
            loaded = saved.restore(path)
        except RefusedArtifact as error:
            raise FailedCheck(f"{saved.name} leaves the intact copy unused: {error}") from error
        finally:
            logging.getLogger().removeHandler(heard)
        _require(saved, saved.digest(loaded) == before, "not the copy before a damaged file")
        _require(saved, heard.warned, "no warning that the copy before was loaded")


def _check_foreign(saved: Saved[T], folder: Path) -> None:
    name, version = saved.schema
    path = folder / "foreign.json"
    saved.save(path, saved.make())
    content = load_artifact(path, schema_name=name, max_version=version)
    for schema, number in ((name, version + 1), (f"other {name}", version)):
        save_artifact(
            path, schema_name=schema, schema_version=number, payload=content.payload,
            arrays=content.arrays,
        )  # fmt: skip
        _refuses(saved, path, f"{schema} of version {number}")


def _goes_on(saved: Saved[T], learner: T, loaded: T, source: str) -> None:
    same = saved.digest(loaded) == saved.digest(learner)
    _require(saved, same, f"another digest after loading {source}")
    saved.teach(learner)
    saved.teach(loaded)
    same = saved.digest(loaded) == saved.digest(learner)
    _require(saved, same, f"learns differently after loading {source}")


def _refuses(saved: Saved[T], path: Path, what: str) -> None:
    try:
        saved.restore(path)
    except RefusedArtifact as error:
        _require(saved, path.name in str(error), f"the refusal of {what} does not name the file")
    except Exception as error:
        raise FailedCheck(f"{saved.name} fails on {what} with {error!r}") from error
    else:
        raise FailedCheck(f"{saved.name} accepts {what}")


def _flip(path: Path) -> None:
    blob = bytearray(path.read_bytes())
    blob[len(blob) // 2] ^= 1
    path.write_bytes(bytes(blob))


def _require(saved: Saved[T], holds: bool, what: str) -> None:
    require(holds, f"{saved.name}: {what}")


class _Heard(logging.Handler):
    """Notes whether anything warned."""

    warned = False

    def emit(self, record: logging.LogRecord) -> None:
        self.warned = self.warned or record.levelno >= logging.WARNING
