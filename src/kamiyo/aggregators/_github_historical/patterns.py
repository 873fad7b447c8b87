"""Which liquidations lie so close together, and are so large, that somebody should look at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from operator import attrgetter

import msgspec

from kamiyo.core.events import AccountLiquidation
from kamiyo.core.money import plain


class Suspicion(msgspec.Struct, frozen=True):
    """More than this was liquidated, of all accounts together, within so long a time."""

    usd: Decimal
    window: timedelta

    @property
    def minutes(self) -> int:
        """The window in minutes."""
        return self.window // timedelta(minutes=1)


def episodes_of(
    liquidations: Iterable[AccountLiquidation], suspicion: Suspicion
) -> list[Sequence[AccountLiquidation]]:
    """The liquidations of every window that exceeds the threshold; windows that overlap are one episode."""
    ordered = sorted(liquidations, key=attrgetter("timestamp", "user", "digest"))
    spans = list[tuple[int, int]]()
    first, held = 0, Decimal(0)
    for last, newest in enumerate(ordered):
        held += newest.amount_usd
        while newest.timestamp - ordered[first].timestamp > suspicion.window:
            held -= ordered[first].amount_usd
            first += 1
        if held > suspicion.usd:
            began = spans.pop()[0] if spans and spans[-1][1] >= first else first
            spans.append((began, last))
    return [ordered[first : last + 1] for first, last in spans]


def words_of(episode: Sequence[AccountLiquidation], suspicion: Suspicion) -> tuple[str, str]:
    """A title and a text that say what was seen, by which rule, and what it does not prove."""
    first, last = episode[0].timestamp, episode[-1].timestamp
    users = {each.user for each in episode}
    amount = sum((each.amount_usd for each in episode), Decimal(0))
    equity = sum((each.account_value for each in episode), Decimal(0))
    largest = max(episode, key=lambda each: (each.amount_usd, each.user))
    title = f"{plain(amount)} USD of positions liquidated on Hyperliquid from {first:%Y-%m-%d %H:%M} UTC on"
    text = (
        f"{len(episode)} liquidations of {len(users)} accounts between {first:%Y-%m-%d %H:%M:%S} and "
        f"{last:%Y-%m-%d %H:%M:%S} UTC held positions of {plain(amount)} USD and equity of {plain(equity)} "
        f"USD. The largest was of {plain(largest.amount_usd)} USD, of {largest.user}. "
        f"Reported because more than {plain(suspicion.usd)} USD fell within {suspicion.minutes} minutes. "
        "That alone proves no attack: a fall of the whole market looks the same. "
        "What was liquidated is no loss, so that none is stated."
    )
    return title, text
