"""Whose fills are followed: the few slots of the venue, who holds them, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from kamiyo.aggregators._hyperliquid_api.shared import Routine, Shared
from kamiyo.core.errors import KamiyoError
from kamiyo.core.ids import Address
from kamiyo.core.ports import UserSlots
from kamiyo.core.slots import HeldSlot, SlotReason
from kamiyo.hyperliquid.limits import TRACKED_USERS
from kamiyo.hyperliquid.ranking import Ranking

CHOOSE_AGAIN: Final = timedelta(hours=1)
ASK_AGAIN: Final = timedelta(seconds=15)


class Slots:
    """Whose fills are followed: liquidators always, then who is configured, then whom a measurement chose.

    What remains goes to those who took the most before our eyes, chosen anew once an hour at most: each
    change costs the newcomer's past. Until anybody is learned, the ``shipped`` are followed.
    """

    def __init__(
        self,
        *,
        makers: Sequence[Address] = (),
        earlier: Sequence[Address] = (),
        shipped: Sequence[Address] = (),
    ) -> None:
        self.held: tuple[HeldSlot, ...] = ()
        self._liquidators: tuple[Address, ...] = ()
        self._makers = tuple(makers)
        self._measured: tuple[Address, ...] = ()
        self._learned = tuple(earlier or shipped)
        self._shipped = set(shipped)
        self._chosen_at: datetime | None = None

    def liquidators_are(self, liquidators: Sequence[Address]) -> None:
        """The venue named its liquidators."""
        self._liquidators = tuple(liquidators)

    def measured_are(self, makers: Sequence[Address]) -> None:
        """A measurement chose these makers, the best first."""
        self._measured = tuple(makers)

    def choose(self, ranking: Ranking, now: datetime) -> tuple[Address, ...]:
        """Those to follow now."""
        if self._chosen_at is None:
            self._chosen_at = now
        if now - self._chosen_at >= CHOOSE_AGAIN:
            self._chosen_at = now
            fixed = {*self._liquidators, *self._makers}
            best = ranking.best(TRACKED_USERS, without=fixed)
            self._shipped.difference_update(best)
            self._learned = tuple(dict.fromkeys((*best, *self._learned)))[:TRACKED_USERS]
            ranking.fade()
        reasons = self._reasons()
        if list(reasons.items()) != [(each.user, each.reason) for each in self.held]:
            since = {each.user: each.held_since for each in self.held}
            self.held = tuple(
                HeldSlot(user, reason, since.get(user) or now) for user, reason in reasons.items()
            )
        return tuple(reasons)

    def _reasons(self) -> Mapping[Address, SlotReason]:
        """The strongest reason of everybody who has a slot, in their order."""
        reasons: dict[Address, SlotReason] = {}
        for users, reason in (
            (self._liquidators, SlotReason.LIQUIDATOR),
            (self._makers, SlotReason.PINNED),
            (self._measured, SlotReason.MEASURED),
        ):
            for user in users:
                reasons.setdefault(user, reason)
        for user in self._learned:
            reasons.setdefault(user, SlotReason.SHIPPED if user in self._shipped else SlotReason.LEARNED)
        return dict(islice(reasons.items(), TRACKED_USERS))


class Choosing:
    """Asks whom a measurement chose, and tells who holds the slots, whenever either changes."""

    def __init__(self, shared: Shared, slots: Slots, port: UserSlots) -> None:
        self._shared = shared
        self._slots = slots
        self._port = port
        self._told: tuple[HeldSlot, ...] = ()

    @property
    def routine(self) -> Routine:
        """What is to be done for it."""
        return Routine("user_slots", ASK_AGAIN, self.look)

    async def begin(self) -> None:
        """Know the choice before anybody is followed; where it cannot be told, it is asked for later."""
        try:
            await self._ask()
        except KamiyoError as error:
            self._shared.log.warning("choice_of_makers_unknown", detail=str(error)[:500])

    async def look(self) -> None:
        """Take the choice over, and tell what became of it."""
        await self._ask()
        held = self._slots.held
        if held != self._told:
            await self._port.tell(self._shared.source, self._shared.chain, held)
            self._told = held

    async def _ask(self) -> None:
        self._slots.measured_are(await self._port.chosen(self._shared.chain))
