"""A thread that does one thing after the other and keeps no process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue


class Worker:
    """Does what it is given in the order given.

    The executors of the standard library are joined at the interpreter's end: work that hangs
    would keep the process for ever.
    """

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[tuple[Future[None], Callable[[], None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> Future[None]:
        """Do something after what was given before; the result tells when, and what it raised."""
        future: Future[None] = Future()
        self._queue.put((future, work))
        return future

    def close(self, patience_s: float) -> bool:
        """End after what was given; False when that takes longer than ``patience_s`` seconds."""
        self._queue.put(None)
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (given := self._queue.get()) is not None:
            future, work = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                work()
            except BaseException as error:  # whoever waits is told
                future.set_exception(error)
            else:
                future.set_result(None)
            # Not kept until the next one comes: it holds what it was asked about.
            del given, future, work
