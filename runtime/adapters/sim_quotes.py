"""Where every contract of a session stands, as the kernel reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runtime.exchange.session import ExchangeSession
from runtime.kernel_ports import Quote


class SimQuotes(Mapping[str, Quote]):
    """A view that moves with the market; last ticks and mark ticks are exactly the core's."""

    def __init__(self, session: ExchangeSession) -> None:
        self._session, self._quotes = session, session.state.quotes

    def __getitem__(self, symbol: str) -> Quote:
        quote = self._quotes[symbol]
        return Quote(quote.last_ticks, quote.mark_ticks, self._session.now_ns)

    def __iter__(self) -> Iterator[str]:
        return iter(self._quotes)

    def __len__(self) -> int:
        return len(self._quotes)
