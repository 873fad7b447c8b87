"""A public trade: two accounts met at a price, and nobody says whether one of them was forced to."""

from __future__ import annotations

import msgspec

from kamiyo.core.events import Side


class Trade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One trade as everybody sees it, numbers still in the venue's text, ``time`` in milliseconds.

    ``side`` is the aggressor's; ``users`` are the buyer and the seller. ``(asset, tid, time)`` identifies it.
    """

    asset: str
    side: Side
    price: str
    size: str
    time: int
    hash: str
    tid: int
    users: tuple[str, str]

    @property
    def taker(self) -> str:
        """Who crossed the book."""
        return self.users[self.side is not Side.BUY]

    @property
    def maker(self) -> str:
        """Whose resting order was hit."""
        return self.users[self.side is Side.BUY]
