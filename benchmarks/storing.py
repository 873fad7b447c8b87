"""Liquidated fills into PostgreSQL: against the server's own COPY FROM a file, and against ourselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.data import liquidation_blocks
from benchmarks.folder import own_folder
from benchmarks.measure import ROUNDS, Claim, Report, WorkAtServer, claim, medians, take_turns_at_server
from benchmarks.server import Database, database, server, version_of
from benchmarks.sources import node_aggregator
from kamiyo.core.events import FillRole, LiquidatedFill
from kamiyo.core.ports import Raw
from kamiyo.core.time import from_millis
from kamiyo.storage.fill_rows import FillRows, fill_rows
from kamiyo.storage.fills import store_fill_rows, store_fills

_BLOCKS_A_ROUND, _TRADES_A_BLOCK = 5, 1_000
_MANY = 10_000_000
# The columns both write; recorded_at is the server's to fill in.
_COLUMNS = {
    "liquidation_fills": (
        'chain, protocol, timestamp, liquidation_id, asset, tid, "user", side, method, price, size, '
        "mark_price, source, hash, role, liquidated_user, direction_text, margin_mode, closed_pnl, fee, "
        "position_size_before, counterparty, observations"
    ),
    "liquidations": (
        'chain, protocol, timestamp, liquidation_id, "user", asset, side, method, size, liquidation_price, '
        "mark_price, amount_usd, leverage, margin_mode, fill_count, source, observed_by, version, metadata"
    ),
}
# In the month the new rows go to, and before them: the same partition, indexes as deep as they get.
_MANY_FILLS = """
CREATE TABLE many (LIKE liquidation_fills INCLUDING DEFAULTS);
INSERT INTO many (chain, protocol, timestamp, liquidation_id, asset, tid, "user", side, method, price, size,
    mark_price, source, hash, role, liquidated_user, direction_text, closed_pnl, fee, position_size_before,
    observations)
SELECT 'hyperliquid', 'hyperliquid', moment, '1761955200000-' || substr(digest, 1, 24), 'BTC', n,
    '0x' || digest || '01234567', 'long', 'market', 100000.5, 0.25, 100001.5, 'hyperliquid_node',
    '0x' || digest || digest, 'victim', '0x' || digest || '01234567', 'Close Long', -12.5, 0.25, 1.5,
    ARRAY['hyperliquid_node/victim/' || substr(digest, 1, 8)]
FROM (SELECT n, md5(n::text) AS digest, '2025-11-01'::timestamptz + n * interval '4 milliseconds' AS moment
      FROM generate_series(1, {many}) AS n) AS made;
DROP TABLE liquidation_fills_first_dex_202511;
ALTER TABLE many ADD PRIMARY KEY (timestamp, liquidation_id, asset, tid, chain, protocol);
ALTER TABLE many RENAME TO liquidation_fills_first_dex_202511;
ALTER TABLE liquidation_fills_first_dex ATTACH PARTITION liquidation_fills_first_dex_202511
    FOR VALUES FROM ('2025-11-01 00:00+00') TO ('2025-12-01 00:00+00');
