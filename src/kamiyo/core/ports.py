"""What the domain needs from the outside, and nothing about who provides it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from kamiyo.core.archives import BlockRun
from kamiyo.core.claims import Claim, ClaimedPosition, ClaimedTotal
from kamiyo.core.events import AccountLiquidation, FillRow, Gap, LedgerMovement, LiquidatedFill
from kamiyo.core.exploits import HonestCase
from kamiyo.core.ids import MAINNET, Address, Chain, Cursor, SourceName
from kamiyo.core.reports import Report, ReportDeleted
from kamiyo.core.slots import HeldSlot
from kamiyo.core.sources import SourceDescription, SourceState
from kamiyo.core.states import AccountState, MarketState, VaultState
from kamiyo.core.time import Utc
from kamiyo.core.trades import Trade


class Span(msgspec.Struct, frozen=True, gc=False):
    """Where a payload stands in its medium: bytes ``start`` to ``end`` of ``scope``.

    A scope names one file and the fingerprint of its beginning, so that a rewritten file is
    another scope and the same bytes are never counted twice.
    """

    scope: str
    start: int
    end: int


class Raw(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One payload exactly as it arrived, with the cursor that resumes just after it."""

    source: SourceName
    stream: str
    payload: bytes
    received_at: Utc
    cursor: Cursor | None = None
    span: Span | None = None


