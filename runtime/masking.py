"""Texts without secrets: those that are known, and what looks like one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from runtime.settings_tree import READ_ELSEWHERE, SECRET_WORDS

MASK = "***"
SHORTEST = 6
"""Shorter secrets would mask ordinary words; no exchange gives such."""
_NAMED = re.compile(
    r"(?i)(signature|listen_?key|api_?key|api_?secret|secret|password|passwd|token|x-mbx-apikey)"
    r"(\\?[\"']?\s*[=:]\s*\\?[\"']?)([^\s\"'&,;}\\]+)"
)
_IN_URL = re.compile(r"(://[^/@:\s]*):[^@/\s]+@")
_PASSWORD = re.compile(r"://[^:/@\s]*:([^@\s]*)@|[?&]password=([^&\s]*)")
_SOCKET = re.compile(r"(/(?:ws|stream)/)([A-Za-z0-9]{32,})")
_LONG = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{40,}(?![A-Za-z0-9])")
_DIGEST = re.compile(r"[0-9a-f]+")


class Masker:
    """Takes secrets out of texts.

    Besides the given ones: values named signature, listenKey, apiKey, secret, password or token,
    passwords in URLs, listen keys in socket addresses, and any word of 40 letters and digits or
    more that is no hexadecimal digest.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {text.strip() for text in secrets}
        both = found | {quote(text, safe="") for text in found}
        known = sorted((t for t in both if len(t) >= SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def mask(self, text: str) -> str:
        """The text without them."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _IN_URL.sub(rf"\1:{MASK}@", text)
        text = _NAMED.sub(rf"\1\2{MASK}", text)
        text = _SOCKET.sub(rf"\1{MASK}", text)
        return _LONG.sub(_unless_digest, text)


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Secrets of an environment: values of secret names, of the files they name, of URLs.

    A file that cannot be read is left out: whoever needs it says so.
    """
    found: list[str] = []
    for name in (n for n in READ_ELSEWHERE if any(w in n for w in SECRET_WORDS)):
        value = environ.get(name, "").strip()
        if name.endswith("_FILE") and value:
            value = _content(Path(value))
        found.append(password_in(value) if "URL" in name else value)
    return tuple(x for x in found if x)


def password_in(url: str) -> str:
    """Password of a database URL, empty where it has none; found as SQLAlchemy finds it."""
    match = _PASSWORD.search(url)
    return unquote(match[1] or match[2] or "") if match else ""


def _unless_digest(match: re.Match[str]) -> str:
    return match[0] if _DIGEST.fullmatch(match[0]) else MASK


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
