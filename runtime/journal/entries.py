"""Records as they come out of the journal, and their export."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from envs.core.errors import FixInput
from envs.durable import replace_durably
from runtime.journal.chain import Head, Line, Row
from runtime.journal.codec import dumps, loads
from runtime.kernel_ports import Record

_KIND_LETTERS = 24


@dataclass(frozen=True)
class Entry:
    """One record as the journal holds it; ``body`` are JSON values (``runtime.journal.codec``)."""

    seq: int
    kind: str
    time_ns: int
    key: str
    body: Mapping[str, Any]


def entry_of(line: Line) -> Entry:
    """Entry of a stored line.

    Raises:
        DamagedArtifact: Its body is not JSON.
    """
    return Entry(line.seq, line.kind, line.time_ns, line.key, loads(line.body))


def checked_row(seq: int, record: Record, text: str) -> Row:
    """Row of a record.

    Raises:
        ValueError: A kind that is no name, or a key no database holds.
    """
    kind, key = record.kind, record.key
    if not (kind.isidentifier() and len(kind) <= _KIND_LETTERS):
        raise ValueError(f"kind {kind!r} of a record: a name of 1 to {_KIND_LETTERS} letters")
    if not key.isprintable():
        raise ValueError(f"key {key!r} of a record {kind!r}: printable letters only")
    return seq, kind, record.time_ns, key, text


def export_lines(lines: Iterator[Line], path: Path) -> int:
    """Write lines as JSON lines with their hashes; the file is there whole or not at all.

    Raises:
        FixInput: It cannot be written.
    """
    count, temporary = 0, ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            for line in lines:
                stream.write(_json_line(line))
                count += 1
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        replace_durably(Path(temporary), path)
    except OSError as error:
        raise FixInput(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
    return count


def last_exported(path: Path) -> Head:
    """Number and hash of the last line of an export.

    Raises:
        FixInput: It cannot be read, or holds no lines of a journal.
    """
    line = b""
    try:
        with path.open("rb") as stream:
            for line in stream:  # noqa: B007
                pass
        told = orjson.loads(line)
        return Head(int(told["seq"]), str(told["hash"]))
    except OSError as error:
        raise FixInput(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FixInput(f"{path}: its last line is no line of a journal's export") from error


def _json_line(line: Line) -> str:
    # The body goes in as it is: the hash is of its very text.
    return (
        f'{{"seq":{line.seq},"kind":{dumps(line.kind)},"time_ns":{line.time_ns},'
        f'"key":{dumps(line.key)},"hash":"{line.hash}","body":{line.body}}}\n'
    )
