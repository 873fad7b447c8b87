"""Which accounts are worth watching: those the venue's files name, or else large takers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from kamiyo.aggregators._hyperliquid_api.shared import Shared
from kamiyo.aggregators.base import Response
from kamiyo.core.errors import MalformedPayload, SourceUnavailable
from kamiyo.core.ids import Address
from kamiyo.core.trades import Trade
from kamiyo.hyperliquid.ranking import Ranking, traded_usd
from kamiyo.hyperliquid.statistics import Extent, RankedUser, largest_accounts, largest_liquidated

READ_EVERY: Final = timedelta(hours=1)
LOOK_EVERY: Final = timedelta(minutes=5)
_LARGE_USD: Final = Decimal(50_000)

Request = Callable[[str, str], Awaitable[Response]]  # SourceUnavailable for what is no success
_Read = Callable[[bytes, int], tuple[list[RankedUser], Extent]]


@dataclass(slots=True)
class LastRead:
    """Whom the files named when they were read last, for a source that begins again."""

    at: datetime | None = None
    users: Sequence[Address] = ()


class Universe:
    """The accounts to watch, as far as anybody names them."""

    def __init__(
        self, shared: Shared, request: Request, last: LastRead, *, leaderboard_url: str, liquidated_url: str
    ) -> None:
        self.last = last
        self._shared = shared
        self._request = request
        self._files: tuple[tuple[str, _Read], ...] = (
            (liquidated_url, largest_liquidated),
            (leaderboard_url, largest_accounts),
        )
        self._told: set[str] = set()
        self._takers = None if last.users or last.at is None else Ranking()

    async def read(self, number: int) -> Sequence[Address]:
        """The accounts both files name, those that were liquidated most first; none if neither answers."""
        self.last.at = self._shared.clock.now()
        found: list[Address] = []
        for url, read in self._files:
            if url:
                found += [each.user for each in await self._ranked(url, read, number)]
        self._takers = None if found else self._takers or Ranking()
        self.last.users = list(dict.fromkeys(found))[:number]
        return self.last.users

    def take_trades(self, trades: Sequence[Trade]) -> None:
        """Remember large takers while no file names anybody."""
        if self._takers is None:
            return
        for trade in trades:
            amount = traded_usd(trade)
            if amount >= _LARGE_USD:
                self._takers.credit(Address(trade.taker.lower()), amount)

    def large_takers(self, number: int) -> list[Address]:
        """Those seen since the files stopped answering; what they traded long ago counts less."""
        if self._takers is None:
            return []
        best = self._takers.best(number)
        self._takers.fade()
        return best

    async def _ranked(self, url: str, read: _Read, number: int) -> list[RankedUser]:
        try:
            users, extent = read((await self._request("GET", url)).body, number)
        except (SourceUnavailable, MalformedPayload) as error:
            if url not in self._told:
                self._shared.log.warning("statistics_unreadable", url=url, detail=str(error)[:500])
            self._told.add(url)
            return []
        self._told.discard(url)
        self._shared.log.info("statistics_read", url=url, rows=extent.rows, unreadable=extent.unreadable)
        return users
