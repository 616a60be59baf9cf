"""Which hosts may be spoken to: loopback, the exchange's demo, and live only when it is allowed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from envs.core.errors import FixSettings

Mode = Literal["local", "demo", "live"]
DEMO_HOSTS = frozenset(
    {
        "demo-fapi.binance.com", "demo-dapi.binance.com", "demo-api.binance.com",
        "fstream.binancefuture.com", "dstream.binancefuture.com", "testnet.binancefuture.com",
        "demo-stream.binance.com", "demo-ws-api.binance.com", "demo-ws-dapi.binance.com",
        "demo-ws-fapi.binance.com",
    }
)  # fmt: skip
LIVE_PHRASE = "I_ACCEPT_THE_RISK"
"""Value of QT_ALLOW_LIVE."""
TYPED_PHRASE = "TRADE REAL MONEY"
"""What must be typed at the terminal at each start."""
_SCHEMES = frozenset({"http", "https", "ws", "wss"})


def check_live(allow_live: str, typed: str) -> None:
    """Let the live mode pass only with its setting and its typed confirmation.

    Raises:
        FixSettings: One of them is missing.
    """
    if allow_live != LIVE_PHRASE:
        raise FixSettings(
            f"live trading is off: it needs QT_ALLOW_LIVE={LIVE_PHRASE}; use demo or local instead"
        )
    if typed != TYPED_PHRASE:
        raise FixSettings(f"live trading was not confirmed: type {TYPED_PHRASE!r} when asked")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine; names other than localhost are not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_allowed(url: str, mode: Mode) -> bool:
    """Whether a mode may speak to a URL; live must be allowed before and is not limited here."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.scheme not in _SCHEMES or not host or parts.username or parts.password:
        return False
    if mode == "local":
        return is_loopback(host)
    if mode == "demo":
        return host in DEMO_HOSTS and parts.scheme in ("https", "wss")
    return parts.scheme in ("https", "wss")


def check_url(url: str, mode: Mode) -> None:
    """Refuse a URL that its mode may not speak to.

    Raises:
        FixSettings: Another host.
    """
    if not is_allowed(url, mode):
        shown = urlsplit(url)
        raise FixSettings(
            f"venue {mode}: refusing to speak to {shown.scheme}://{shown.hostname}; local speaks "
            "to loopback only, demo to the exchange's demo hosts only"
        )


def urls_in(tree: Any) -> Iterator[str]:
    """Every text of nested dictionaries and lists."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from urls_in(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from urls_in(value)


def check_all(tree: Any, mode: Mode) -> int:
    """Check every URL of a ccxt instance; returns how many.

    Raises:
        FixSettings: One of them is not allowed, or there is none.
    """
    found = list(urls_in(tree))
    if not found:
        raise FixSettings(f"venue {mode}: no URL configured")
    for url in found:
        check_url(url, mode)
    return len(found)
