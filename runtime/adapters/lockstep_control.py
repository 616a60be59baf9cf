"""The control port of a local exchange in lockstep, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import aiohttp

from envs.core.errors import FixInput
from runtime.port_errors import VenueUnavailable

TIMEOUT_S = 30.0


class LockstepControl:
    """Asks the control port; ``async with LockstepControl(url) as control``."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> LockstepControl:
        """Begin."""
        self._client = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def state(self) -> dict[str, Any]:
        """GET /control/state.

        Raises:
            VenueUnavailable: No answer, or one that says nothing.
            FixInput: The exchange does not run in lockstep.
        """
        return await self._ask("GET", "/control/state")

    async def advance(self, vertices: int = 1) -> dict[str, Any]:
        """POST /control/advance; raises as ``state``. Never sent twice: a step cannot be undone."""
        return await self._ask("POST", "/control/advance", {"vertices": vertices})

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        if self._client is None:
            raise FixInput("control: not entered: async with LockstepControl(url)")
        try:
            async with self._client.request(method, self.url + path, json=body) as answer:
                told = await answer.json()
                status = answer.status
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            text = f"control {path}: {type(error).__name__}: {error}"
            raise VenueUnavailable(text) from error
        if status == 400 and isinstance(told, dict):
            raise FixInput(f"control {path}: {told.get('error', told)}")
        if status != 200 or not isinstance(told, dict):
            raise VenueUnavailable(f"control {path}: {status}: {told!r:.300}")
        return told
