"""Run a recording through the production pipeline into a database that lasts as long as the run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import msgspec

from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_api import AGGREGATOR as API
from kamiyo.aggregators.hyperliquid_api import HyperliquidAPISettings
from kamiyo.aggregators.hyperliquid_node import AGGREGATOR as NODE
from kamiyo.aggregators.hyperliquid_node import HyperliquidNodeSettings, stream_of
from kamiyo.core.errors import InvalidQuery, MalformedPayload
from kamiyo.core.events import Gap
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.money import install_context
from kamiyo.core.ports import Raw, Span
from kamiyo.core.time import from_millis
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.recordings import read_lines
from kamiyo.kit.transport import open_session
from kamiyo.lab.recorded_payload import BEGINNING, GAP, decode_payload
from kamiyo.lab.recording import MAINNET, ORIGIN, Kind, find_recording, is_shipped
from kamiyo.lab.simulated import complete
from kamiyo.processing.pipeline import MAX_BATCH_PAYLOADS, Pipeline
from kamiyo.processing.replay import ReplayAccount, replay
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import Pool, open_pool
from kamiyo.storage.read_liquidations import LiquidationFilter, read_liquidations
from kamiyo.storage.read_rows import LiquidationText, Place, reading
from kamiyo.storage.throwaway import throwaway_database

UNKNOWN_STREAM = "unknown"
_PAGE = 1_000
_PAYLOADS = (Kind.NODE_FILLS, Kind.NODE_LINES, Kind.FRAMES)
_decode_gap = msgspec.json.Decoder(Gap).decode
_DOCUMENTATION = frozenset({".md", ".txt"})

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The account of a replay, its liquidations in the order of time, and how long it took."""

    account: ReplayAccount
    liquidations: list[LiquidationText]
    duration: timedelta


@contextmanager
def recorded_files(paths: Sequence[Path]) -> Generator[list[Path]]:
    """The files to replay, in order; InvalidQuery for a path without any.

    A path is a file, a folder or the name of a recording that ships. Of a folder without an origin file all
    it holds at any depth counts, but for hidden files and what describes a recording.
    """
    with ExitStack() as made:
        yield [file for path in paths for file in _files_of(path, made)]


def _files_of(path: Path, made: ExitStack) -> list[Path]:
    if (path / ORIGIN).is_file() or (not path.exists() and is_shipped(str(path))):
        return _recording_files(path, made)
    if not path.exists():
        raise InvalidQuery(f"there is no {path}")
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.rglob("*") if each.is_file() and _may_be_recording(each, path))
    if not found:
        raise InvalidQuery(f"there is no recording in {path}")
    return found


def _recording_files(path: Path, made: ExitStack) -> list[Path]:
    recording = made.enter_context(complete(find_recording(str(path))))
    if recording.origin.chain != MAINNET:
        raise InvalidQuery(f"{path} is of {recording.origin.chain}: only {MAINNET} can be accounted for")
    files = [file for file, known in recording.files if known.kind in _PAYLOADS]
    if not files:
        raise InvalidQuery(
            f"{path} is a series and holds no payloads to account for: show it by kamiyo run --replay {path}"
        )
    return files


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
        tools = Toolbox(clock=clock, session=session)
        journal = PostgresJournal(pool, clock)
        pipelines: dict[SourceName, Pipeline] = {}
        for aggregator in (
            NODE.build(HyperliquidNodeSettings(), tools),
            API.build(HyperliquidAPISettings(), tools),
        ):
            await journal.register(aggregator.description)
            pipelines[aggregator.name] = Pipeline(aggregator, journal, clock)
        account = ReplayAccount()
        for source, items in groupby(recording.items(), key=attrgetter("source")):
            await replay(
                items,
                pipelines[source],
                progress=lambda payloads: progress(payloads, recording.read),
                batch_payloads=batch_payloads,
                account=account,
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

    def items(self) -> Generator[Raw | Gap]:
        for file in self._files:
            for offset, line in read_lines(file, told=self._tell):
                yield self._item(
                    line, Cursor(f"{file.name}:{offset}"), Span(str(file), offset, offset + len(line))
                )
            self._read_before, self._read_here = self.read, 0

    def _item(self, line: bytes, cursor: Cursor, span: Span) -> Raw | Gap:
        """A line of a node as it is, and what was recorded of another source as it came."""
        source, stream, payload, at = API.name, UNKNOWN_STREAM, line, self._clock.now()
        if not line.startswith(BEGINNING):
            source, stream = NODE.name, stream_of(line) or UNKNOWN_STREAM
        else:
            with suppress(MalformedPayload, msgspec.DecodeError, OverflowError):  # then it is of none
                recorded = decode_payload(line)
                if recorded.stream == GAP:
                    return msgspec.structs.replace(_decode_gap(recorded.content), source=API.name)
                content, heard_at = recorded.content, from_millis(recorded.received_at)
                stream, payload, at = recorded.stream, content, heard_at
        return Raw(source=source, stream=stream, payload=payload, received_at=at, cursor=cursor, span=span)

    def _tell(self, position: int) -> None:
        self._read_here = position
