"""Generations: whole or not at all, two kept, the first for good."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from envs.artifact import previous
from envs.core.errors import DamagedArtifact, RefusedArtifact
from runtime.learning.checkpoints import FIRST, MANIFEST, Checkpoints


@dataclass
class Number:
    """Something that learned one number."""

    name: str
    value: int = 0
    breaks: bool = False

    def save(self, path: Path) -> None:
        if self.breaks:
            raise OSError("the disk is full")
        path.write_text(json.dumps(self.value))

    def restore(self, path: Path) -> None:
        self.value = json.loads(path.read_text())


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    kept, parts = Checkpoints(tmp_path / "new" / "agents"), (Number("a", 1), Number("b", 2))
    assert kept.generations() == ()
    assert kept.first() is None
    kept.save(parts, 7, {"x": 3})
    (found,) = kept.generations()
    assert (found.seq, found.extra) == (7, {"x": 3})
    again = Number("a"), Number("b")
    found.restore(again)
    assert again == parts


def test_two_generations_and_the_first_are_kept(tmp_path: Path) -> None:
    kept, part = Checkpoints(tmp_path), Number("a")
    kept.save_first((part,), {"begun": 1})
    kept.save_first((Number("a", 99),), {"begun": 2})
    for seq in (5, 5, 8):
        part.value += 1
        kept.save((part,), seq, {})
    assert [(g.seq, g.extra) for g in kept.generations()] == [(8, {}), (5, {})]
    values = []
    first = kept.first()
    assert first is not None
    for generation in (*kept.generations(), first):
        generation.restore((part,))
        values.append(part.value)
    assert values == [3, 2, 0]
    assert first.extra == {"begun": 1}
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == sorted(
        g.folder.name for g in (*kept.generations(), first)
    )


def test_an_interrupted_save_leaves_the_one_before_in_force(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.save((Number("a", 1), Number("b", 1)), 1, {})
    with pytest.raises(OSError, match="full"):
        kept.save((Number("a", 2), Number("b", 2, breaks=True)), 2, {})
    assert [g.seq for g in kept.generations()] == [1]
    kept.save((Number("a", 3), Number("b", 3)), 3, {})
    assert [g.seq for g in kept.generations()] == [3, 1]
    assert len([p for p in tmp_path.iterdir() if p.is_dir()]) == 2


@pytest.mark.parametrize("how", ["altered", "missing", "manifest"])
def test_a_damaged_generation_is_left_out(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Checkpoints(tmp_path)
    for seq in (1, 2):
        kept.save((Number("a", seq),), seq, {})
    newest, before = kept.generations()
    if how == "altered":
        (newest.folder / "a.json").write_text("9")
    elif how == "missing":
        (newest.folder / "a.json").unlink()
    else:
        (tmp_path / MANIFEST).write_text("{}")
    assert kept.generations() == (before,)
    assert "checkpoint not used" in caplog.text


def test_damage_to_what_the_run_began_with_is_an_error(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.save_first((Number("a"),), {})
    assert not previous(tmp_path / FIRST).exists()
    first = kept.first()
    assert first is not None
    (first.folder / "a.json").write_text("9")
    with pytest.raises(DamagedArtifact, match=r"a\.json: sha256"):
        kept.first()


def test_who_was_not_saved_cannot_be_restored(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.save((Number("a", 1),), 1, {})
    (found,) = kept.generations()
    with pytest.raises(RefusedArtifact, match=r"no c\.json"):
        found.restore((Number("c"),))
