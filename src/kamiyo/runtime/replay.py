"""Run a recording through the production pipeline into a database that lasts as long as the run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_node import AGGREGATOR, HyperliquidNodeSettings, stream_of
from kamiyo.core.errors import InvalidSettings
from kamiyo.core.ids import Cursor
from kamiyo.core.money import install_context
from kamiyo.core.ports import Raw, Span
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.recordings import read_lines
from kamiyo.kit.transport import open_session
from kamiyo.processing.pipeline import Pipeline
from kamiyo.processing.replay import ReplayAccount, replay
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.read_liquidations import LiquidationFilter, read_liquidations
from kamiyo.storage.read_rows import LiquidationText, Place, reading
from kamiyo.storage.throwaway import throwaway_database

UNKNOWN_STREAM = "unknown"
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The account of a replay, its liquidations in the order of time, and how long it took."""

    account: ReplayAccount
    liquidations: list[LiquidationText]
    seconds: float


def recorded_files(paths: Sequence[Path]) -> list[Path]:
    """The files to replay, folders opened up, in order; InvalidSettings for a path that is not there."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InvalidSettings(f"there is no {path}")
        found = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        files.extend(found)
    return files


async def replay_files(
    database_url: str, files: Sequence[Path], *, progress: Callable[[int], None]
) -> ReplayResult:
    """Replay files into a throw-away database; ``progress`` is told how many payloads are done."""
    install_context()
    clock = SystemClock()
    started = perf_counter()
    async with (
        throwaway_database(database_url) as url,
        open_pool(url) as pool,
        open_session() as session,
    ):
        aggregator = AGGREGATOR.build(HyperliquidNodeSettings(), Toolbox(clock=clock, session=session))
        journal = PostgresJournal(pool, clock)
        await journal.register(aggregator.description)
        pipeline = Pipeline(aggregator, journal, clock)
        account = await replay(_raws(files, clock), pipeline, progress=progress)
        liquidations = await _all_liquidations(pool)
    return ReplayResult(account, liquidations, perf_counter() - started)


async def _all_liquidations(pool: Pool) -> list[LiquidationText]:
    found: list[LiquidationText] = []
    past: Place | None = None
    async with reading(pool) as connection:
        while page := await read_liquidations(
            connection, LiquidationFilter(), past=past, limit=_PAGE, descending=False
        ):
            found.extend(row for _place, row in page)
            past = page[-1][0]
    return found


def _raws(files: Sequence[Path], clock: SystemClock) -> Generator[Raw]:
    for file in files:
        for offset, line in read_lines(file):
            yield Raw(
                source=AGGREGATOR.name,
                stream=stream_of(line) or UNKNOWN_STREAM,
                payload=line,
                received_at=clock.now(),
                cursor=Cursor(f"{file.name}:{offset}"),
                span=Span(str(file), offset, offset + len(line)),
            )
