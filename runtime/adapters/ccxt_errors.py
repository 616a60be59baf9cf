"""What a failed request means: by the venue's number and the cause, never by ccxt's class.

ccxt gives one class to certain and uncertain failures (``ExchangeNotAvailable`` for a refused
connection and for a lost answer), and its futures table is skipped on loopback. So the failure is
taken apart into number, HTTP status, text and cause, and looked up in the table of the contract.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from runtime.port_values import Advice


class Verdict(StrEnum):
    """What the venue did with the request.

    REJECTED a definite no. UNKNOWN it may have been carried out. RATE_LIMITED not carried out, wait
    before anything else. FATAL not carried out, stop trading. NOT_FOUND the order is not known:
    filled, cancelled, never arrived or lagging. DUPLICATE an earlier send with this id succeeded.
    """

    REJECTED = "rejected"
    UNKNOWN = "unknown"
    RATE_LIMITED = "rate_limited"
    FATAL = "fatal"
    NOT_FOUND = "not_found"
    DUPLICATE = "duplicate"


class Cause(StrEnum):
    """Where it failed."""

    ANSWER = "answer"
    NOT_SENT = "not_sent"
    LOST = "lost"
    LOCAL = "local"


@dataclass(frozen=True)
class Failure:
    """A failed request taken apart; ``code`` and ``http`` are 0 where unknown."""

    code: int = 0
    http: int = 0
    text: str = ""
    cause: Cause = Cause.ANSWER
    retry_after_s: float = 0.0


@dataclass(frozen=True)
class Classified:
    """A failure and what it means."""

    verdict: Verdict
    advice: Advice
    failure: Failure

    @property
    def is_definite(self) -> bool:
        """Whether the request surely was not carried out."""
        return self.verdict in (Verdict.REJECTED, Verdict.RATE_LIMITED, Verdict.FATAL)


V, A = Verdict, Advice
BAD_TIME, DUPLICATE_ID, NO_CHANGE_MARGIN, NO_CHANGE_MODE = -1021, -4116, -4046, -4059
BY_CODE: dict[int, tuple[Verdict, Advice]] = {
    BAD_TIME: (V.REJECTED, A.RESYNC_CLOCK),
    **dict.fromkeys((-1022, -2014, -2015, -2008, -1002), (V.FATAL, A.STOP_TRADING)),
    **dict.fromkeys(
        (-1013, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1111, -1121, -4003, -4005, -4014,
         -4016, -4061),
        (V.REJECTED, A.FIX_REQUEST),
    ),
    -4164: (V.REJECTED, A.SKIP),
    -2010: (V.REJECTED, A.NONE),
    **dict.fromkeys((-2018, -2019, -2024), (V.REJECTED, A.SIZE_DOWN)),
    **dict.fromkeys((-2011, -2013), (V.NOT_FOUND, A.VERIFY)),
    -2021: (V.REJECTED, A.EXIT_NOW),
    -2022: (V.REJECTED, A.RECONCILE),
    **dict.fromkeys((-2025, -2027, -2028), (V.REJECTED, A.NONE)),
    DUPLICATE_ID: (V.DUPLICATE, A.VERIFY),
    -4120: (V.REJECTED, A.USE_TRIGGER),
    **dict.fromkeys((-5021, -5022), (V.REJECTED, A.REPRICE)),
    **dict.fromkeys((-4400, -2023), (V.REJECTED, A.REDUCE_ONLY)),
    **dict.fromkeys((-1003, -1015), (V.RATE_LIMITED, A.BACK_OFF)),
    -1008: (V.UNKNOWN, A.BACK_OFF),
    **dict.fromkeys((-1000, -1001, -1006, -1007), (V.UNKNOWN, A.VERIFY)),
}  # fmt: skip
"""Section 3 of the contract, line by line."""
_BANS = frozenset({429, 418})
_FIREWALL, _TIMEOUT = 403, 408
_BODY = re.compile(r"\{.*\}", re.DOTALL)
_STATUS = re.compile(r"(?<![0-9./:-])([45][0-9]{2}) ")


def classify(failure: Failure) -> Classified:
    """Say what a failure means; whatever is not known to be a no is UNKNOWN."""
    return Classified(*_look_up(failure), failure)


def failure_of(error: BaseException, headers: dict[str, Any] | None = None) -> Failure:
    """Take an exception of ccxt apart; ``headers`` are those of the last answer."""
    text = str(error)
    cause = _cause_of(error)
    if cause is not Cause.ANSWER:
        return Failure(text=text, cause=cause)
    code, http = _code_in(text), _status_in(text)
    limited = http in _BANS or code in (-1003, -1015)
    return Failure(code, http, text, cause, _retry_after(headers) if limited else 0.0)


def nonsense(text: str) -> Classified:
    """An answer with status 200 that says nothing: empty, cut off, or without an order number."""
    return Classified(V.UNKNOWN, A.VERIFY, Failure(http=200, text=f"unusable answer: {text[:200]}"))


def _look_up(failure: Failure) -> tuple[Verdict, Advice]:
    if failure.cause in (Cause.NOT_SENT, Cause.LOCAL):
        sent_nothing = failure.cause is Cause.NOT_SENT
        return V.REJECTED, A.BACK_OFF if sent_nothing else A.FIX_REQUEST
    if failure.cause is Cause.LOST:
        return V.UNKNOWN, A.VERIFY
    if failure.http in _BANS:
        return V.RATE_LIMITED, A.BACK_OFF
    if failure.code in BY_CODE:
        return BY_CODE[failure.code]
    if failure.http == _FIREWALL:
        return V.REJECTED, A.BACK_OFF
    if failure.code < 0 and (failure.http == 0 or 400 <= failure.http < 500):
        return V.REJECTED, A.NONE
    if 400 <= failure.http < 500 and failure.http != _TIMEOUT:
        return V.REJECTED, A.NONE
    return V.UNKNOWN, A.VERIFY


def _cause_of(error: BaseException) -> Cause:
    """Tell a connection that was never made from an answer that never came."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(chain) < 8:
        chain.append(link)
        # Not the context: that is whatever happened to be handled when this was raised.
        link = link.__cause__
    names = {cls.__name__ for e in chain for cls in type(e).__mro__}
    if names & {"ClientConnectorError", "gaierror", "ConnectionRefusedError"}:
        return Cause.NOT_SENT
    lost = {"ClientError", "TimeoutError", "ConnectionError", "CancelledError"}
    if names & lost:
        return Cause.LOST
    if not any("ccxt" in cls.__module__ for cls in type(error).__mro__):
        return Cause.LOCAL
    text = str(error)
    if _code_in(text) == 0 and _status_in(text) == 0 and _is_local(names, text):
        return Cause.LOCAL
    return Cause.ANSWER


def _is_local(names: set[str], text: str) -> bool:
    """A refusal that ccxt made itself: no answer's body, and none of its network classes."""
    return "NetworkError" not in names and _BODY.search(text) is None and (
        "Unknown error" not in text
    )  # fmt: skip


def _code_in(text: str) -> int:
    found = _BODY.search(text)
    if found is None:
        return 0
    try:
        body = json.loads(found.group())
    except (ValueError, RecursionError):
        return 0
    code = body.get("code") if isinstance(body, dict) else None
    try:
        return int(code) if code is not None else 0
    except (TypeError, ValueError):
        return 0


def _status_in(text: str) -> int:
    """HTTP status in a message, which ccxt puts before the reason; 0 without."""
    before = text.partition("{")[0] + " "
    found = _STATUS.search(before)
    return int(found.group(1)) if found else 0


def _retry_after(headers: dict[str, Any] | None) -> float:
    for name, value in (headers or {}).items():
        if name.lower() == "retry-after":
            try:
                return max(0.0, float(value))
            except (TypeError, ValueError):
                return 0.0
    return 0.0
