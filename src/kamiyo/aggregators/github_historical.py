"""The files Hyperliquid published of its first months, February to May 2023: of accounts that made no market.

They were never updated since. Liquidations are notes on accounts, without asset, price and hash: they stand
beside the liquidations and are never folded into them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Final, TypeVar

import msgspec

from kamiyo.aggregators._files import FileRefused, FilesAggregator, Told, check_url, content_of
from kamiyo.aggregators._github_historical.patterns import Suspicion, episodes_of, words_of
from kamiyo.aggregators._github_historical.rows import (
    COLUMNS,
    LEDGER,
    LIQUIDATIONS,
    NAME,
    TRADES,
    Cells,
    HistoricalTrade,
    read_liquidation,
    read_movement,
    read_trade,
)
from kamiyo.aggregators._github_historical.tables import Table, chunks_of, records_of
from kamiyo.aggregators.base import AggregatorSettings, AggregatorSpec, Toolbox
from kamiyo.core.errors import MalformedPayload, SourceUnavailable
from kamiyo.core.events import AccountLiquidation, LedgerMovement
from kamiyo.core.ids import MAINNET
from kamiyo.core.ports import Counted, Normalized, Raw, Reject, Span, reject
from kamiyo.core.reports import Facts, Grade, Medium, Precision, Report, ReportId, ReportKind
from kamiyo.core.sources import ANY_AGE, CoverageLabel, SourceDescription, SourceType, Subject
from kamiyo.core.time import rfc3339

_READER: Final = "1"  # counted up whenever what a row means changes, so that every file is read again
_POLLS_OF_SILENCE: Final = 3
_CHUNK: Final = 256 << 10
_WHOLE: Final = 8 << 20  # of files whose rows are looked at together

_Minutes = Annotated[int, msgspec.Meta(ge=60, le=1440)]
T = TypeVar("T")


class GitHubHistoricalSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.github_historical]``."""

    url: str = ""
    suspicious_usd: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000_000)] = 1_000_000
    suspicious_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 60
    poll_minutes: _Minutes = 360


class GitHubHistoricalAggregator(FilesAggregator):
    """Every row of three files once, and again only after a file has changed.

    Trades are counted and not stored. Where more was liquidated in a short time than the settings allow, that
    is reported as a suspicion, which confirms nothing.
    """

    BASE_URL: ClassVar[str] = "https://raw.githubusercontent.com/hyperliquid-dex/historical_data/HEAD"

    files: ClassVar[tuple[str, ...]] = (LIQUIDATIONS, LEDGER, TRADES)
    kinds: ClassVar[frozenset[str]] = frozenset({"text/plain", "text/csv", "application/octet-stream"})
    largest: ClassVar[int] = 32 << 20

    def __init__(self, settings: GitHubHistoricalSettings, tools: Toolbox) -> None:
        every = timedelta(minutes=settings.poll_minutes)
        url = check_url(f"sources.{NAME}.url", settings.url or self.BASE_URL)
        self.description = SourceDescription(
            name=NAME,
            type=SourceType.POLLED,
            url=url,
            priority=45,
            label=CoverageLabel.NOT_MEASURED,
            silence_limit=_POLLS_OF_SILENCE * every,
            lag_limit=ANY_AGE,
            poll_every=every,
            subject=Subject.VENUE,
        )
        self._suspicion = Suspicion(
            Decimal(settings.suspicious_usd), timedelta(minutes=settings.suspicious_minutes)
        )
        super().__init__(tools, url, f"{_READER} {settings.suspicious_usd} {settings.suspicious_minutes}")

    async def get_trades(self) -> list[HistoricalTrade]:
        """Every trade of the file that can be read, in its order; SourceUnavailable where it is not there."""
        page = await self.asking.page(self.url_of(TRADES))
        try:
            body = b"" if page is None else self.checked(page)
            _check(TRADES, body)
        except FileRefused as refusal:
            raise SourceUnavailable(f"{TRADES}: {refusal}") from refusal
        rows = _Rows(Raw(source=NAME, stream=TRADES, payload=body, received_at=self.clock.now()))
        return rows.read(lambda cells: read_trade(cells, rows.raw.received_at))

    async def read(self, name: str, body: bytes, memory: str) -> AsyncGenerator[Told, None]:
        """The rows as they stand: those of trades in pieces, the others together."""
        del memory  # the file as a whole is known or new
        _check(name, body)
        scope = f"{name}@{content_of(body)}"
        for chunk in chunks_of(body, _CHUNK if name == TRADES else len(body)):
            raw = Raw(
                source=NAME,
                stream=name,
                payload=chunk.payload,
                received_at=self.clock.now(),
                span=Span(scope, chunk.start, chunk.end),
            )
            yield raw, None

    def normalize(self, raw: Raw) -> Normalized:
        """What the rows of one payload say; a row that is refused is refused alone."""
        if raw.stream not in COLUMNS:
            raise MalformedPayload(f"no file of ours: {raw.stream[:64]!r}", rule="unknown_stream")
        rows = _Rows(raw)
        if raw.stream == TRADES:
            return _trades(rows)
        return _movements(rows) if raw.stream == LEDGER else self._liquidations(rows)

    def _liquidations(self, rows: _Rows) -> Normalized:
        seen = set[AccountLiquidation]()

        def read(cells: Cells) -> AccountLiquidation:
            liquidation = read_liquidation(cells)
            if liquidation in seen:
                raise MalformedPayload("the same row stands there before", rule="repeated_row")
            seen.add(liquidation)
            return liquidation

        events = rows.read(read)
        reports = self._create_exploit_from_liquidations(events, rows.raw.received_at)
        return rows.normalized(
            (*events, *reports),
            {Counted.LEDGER_EVENTS: len(events), Counted.REPORTS: len(reports)},
            [each.timestamp for each in events],
        )

    def _create_exploit_from_liquidations(
        self, liquidations: Sequence[AccountLiquidation], received_at: datetime
    ) -> list[Report]:
        """A report of each episode in which more was liquidated than the settings allow.

        It is a claim of the lowest grade: on its own a case stays suspected, and it confirms no other's.
        """
        return [self._report(each, received_at) for each in episodes_of(liquidations, self._suspicion)]

    def _report(self, episode: Sequence[AccountLiquidation], received_at: datetime) -> Report:
        first, last = episode[0].timestamp, episode[-1].timestamp
        title, text = words_of(episode, self._suspicion)
        return Report(
            report_id=ReportId(f"{NAME}:liquidations/{rfc3339(first)}"),
            source=NAME,
            medium=Medium.OBSERVATION,
            origin=NAME,
            source_url=self.url_of(LIQUIDATIONS),
            title=title,
            text=text,
            grade=Grade.CLAIM,
            kind=ReportKind.NEW,
            published_at=last,
            received_at=received_at,
            facts=Facts(
                name=title,
                protocol=MAINNET,
                chains=(MAINNET,),
                occurred_at=first,
                precision=Precision.SECOND,
                ended_at=last,
            ),
        )


