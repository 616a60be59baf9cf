from __future__ import annotations

import pytest

from envs.core.errors import FixSettings
from runtime.adapters.host_guard import (
    LIVE_PHRASE,
    TYPED_PHRASE,
    Mode,
    check_all,
    check_live,
    check_url,
    is_allowed,
)


@pytest.mark.parametrize(
    ("url", "mode", "allowed"),
    [
        ("http://127.0.0.1:18080/fapi/v1", "local", True),
        ("ws://127.0.0.1:18080/ws", "local", True),
        ("http://127.9.9.9/", "local", True),
        ("http://[::1]:80/", "local", True),
        ("http://localhost:80/", "local", True),
        ("http://0.0.0.0:80/", "local", False),
        ("http://localhost.example.com/", "local", False),
        ("http://127.0.0.1.example.com/", "local", False),
        ("http://127.0.0.1@fapi.binance.com/", "local", False),
        ("http://10.0.0.1/", "local", False),
        ("https://demo-fapi.binance.com/fapi/v1", "local", False),
        ("https://demo-fapi.binance.com/fapi/v1", "demo", True),
        ("wss://fstream.binancefuture.com/ws", "demo", True),
        ("http://demo-fapi.binance.com/fapi/v1", "demo", False),
        ("https://fapi.binance.com/fapi/v1", "demo", False),
        ("wss://fstream.binance.com/ws", "demo", False),
        ("https://demo-fapi.binance.com.evil.org/", "demo", False),
        ("http://127.0.0.1/", "demo", False),
        ("https://fapi.binance.com/fapi/v1", "live", True),
        ("ftp://127.0.0.1/", "local", False),
        ("file:///etc/passwd", "local", False),
        ("", "local", False),
    ],
)
def test_hosts(url: str, mode: Mode, allowed: bool) -> None:
    assert is_allowed(url, mode) is allowed
    if not allowed:
        with pytest.raises(FixSettings, match="refusing"):
            check_url(url, mode)


def test_one_bad_url_deep_inside_is_enough() -> None:
    tree = {"api": {"ws": {"linear": "ws://127.0.0.1/ws", "x": ["http://127.0.0.1/"]}}}
    assert check_all(tree, "local") == 2
    tree["api"]["ws"]["x"] = ["http://127.0.0.1/", "https://api.binance.com/"]
    with pytest.raises(FixSettings, match=r"api\.binance\.com"):
        check_all(tree, "local")
    with pytest.raises(FixSettings, match="no URL"):
        check_all({}, "local")


def test_live_needs_setting_and_typed_phrase() -> None:
    check_live(LIVE_PHRASE, TYPED_PHRASE)
    for allow, typed in (("", ""), ("yes", TYPED_PHRASE), (LIVE_PHRASE, ""), (LIVE_PHRASE, "y")):
        with pytest.raises(FixSettings, match="live trading"):
            check_live(allow, typed)
