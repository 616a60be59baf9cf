"""Request weights and order counts of the wall clock's windows; 429, then a ban with 418."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.exchange.errors import VenueError

MINUTE_MS, TEN_SECONDS_MS = 60_000, 10_000
_MOST_CLIENTS = 1_024


@dataclass(frozen=True)
class Limits:
    """What a client may send; the vendor's figures.

    Attributes:
        weight_1m: request weight a minute and address.
        orders_1m, orders_10s: orders a minute and ten seconds, of the account.
        patience: refused requests within a minute before the address is banned.
        ban_ms: length of the first ban; each further one is twice as long, three days at most.
        open_orders: resting orders of one contract.
    """

    weight_1m: int = 2_400
    orders_1m: int = 1_200
    orders_10s: int = 300
    patience: int = 50
    ban_ms: int = 120_000
    open_orders: int = 200


_ENDLESS = 10**12
NO_LIMITS = Limits(_ENDLESS, _ENDLESS, _ENDLESS, open_orders=_ENDLESS)
"""For rehearsals faster than any real exchange would allow."""


class RateRefusal(VenueError):
    """Too many requests; ``retry_after_s`` says when to come back."""

    def __init__(self, code: int, message: str, http: int, retry_after_s: int) -> None:
        super().__init__(code, message, http)
        self.retry_after_s = retry_after_s


class Window:
    """A count that begins anew with every window of wall time."""

    def __init__(self, width_ms: int) -> None:
        self.width_ms = width_ms
        self._window, self._used = -1, 0

    def used(self, now_ms: int) -> int:
        """Count of the present window."""
        return self._used if now_ms // self.width_ms == self._window else 0

    def add(self, amount: int, now_ms: int) -> int:
        """Count more; returns the sum."""
        self._used = self.used(now_ms) + amount
        self._window = now_ms // self.width_ms
        return self._used

    def left_s(self, now_ms: int) -> int:
        """Whole seconds until the window ends."""
        return -(-(self.width_ms - now_ms % self.width_ms) // 1_000)


class Client:
    """What one address has used."""

    def __init__(self) -> None:
        self.weight = Window(MINUTE_MS)
        self.refused = Window(MINUTE_MS)
        self.banned_until_ms = 0
        self.bans = 0


class RateLimiter:
    """Counts of all addresses and of the account's orders."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.orders_1m, self.orders_10s = Window(MINUTE_MS), Window(TEN_SECONDS_MS)
        self._clients: dict[str, Client] = {}

    def charge(self, address: str, weight: int, now_ms: int) -> None:
        """Count a request.

        Raises:
            RateRefusal: 418 while banned, 429 beyond the weight of a minute.
        """
        client = self._client(address, now_ms)
        if now_ms < client.banned_until_ms:
            raise self._banned(client, address, now_ms)
        used = client.weight.add(weight, now_ms)
        if used > self.limits.weight_1m:
            if client.refused.add(1, now_ms) > self.limits.patience:
                length = self.limits.ban_ms << min(client.bans, 12)
                client.bans += 1
                client.banned_until_ms = now_ms + min(length, 3 * 86_400_000)
                raise self._banned(client, address, now_ms)
            text = (
                f"Too many requests; current limit of IP({address}) is "
                f"{self.limits.weight_1m} requests per minute. "
                "Please use the websocket for live updates to avoid polling the API."
            )
            raise RateRefusal(-1003, text, 429, client.weight.left_s(now_ms))

    def used(self, address: str, now_ms: int) -> int:
        """Weight an address has used in this minute."""
        found = self._clients.get(address)
        return 0 if found is None else found.weight.used(now_ms)

    def charge_orders(self, count: int, now_ms: int) -> None:
        """Count orders sent, whether or not they are then accepted.

        Raises:
            RateRefusal: 429 with -1015 beyond the account's order rate.
        """
        if not count:
            return
        limits = self.limits
        for window, most, name in (
            (self.orders_10s, limits.orders_10s, "10 SECONDS"),
            (self.orders_1m, limits.orders_1m, "1 MINUTE"),
        ):
            if window.used(now_ms) + count > most:
                text = f"Too many new orders; current limit is {most} orders per {name}."
                raise RateRefusal(-1015, text, 429, window.left_s(now_ms))
        self.orders_10s.add(count, now_ms)
        self.orders_1m.add(count, now_ms)

    def _client(self, address: str, now_ms: int) -> Client:
        found = self._clients.get(address)
        if found is None:
            if len(self._clients) >= _MOST_CLIENTS:
                idle = [a for a, c in self._clients.items() if c.banned_until_ms <= now_ms]
                for name in idle or list(self._clients)[:1]:
                    del self._clients[name]
            found = self._clients[address] = Client()
        return found

    def _banned(self, client: Client, address: str, now_ms: int) -> RateRefusal:
        until = client.banned_until_ms
        text = (
            f"Way too many requests; IP({address}) banned until {until}. "
            "Please use the websocket for live updates to avoid bans."
        )
        return RateRefusal(-1003, text, 418, -(-(until - now_ms) // 1_000))
