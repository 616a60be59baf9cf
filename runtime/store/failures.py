"""What a database said, as a sentence that tells what to do."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from envs.core.errors import DamagedArtifact, QuantumTraderError, RefusedArtifact
from runtime.port_errors import StoreUnavailable

CORRUPT = ("malformed", "not a database", "file is encrypted", "invalid page", "corrupt")
_ADVICE = (
    (("is locked", "lock timeout", "database table is locked"),
     "another program is writing it: stop that program"),
    (("is full", "no space left", "disk full"),
     "free space on its disk; nothing of this was written"),
    (("readonly", "read-only", "permission denied"),
     "make the file and its folder writable for this user"),
    (("unable to open",), "make its folder, or name one that exists and may be written"),
    (("password authentication", "authentication failed", "no password supplied", "role "),
     "mend user and password in QT_DATABASE_URL"),
    (('database "',), "create that database first (createdb), or mend QT_DATABASE_URL"),
    (("disk i/o error", "could not write", "file too large"),
     "its disk does not work or is full; nothing of this was written"),
    (("resolve host", "translate host"), "mend the host in QT_DATABASE_URL"),
    (("connection", "server", "timeout", "ssl"),
     "the server does not answer: start it, or mend QT_DATABASE_URL"),
)  # fmt: skip


def reason_of(error: SQLAlchemyError) -> str:
    """The database's own words, without the statement and its values."""
    inner = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(inner).strip().splitlines() or [type(inner).__name__]
    return lines[0]


def unavailable(name: str, error: SQLAlchemyError) -> StoreUnavailable:
    """The error for a database that was open before."""
    said = reason_of(error)
    return StoreUnavailable(f"journal {name}: {said}; {_advice(said)}")


def not_opened(name: str, error: SQLAlchemyError) -> QuantumTraderError:
    """The error for a database that could not be opened; a corrupt one is refused for good."""
    said = reason_of(error)
    lowered = said.lower()
    if any(word in lowered for word in CORRUPT):
        return damaged(name, said)
    return StoreUnavailable(f"journal {name}: {said}; {_advice(said)}")


def damaged(name: str, said: str) -> DamagedArtifact:
    """The error for a file that is not what was written."""
    return DamagedArtifact(
        f"journal {name}: {said}; restore it from a backup, or begin a new one in another folder "
        "after the account is flat"
    )


def foreign(name: str, said: str) -> RefusedArtifact:
    """The error for a database of another program."""
    return RefusedArtifact(
        f"journal {name}: {said}; it belongs to another program: give this one a database of its "
        "own (QT_DATABASE_URL or --state)"
    )


def _advice(said: str) -> str:
    lowered = said.lower()
    for words, advice in _ADVICE:
        if any(word in lowered for word in words):
            return advice
    return "see what the database says"