class _Rows:
    """The rows of one payload while they are read, with those that were refused."""

    def __init__(self, raw: Raw) -> None:
        """MalformedPayload where the payload is no table with the columns its file must have."""
        self.raw = raw
        self.rejects: list[Reject] = []
        header, *self._rows = [record.content for record in records_of(raw.payload)] or [b""]
        self._table = Table(header, COLUMNS[raw.stream])

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, read: Callable[[Cells], T]) -> list[T]:
        """What each row says; those that cannot be read are refused."""
        return list(self._read(read))

    def normalized(
        self,
        events: Sequence[AccountLiquidation | LedgerMovement | Report],
        counts: dict[Counted, int],
        moments: Sequence[datetime],
    ) -> Normalized:
        """All of it; ``counts`` of what is not zero."""
        counted = counts | {Counted.PAYLOADS: 1, Counted.REJECTS: len(self.rejects)}
        return Normalized(
            events=events,
            rejects=self.rejects,
            counts={name: number for name, number in counted.items() if number},
            last_event_at=max(moments, default=None),
        )

    def _read(self, read: Callable[[Cells], T]) -> Iterator[T]:
        for row in self._rows:
            try:
                yield read(self._table.cells(row))
            except MalformedPayload as error:
                self.rejects.append(reject(self.raw, rule=error.rule, detail=str(error), payload=row))


def _movements(rows: _Rows) -> Normalized:
    seen = Counter[LedgerMovement]()

    def read(cells: Cells) -> LedgerMovement:
        movement = read_movement(cells, 1)
        seen[movement] += 1
        return movement if seen[movement] == 1 else read_movement(cells, seen[movement])

    events = rows.read(read)
    return rows.normalized(events, {Counted.LEDGER_EVENTS: len(events)}, [each.timestamp for each in events])


def _trades(rows: _Rows) -> Normalized:
    trades = rows.read(lambda cells: read_trade(cells, rows.raw.received_at))
    counts = {Counted.TRADES: len(rows), Counted.REFUSED_TRADES: len(rows.rejects)}
    return rows.normalized((), counts, [each.timestamp for each in trades])


def _check(name: str, body: bytes) -> None:
    """FileRefused for what is too large to be looked at as one, or lacks a column."""
    if name != TRADES and len(body) > _WHOLE:
        raise FileRefused(f"it is larger than {_WHOLE >> 20} MiB")
    header = next(records_of(body), None)
    if header is None:
        raise FileRefused("it is empty")
    try:
        Table(header.content, COLUMNS[name])
    except MalformedPayload as error:
        raise FileRefused(str(error)) from error


AGGREGATOR = AggregatorSpec(name=NAME, settings=GitHubHistoricalSettings, build=GitHubHistoricalAggregator)
