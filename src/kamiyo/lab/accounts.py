"""The accounts of the modelled venue: what they hold by their fills, and the fills themselves.

An account's position is what its first fill says it was before, and every fill since. Entry prices,
leverage and collateral are on no tape: they are plausible, not recorded. The liquidation price is known
only of who is liquidated on the tape: the mark price of that moment.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from decimal import Decimal
from itertools import islice

import msgspec

from kamiyo.core.money import plain
from kamiyo.lab.changes import RecordedFill, Row
from kamiyo.lab.markets import Markets
from kamiyo.lab.universe import MAX_LEVERAGE, dex_of, is_perp

ROWS_AT_ONCE = 2_000
_FILLS_KEPT = 10_000
_CENT = Decimal("0.000001")

Positions = dict[str, Decimal]  # signed size by asset


class KeptFill(msgspec.Struct, frozen=True, gc=False):
    """A fill in an account's history, as it was recorded."""

    time: int
    recorded: bytes


class Accounts:
    """Every account the tape knows of, at the moment it is played."""

    def __init__(
        self,
        markets: Markets,
        first_positions: Mapping[tuple[str, str], str],
        liquidation_prices: Mapping[tuple[str, str], str],
    ) -> None:
        self._markets = markets
        self._liquidation_prices = liquidation_prices
        self._holdings: defaultdict[str, dict[str, RecordedFill | str]] = defaultdict(dict)
        self._fills: defaultdict[str, deque[KeptFill]] = defaultdict(_history)
        self._slices: defaultdict[str, deque[KeptFill]] = defaultdict(_history)
        self.liquidated_usd: Counter[str] = Counter()
        for (user, asset), size in first_positions.items():
            self._holdings[user][asset] = size

    def __contains__(self, user: object) -> bool:
        return user in self._holdings or user in self._fills or user in self._slices

    def fill(self, row: Row) -> None:
        """One more fill."""
        fill = row.fill
        # The slices of a TWAP order have a list of their own.
        kept = self._fills if fill.twap_id is None else self._slices
        kept[row.user].append(KeptFill(fill.time, row.recorded))
        if is_perp(fill.coin):
            self._holdings[row.user][fill.coin] = fill
        if fill.liquidation is not None and fill.liquidation.liquidated_user.lower() == row.user:
            self.liquidated_usd[row.user] += round(Decimal(fill.px) * Decimal(fill.sz))

    def newest_fills(self, user: str) -> list[bytes]:
        """An account's last fills, the newest first."""
        return [kept.recorded for kept in islice(reversed(self._fills.get(user, ())), ROWS_AT_ONCE)]

    def newest_slices(self, user: str) -> list[bytes]:
        """The last fills of an account's TWAP orders, the newest first."""
        return [kept.recorded for kept in islice(reversed(self._slices.get(user, ())), ROWS_AT_ONCE)]

    def fills_between(self, user: str, first: int, last: int, *, newest_first: bool = False) -> list[bytes]:
        """An account's fills in these bounds, both included, the oldest first unless asked otherwise."""
        return _between(self._fills.get(user, deque()), first, last, newest_first=newest_first)

    def slices_between(self, user: str, first: int, last: int) -> list[bytes]:
        """The fills of an account's TWAP orders in these bounds, both included, the oldest first."""
        return _between(self._slices.get(user, deque()), first, last, newest_first=False)

    def positions(self, user: str, dex: str) -> Positions:
        """What an account holds on a dex."""
        return {asset: size for asset, size in self._held(user).items() if size and dex_of(asset) == dex}

    def _held(self, user: str) -> Positions:
        return {asset: _size(last) for asset, last in self._holdings.get(user, {}).items()}

    def state(self, user: str, dex: str, time: int) -> dict[str, object]:
        """What ``clearinghouseState`` answers: as if each position were fully paid for."""
        shown = [self._position(user, asset, size) for asset, size in self.positions(user, dex).items()]
        notional = sum(
            (self._worth(asset, size) for asset, size in self.positions(user, dex).items()), Decimal()
        )
        summary = {
            "accountValue": plain(notional),
            "totalNtlPos": plain(notional),
            "totalRawUsd": "0.0",
            "totalMarginUsed": plain(_cents(notional / MAX_LEVERAGE)),
        }
        return {
            "marginSummary": summary,
            "crossMarginSummary": summary,
            "crossMaintenanceMarginUsed": plain(_cents(notional / (2 * MAX_LEVERAGE))),
            "withdrawable": "0.0",
            "assetPositions": [{"type": "oneWay", "position": each} for each in shown],
            "time": time,
        }

    def values(self) -> list[tuple[str, Decimal]]:
        """Every account and the worth of all it holds, the largest first."""
        worth = (
            (user, sum((self._worth(asset, size) for asset, size in self._held(user).items()), Decimal()))
            for user in self._holdings
        )
        return sorted(worth, key=_by_worth)

    def _worth(self, asset: str, size: Decimal) -> Decimal:
        return abs(size) * Decimal(self._markets[asset].mark or 0)

    def _position(self, user: str, asset: str, size: Decimal) -> dict[str, object]:
        worth = self._worth(asset, size)
        return {
            "coin": asset,
            "szi": plain(size),
            "leverage": {"type": "cross", "value": MAX_LEVERAGE},
            "entryPx": None,
            "positionValue": plain(worth),
            "unrealizedPnl": "0.0",
            "returnOnEquity": "0.0",
            "liquidationPx": self._liquidation_prices.get((user, asset)),
            "marginUsed": plain(_cents(worth / MAX_LEVERAGE)),
            "maxLeverage": MAX_LEVERAGE,
            "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
        }


def position_after(fill: RecordedFill) -> Decimal:
    """The position a fill leaves behind."""
    size = Decimal(fill.sz)
    return Decimal(fill.start_position) + (size if fill.side == "B" else -size)


def _size(last: RecordedFill | str) -> Decimal:
    """What is held after the last fill, or was before the first."""
    return Decimal(last) if isinstance(last, str) else position_after(last)


def _history() -> deque[KeptFill]:
    return deque(maxlen=_FILLS_KEPT)


def _between(fills: deque[KeptFill], first: int, last: int, *, newest_first: bool) -> list[bytes]:
    ordered = reversed(fills) if newest_first else iter(fills)
    found = (kept.recorded for kept in ordered if first <= kept.time <= last)
    return list(islice(found, ROWS_AT_ONCE))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT)


def _by_worth(account: tuple[str, Decimal]) -> tuple[Decimal, str]:
    return -account[1], account[0]
