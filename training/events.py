"""A TensorBoard event file written in the calling thread, so that a full disk is seen at once.

The writers of TensorBoard hand events to a thread, whose failure ends as a traceback beside the
program. Format: records of ``Event`` messages with their checksums, written by TensorBoard's own
record writer.
"""

from __future__ import annotations

import io
import os
import socket
import time
from pathlib import Path
from typing import Any

from envs.core.errors import FixInput

_FLUSH_BYTES = 1 << 18


class EventFile:
    """One new event file in a folder; ``add`` takes summaries, ``close`` completes the file."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event: Any = Event
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.0"
        self._path = folder / name
        self._buffer = io.BytesIO()
        self._records: Any = RecordWriter(self._buffer)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._path.touch()
        except OSError as error:
            raise self._failed(error) from error
        self._write(self._event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, summary: Any, step: int = 0) -> None:
        """Append a ``Summary`` message at a step.

        Raises:
            FixInput: The disk is full.
        """
        self._write(self._event(wall_time=time.time(), step=step, summary=summary))
        if self._buffer.tell() >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Bring everything to disk; on a full one nothing of a record is kept back."""
        size = self._path.stat().st_size
        try:
            with self._path.open("ab") as stream:
                stream.write(self._buffer.getvalue())
        except OSError as error:
            os.truncate(self._path, size)
            raise self._failed(error) from error
        self._buffer.seek(0)
        self._buffer.truncate()

    def close(self) -> None:
        """Flush the rest."""
        self.flush()

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())

    def _failed(self, error: OSError) -> FixInput:
        return FixInput(f"{self._path}: cannot be written: {error.strerror or error}")
