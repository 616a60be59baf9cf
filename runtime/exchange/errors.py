"""Refusals of the venue, as the dialect numbers them."""

from __future__ import annotations

from envs.core.errors import QuantumTraderError


class VenueError(QuantumTraderError):
    """A request the venue refuses; nothing has changed.

    ``code`` is the dialect's negative number, ``http`` the status it is sent with.
    """

    def __init__(self, code: int, message: str, http: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.http = code, message, http


MARGIN_INSUFFICIENT = -2019
UNKNOWN_ORDER = -2011
NO_SUCH_ORDER = -2013
WOULD_TRIGGER = -2021
REDUCE_ONLY_REJECTED = -2022
FOK_REJECTED = -5021
POST_ONLY_REJECTED = -5022
DUPLICATE_CLIENT_ID = -4116
NO_CHANGE_MARGIN_TYPE = -4046
MAX_LEVERAGE = -4028
LEVERAGE_REDUCTION = -4161
SECOND_CLOSE_POSITION = -4130
