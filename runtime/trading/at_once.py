"""Several contracts at once: none waits for the venue's answer about another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any

_LOG = logging.getLogger(__name__)


async def all_of(works: Iterable[Awaitable[None]]) -> None:
    """Run all to their end, whatever becomes of the others; then raise the first error."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


class Failures:
    """Errors of several works: the others are done all the same, then the first is raised."""

    def __init__(self) -> None:
        self._first: Exception | None = None

    async def of(self, work: Awaitable[None]) -> bool:
        """Do something; whether it went well."""
        try:
            await work
        except Exception as error:
            if self._first is None:
                self._first = error
            else:
                _LOG.error("and: %s: %s", type(error).__name__, error)
            return False
        return True

    def __bool__(self) -> bool:
        return self._first is not None

    def tell(self) -> None:
        """Raise the first error, if there was any."""
        if self._first is not None:
            raise self._first


class AtWork:
    """One piece of work a contract at a time, each in a task of its own.

    Whoever begins works waits a moment for them and goes on: an answer that is lost for one
    contract keeps nobody from protecting another.
    """

    def __init__(self) -> None:
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ended: list[asyncio.Task[None]] = []

    def begin(self, s: int, work: Coroutine[Any, Any, None]) -> bool:
        """Begin work for a contract; False while there is some for it."""
        task = self._tasks.get(s)
        if task is not None and not task.done():
            work.close()
            return False
        if task is not None:
            self._ended.append(task)
        self._tasks[s] = asyncio.create_task(work)
        return True

    def is_busy(self, s: int) -> bool:
        """Whether something is under way for a contract."""
        task = self._tasks.get(s)
        return task is not None and not task.done()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until all is done, or for so long; raises the first error of what is done."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        done = {s: task for s, task in self._tasks.items() if task.done()}
        for s in done:
            del self._tasks[s]
        ended, self._ended = [*self._ended, *done.values()], []
        failures = Failures()
        for task in ended:
            await failures.of(task)
        failures.tell()
