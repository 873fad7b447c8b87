"""Seven hundred real blocks through the lab venue's protocol, heard by the source of the public API."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators.base import NoChoice, Toolbox
from kamiyo.aggregators.hyperliquid_api import HyperliquidAPIAggregator, HyperliquidAPISettings
from kamiyo.aggregators.hyperliquid_node import AGGREGATOR as NODE_AGGREGATOR
from kamiyo.aggregators.hyperliquid_node import HyperliquidNodeSettings
from kamiyo.core.ids import Cursor
from kamiyo.core.liquidations import Liquidation
from kamiyo.core.markets import MarketKind, market_kind
from kamiyo.core.ports import Counted, Leases, Raw, UserSlots
from kamiyo.core.slots import SlotReason
from kamiyo.core.sources import CoverageLabel
from kamiyo.core.time import hour_of
from kamiyo.hyperliquid.channels import decode_trades_frame
from kamiyo.hyperliquid.limits import REST_WEIGHT_PER_MINUTE
from kamiyo.jobs.choosing import choose_users
from kamiyo.kit.clock import LapseClock, SystemClock
from kamiyo.kit.recordings import read_lines
from kamiyo.kit.transport import open_session, open_websocket
from kamiyo.lab.protocol import LabVenue
from kamiyo.lab.tape import open_tape
from kamiyo.lab.venue import open_lab_venue
from kamiyo.processing.orchestrator import SupervisedSource
from kamiyo.processing.pipeline import Pipeline
from kamiyo.processing.replay import replay
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool
from kamiyo.storage.user_slots import PostgresUserSlots, read_slots
from tests.builders import NODE
from tests.fakes import ManualClock, MemoryBudget, MemoryJournal, MemoryLeases, NoNetwork
from tests.stored import stored_in
from tests.venues import BLOCKS

pytestmark = pytest.mark.timeout(120)
MAKER = "0x622450a3048ae44a5c54e2b54c91b082313e1d23"
VICTIM = "0xa59f55114ccb120487c4fb5766cb89b123c13563"
PUBLIC_TRADES = 2_462
SPEED = 12
_MEASURED = """
INSERT INTO coverage_hours (chain, hour, source, reason, heard_minutes, measured_from, measured_at)
VALUES ($1, $2, 'hyperliquid_node', 'is_reference', 60, 1, $2)
"""


def node_raws(path: Path) -> Iterable[Raw]:
    """The blocks as a node's file."""
    for offset, line in read_lines(path):
        yield Raw(
            source=NODE,
            stream="node_fills_by_block",
            payload=line,
            received_at=SystemClock().now(),
            cursor=Cursor(str(offset)),
        )


async def through_the_node(path: Path, journal: PostgresJournal | MemoryJournal) -> None:
    """Read the blocks as a node's file."""
    tools = Toolbox(clock=SystemClock(), session=NoNetwork())
    node = NODE_AGGREGATOR.build(HyperliquidNodeSettings(), tools)
    await journal.register(node.description)
    pipeline = Pipeline(node, journal, SystemClock())
    await replay(node_raws(path), pipeline, progress=lambda _done: None)


async def through_the_venue(
    path: Path,
    journal: PostgresJournal | MemoryJournal,
    *,
    lead: int = 10,
    user_slots: UserSlots | None = None,
    **settings: Any,
) -> LabVenue:
    """Hear the blocks from the lab venue, from ``lead`` seconds before the first to after the last."""
    tape = open_tape(path)
    clock = LapseClock(tape.starts_at - timedelta(seconds=lead), SPEED)
    async with open_lab_venue(tape, clock=clock, patient=True) as venue, open_session() as session:
        source = HyperliquidAPIAggregator(
            msgspec.convert({"url": venue.url, "scan_accounts": 0} | settings, HyperliquidAPISettings),
            Toolbox(
                clock=clock,
                session=session,
                connect=open_websocket,
                budget=MemoryBudget(clock),
                user_slots=user_slots or NoChoice(),
                random=random.Random(1),
            ),
        )
        assert source.description.label is CoverageLabel.SAMPLE
        leases: Leases = MemoryLeases()
        if isinstance(journal, PostgresJournal):
            leases = PostgresLeases(journal._pool, SystemClock())
        running = asyncio.ensure_future(SupervisedSource(source, journal, leases, clock).run())
        await clock.sleep(tape.ends_at - clock.now() + timedelta(seconds=5))
        running.cancel()
        await asyncio.wait({running})
    return venue


def perp_trades(path: Path) -> set[tuple[str, int, int]]:
    """Every trade of the blocks in a market that can be liquidated."""
    told = {
        (fill["coin"], fill["tid"], fill["time"])
        for _offset, line in read_lines(path)
        for _user, fill in msgspec.json.decode(line)["events"]
    }
    assert len(told) == PUBLIC_TRADES
    kinds = (MarketKind.PERPETUAL, MarketKind.BUILDER_PERPETUAL)
    return {trade for trade in told if market_kind(trade[0]) in kinds}


