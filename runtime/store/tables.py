"""Tables of the database: records, state, intents, orders and fills.

Money and counts are integers, never floats. Version 1 had no ``journal``, no ``state`` and no
``stop_requests``.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 2
METADATA = MetaData()

about = Table(
    "about",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

intents = Table(
    "intents",
    METADATA,
    Column("client_id", String(36), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("symbol", String(40), nullable=False),
    Column("ask", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("venue_id", BigInteger, nullable=False),
    Column("code", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("settled_ms", BigInteger, nullable=False),
    Index("intents_by_state", "state", "created_ms"),
)

orders = Table(
    "orders",
    METADATA,
    Column("kind", String(8), primary_key=True),
    Column("venue_id", BigInteger, primary_key=True),
    Column("client_id", String(64), nullable=False),
    Column("symbol", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("view", Text, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("orders_open", "is_open"),
    Index("orders_by_symbol", "symbol", "kind"),
)

confirmed = Table(
    "confirmed_trades",
    METADATA,
    Column("symbol", String(40), primary_key=True),
    Column("trade_id", BigInteger, nullable=False),
)

fills = Table(
    "fills",
    METADATA,
    Column("symbol", String(40), primary_key=True),
    Column("trade_id", BigInteger, primary_key=True),
    Column("order_id", BigInteger, nullable=False),
    Column("side", Integer, nullable=False),
    Column("qty_steps", BigInteger, nullable=False),
    Column("price_ticks", BigInteger, nullable=False),
    Column("quote_units", BigInteger, nullable=False),
    Column("fee_units", BigInteger, nullable=False),
    Column("fee_asset", String(20), nullable=False),
    Column("realised_units", BigInteger, nullable=False),
    Column("maker", Boolean, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
)

journal = Table(
    "journal",
    METADATA,
    # A plain INTEGER is the row number itself in SQLite: no second index.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True,
           autoincrement=False),
    Column("kind", String(24), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Index("journal_by_key", "kind", "key", "seq"),
)  # fmt: skip

state = Table(
    "state",
    METADATA,
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=True),
    Column("checksum", String(64), nullable=False),
)
"""One row: the last line of the journal, its hash, and the state the lines led to."""

stop_requests = Table(
    "stop_requests",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("ask", String(10), nullable=False),
    Column("level", Integer, nullable=False),
    Column("by_whom", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("asked_ns", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
