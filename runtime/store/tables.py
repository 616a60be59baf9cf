"""Tables of the journal: intents, orders and fills. Money and counts are integers, never floats."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 1
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