def delivered_trades(venue: LabVenue) -> list[tuple[str, int, int]]:
    """The trades the venue says it delivered, in order, repeated ones too."""
    frames = [
        each.frame for account in venue.delivered for each in account.delivered if each.topic[0] == "trades"
    ]
    return [(trade.asset, trade.tid, trade.time) for frame in frames for trade in decode_trades_frame(frame)]


async def counted(pool: Pool) -> Counter[Counted]:
    """What the database says came from the API."""
    total: Counter[Counted] = Counter()
    for (source, _scope), (_ranges, counts) in (await stored_in(pool)).spans.items():
        if source == "hyperliquid_api":
            total.update(counts)
    return total


async def only_liquidation(pool: Pool) -> Liquidation:
    [liquidation] = (await stored_in(pool)).liquidations.values()
    return liquidation


async def test_every_trade_is_accounted_for_and_the_liquidation_is_the_nodes(
    pool: Pool, shared_data: Path
) -> None:
    """What the venue delivered is fresh, duplicate or refused; a watched maker shows the one liquidation.

    The same blocks as a node's file make it one row, which both have observed.
    """
    path = shared_data / BLOCKS
    journal = PostgresJournal(pool, SystemClock())
    venue = await through_the_venue(path, journal, makers=MAKER)

    counts, delivered = await counted(pool), delivered_trades(venue)
    assert counts[Counted.TRADES] == len(delivered)
    assert counts[Counted.DUPLICATE_TRADES] == len(delivered) - len(set(delivered))
    assert (counts[Counted.REFUSED_TRADES], counts[Counted.REJECTS]) == (0, 0)
    assert set(delivered) == perp_trades(path)
    assert counts[Counted.MARKET_STATES] > 0
    assert counts[Counted.VAULT_STATES] > 0
    assert not (await stored_in(pool)).gaps

    alone = await only_liquidation(pool)
    assert (alone.user, alone.asset, alone.observed_by) == (VICTIM, "WLFI", ("hyperliquid_api",))
    other = MemoryJournal()
    await through_the_node(path, other)
    assert list(other.stored().liquidations) == [alone.liquidation_id]

    await through_the_node(path, journal)
    both = await only_liquidation(pool)
    assert both.liquidation_id == alone.liquidation_id
    assert both.observed_by == ("hyperliquid_api", "hyperliquid_node")
    assert (both.fill_count, both.size, both.amount_usd) == (alone.fill_count, alone.size, alone.amount_usd)


async def test_without_that_maker_nobody_shows_the_liquidation(pool: Pool, shared_data: Path) -> None:
    """Every trade is there, and none says what it was: that is why the source calls itself a sample."""
    path = shared_data / BLOCKS
    journal = PostgresJournal(pool, SystemClock())
    await through_the_venue(path, journal)
    counts = await counted(pool)
    assert counts[Counted.TRADES] - counts[Counted.DUPLICATE_TRADES] == len(perp_trades(path))
    stored = await stored_in(pool)
    assert not stored.liquidations
    async with pool.acquire() as connection:
        label = await connection.fetchval("SELECT label FROM sources WHERE name = 'hyperliquid_api'")
    assert label == CoverageLabel.SAMPLE


async def test_the_maker_a_measured_day_shows_is_followed_and_shows_the_liquidation(
    pool: Pool, shared_data: Path
) -> None:
    """What a node saw on one day decides whom the sample follows; nobody named the maker.

    The recording is of a minute, so that its hour is called measured here, as if the rest were there.
    """
    path = shared_data / BLOCKS
    await through_the_node(path, PostgresJournal(pool, SystemClock()))
    both = await only_liquidation(pool)
    hour = hour_of(datetime.fromisoformat(both.timestamp))
    await pool.execute(_MEASURED, both.chain, hour)
    day_after = ManualClock(hour + timedelta(days=1))
    assert await choose_users(pool, day_after) == 1

    choice = PostgresUserSlots(pool, day_after)
    assert list(await choice.chosen(both.chain)) == [MAKER]
    venue = await through_the_venue(path, PostgresJournal(pool, SystemClock()), user_slots=choice)
    again = await only_liquidation(pool)
    assert again.observed_by == ("hyperliquid_api", "hyperliquid_node")
    assert venue.meter.breaches == []
    async with pool.acquire() as connection:
        slots = {each.user: each for each in await read_slots(connection)}
    assert slots[MAKER].reason == SlotReason.MEASURED
    measured = slots[MAKER].measured
    assert measured is not None
    assert (measured.fills, measured.percent, measured.amount_usd) == (1, "100", both.amount_usd)


async def test_a_watched_account_is_confirmed_without_any_maker(pool: Pool, shared_data: Path) -> None:
    """Asked about before, it traded beyond its liquidation price, and one question showed why."""
    journal = PostgresJournal(pool, SystemClock())
    venue = await through_the_venue(shared_data / BLOCKS, journal, lead=160, scan_accounts=1_000)
    liquidation = await only_liquidation(pool)
    assert (liquidation.user, liquidation.asset) == (VICTIM, "WLFI")
    assert 0 < venue.meter.asked["userFillsByTime"] < 20
    assert venue.meter.highest.amount <= REST_WEIGHT_PER_MINUTE
    assert venue.meter.breaches == []
