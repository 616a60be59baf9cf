"""Envelope of every saved file: schema, checksum, atomic write, one writer (spec 15).

An artifact is one JSON file, with arrays beside it in an ``.npz`` of the same stem. Nothing is
pickled and nothing is executed on load. The arrays are found by their checksum, in ``x.npz`` or
``x.npz.prev``, so a process killed between the two renames leaves the old pair or the new one.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from envs.core.errors import DamagedArtifact, FixInput, RefusedArtifact
from envs.durable import atomic_write_bytes, atomic_write_text, replace_durably, writer_lock

__all__ = [
    "Artifact", "array_digest", "atomic_write_bytes", "atomic_write_text", "canonical_json",
    "code_version", "content_digest", "file_digest", "json_digest", "load_artifact",
    "load_or_previous", "migration", "previous", "save_artifact", "writer_lock",
]  # fmt: skip

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]
Migration = Callable[[dict[str, Any], Arrays], tuple[dict[str, Any], Arrays]]
Loaded = TypeVar("Loaded")

FIELDS: Final = frozenset({
    "schema_name", "schema_version", "created_ns", "code_version", "config_hash",
    "feature_schema_hash", "payload", "arrays", "arrays_sha256", "sha256",
})  # fmt: skip
_migrations: dict[tuple[str, int], Migration] = {}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Artifact:
    """A verified file: ``payload`` (JSON types) and ``arrays``, migrated to the asked version."""

    path: Path
    schema_name: str
    schema_version: int
    created_ns: int
    code_version: str
    config_hash: str
    feature_schema_hash: str
    payload: dict[str, Any]
    arrays: Arrays

    def digest(self) -> str:
        """SHA-256 of the content alone: equal content, equal digest, whenever it was written."""
        return content_digest(self.payload, self.arrays)

    def array(self, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray[Any, Any]:
        """Return one array, of exactly ``shape`` when given.

        Raises:
            RefusedArtifact: The file has no such array, or one of another shape.
        """
        if name not in self.arrays:
            found = ", ".join(sorted(self.arrays)) or "none"
            raise RefusedArtifact(f"{self.path}: expected array {name!r}, found {found}")
        value = self.arrays[name]
        if shape is not None and value.shape != shape:
            raise RefusedArtifact(
                f"{self.path}: array {name!r}: expected shape {shape}, found {value.shape}"
            )
        return value


def canonical_json(value: Any) -> bytes:
    """One byte string for one value: sorted keys, no spaces, NumPy scalars as plain numbers.

    Raises:
        FixInput: The value holds NaN, an infinity, an array, or a type that JSON lacks.
    """
    plain = _plain(value, "value")
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def json_digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def array_digest(array: np.ndarray[Any, Any]) -> str:
    """SHA-256 (hex) over dtype, shape and C-ordered bytes."""
    h = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    h.update(np.ascontiguousarray(array).tobytes())
    return h.hexdigest()


def content_digest(payload: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> str:
    """SHA-256 (hex) of payload and arrays, free of times, versions and file names."""
    digests = {name: array_digest(np.asarray(a)) for name, a in (arrays or {}).items()}
    return json_digest({"payload": payload, "arrays": digests})


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def code_version() -> str:
    """Version of the installed distribution; ``source`` when run from files alone."""
    try:
        return metadata.version("quantum-trader")
    except metadata.PackageNotFoundError:
        return "source"


def previous(path: Path) -> Path:
    """Where the replaced version of a file is kept."""
    return path.with_name(path.name + ".prev")


def migration(schema_name: str, from_version: int) -> Callable[[Migration], Migration]:
    """Register how content of ``from_version`` becomes content of ``from_version + 1``."""

    def register(function: Migration) -> Migration:
        _migrations[schema_name, from_version] = function
        return function

    return register


def save_artifact(
    path: Path | str,
    *,
    schema_name: str,
    schema_version: int,
    payload: Mapping[str, Any],
    arrays: Mapping[str, Any] | None = None,
    created_ns: int = 0,
    config_hash: str = "",
    feature_schema_hash: str = "",
) -> Path:
    """Write an artifact atomically; the replaced pair stays as ``.prev``.

    ``created_ns`` (UTC) comes from the caller's clock. Raises FixInput for content that cannot be
    saved, a full disk or a second writer; the old file then stands untouched.
    """
    path = _json_path(path)
    held = {name: np.ascontiguousarray(np.asarray(a)) for name, a in (arrays or {}).items()}
    for name, array in held.items():
        if array.dtype.hasobject:
            raise FixInput(f"{path}: array {name!r} holds Python objects: save numbers or text")
    blob = _npz(held) if held else b""
    envelope: dict[str, Any] = {
        "schema_name": schema_name,
        "schema_version": int(schema_version),
        "created_ns": int(created_ns),
        "code_version": code_version(),
        "config_hash": config_hash,
        "feature_schema_hash": feature_schema_hash,
        "payload": _plain(dict(payload), "payload"),
        "arrays": {name: array_digest(a) for name, a in held.items()},
        "arrays_sha256": hashlib.sha256(blob).hexdigest() if held else "",
    }
    envelope["sha256"] = json_digest(envelope)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writer_lock(path):
        if held:
            _write_arrays(path, blob, envelope["arrays_sha256"])
        if _arrays_wanted(path) is not None:
            atomic_write_bytes(previous(path), path.read_bytes())
        atomic_write_bytes(path, _render(envelope))
        if not held and _npz_path(path).exists():
            replace_durably(_npz_path(path), previous(_npz_path(path)))
    return path


def load_artifact(
    path: Path | str, *, schema_name: str, max_version: int, feature_schema_hash: str | None = None
) -> Artifact:
    """Read and verify an artifact, migrated to ``max_version``.

    Raises:
        RefusedArtifact: Missing, damaged, of another schema, a newer version, without a migration
            from its version, or made for other features; names the file, expected and found.
    """
    path = Path(path)
    envelope = _envelope(path)
    _expect(path, "schema_name", schema_name, envelope["schema_name"])
    version = envelope["schema_version"]
    if version > max_version:
        raise RefusedArtifact(
            f"{path}: {schema_name} schema_version: expected at most {max_version}, found "
            f"{version}: written by newer code ({envelope['code_version']}); update this code"
        )
    if feature_schema_hash is not None:
        _expect(path, "feature_schema_hash", feature_schema_hash, envelope["feature_schema_hash"])
    payload, arrays = envelope["payload"], _read_arrays(path, envelope)
    for step in range(version, max_version):
        if (schema_name, step) not in _migrations:
            raise RefusedArtifact(
                f"{path}: {schema_name} schema_version: expected {max_version}, found {version}, "
                f"and no migration leads on from version {step}: make the file anew"
            )
        payload, arrays = _migrations[schema_name, step](payload, arrays)
    return Artifact(
        path, schema_name, max_version, envelope["created_ns"], envelope["code_version"],
        envelope["config_hash"], envelope["feature_schema_hash"], payload, arrays,
    )  # fmt: skip


def load_or_previous(path: Path | str, load: Callable[[Path], Loaded]) -> Loaded:
    """Let ``load`` read a file or, where that is damaged, the copy it replaced, with a warning.

    Only damage leads to the copy; a file of another schema, shape or setup stays refused. What was
    learned between the two copies is lost unless the caller applies it again.

    Raises:
        DamagedArtifact: The file is damaged, and there is no intact copy.
    """
    path = Path(path)
    try:
        return load(path)
    except DamagedArtifact as error:
        kept = previous(path)
        if not kept.exists():
            raise
        try:
            found = load(kept)
        except RefusedArtifact:
            raise error from None
        _log.warning("%s: loaded %s instead; what was learned since is missing", error, kept.name)
        return found


def _json_path(path: Path | str) -> Path:
    path = Path(path)
    if path.suffix != ".json":
        raise FixInput(f"{path}: the name of an artifact ends in .json")
    return path


def _npz_path(path: Path) -> Path:
    name = path.name.removesuffix(".prev")
    return path.with_name(name.removesuffix(".json") + ".npz")


def _npz(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _render(envelope: Mapping[str, Any]) -> bytes:
    return (json.dumps(envelope, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def _write_arrays(path: Path, blob: bytes, sha256: str) -> None:
    """Put the new arrays in place while those of the present JSON stay findable."""
    target = _npz_path(path)
    if target.exists():
        found = file_digest(target)
        if found == sha256:
            return
        # A damaged file must not push the intact one before it out of ``.prev``.
        wanted = _arrays_wanted(path)
        if found == (_arrays_wanted(previous(path)) if wanted is None else wanted):
            replace_durably(target, previous(target))
    atomic_write_bytes(target, blob)


def _arrays_wanted(path: Path) -> str | None:
    """Checksum of the arrays an intact file names ("" without arrays), None for a damaged one."""
    try:
        return str(_envelope(path)["arrays_sha256"])
    except RefusedArtifact:
        return None


def _envelope(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RefusedArtifact(f"{path}: cannot be read: {error.strerror}") from error
    try:
        envelope = json.loads(raw)
    except ValueError as error:
        kind = "a pickle" if raw[:1] == b"\x80" else "no valid JSON"
        raise _damaged(path, f"expected an artifact in JSON, found {kind}") from error
    if not isinstance(envelope, dict) or set(envelope) != FIELDS:
        raise _damaged(path, f"expected the fields {sorted(FIELDS)}, found others")
    if not isinstance(envelope["schema_version"], int):
        raise _damaged(path, "expected an integer schema_version")
    body = {key: value for key, value in envelope.items() if key != "sha256"}
    found = json_digest(body)
    # Comparing the whole rendering also notices a byte that changed between the values.
    if found != envelope["sha256"] or raw != _render(envelope):
        raise _damaged(path, f"checksum: expected {envelope['sha256']}, found {found}")
    return envelope


def _read_arrays(path: Path, envelope: Mapping[str, Any]) -> Arrays:
    if not envelope["arrays"]:
        return {}
    target, wanted = _npz_path(path), envelope["arrays_sha256"]
    candidates = [p for p in (target, previous(target)) if p.exists()]
    for candidate in candidates:
        blob = candidate.read_bytes()
        if hashlib.sha256(blob).hexdigest() == wanted:
            break
    else:
        found = file_digest(target) if target.exists() else "no file"
        raise _damaged(path, f"arrays in {target.name}: expected sha256 {wanted}, found {found}")
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as data:
            arrays: Arrays = {name: data[name] for name in data.files}
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DamagedArtifact(f"{candidate}: expected plain arrays, found {error}") from error
    found_digests = {name: array_digest(a) for name, a in arrays.items()}
    _expect(path, "arrays", envelope["arrays"], found_digests)
    return arrays


def _damaged(path: Path, what: str) -> DamagedArtifact:
    hint = ""
    kept = previous(path)
    if kept.exists():
        try:
            _read_arrays(kept, _envelope(kept))
            hint = f"; the version before it, {kept.name}, is intact"
        except RefusedArtifact:
            hint = f"; {kept.name} is damaged too"
    return DamagedArtifact(f"{path}: {what}{hint}")


def _expect(path: Path, field: str, expected: Any, found: Any) -> None:
    if expected != found:
        raise RefusedArtifact(f"{path}: {field}: expected {expected!r}, found {found!r}")


def _plain(value: Any, where: str) -> Any:
    """Reduce to JSON types, refusing what would not come back equal."""
    if isinstance(value, Mapping):
        bad = next((k for k in value if not isinstance(k, str)), None)
        if bad is not None:
            raise FixInput(f"{where}: keys of a saved mapping are text, got {bad!r}")
        return {str(k): _plain(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, np.bool_ | bool):
        return bool(value)
    if isinstance(value, np.integer | int):
        return int(value)
    if isinstance(value, np.floating | float):
        if not np.isfinite(value):
            raise FixInput(f"{where}: {value} cannot be saved as JSON: use None or an array")
        return float(value)
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    raise FixInput(f"{where}: {type(value).__name__} cannot be saved as JSON")
