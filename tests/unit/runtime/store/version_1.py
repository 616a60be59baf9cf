"""The tables as version 1 of the program made them; frozen: its databases stay readable."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    insert,
)

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


def make(url: str) -> None:
    """Make a database as version 1 did, with a row in every table."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    ask = (
        '{"client_id":"qt-e","force":"GTX","price_ticks":999,"purpose":"entry","qty_steps":10,'
        '"reduce_only":false,"side":1,"symbol":"BTCUSDT"}'
    )
    view = (
        '{"client_id":"qt-e","filled_steps":0,"filled_units":0,"kind":"LIMIT","order_id":7,'
        '"price_ticks":999,"qty_steps":10,"reduce_only":false,"side":1,"status":"NEW",'
        '"symbol":"BTCUSDT","updated_ms":1}'
    )
    METADATA.create_all(engine)
    with engine.begin() as db:
        db.execute(insert(about).values(name="schema", value="1"))
        db.execute(
            insert(intents).values(
                client_id="qt-e",
                kind="order",
                symbol="BTCUSDT",
                ask=ask,
                created_ms=5,
                state="pending",
                venue_id=0,
                code=0,
                text="",
                settled_ms=0,
            )
        )
        db.execute(
            insert(orders).values(
                kind="order",
                venue_id=7,
                client_id="qt-e",
                symbol="BTCUSDT",
                status="NEW",
                is_open=True,
                view=view,
                updated_ms=1,
            )
        )
        db.execute(insert(confirmed).values(symbol="BTCUSDT", trade_id=2))
        db.execute(
            insert(fills).values(
                symbol="BTCUSDT",
                trade_id=3,
                order_id=7,
                side=1,
                qty_steps=10,
                price_ticks=999,
                quote_units=2**53 + 1,
                fee_units=5,
                fee_asset="USDT",
                realised_units=-7,
                maker=True,
                time_ms=8,
            )
        )
    engine.dispose()
