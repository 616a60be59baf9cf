"""Several contracts at once: none waits for the venue's answer about another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any


async def all_of(works: Iterable[Awaitable[None]]) -> None:
    """Run all to their end, whatever becomes of the others; then raise the first error."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


class AtWork:
    """One piece of work a contract at a time, each in a task of its own.

    Whoever begins works waits a moment for them and goes on: an answer that is lost for one
    contract keeps nobody from protecting another.
    """

    def __init__(self) -> None:
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def begin(self, s: int, work: Coroutine[Any, Any, None]) -> None:
        """Begin work for a contract; not while there is some for it."""
        if s in self._tasks:
            work.close()
        else:
            self._tasks[s] = asyncio.create_task(work)

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until all is done, or for so long; raises the first error of what is done."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)
        done = {s: task for s, task in self._tasks.items() if task.done()}
        for s in done:
            del self._tasks[s]
        for task in done.values():
            task.result()
