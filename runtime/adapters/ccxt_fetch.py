"""One HTTP request of a ccxt client: a plain answer is handed on, every other one judged by ccxt.

ccxt's own ``fetch`` looks for proxies, copies headers, parses text and searches every answer for
its error texts; fifty requests at a close feel that. What is raised here is what ccxt raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from ccxt.base.errors import ExchangeError, ExchangeNotAvailable, RequestTimeout
from yarl import URL

from runtime.adapters.host_guard import Mode, check_url

_OK = 200
_TELLING = frozenset({"code", "msg", "success"})
"""What an answer may be an error by, whatever its status."""
_ORIGIN_ENDS = "/?#\\"


class CcxtFetch:
    """``exchange.fetch`` over the session of the client, for hosts of a mode only.

    A redirect is not followed: it could lead to any host, the key with it.
    """

    def __init__(self, exchange: Any, mode: Mode) -> None:
        self._exchange, self._mode = exchange, mode
        self._allowed: set[str] = set()
        self._timeout_ms, self._timeout = 0, aiohttp.ClientTimeout()

    async def __call__(
        self, url: str, method: str = "GET", headers: Mapping[str, Any] | None = None,
        body: str | None = None,
    ) -> Any:  # fmt: skip
        """Send a request; returns the parsed body, or its text where it is no JSON.

        Raises:
            FixSettings: The mode may not speak to this host.
            ccxt.BaseError: As ccxt's: the class by the answer, ``RequestTimeout`` without one,
                ``ExchangeNotAvailable`` for a broken connection.
        """
        self._check(url)
        exchange = self._exchange
        sent = exchange.prepare_request_headers(dict(headers or {}))
        exchange.last_request_headers = sent
        exchange.open(True)
        exchange.logger.debug("%s %s, Request: %s %s", method, url, sent, body)
        try:
            async with exchange.session.request(
                method, URL(url, encoded=True), data=None if body is None else body.encode(),
                headers=sent, timeout=self._limits(), allow_redirects=False,
            ) as answer:  # fmt: skip
                raw = await answer.read()
                text = await answer.text(errors="replace") if answer.status != _OK else ""
        except TimeoutError as error:
            raise RequestTimeout(f"{exchange.id} {method} {url}") from error
        except aiohttp.ClientConnectionError as error:
            raise ExchangeNotAvailable(f"{exchange.id} {method} {url}") from error
        except aiohttp.ClientError as error:
            raise ExchangeError(f"{exchange.id} {method} {url}") from error
        exchange.last_response_headers = answer.headers
        exchange.logger.debug("%s %s, Response: %s %s", method, url, answer.status, raw)
        if answer.status == _OK:
            if (plain := _plain(raw)) is not None:
                return plain
            text = await answer.text(errors="replace")
        return self._judged(answer, url, method, text.strip(), sent, body)

    def _judged(
        self, answer: aiohttp.ClientResponse, url: str, method: str, text: str,
        sent: Mapping[str, Any], body: str | None,
    ) -> Any:  # fmt: skip
        """What ccxt makes of an answer."""
        exchange, status, reason = self._exchange, answer.status, answer.reason or ""
        parsed = exchange.parse_json(text)
        exchange.handle_errors(
            status, reason, url, method, answer.headers, text, parsed, sent, body
        )
        exchange.handle_http_status_code(status, reason, url, method, text)
        return text if parsed is None else parsed

    def _check(self, url: str) -> None:
        """Check the host of a URL, each origin once."""
        start = url.find("://") + 3
        end = min((at for c in _ORIGIN_ENDS if (at := url.find(c, start)) >= 0), default=len(url))
        origin = url[:end]
        if origin not in self._allowed:
            check_url(url, self._mode)
            self._allowed.add(origin)

    def _limits(self) -> aiohttp.ClientTimeout:
        """The client's timeout, for the whole and for its parts: a dead connection is noticed."""
        if self._timeout_ms != self._exchange.timeout:
            self._timeout_ms = self._exchange.timeout
            limit_s = self._timeout_ms / 1e3
            self._timeout = aiohttp.ClientTimeout(
                total=limit_s, sock_connect=limit_s, sock_read=limit_s
            )
        return self._timeout


def _plain(raw: bytes) -> Any:
    """An answer that is nothing but rows or fields; None for anything that ccxt should see."""
    try:
        body = orjson.loads(raw)
    except ValueError:
        return None
    if isinstance(body, list):
        # A single row may be the error of a batch of one.
        return None if len(body) == 1 and isinstance(body[0], dict) else body
    return body if isinstance(body, dict) and _TELLING.isdisjoint(body) else None
