"""Ten million liquidations into a file of each format: memory that does not grow, and COPY TO beside it."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import msgspec
import polars as pl

from benchmarks.folder import own_folder
from benchmarks.measure import Claim, Report, cpu_seconds
from benchmarks.server import database, server, version_of
from kamiyo.api.services.export_about import describe_rows
from kamiyo.core.exports import (
    ExportDataset,
    ExportFile,
    ExportFormat,
    ExportPolicy,
    ExportRequest,
    lease_name,
)
from kamiyo.core.modes import LIVE
from kamiyo.core.money import install_context
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.exporting import ROWS_IN_A_PART, ExportWriter
from kamiyo.storage.export_sets import PostgresLists
from kamiyo.storage.exports import PostgresExports
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool, open_pool

# Fewer to see that it works at all.
ROWS_VARIABLE = "KAMIYO_BENCH_EXPORT_ROWS"

_ROWS = 10_000_000
_MEGABYTE = 1 << 20
_FIRST = datetime(2025, 11, 1, tzinfo=UTC)
_BETWEEN_ROWS = timedelta(milliseconds=10)
_WARMED_BY = 2  # parts: all that is loaded, or grows once, is there after them
# What is kept of 40 parts and 200 row groups is far less; a leak of four bytes a row would be more.
_ALLOWED_MEGABYTES = 40.0
_FILL = """
CREATE TABLE many (LIKE liquidations INCLUDING DEFAULTS);
INSERT INTO many (chain, protocol, timestamp, liquidation_id, "user", asset, side, method, size,
    liquidation_price, mark_price, amount_usd, margin_mode, fill_count, source, observed_by, version,
    metadata)
SELECT 'hyperliquid', 'hyperliquid', moment,
    (extract(epoch FROM moment) * 1000)::bigint || '-' || substr(digest, 1, 24), '0x' || digest || '01234567',
    (ARRAY['BTC', 'ETH', 'SOL', 'kPEPE'])[1 + n % 4], 'long', 'market', n * 0.00001, 100000.123456 + n % 977,
    100001.5, n * 0.00001 * (100000.123456 + n % 977), 'cross', 1 + n % 9, 'hyperliquid_node',
    ARRAY['hyperliquid_node', 'hyperliquid_archive'], 1,
    json_build_object('hash', '0x' || digest || digest, 'liquidated_user', '0x' || digest || '01234567',
        'fill_directions', json_build_array('Close Long'), 'closed_pnl', '-12.5', 'fee', '0.25',
        'position_size_before', '1.5')
FROM (SELECT n, md5(n::text) AS digest, '2025-11-01'::timestamptz + n * interval '10 milliseconds' AS moment
      FROM generate_series(0, {rows} - 1) AS n) AS made;
DROP TABLE liquidations_first_dex_202511;
ALTER TABLE many ADD PRIMARY KEY (timestamp, liquidation_id, chain, protocol);
ALTER TABLE many RENAME TO liquidations_first_dex_202511;
ALTER TABLE liquidations_first_dex ATTACH PARTITION liquidations_first_dex_202511
    FOR VALUES FROM ('2025-11-01 00:00+00') TO ('2025-12-01 00:00+00');
VACUUM ANALYZE liquidations
"""
_COPY = "SELECT {columns} FROM liquidations ORDER BY timestamp, liquidation_id"
_COPIED = (
    'liquidation_id, chain, protocol, "user", asset, side, method, size, liquidation_price, mark_price, '
    "amount_usd, leverage, margin_mode, fill_count, timestamp, source, observed_by, version, metadata"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What writing one file took, of our process and of the server's."""

    rows: int
    size: int
    seconds: float
    cpu_seconds: float
    peak_megabytes: float  # of the first parts
    growth_megabytes: float  # of the peak, from the first parts to all


def run() -> Report:
    """Each format in a process of its own, and the peer in this one."""
    rows = int(os.environ.get(ROWS_VARIABLE, str(_ROWS)))
    with server() as url, own_folder() as folder:
        return asyncio.run(_run(url, folder, rows))


async def _run(url: str, folder: Path, rows: int) -> Report:
    async with database(url, "bench_exports") as where:
        async with where.pool.acquire() as connection:
            for statement in _FILL.format(rows=rows).split(";\n"):
                await connection.execute(statement, timeout=3600)
        peer = await _copy(where.url, folder)
        found = {kind: await _in_own_process(where.url, folder, kind, rows) for kind in ExportFormat}
    claims = [
        Claim(
            f"{_ALLOWED_MEGABYTES:.0f} MB allowed, by growth while {rows:,} rows become {kind}",
            1.0,
            (_ALLOWED_MEGABYTES / max(each.growth_megabytes, 0.1),),
        )
        for kind, each in found.items()
    ]
    claims += [
        Claim(f"rows written as {kind}, by COPY TO CSV", None, (_rate(each) / _rate(peer),))
        for kind, each in found.items()
    ]
    figures: dict[str, object] = {"rows": rows, "PostgreSQL": await version_of(url)}
    for name, each in [*found.items(), ("COPY TO CSV", peer)]:
        figures |= {f"{name}, {what}": value for what, value in _figures(each).items()}
    return Report(claims, figures)


