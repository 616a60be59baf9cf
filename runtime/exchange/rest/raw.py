"""A request as it came: what was signed, byte for byte, and the parameters in it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from runtime.exchange.errors import VenueError
from runtime.exchange.rest.refusals import illegal

MAX_PARAMS = 64
MAX_VALUE_CHARS = 16_384
SIGNATURE = "signature"


@dataclass(frozen=True)
class RawRequest:
    """Method, path and parameters of a request.

    ``signed_text`` is the raw query followed by the raw body, each without its ``signature``
    part; ``values`` the decoded parameters without it.
    """

    method: str
    path: str
    signed_text: str
    values: dict[str, str]
    signature: str | None


def read_raw(method: str, target: str, body: bytes) -> RawRequest:
    """Take a request apart; ``target`` is the request line's, never decoded or re-encoded.

    Raises:
        VenueError: -1100 or -1101, the text cannot be parameters.
    """
    path, _, query = target.partition("?")
    try:
        form = body.decode("ascii")
    except UnicodeDecodeError as error:
        raise illegal("body", "a form of percent-encoded ASCII") from error
    values: dict[str, str] = {}
    signatures: list[str] = []
    signed = _collect(query, values, signatures) + _collect(form, values, signatures)
    if len(signatures) > 1:
        raise _twice(SIGNATURE)
    return RawRequest(method, path, signed, values, signatures[0] if signatures else None)


def _collect(text: str, values: dict[str, str], signatures: list[str]) -> str:
    """Add the parameters of a query or form; returns the text without the signature."""
    if not text:
        return ""
    kept: list[str] = []
    pieces = text.split("&")
    if len(pieces) > MAX_PARAMS:
        raise VenueError(-1101, "Too many parameters sent for this endpoint.")
    for piece in pieces:
        name, _, value = piece.partition("=")
        if name == SIGNATURE:
            signatures.append(value)
            continue
        kept.append(piece)
        if not piece:
            continue
        name = _decoded(name, "name")
        if name in values:
            raise _twice(name)
        values[name] = _decoded(value, name)
    return "&".join(kept)


def _decoded(text: str, name: str) -> str:
    if "%" not in text and "+" not in text:
        plain = text
    else:
        try:
            plain = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
        except UnicodeDecodeError as error:
            raise illegal(name[:36], "UTF-8") from error
    if len(plain) > MAX_VALUE_CHARS:
        raise VenueError(-1101, "Too many parameters sent for this endpoint.")
    return plain


def _twice(name: str) -> VenueError:
    return VenueError(-1101, f"Duplicate values for parameter '{name[:36]}' detected.")
