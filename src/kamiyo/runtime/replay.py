"""Run a recording through the production pipeline into a database that lasts as long as the run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_node import AGGREGATOR, HyperliquidNodeSettings, stream_of
from kamiyo.core.errors import InvalidQuery
from kamiyo.core.ids import Cursor
from kamiyo.core.money import install_context
from kamiyo.core.ports import Raw, Span
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.recordings import read_lines
from kamiyo.kit.transport import open_session
from kamiyo.processing.pipeline import MAX_BATCH_PAYLOADS, Pipeline
from kamiyo.processing.replay import ReplayAccount, replay
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.read_liquidations import LiquidationFilter, read_liquidations
from kamiyo.storage.read_rows import LiquidationText, Place, reading
from kamiyo.storage.throwaway import throwaway_database

UNKNOWN_STREAM = "unknown"
_PAGE = 1_000
_DOCUMENTATION = frozenset({".md", ".txt"})

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The account of a replay, its liquidations in the order of time, and how long it took."""

    account: ReplayAccount
    liquidations: list[LiquidationText]
    duration: timedelta


def recorded_files(paths: Sequence[Path]) -> list[Path]:
    """The files to replay, in order; InvalidQuery for a path without any.

    Of a folder all it holds at any depth counts, but for hidden files and what describes a recording.
    """
    return [file for path in paths for file in _files_of(path)]


def _files_of(path: Path) -> list[Path]:
    if not path.exists():
        raise InvalidQuery(f"there is no {path}")
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.rglob("*") if each.is_file() and _may_be_recording(each, path))
    if not found:
        raise InvalidQuery(f"there is no recording in {path}")
    return found


def _may_be_recording(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.suffix.lower() not in _DOCUMENTATION


async def replay_files(
    database_url: str,
    files: Sequence[Path],
    *,
    progress: Progress,
    batch_payloads: int = MAX_BATCH_PAYLOADS,
) -> ReplayResult:
    """Replay files into a throw-away database; ``progress`` hears how many payloads and bytes are done."""
    install_context()
    clock = SystemClock()
    started = clock.now()
    recording = _Recording(files, clock)
    async with (
        throwaway_database(database_url) as url,
        open_pool(url) as pool,
        open_session() as session,
    ):
        aggregator = AGGREGATOR.build(HyperliquidNodeSettings(), Toolbox(clock=clock, session=session))
        journal = PostgresJournal(pool, clock)
        await journal.register(aggregator.description)
        account = await replay(
            recording.raws(),
            Pipeline(aggregator, journal, clock),
            progress=lambda payloads: progress(payloads, recording.read),
            batch_payloads=batch_payloads,
        )
        liquidations = await _all_liquidations(pool)
    return ReplayResult(account, liquidations, clock.now() - started)


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


class _Recording:
    """The payloads of files, and how many bytes of the files were read to get so far."""

    def __init__(self, files: Sequence[Path], clock: SystemClock) -> None:
        self._files = files
        self._clock = clock
        self._read_before = 0
        self._read_here = 0

    @property
    def read(self) -> int:
        return self._read_before + self._read_here

    def raws(self) -> Generator[Raw]:
        for file in self._files:
            yield from self._raws_of(file)
            self._read_before, self._read_here = self.read, 0

    def _raws_of(self, file: Path) -> Generator[Raw]:
        for offset, line in read_lines(file, told=self._tell):
            yield Raw(
                source=AGGREGATOR.name,
                stream=stream_of(line) or UNKNOWN_STREAM,
                payload=line,
                received_at=self._clock.now(),
                cursor=Cursor(f"{file.name}:{offset}"),
                span=Span(str(file), offset, offset + len(line)),
            )

    def _tell(self, position: int) -> None:
        self._read_here = position
