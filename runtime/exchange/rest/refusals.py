"""Refusals of a request as such, before any rule of trading: the dialect's codes and texts."""

from __future__ import annotations

from runtime.exchange.errors import VenueError

DECIMAL_RANGE = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"


def missing(name: str) -> VenueError:
    """A mandatory parameter is not there or cannot be read."""
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return VenueError(-1102, text)


def illegal(name: str, legal: str) -> VenueError:
    """Characters a parameter must not contain."""
    return VenueError(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def unread(read: int, sent: int) -> VenueError:
    """Parameters the endpoint does not know."""
    text = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
    return VenueError(-1104, text)


def empty(name: str) -> VenueError:
    """A parameter without a value."""
    return VenueError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> VenueError:
    """A parameter that has no meaning in this request."""
    return VenueError(-1106, f"Parameter '{name}' sent when not required.")


def invalid_data(name: str) -> VenueError:
    """A value outside what the parameter allows."""
    return VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")


def too_precise() -> VenueError:
    """More decimals than the contract has."""
    return VenueError(-1111, "Precision is over the maximum defined for this asset.")


def no_such_path(path: str, method: str) -> VenueError:
    """An endpoint or a method that does not exist."""
    return VenueError(-5000, f"Path {path[:100]}, Method {method[:10]} is invalid", 404)


def too_large() -> VenueError:
    """A body beyond every honest request."""
    return VenueError(-1101, "Too many parameters sent for this endpoint.", 413)
