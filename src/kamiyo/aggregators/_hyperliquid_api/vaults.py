"""The venue's liquidity provider, its vaults and their positions, and whether the venue's time goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from kamiyo.aggregators._hyperliquid_api.shared import Routine, Shared
from kamiyo.aggregators._hyperliquid_api.slots import Slots
from kamiyo.aggregators._hyperliquid_api.weights import STATUS, VAULT_POSITIONS, VAULTS
from kamiyo.core.ids import Address
from kamiyo.hyperliquid.accounts import decode_vault, vault_children
from kamiyo.hyperliquid.addresses import Network, known_children, liquidity_provider
from kamiyo.hyperliquid.info import ClearinghouseState, ExchangeStatus, VaultDetails
from kamiyo.hyperliquid.market import decode_exchange_status

STANDSTILL: Final = timedelta(seconds=5)
_TRADES_FOR_ITSELF: Final = "strategy"  # in the names of those children that take over nothing


class Vaults:
    """The parent and its children, as the venue last named them; as they are known until it has."""

    def __init__(self, shared: Shared, network: Network, slots: Slots) -> None:
        self._shared = shared
        self._slots = slots
        self._parent = liquidity_provider(network).address
        known = known_children(network)
        self._children = tuple(each.address for each in known)
        self._names = {each.address: each.name for each in known}
        self._next_vault = 0
        self._next_child = 0
        slots.liquidators_are(self.liquidators)

    @property
    def liquidators(self) -> list[Address]:
        """The children that take over positions: all that nobody calls a strategy."""
        return [each for each in self._children if not self._trades_for_itself(each)]

    def _trades_for_itself(self, child: Address) -> bool:
        return _TRADES_FOR_ITSELF in (self._names.get(child) or "").lower()

    @property
    def routines(self) -> list[Routine]:
        """What is to be done for them."""
        return [
            Routine(VAULTS.task, VAULTS.every, self.value),
            Routine(VAULT_POSITIONS.task, VAULT_POSITIONS.every, self.positions),
        ]

    async def value(self) -> None:
        """Ask for the next vault; the parent also tells its children, each child its name."""
        vaults = (self._parent, *self._children)
        vault = vaults[self._next_vault % len(vaults)]
        self._next_vault += 1
        content = await self._shared.ask(VAULTS, VaultDetails(vault_address=vault))
        if vault == self._parent:
            self._children = vault_children(content) or self._children
        else:
            self._names[vault] = decode_vault(content).name
        self._slots.liquidators_are(self.liquidators)

    async def positions(self) -> None:
        """Ask for the next child's positions."""
        child = self._children[self._next_child % len(self._children)]
        self._next_child += 1
        await self._shared.ask(VAULT_POSITIONS, ClearinghouseState(user=child))


class Pulse:
    """The venue's own time: that it answers does not mean that it goes on."""

    def __init__(self, shared: Shared) -> None:
        self.standstills = 0
        self._shared = shared
        self._millis = 0
        self._moved_at: datetime | None = None
        self._stands = False

    @property
    def routine(self) -> Routine:
        """What is to be done for it."""
        return Routine(STATUS.task, STATUS.every, self.feel)

    async def feel(self) -> None:
        """Ask for the time, and say once that it stands still, and once that it goes on."""
        told = decode_exchange_status(await self._shared.ask(STATUS, ExchangeStatus()))
        now = self._shared.clock.now()
        if told.time > self._millis or self._moved_at is None:
            if self._stands:
                self._shared.log.info("venue_goes_on", after=str(now - (self._moved_at or now)))
            self._millis, self._moved_at, self._stands = told.time, now, False
        elif now - self._moved_at > STANDSTILL and not self._stands:
            self._stands = True
            self.standstills += 1
            self._shared.log.warning(
                "venue_stands_still", since=str(self._moved_at), standstills=self.standstills
            )
