"""The local exchange: the Binance USDT-M dialect on loopback, matching by the rules of the core."""
