from __future__ import annotations

import hashlib
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import artifact
from envs.artifact import (
    Artifact,
    load_artifact,
    load_or_previous,
    previous,
    save_artifact,
    writer_lock,
)
from envs.core.errors import DamagedArtifact, FixInput, RefusedArtifact

ROOT = Path(artifact.__file__).resolve().parents[1]


def save(path: Path, n: int, **changes: object) -> Path:
    known = {"schema_name": "table", "schema_version": 2, "feature_schema_hash": "f1"}
    arrays = {"q": np.full((3, 4), float(n)), "names": np.array(["a", "b"])}
    options = {**known, "payload": {"n": n, "rng": {"state": 2**100}}, "arrays": arrays, **changes}
    return save_artifact(path, **options)  # type: ignore[arg-type]


def load(path: Path, **changes: object) -> Artifact:
    options = {"schema_name": "table", "max_version": 2, "feature_schema_hash": "f1", **changes}
    return load_artifact(path, **options)  # type: ignore[arg-type]


def test_comes_back_equal(tmp_path: Path) -> None:
    found = load(save(tmp_path / "a.json", 7, created_ns=5, config_hash="c"))
    assert found.payload == {"n": 7, "rng": {"state": 2**100}}
    assert found.array("q", (3, 4)).tolist() == [[7.0] * 4] * 3
    assert found.arrays["names"].tolist() == ["a", "b"]
    assert (found.created_ns, found.config_hash, found.schema_version) == (5, "c", 2)


def test_digest_is_free_of_time_and_place(tmp_path: Path) -> None:
    one = load(save(tmp_path / "a.json", 7, created_ns=5))
    two = load(save(tmp_path / "b.json", 7, created_ns=6))
    other = load(save(tmp_path / "c.json", 8, created_ns=5))
    assert one.digest() == two.digest() != other.digest()


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    save(tmp_path / "a.json", 7)
    save(tmp_path / "b.json", 7)
    for ending in (".json", ".npz"):
        a, b = (tmp_path / f"{name}{ending}" for name in "ab")
        assert a.read_bytes() == b.read_bytes()


def test_replaced_pair_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for n in (1, 2, 3):
        save(path, n)
    assert load(path).payload["n"] == 3
    old = load(previous(path))
    assert old.payload["n"] == 2
    assert old.array("q")[0, 0] == 2.0
    save(path, 4, arrays=None)
    assert load(path).arrays == {}
    assert load(previous(path)).array("q")[0, 0] == 3.0
    assert not list(tmp_path.glob(".*")), "no temporary file stays"
    assert not list(tmp_path.glob("*.lock"))


def test_every_flipped_byte_of_the_json_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", 7)
    good = path.read_bytes()
    for i in range(len(good)):
        path.write_bytes(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :])
        with pytest.raises(RefusedArtifact):
            load(path)
    path.write_bytes(good)
    assert load(path).payload["n"] == 7


def test_flipped_bytes_of_the_arrays_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", 7)
    npz = path.with_suffix(".npz")
    good = npz.read_bytes()
    for i in range(0, len(good), 13):
        npz.write_bytes(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :])
        with pytest.raises(RefusedArtifact, match=r"a\.npz: expected sha256"):
            load(path)


def test_truncated_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", 7)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RefusedArtifact, match="found no valid JSON"):
        load(path)
    with pytest.raises(RefusedArtifact, match="cannot be read: No such file"):
        load(tmp_path / "b.json")
    save(path, 8)
    path.with_suffix(".npz").unlink()
    with pytest.raises(RefusedArtifact, match="found no file"):
        load(path)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    path = tmp_path / "a.json"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(RefusedArtifact, match="found a pickle"):
        load(path)
    # Pickled arrays with checksums that fit are refused all the same.
    save(path, 7)
    blob = _object_npz(Bomb())
    path.with_suffix(".npz").write_bytes(blob)
    envelope = json.loads(path.read_bytes())
    envelope["arrays_sha256"] = hashlib.sha256(blob).hexdigest()
    envelope["sha256"] = artifact.json_digest({k: v for k, v in envelope.items() if k != "sha256"})
    path.write_bytes(artifact._render(envelope))
    with pytest.raises(RefusedArtifact, match="expected plain arrays"):
        load(path)
    assert not (tmp_path / "ran").exists()


def _object_npz(thing: object) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=True, q=np.array([thing], dtype=object))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_name": "other"}, "schema_name: expected 'other', found 'table'"),
        ({"max_version": 1}, "schema_version: expected at most 1, found 2: written by newer code"),
        ({"feature_schema_hash": "f2"}, "feature_schema_hash: expected 'f2', found 'f1'"),
        ({"max_version": 3}, "expected 3, found 2, and no migration leads on from version 2"),
    ],
)
def test_what_does_not_match_is_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = save(tmp_path / "a.json", 7)
    with pytest.raises(RefusedArtifact) as error:
        load(path, **change)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_wrong_shape_names_both(tmp_path: Path) -> None:
    found = load(save(tmp_path / "a.json", 7))
    with pytest.raises(RefusedArtifact, match=r"expected shape \(3, 76\), found \(3, 4\)"):
        found.array("q", (3, 76))
    with pytest.raises(RefusedArtifact, match="expected array 'z', found names, q"):
        found.array("z")


