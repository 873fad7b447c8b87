"""What posts cost: set aside before they are asked for, so that a day's budget is never exceeded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from kamiyo.aggregators._x.troubles import Kind, Trouble
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import UsdBudget, UsdSpending
from kamiyo.core.time import Clock, rfc3339

CHUNK: Final = 20  # posts set aside ahead for a stream
IN_FLIGHT: Final = 10  # posts that may be under way while a stream is closed
# What arrives while the day turns is charged to a day nobody can tell: nothing is asked for then. The
# service's clock may be as far from ours, and a stream notices the time when it is heard, every 20 seconds.
_BEFORE_MIDNIGHT: Final = timedelta(seconds=60)
_AFTER_MIDNIGHT: Final = timedelta(seconds=30)
_DAY: Final = timedelta(days=1)


class Purse:
    """The money of one source."""

    def __init__(
        self, money: UsdBudget, clock: Clock, source: SourceName, *, daily_usd: Decimal, post_usd: Decimal
    ) -> None:
        self._money = money
        self._clock = clock
        self._source = source
        self._daily = daily_usd
        self._price = post_usd
        self._late_day: datetime | None = None
        self._late_posts = 0

    async def take(self, posts: int) -> Held:
        """Set aside what so many posts cost; Trouble, until the next day, where that is not left."""
        self.check_day()
        spending = await self._money.set_aside(self._source, posts * self._price, daily_limit_usd=self._daily)
        if spending is None:
            until = midnight(self._clock.now()) + _DAY + _AFTER_MIDNIGHT
            detail = f"the budget of {self._daily} USD a day is spent; goes on at {rfc3339(until)}"
            raise Trouble(detail, Kind.PAUSE, until=until)
        return Held(spending, posts, self._price)

    def check_day(self) -> None:
        """Trouble while a day turns into the next."""
        now = self._clock.now()
        began = midnight(now)
        ends = began + _DAY
        if now < began + _AFTER_MIDNIGHT:
            ends = began
        elif now < ends - _BEFORE_MIDNIGHT:
            return
        raise Trouble("the day of the budget turns", Kind.TURN, until=ends + _AFTER_MIDNIGHT)

    def spend_on_the_past(self, posts: int) -> None:
        """Count posts of earlier days that were read today."""
        today = midnight(self._clock.now())
        self._late_posts = posts + (self._late_posts if self._late_day == today else 0)
        self._late_day = today

    def may_spend_on_the_past(self, posts: int) -> bool:
        """Whether half of today's budget pays for so many more of earlier days: today needs the rest."""
        before = self._late_posts if self._late_day == midnight(self._clock.now()) else 0
        return 2 * (before + posts) * self._price <= self._daily


class Held:
    """What is set aside for some posts."""

    def __init__(self, spending: UsdSpending, posts: int, price: Decimal) -> None:
        self.posts = posts
        self._spending = spending
        self._price = price

    async def settle(self, posts: int) -> None:
        """Say how many came; the rest is given back."""
        await self._spending.settle(posts * self._price)


class Meter:
    """Keeps a chunk ahead of a stream, which goes on from one connection to the next."""

    def __init__(self, purse: Purse, clock: Clock) -> None:
        self._purse = purse
        self._clock = clock
        self._day: datetime | None = None
        self._left = 0  # posts set aside that did not come yet
        self._newest: Held | None = None
        self._in_doubt = False

    async def fill(self) -> None:
        """Set aside the next chunk if only what may be in flight is left; Trouble if there is no more."""
        self._purse.check_day()
        today = midnight(self._clock.now())
        if self._day != today:
            self._day, self._left, self._newest = today, 0, None  # what was left of another day stays spent
        if self._left <= IN_FLIGHT:
            missing = CHUNK + IN_FLIGHT - self._left
            self._newest = await self._purse.take(missing)
            self._left += missing

    def count(self, posts: int) -> None:
        """So many came, or may have come."""
        self._left -= posts

    def doubt(self) -> None:
        """A connection was lost: nobody knows how many were sent on it."""
        self._in_doubt = True

    def trust(self) -> None:
        """All that could have been sent on it were counted."""
        self._in_doubt = False

    async def close(self) -> None:
        """Give back what no post can come for any more; what may be in flight stays spent."""
        held, self._newest = self._newest, None
        if held is not None and not self._in_doubt:
            unused = min(held.posts, max(0, self._left - IN_FLIGHT))
            await held.settle(held.posts - unused)
        self._left = 0


def midnight(now: datetime) -> datetime:
    """When the day of a moment began, in UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
