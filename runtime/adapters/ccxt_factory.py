"""The one place where a ccxt client is made; modes differ in URLs and keys only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from envs.core.errors import FixSettings
from runtime.adapters.host_guard import Mode, check_all, check_live, check_url

TIMEOUT_MS = 10_000
KEEP_ALIVE_MS = 10_000
RATE_LIMIT_MS = 1
RECV_WINDOW_MS = 5_000
"""A request that is still under way after this long is refused by the venue (-1021)."""


@dataclass(frozen=True)
class Keys:
    """API key and secret; never shown."""

    key: str = field(repr=False)
    secret: str = field(repr=False)


LOCAL_KEYS = Keys("local", "local")


def make_exchange(
    mode: Mode, *, keys: Keys = LOCAL_KEYS, url: str = "", timeout_ms: int = TIMEOUT_MS,
    allow_live: str = "", typed: str = "",
) -> Any:  # fmt: skip
    """Make a ``ccxt.pro.binanceusdm`` that cannot reach a host its mode does not allow.

    ``url`` is the local exchange's, ``http://127.0.0.1:18080``. Live needs the setting
    ``allow_live`` and the phrase ``typed`` at the terminal.

    Raises:
        FixSettings: No keys, a URL that is not this mode's, or live without both permissions.
    """
    if mode not in ("local", "demo", "live"):
        raise FixSettings(f"venue: local, demo or live, got {mode!r}")
    if mode == "live":
        check_live(allow_live, typed)
    if mode != "local" and (keys == LOCAL_KEYS or not keys.key or not keys.secret):
        raise FixSettings(f"venue {mode}: an API key and its secret are needed")
    if (mode == "local") != bool(url):
        asked = "leave it out" if url else "give one, such as http://127.0.0.1:18080"
        raise FixSettings(f"venue {mode}: a URL (--exchange-url) is for local alone: {asked}")

    # ccxt takes half a second to load; only a venue behind it pays for that.
    import ccxt.pro as ccxtpro

    exchange = ccxtpro.binanceusdm(_config(keys, timeout_ms))
    if mode == "local":
        exchange.urls["demo"] = _local_urls(exchange.urls["demo"], url)
    if mode in ("local", "demo"):
        exchange.enable_demo_trading(True)
        # Backups of the live URLs would let a later call switch back to them.
        exchange.urls = {name: exchange.urls[name] for name in ("api", "demo")}
        check_all(exchange.urls, mode)
    # ccxt skips its table of futures errors on any other host than the vendor's.
    exact = exchange.exceptions["exact"]
    exchange.exceptions["exact"] = {**exact, **exchange.exceptions["linear"]["exact"]}
    _guard(exchange, mode)
    return exchange


def _config(keys: Keys, timeout_ms: int) -> dict[str, Any]:
    return {
        "apiKey": keys.key,
        "secret": keys.secret,
        "enableRateLimit": True,
        "rateLimiterAlgorithm": "rollingWindow",
        # Wide open: at its own 50 ms ccxt takes 300 orders a minute and then holds an exit back
        # like everything else. RateBudget limits, with a reserve for exits.
        "rateLimit": RATE_LIMIT_MS,
        "timeout": timeout_ms,
        "streaming": {"keepAlive": KEEP_ALIVE_MS},
        # 0: ccxt would resend an order with the same id, which may fill twice.
        "options": {
            "adjustForTimeDifference": True,
            "maxRetriesOnFailure": 0,
            "recvWindow": RECV_WINDOW_MS,
            "fetchOpenOrders": {"warnWithoutSymbol": False},
        },
    }


def _local_urls(demo: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Every entry of the demo's URLs on the local exchange, also those that it does not serve."""
    check_url(url, "local")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.path not in ("", "/") or parts.query:
        raise FixSettings(f"venue local: a URL like http://127.0.0.1:18080 is needed, got {url}")
    sockets = "wss" if parts.scheme == "https" else "ws"
    return {name: _moved(entry, parts.netloc, parts.scheme, sockets)
            for name, entry in demo.items()}  # fmt: skip


def _moved(entry: Any, netloc: str, http: str, sockets: str) -> Any:
    if isinstance(entry, str):
        parts = urlsplit(entry)
        scheme = sockets if parts.scheme in ("ws", "wss") else http
        return parts._replace(scheme=scheme, netloc=netloc).geturl()
    return {name: _moved(value, netloc, http, sockets) for name, value in entry.items()}


def _guard(exchange: Any, mode: Mode) -> None:
    """Check the host once more where requests and sockets leave, whatever was changed since."""
    from runtime.adapters.ccxt_fetch import CcxtFetch

    client = exchange.client

    def guarded_client(url: str) -> Any:
        # ccxt registers flights of its own under names that are no URLs and never dials them.
        if "://" in url:
            check_url(url, mode)
        return client(url)

    exchange.fetch, exchange.client = CcxtFetch(exchange, mode), guarded_client
