"""The suite of saved files finds one broken rule each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.checks import FailedCheck, check_checkpoint
from agents.checks.checkpoints import Saved
from envs.artifact import Arrays, load_artifact, load_or_previous, migration, save_artifact
from envs.core.errors import DamagedArtifact, RefusedArtifact

NAME = "counting-double"


@migration(NAME, 1)
def from_one(payload: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    return {"count": payload["n"]}, arrays


def to_one(payload: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    return {"n": payload["count"]}, arrays


class Counter:
    """Counts, and forgets ``hidden`` when saved."""

    def __init__(self, count: int = 3) -> None:
        self.count, self.hidden, self.values = count, 0, np.arange(50.0)


def teach(counter: Counter) -> None:
    counter.count += 1 + counter.hidden
    counter.values = counter.values + 1.0


def digest(counter: Counter) -> str:
    return f"{counter.count} {counter.values.sum()}"


def save(path: Path, counter: Counter) -> None:
    save_artifact(
        path, schema_name=NAME, schema_version=2, payload={"count": counter.count},
        arrays={"values": counter.values},
    )  # fmt: skip


def load(path: Path) -> Counter:
    artifact = load_artifact(path, schema_name=NAME, max_version=2)
    out = Counter(artifact.payload["count"])
    out.values = artifact.array("values")
    return out


def restore(path: Path) -> Counter:
    return load_or_previous(path, load)


SOUND = Saved("counter", Counter, teach, digest, save, restore, (NAME, 2), {1: to_one})


def with_hidden() -> Counter:
    out = Counter()
    out.hidden = 5
    return out


def save_and_count(path: Path, counter: Counter) -> None:
    save(path, counter)
    counter.count += 1


def restore_fresh(path: Path) -> Counter:
    restore(path)
    return Counter(0)


def restore_anything(path: Path) -> Counter:
    try:
        return restore(path)
    except RefusedArtifact:
        return Counter()


def restore_silently(path: Path) -> Counter:
    try:
        return load(path)
    except DamagedArtifact:
        return load(path.with_name(path.name + ".prev"))


def restore_with_a_crash(path: Path) -> Counter:
    try:
        return restore(path)
    except RefusedArtifact as error:
        raise KeyError("count") from error


def restore_namelessly(path: Path) -> Counter:
    try:
        return restore(path)
    except RefusedArtifact as error:
        raise RefusedArtifact("no") from error


def restore_version_two_alone(path: Path) -> Counter:
    if '"schema_version": 1' in path.read_text():
        raise RefusedArtifact(f"{path}: version 1")
    return restore(path)


def restore_one_wrongly(path: Path) -> Counter:
    out = restore(path)
    out.count += '"schema_version": 1' in path.read_text(errors="replace")
    return out


def restore_an_older_copy(path: Path) -> Counter:
    try:
        return load(path)
    except DamagedArtifact:
        out = restore(path)
        out.count -= 1
        return out


def test_the_sound_one_passes(tmp_path: Path) -> None:
    check_checkpoint(SOUND, tmp_path)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"make": with_hidden}, "learns differently after loading a file"),
        ({"save": save_and_count}, "changed by being saved"),
        ({"restore": restore_fresh}, "another digest after loading a file"),
        ({"older": {}}, "nothing says how version 1 of counting-double looked"),
        ({"restore": restore_version_two_alone}, "refuses a file of version 1"),
        ({"restore": restore_one_wrongly}, "another digest after loading a file of version 1"),
        ({"restore": restore_anything}, "accepts a changed byte in the .json file"),
        ({"restore": restore_with_a_crash}, "fails on a changed byte .* with KeyError"),
        ({"restore": restore_namelessly}, "does not name the file"),
        ({"restore": load}, "leaves the intact copy unused"),
        ({"restore": restore_an_older_copy}, "not the copy before a damaged file"),
        ({"restore": restore_silently}, "no warning"),
    ],
)
def test_a_broken_one_is_found(change: dict[str, Any], found: str, tmp_path: Path) -> None:
    with pytest.raises(FailedCheck, match=found):
        check_checkpoint(replace(SOUND, **change), tmp_path)


def restore_newer_too(path: Path) -> Counter:
    newer = '"schema_version": 3' in path.read_text(errors="replace")
    return Counter() if newer else restore(path)


def test_a_newer_file_must_be_refused(tmp_path: Path) -> None:
    with pytest.raises(FailedCheck, match="accepts counting-double of version 3"):
        check_checkpoint(replace(SOUND, restore=restore_newer_too), tmp_path)