def test_an_intact_previous_file_is_offered(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", 1)
    save(path, 2)
    path.write_bytes(b"{}")
    with pytest.raises(RefusedArtifact, match=r"a\.json\.prev, is intact"):
        load(path)
    previous(path).write_bytes(b"{}")
    with pytest.raises(RefusedArtifact, match=r"a\.json\.prev is damaged too"):
        load(path)


def test_the_copy_stands_in_for_a_damaged_file_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path / "a.json", 1)
    save(path, 2)
    assert load_or_previous(path, load).payload["n"] == 2
    assert not caplog.records
    with pytest.raises(RefusedArtifact, match="feature_schema_hash"):
        load_or_previous(path, lambda p: load(p, feature_schema_hash="f2"))
    path.write_bytes(b"{}")
    assert load_or_previous(path, load).payload["n"] == 1
    assert "loaded a.json.prev instead" in caplog.text
    previous(path).write_bytes(b"{}")
    with pytest.raises(DamagedArtifact, match=r"a\.json: expected the fields"):
        load_or_previous(path, load)
    previous(path).unlink()
    with pytest.raises(DamagedArtifact):
        load_or_previous(path, load)


def test_writing_over_a_damaged_file_keeps_the_intact_one_before_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", 1)
    save(path, 2)
    path.write_bytes(b"{}")
    save(path, 3)
    assert load(path).payload["n"] == 3
    old = load(previous(path))
    assert old.payload["n"] == old.array("q")[0, 0] == 1


def test_migrations_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "_migrations", {})
    path = save(tmp_path / "a.json", 1)
    for version, name in ((2, "two"), (3, "three")):

        @artifact.migration("table", version)
        def step(payload: dict, arrays: dict, name: str = name) -> tuple[dict, dict]:  # type: ignore[type-arg]
            return {**payload, "steps": [*payload.get("steps", []), name]}, arrays

    found = load(path, max_version=4)
    assert (found.schema_version, found.payload["steps"]) == (4, ["two", "three"])


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"a": {"b": [1.0, float("nan")]}}, r"payload\.a\.b\[1\]: nan cannot be saved"),
        ({"a": {1: 2}}, r"payload\.a: keys of a saved mapping are text, got 1"),
        ({"a": np.zeros(2)}, r"payload\.a: ndarray cannot be saved"),
    ],
)
def test_content_that_would_not_come_back_is_refused(
    tmp_path: Path, payload: dict[str, object], message: str
) -> None:
    path = save(tmp_path / "a.json", 1)
    with pytest.raises(FixInput, match=message):
        save(path, 2, payload=payload)
    with pytest.raises(FixInput, match="holds Python objects"):
        save(path, 2, arrays={"x": np.array([{}])})
    assert load(path).payload["n"] == 1


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from envs import durable
from envs.artifact import save_artifact

left = int(sys.argv[2])

def counted(function):
    def call(*a, **k):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return function(*a, **k)
    return call

Path.replace = counted(Path.replace)
durable.os.fsync = counted(os.fsync)
save_artifact(sys.argv[1], schema_name="table", schema_version=2, feature_schema_hash="f1",
              payload={"n": 2}, arrays={"q": np.full((3, 4), 2.0)})
"""


def test_a_kill_at_every_write_point_leaves_old_or_new(tmp_path: Path) -> None:
    seen = set()
    for point in range(40):
        path = tmp_path / f"{point}" / "a.json"
        save(path, 0)
        save(path, 1)
        done = subprocess.run([sys.executable, "-c", KILLED, path, str(point)], cwd=ROOT)
        found = load(path)
        assert found.array("q", (3, 4))[0, 0] == found.payload["n"]
        seen.add(found.payload["n"])
        # The next writer gets past the dead one's lock, and a second kill would find both pairs.
        save(path, 3)
        assert load(path).payload["n"] == 3
        assert load(previous(path)).array("q")[0, 0] == found.payload["n"]
        if done.returncode == 0:
            break
        assert done.returncode == -9
    assert seen == {1, 2}
    assert point >= 8, "the write has at least eight points"


FULL = """
import resource, sys
import numpy as np
from envs.artifact import save_artifact
from envs.core.errors import FixInput
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    save_artifact(sys.argv[1], schema_name="table", schema_version=2, payload={"n": 2},
                  arrays={"q": np.zeros(int(sys.argv[2]))})
except FixInput as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, size: int) -> None:
    path = save(tmp_path / "a.json", 1)
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, str(size)], cwd=ROOT, capture_output=True, text=True
    )
    if size == 1:
        assert done.returncode == 0
    else:
        assert "refused" in done.stderr
        assert "a.npz: cannot be written: File too large" in done.stderr
        assert load(path).payload["n"] == 1
    assert not list(tmp_path.glob(".*"))


def test_a_second_writer_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    other = (
        "import sys; from envs.artifact import save_artifact\n"
        "save_artifact(sys.argv[1], schema_name='t', schema_version=1, payload={})"
    )
    with writer_lock(path):
        save(path, 1)  # the holder itself may write
        owner = json.loads((tmp_path / "a.json.lock").read_bytes())
        done = subprocess.run(
            [sys.executable, "-c", other, path], cwd=ROOT, capture_output=True, text=True
        )
        assert f"process {owner['pid']} (start time {owner['start']}) is writing it" in done.stderr
        assert owner["start"] > 0 or not Path("/proc/self/stat").exists()
    assert load(path).payload["n"] == 1
    again = subprocess.run([sys.executable, "-c", other, path], cwd=ROOT)
    assert again.returncode == 0


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
TREES = st.recursive(
    SCALARS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(TREES)
def test_canonical_json_keeps_every_value(tree: object) -> None:
    raw = artifact.canonical_json(tree)
    assert json.loads(raw) == tree
    assert artifact.canonical_json(json.loads(raw)) == raw
