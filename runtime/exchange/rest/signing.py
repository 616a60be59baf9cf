"""Who sent a request, and when: API key, HMAC over the raw text, receive window."""

from __future__ import annotations

import hashlib
import hmac
import re

from runtime.exchange.errors import VenueError
from runtime.exchange.rest.raw import RawRequest
from runtime.exchange.rest.refusals import missing

RECV_WINDOW_MS = 5_000
MAX_RECV_WINDOW_MS = 60_000
AHEAD_MS = 1_000
_WHOLE = re.compile(r"[0-9]{1,18}\Z")


class Signing:
    """Checks requests against one key pair."""

    def __init__(self, api_key: str, api_secret: str) -> None:
        self._key, self._secret = api_key.encode(), api_secret.encode()

    def check_key(self, sent: str | None) -> None:
        """The header ``X-MBX-APIKEY``.

        Raises:
            VenueError: -2014 without a key, -2015 with a wrong one.
        """
        if not sent:
            raise VenueError(-2014, "API-key format invalid.", 401)
        if not hmac.compare_digest(sent.encode("utf-8", "surrogateescape"), self._key):
            raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    def check_signature(self, request: RawRequest) -> None:
        """The HMAC-SHA256 of exactly what was sent.

        Raises:
            VenueError: -1102 without, -1022 with a wrong one.
        """
        if not request.signature:
            raise missing("signature")
        text = request.signed_text.encode("utf-8", "surrogateescape")
        good = hmac.new(self._secret, text, hashlib.sha256).hexdigest()
        sent = request.signature.lower().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(sent, good.encode()):
            raise VenueError(-1022, "Signature for this request is not valid.")


def check_time(values: dict[str, str], now_ms: int) -> None:
    """Timestamp and receive window against the wall clock.

    Raises:
        VenueError: -1102 unreadable, -1131 window too wide, -1021 outside of it.
    """
    stamp = _whole(values.get("timestamp"), "timestamp")
    window = RECV_WINDOW_MS
    if "recvWindow" in values:
        window = _whole(values["recvWindow"], "recvWindow")
        if window > MAX_RECV_WINDOW_MS:
            raise VenueError(-1131, "recvWindow must be less than 60000")
    if stamp >= now_ms + AHEAD_MS:
        text = "Timestamp for this request was 1000ms ahead of the server's time."
        raise VenueError(-1021, text)
    if now_ms - stamp > window:
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _whole(text: str | None, name: str) -> int:
    if text is None or not _WHOLE.match(text):
        raise missing(name)
    return int(text)