def _rate(measured: Measured) -> float:
    return measured.rows / measured.cpu_seconds


def _figures(measured: Measured) -> dict[str, object]:
    memory: dict[str, object] = {
        "peak of two parts, MB": round(measured.peak_megabytes, 1),
        "peak of all above it, MB": round(measured.growth_megabytes, 1),
    }
    speed: dict[str, object] = {
        "rows per CPU-second": round(_rate(measured)),
        "rows per second": round(measured.rows / measured.seconds),
        "MB": round(measured.size / _MEGABYTE, 1),
    }
    return speed | memory if measured.peak_megabytes else speed


async def _in_own_process(url: str, folder: Path, kind: ExportFormat, rows: int) -> Measured:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        loop = asyncio.get_running_loop()
        measured = await loop.run_in_executor(processes, _measure, url, folder, kind, rows)
    _check(folder, kind, measured.rows, rows)
    return measured


def _measure(url: str, folder: Path, kind: ExportFormat, rows: int) -> Measured:
    install_context()
    return asyncio.run(_export_twice(url, folder, kind, rows))


async def _export_twice(url: str, folder: Path, kind: ExportFormat, rows: int) -> Measured:
    """The first rows, so that all there is to load is loaded; then all, which is measured."""
    clock = SystemClock()
    part = min(ROWS_IN_A_PART, max(rows // 8, 1))
    async with open_pool(url, size=1) as pool, open_pool(url, size=2) as others:
        exports = PostgresExports(others, clock, ExportPolicy(folder, timedelta(days=1), 1 << 50, 100))
        lists = PostgresLists(pool, describe_rows)
        writer = ExportWriter(exports, lists, clock, version="bench", showing=LIVE, rows_in_a_part=part)
        async with pool.acquire() as connection:
            backend: int = await connection.fetchval("SELECT pg_backend_pid()")
        end = _FIRST + _WARMED_BY * part * _BETWEEN_ROWS
        await _export(exports, writer, others, kind, {"end": end.isoformat()})
        peak = _of_process("VmHWM")
        _forget_peak()
        started, cpu, server_cpu = time.monotonic(), time.process_time(), cpu_seconds(backend)
        file = await _export(exports, writer, others, kind, {})
        seconds = time.monotonic() - started
        spent = time.process_time() - cpu + cpu_seconds(backend) - server_cpu
    return Measured(file.rows, file.size, seconds, spent, peak, _of_process("VmHWM") - peak)


async def _export(
    exports: PostgresExports, writer: ExportWriter, pool: Pool, kind: ExportFormat, filters: dict[str, str]
) -> ExportFile:
    wanted = ExportRequest(
        dataset=ExportDataset.LIQUIDATIONS, format=kind, filters=msgspec.json.encode(filters)
    )
    number = await exports.request(wanted)
    async with PostgresLeases(pool, SystemClock()).hold(lease_name(number)) as lease:
        if lease is None or not await exports.begin(number, lease):
            raise AssertionError("nobody else exports here")
        export = await exports.look(number)
        if export is None:
            raise AssertionError("it was just asked for")
        return await writer.write(export, lease)


def _check(folder: Path, kind: ExportFormat, written: int, rows: int) -> None:
    if written != rows:
        raise AssertionError(f"{written} of {rows} rows")
    paths = max(folder.glob(f"*/liquidations.{kind}"), key=lambda path: path.stat().st_mtime)
    if kind is ExportFormat.PARQUET:
        found = pl.scan_parquet(paths).select(pl.col("liquidation_id").n_unique(), pl.len()).collect()
        if found.row(0) != (rows, rows):
            raise AssertionError(found)
    for path in folder.glob("*/liquidations.*"):
        path.unlink()


async def _copy(url: str, folder: Path) -> Measured:
    """The same rows in the same order as the server itself writes them."""
    path = folder / "copied.csv"
    async with open_pool(url, size=1) as pool, pool.acquire() as connection:
        backend: int = await connection.fetchval("SELECT pg_backend_pid()")
        started, cpu, server_cpu = time.monotonic(), time.process_time(), cpu_seconds(backend)
        done = await connection.copy_from_query(
            _COPY.format(columns=_COPIED), output=path, format="csv", header=True, timeout=3600
        )
        seconds = time.monotonic() - started
        spent = time.process_time() - cpu + cpu_seconds(backend) - server_cpu
    size = path.stat().st_size
    path.unlink()
    return Measured(int(done.removeprefix("COPY ")), size, seconds, spent, 0.0, 0.0)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _of_process(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(name)