class Reject(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payload or row we refused, kept with the rule it broke so it can be looked at and replayed."""

    source: SourceName
    stream: str
    rule: str
    detail: str
    payload: bytes
    received_at: Utc


def reject(raw: Raw, *, rule: str, detail: str, payload: bytes | None = None) -> Reject:
    """A refusal of the whole payload, or of the part of it given."""
    return Reject(
        source=raw.source,
        stream=raw.stream,
        rule=rule,
        detail=detail,
        payload=raw.payload if payload is None else payload,
        received_at=raw.received_at,
    )


class Counted(enum.StrEnum):
    """What the accounting of payloads tells apart.

    Fills = ordinary + liquidated + underwater + refused + duplicate.
    Trades = fresh ones + duplicate + refused.
    """

    PAYLOADS = "payloads"
    FILLS = "fills"
    ORDINARY_FILLS = "ordinary_fills"
    LIQUIDATED_FILLS = "liquidated_fills"
    UNDERWATER_FILLS = "underwater_fills"  # the losing row of an ADL trade: told by the other row
    REFUSED_FILLS = "refused_fills"
    DUPLICATE_FILLS = "duplicate_fills"
    LEDGER_EVENTS = "ledger_events"
    OTHER_EVENTS = "other_events"  # known kinds of misc_events that carry no risk fact
    TRADES = "trades"
    DUPLICATE_TRADES = "duplicate_trades"
    REFUSED_TRADES = "refused_trades"
    MARKET_STATES = "market_states"
    VAULT_STATES = "vault_states"
    ACCOUNT_STATES = "account_states"
    REPORTS = "reports"
    UNRELATED_POSTS = "unrelated_posts"  # read, and found to claim nothing of any case
    UNLISTED_POSTS = "unlisted_posts"  # of somebody whom the operator did not list: dropped
    CLAIMS = "claims"  # what others say was liquidated
    CLAIMED_TOTALS = "claimed_totals"
    CLAIMED_POSITIONS = "claimed_positions"
    SMALL_CLAIMS = "small_claims"  # of less than one asked to hear of: not kept
    PRICES = "prices"  # marks, mids and quotes: shown to detectors, not stored
    REJECTS = "rejects"


class Tally(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one contiguous stretch of one scope held."""

    span: Span
    counts: Mapping[Counted, int]


Event = (
    LiquidatedFill
    | AccountLiquidation
    | LedgerMovement
    | HonestCase
    | MarketState
    | VaultState
    | AccountState
    | Report
    | ReportDeleted
    | Claim
    | ClaimedTotal
    | ClaimedPosition
)


class Normalized(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one payload holds, in our terms.

    Ordinary fills and public trades are counted and shown to detectors, not stored.

    ``block`` is the block number of the payload where its source counts blocks; of a payload that holds many
    blocks, ``block_runs`` are those that were understood whole, in their order. A run that crosses the border
    of an hour counts in both hours.
    """

    events: Sequence[Event] = ()
    fills: Sequence[FillRow] = ()
    trades: Sequence[Trade] = ()
    rejects: Sequence[Reject] = ()
    counts: Mapping[Counted, int] = {}
    block: int | None = None
    block_runs: Sequence[BlockRun] = ()
    last_event_at: datetime | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The unit of work: what one transaction stores.

    ``block_runs`` are those whose every row is among the events, or was stored before; of ``chain``, as are
    the liquidations the source tells of.
    """

    source: SourceName
    chain: Chain = MAINNET
    events: tuple[Event, ...] = ()
    rejects: tuple[Reject, ...] = ()
    gaps: tuple[Gap, ...] = ()
    tallies: tuple[Tally, ...] = ()
    block_runs: tuple[BlockRun, ...] = ()
    cursor: Cursor | None = None
    newest_block: int | None = None
    heard_at: Utc | None = None
    first_event_at: Utc | None = None
    last_event_at: Utc | None = None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a write changed: zero everywhere when everything was known already."""

    new_fills: int = 0
    changed_liquidations: int = 0
    new_rows: int = 0


class Lease(msgspec.Struct, frozen=True):
    """An exclusive right somebody was given. Every holder's ``token`` is higher than the one before it."""

    name: str
    token: int


class Leases(Protocol):
    """Exclusive rights over all processes and machines, each its holder's for as long as it is renewed."""

    def hold(self, name: str) -> AbstractAsyncContextManager[Lease | None]:
        """Hold the right while inside; None where somebody else has it.

        LeaseLost ends the block once somebody else was given it, StorageUnavailable when nobody can tell.
        """
        ...


class Journal(Protocol):
    """Durable truth. One ``write`` is one transaction; writing a batch twice changes nothing."""

    async def write(self, batch: Batch) -> Written:
        """Store the batch, all of it or nothing; StorageUnavailable if that may work later."""
        ...

    async def cursor(self, source: SourceName) -> Cursor | None:
        """Where the source resumes, or None at its beginning."""
        ...

    async def register(
        self, description: SourceDescription, state: SourceState = SourceState.STARTING
    ) -> bool:
        """Make the source known, a new one in this state; whether it is switched on."""
        ...

    async def report_state(self, source: SourceName, state: SourceState, detail: str) -> None:
        """Keep what the ingesting process knows of the source's state."""
        ...

    async def newest_block(self, source: SourceName) -> int | None:
        """The highest block number a source's stored batches reached, or None."""
        ...

    def under(self, lease: Lease) -> Journal:
        """The same journal, whose writes and reports are LeaseLost once somebody else holds the lease."""
        ...

    def quiet(self) -> Journal:
        """The same journal for history: what it stores is told to nobody, and moves no cursor or block."""
        ...

    async def priorities(self) -> Mapping[SourceName, int]:
        """The priority of every source that was ever made known, as operators set it."""
        ...

    async def until_switched(self, source: SourceName, *, active: bool) -> None:
        """Return once the source is switched so; at once where it is."""
        ...


class UsdSpending(Protocol):
    """Money set aside for something that costs, not yet known how much exactly."""

    async def settle(self, amount_usd: Decimal) -> None:
        """Say what it cost; the rest is given back. What is never settled stays spent in full."""
        ...


class UsdBudget(Protocol):
    """What sources may spend in one UTC day, over all processes. StorageUnavailable: then nothing may be."""

    async def set_aside(
        self, source: SourceName, amount_usd: Decimal, *, daily_limit_usd: Decimal
    ) -> UsdSpending | None:
        """Take an amount out of today's limit; None where that much is not left."""
        ...


class Spending(Protocol):
    """Weight taken from the budget for one request."""

    async def settle(self, weight: int) -> None:
        """Say, once the answer is there, what the request cost; what it did not cost is given back.

        A spending that is never settled stays spent in full, and for longer.
        """
        ...


class WeightBudget(Protocol):
    """What one address may ask of the venue in any minute, shared by all who ask from there.

    StorageUnavailable where the common account cannot be kept: then nothing may be asked.
    """

    async def spend(self, task: str, weight: int) -> Spending:
        """Wait, first come first served, until ``weight`` fits into the minute, and take it."""
        ...

    async def pause(self, until: datetime) -> None:
        """Nobody spends before ``until``: the venue said that it was too much."""
        ...


class UserSlots(Protocol):
    """Who is worth one of the few slots of a source that can follow only a few accounts."""

    async def chosen(self, chain: Chain) -> Sequence[Address]:
        """The makers a measurement chose, the best first; none where nothing was measured.

        StorageUnavailable where nobody can tell now.
        """
        ...

    async def tell(self, source: SourceName, chain: Chain, held: Sequence[HeldSlot]) -> None:
        """Say whose fills the source follows now; StorageUnavailable if that may work later."""
        ...
