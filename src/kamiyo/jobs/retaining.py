"""Let go of what is past its time by policy, written to files first where that is asked for."""

from __future__ import annotations

import asyncio
import hashlib
import platform
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from kamiyo.core.retention import BY_MONTH, Dataset, Policy, month_after
from kamiyo.core.time import Clock, rfc3339
from kamiyo.kit import metrics
from kamiyo.kit.parquet import parquet_file, rows_in
from kamiyo.storage.partition_rows import count_rows, describe_rows, read_rows
from kamiyo.storage.pool import Connection, Pool
from kamiyo.storage.retained import read_retained
from kamiyo.storage.retention import (
    Dropped,
    Partition,
    delete_rows,
    drop_month,
    end_turn,
    list_months,
    set_limits,
    take_turn,
    times_exported,
)

_EVERY = timedelta(hours=1)
_ATTEMPTS = 20
_BETWEEN_ATTEMPTS = timedelta(milliseconds=250)
_log = structlog.get_logger()


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one dataset: how long it is kept, what was dropped, and what goes next and when.

    ``rows`` and ``bytes`` are of the oldest month, as the database estimates them.
    """

    dataset: str
    keep: str
    export_to: str | None
    stored_from: datetime | None
    dropped_before: datetime | None
    oldest_month: datetime | None
    rows: int | None
    bytes: int | None
    goes_at: datetime | None


async def keep_retention(pool: Pool, policies: Sequence[Policy], clock: Clock) -> None:
    """Let go of what is past its time, now and once an hour, for ever. Any number of workers may."""
    while True:
        if await retain_once(pool, policies, clock):
            metrics.RETENTION_DONE.set(clock.now().timestamp())
        await clock.sleep(_EVERY)


async def retain_once(pool: Pool, policies: Sequence[Policy], clock: Clock) -> bool:
    """Let go of what is past its time; False where some stays for the next round, or another is at it."""
    async with pool.acquire() as connection:
        if not await take_turn(connection):
            return False
        try:
            await set_limits(connection, policies, clock.now())
            done = [await _follow(connection, policy, clock) for policy in policies]
        finally:
            await end_turn(connection)
    return all(done)


async def look_ahead(connection: Connection, policies: Sequence[Policy]) -> list[Outlook]:
    """What would become of each dataset; nothing is changed."""
    retained = {each.dataset: each for each in await read_retained(connection)}
    found: list[Outlook] = []
    for policy in policies:
        known = retained.get(policy.dataset)
        months = await list_months(connection, policy.dataset) if policy.dataset in BY_MONTH else {}
        month, partitions = next(iter(months.items()), (None, list[Partition]()))
        found.append(
            Outlook(
                dataset=policy.dataset,
                keep=policy.keep,
                export_to=policy.export_to,
                stored_from=known.stored_from if known else None,
                dropped_before=known.dropped_before if known else None,
                oldest_month=month,
                rows=sum(each.rows for each in partitions) if month else None,
                bytes=sum(each.bytes for each in partitions) if month else None,
                goes_at=policy.due(month) if month else None,
            )
        )
    return found


async def _follow(connection: Connection, policy: Policy, clock: Clock) -> bool:
    now = clock.now()
    limit = policy.limit(now)
    if limit is None:
        return True
    if policy.dataset not in BY_MONTH:
        deleted = await delete_rows(connection, policy.dataset, limit, now)
        metrics.RETENTION_ROWS.labels(policy.dataset).inc(deleted)
        return True
    months = await list_months(connection, policy.dataset)
    past = [partitions for month, partitions in months.items() if month < limit]
    return all([await _let_go(connection, policy, partitions, clock) for partitions in past])


async def _let_go(
    connection: Connection, policy: Policy, partitions: Sequence[Partition], clock: Clock
) -> bool:
    """Write a month's partitions to files where that is asked for, then drop them all."""
    try:
        dropped = [await _account(connection, policy, each, clock.now()) for each in partitions]
    except (OSError, ValueError) as error:
        _postpone(policy.dataset, "not_exported", f"{type(error).__name__}: {error}")
        return False
    before = month_after(partitions[0].month)
    for _ in range(_ATTEMPTS):
        if await drop_month(connection, policy.dataset, dropped, before, clock.now()):
            _tell(policy.dataset, dropped)
            return True
        await clock.sleep(_BETWEEN_ATTEMPTS)
    _postpone(policy.dataset, "busy", f"{partitions[0].name} and what goes with it are in use")
    return False


async def _account(connection: Connection, policy: Policy, partition: Partition, now: datetime) -> Dropped:
    """The rows of a partition that is about to go, and the file they are in."""
    rows = await count_rows(connection, partition.name)
    if policy.export_to is None or rows == 0:
        return Dropped(partition, rows)
    times = await times_exported(connection, partition.name)
    path = await asyncio.to_thread(_path, Path(policy.export_to) / policy.dataset, partition.name, times)
    checksum = await _export(connection, path, partition, rows, now)
    metrics.RETENTION_EXPORTED_ROWS.labels(policy.dataset).inc(rows)
    return Dropped(partition, rows, f"{platform.node()}:{path}", checksum)


def _path(folder: Path, name: str, times: int) -> Path:
    """A file that is not one of those already told of: a month that was read again is another one."""
    folder = folder.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / (f"{name}-{times + 1}.parquet" if times else f"{name}.parquet")


async def _export(connection: Connection, path: Path, partition: Partition, rows: int, now: datetime) -> str:
    """Write a partition to a file and its disk; the file's checksum."""
    described = await describe_rows(connection, partition.name)
    metadata = {
        "kamiyo.table": partition.name,
        "kamiyo.month": f"{partition.month:%Y-%m}",
        "kamiyo.rows": str(rows),
        "kamiyo.exported_at": rfc3339(now),
        "kamiyo.numbers_as_text": ", ".join(described.numbers_as_text),
    }
    with parquet_file(path, described.columns, metadata) as add:
        async with aclosing(read_rows(connection, described)) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(add, chunk)
    written = await asyncio.to_thread(rows_in, path)
    if written != rows:
        raise ValueError(f"{path} has {written} rows, {partition.name} {rows}")
    return await asyncio.to_thread(_checksum, path)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _postpone(dataset: Dataset, reason: str, detail: str) -> None:
    metrics.RETENTION_POSTPONED.labels(dataset, reason).inc()
    _log.warning("retention_postponed", dataset=dataset, reason=reason, detail=detail)


def _tell(dataset: Dataset, dropped: Sequence[Dropped]) -> None:
    metrics.RETENTION_PARTITIONS.labels(dataset).inc(len(dropped))
    metrics.RETENTION_ROWS.labels(dataset).inc(sum(each.rows for each in dropped))
    _log.info(
        "month_dropped",
        dataset=dataset,
        rows={each.partition.name: each.rows for each in dropped if each.rows},
        exported_to=[each.exported_to for each in dropped if each.exported_to],
    )
