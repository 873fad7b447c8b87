"""Several writers of the same liquidations: no deadlock, and the rows of one writer alone."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from random import Random

import msgspec
import pytest

from kamiyo.core.ids import Asset, SourceName
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool
from tests.builders import NOW, OTHER_VICTIM, VICTIM, a_batch, a_counterparty_fill, a_liquidated_fill
from tests.fakes import MemoryJournal
from tests.replaying import latest, versions_of
from tests.stored import stored_in

WRITERS = [SourceName(name) for name in ("hyperliquid_node", "hyperliquid_api", "third", "fourth")]


def sights(random: Random) -> list:
    """Fills of overlapping liquidations in three hours, some from both sides."""
    found = []
    for tid in range(60):
        build = random.choice([a_liquidated_fill, a_liquidated_fill, a_counterparty_fill])
        found.append(
            build(
                tid=tid,
                user=random.choice([VICTIM, OTHER_VICTIM]),
                asset=Asset(random.choice(["ETH", "xyz:TSLA"])),
                timestamp=NOW - timedelta(hours=tid % 3),
                size=Decimal(random.randint(1, 9)),
            )
        )
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_writers_at_once_store_what_one_after_the_other_would(pool: Pool, seed: int) -> None:
    """Four sources, batches cut at random over three hours: no deadlock, the same rows, growing versions."""
    random = Random(seed)
    fills = sights(random)
    own = {
        source: [msgspec.structs.replace(fill, source=source) for fill in random.sample(fills, 45)]
        for source in WRITERS
    }
    expected, journal = MemoryJournal(), PostgresJournal(pool)
    for source, seen in own.items():
        await expected.write(a_batch(source=source, events=tuple(seen)))

    async def write(seen: list) -> None:
        cut = Random(seed)
        while seen:
            size = cut.randint(1, 12)
            await journal.write(a_batch(source=seen[0].source, events=tuple(seen[:size])))
            seen = seen[size:]

    async with asyncio.timeout(40), asyncio.TaskGroup() as tasks:
        for seen in own.values():
            tasks.create_task(write(seen))

    reached = await stored_in(pool)
    assert reached.fills == expected.stored().fills
    assert reached.liquidations == expected.stored().liquidations
    assert latest(reached.published) == latest(expected.stored().published)
    assert all(versions == sorted(set(versions)) for versions in versions_of(reached.published).values())