VACUUM ANALYZE liquidation_fills
"""


def run() -> Report:
    """All contenders in turn, each in a database of its own that grows with every round."""
    with server() as url, own_folder() as folder:
        return asyncio.run(_run(url, str(folder)))


async def _run(url: str, folder: str) -> Report:
    rounds = [_fills(number) for number in range(ROUNDS + 1)]
    made = [fill_rows(fills) for fills in rounds]
    files = Path(folder)
    async with AsyncExitStack() as stack:
        names = ("rows", "fills", "both", "peer_fills", "peer_both", "full")
        at = {name: await stack.enter_async_context(database(url, f"bench_{name}")) for name in names}
        await _write_files(at["both"], made, files)
        await _fill_up(at["full"])
        # In this order: what is stored in a round is what comes again in it.
        contenders: dict[str, tuple[Database, WorkAtServer]] = {
            "rows": (at["rows"], lambda n: _store_rows(at["rows"], made[n], new=True)),
            "fills": (at["fills"], lambda n: _store(at["fills"], rounds[n], together=False)),
            "server's COPY of fills": (at["peer_fills"], lambda n: _copy(at["peer_fills"], files, n, 1)),
            "fills and liquidations": (at["both"], lambda n: _store(at["both"], rounds[n])),
            "server's COPY of both": (at["peer_both"], lambda n: _copy(at["peer_both"], files, n, 2)),
            "rows, 10 million there": (at["full"], lambda n: _store_rows(at["full"], made[n], new=True)),
            "rows again": (at["rows"], lambda n: _store_rows(at["rows"], made[n], new=False)),
            "fills again": (at["fills"], lambda n: _store(at["fills"], rounds[n], together=False, new=False)),
            "both again": (at["both"], lambda n: _store(at["both"], rounds[n], new=False)),
        }
        rates = await take_turns_at_server(
            {name: work for name, (_where, work) in contenders.items()},
            {name: where.backend for name, (where, _work) in contenders.items()},
        )
    return Report(_claims(rates), medians(rates) | {"unit": "fills", "PostgreSQL": await version_of(url)})


def _claims(rates: dict[str, list[float]]) -> list[Claim]:
    return [
        claim(
            "storing rows of fills, by the server's COPY FROM", rates, "rows", "server's COPY of fills", 0.65
        ),
        claim(
            "making rows of fills and storing them, by COPY FROM",
            rates,
            "fills",
            "server's COPY of fills",
            None,
        ),
        claim(
            "making rows of fills and storing them with their liquidations, by COPY FROM of both",
            rates,
            "fills and liquidations",
            "server's COPY of both",
            None,
        ),
        claim("storing with 10 million rows there, by empty", rates, "rows, 10 million there", "rows", 0.7),
        claim("a replay of rows, by inserts of rows", rates, "rows again", "rows", 1.0),
        claim("a replay of fills, their rows made again, by inserts", rates, "fills again", "fills", None),
        claim("a replay with liquidations, by inserts", rates, "both again", "fills and liquidations", 1.0),
    ]


def _fills(number: int) -> list[LiquidatedFill]:
    """A round's victims' rows, each trade once."""
    aggregator, fills = node_aggregator(), list[LiquidatedFill]()
    blocks = liquidation_blocks(
        _BLOCKS_A_ROUND, _TRADES_A_BLOCK, first=86_400 + number * _BLOCKS_A_ROUND, seed=number
    )
    for block in blocks:
        raw = Raw(
            source=aggregator.name, stream="node_fills_by_block", payload=block, received_at=from_millis(0)
        )
        events = aggregator.normalize(raw).events
        fills += [
            event for event in events if isinstance(event, LiquidatedFill) and event.role is FillRole.VICTIM
        ]
    return fills


async def _store_rows(where: Database, rows: FillRows, *, new: bool) -> int:
    """Rows that were made before, as those of a file were: lock, look-up and COPY."""
    async with where.pool.acquire() as connection, connection.transaction():
        stored = await store_fill_rows(connection, rows)
    if stored.new_fills != (len(rows.lines) if new else 0):
        raise AssertionError(stored.new_fills)
    return len(rows.lines)


async def _store(
    where: Database, fills: Sequence[LiquidatedFill], *, together: bool = True, new: bool = True
) -> int:
    """Values: their rows are made here."""
    async with where.pool.acquire() as connection, connection.transaction():
        store = store_fills if together else store_fill_rows
        stored = await store(connection, fill_rows(fills))
    if stored.new_fills != (len(fills) if new else 0):
        raise AssertionError(stored.new_fills)
    return len(fills)


async def _copy(where: Database, folder: Path, number: int, tables: int) -> int:
    rows = 0
    async with where.pool.acquire() as connection, connection.transaction():
        for table in list(_COLUMNS)[:tables]:
            path = folder / f"{table}.{number}"
            done = await connection.execute(f"COPY {table} ({_COLUMNS[table]}) FROM '{path}'")
            rows = int(done.removeprefix("COPY "))
    return rows


async def _write_files(scratch: Database, rounds: Sequence[FillRows], folder: Path) -> None:
    """The very rows we store, as the server itself would write them out; nothing of it stays."""
    for number, rows in enumerate(rounds):
        async with scratch.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await store_fills(connection, rows)
            for table, columns in _COLUMNS.items():
                path = folder / f"{table}.{number}"
                await connection.copy_from_query(f"SELECT {columns} FROM {table}", output=path)  # noqa: S608  (our own names)
                path.chmod(0o644)
            await transaction.rollback()


async def _fill_up(where: Database) -> None:
    async with where.pool.acquire() as connection:
        for statement in _MANY_FILLS.format(many=_MANY).split(";\n"):
            await connection.execute(statement, timeout=3600)
        await connection.execute("CHECKPOINT")
