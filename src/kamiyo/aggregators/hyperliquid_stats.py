"""What the venue's own statistics say was liquidated each day, in all and of each asset: claims, no facts.

The numbers behind the venue's page of statistics. They name no account and no transaction, so they are kept
as totals that somebody claims, and what is known of single liquidations is compared with them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, ClassVar, Final

import msgspec

from kamiyo.aggregators._files import FileRefused, FilesAggregator, Told, check_url
from kamiyo.aggregators._lists import Known, digest
from kamiyo.aggregators.base import AggregatorSettings, AggregatorSpec, Toolbox
from kamiyo.core.claims import ClaimedTotal
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import MAINNET, SourceName
from kamiyo.core.money import Usd
from kamiyo.core.ports import Counted, Normalized, Raw, Reject, reject
from kamiyo.core.sources import ANY_AGE, CoverageLabel, SourceDescription, SourceType, Subject

_NAME: Final = SourceName("hyperliquid_stats")
_URL: Final = "https://d2v1fiwobg9w6.cloudfront.net"
_READER: Final = "1"  # counted up whenever what a row means changes, so that both files are read again
_TOTAL: Final = "daily_notional_liquidated_total"
_BY_ASSET: Final = "daily_notional_liquidated_by_coin"
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    _TOTAL: ("time", "daily_notional_liquidated"),
    _BY_ASSET: ("time", "coin", "daily_notional_liquidated"),
}
_DAY: Final = timedelta(days=1)
_POLLS_OF_SILENCE: Final = 3
_REMEMBERED_EVERY: Final = 100  # days
_ROWS_AT_ONCE: Final = 2_000
_BREATH: Final = timedelta(milliseconds=50)
_LONGEST_NAMES: Final = 200
_MIDNIGHT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T00:00:00(\.0{1,9})?(Z|\+00:00)?)?", re.ASCII)
# As JSON writes numbers, an exponent included, and none whose plain digits would not end.
_NUMBER: Final = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_LARGEST_EXPONENT: Final = 24

_Minutes = Annotated[int, msgspec.Meta(ge=60, le=1440)]


class HyperliquidStatsSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.hyperliquid_stats]``."""

    url: str = _URL
    poll_minutes: _Minutes = 360


class _Chart(msgspec.Struct, frozen=True):
    chart_data: list[msgspec.Raw]


class _Row(msgspec.Struct, frozen=True):
    time: str
    daily_notional_liquidated: msgspec.Raw
    coin: str | None = None


class _Dated(msgspec.Struct, frozen=True):
    time: str


_Totals = dict[tuple[datetime, str | None], ClaimedTotal]

_decode_chart = msgspec.json.Decoder(_Chart).decode
_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_row = msgspec.json.Decoder(_Row).decode
_decode_dated = msgspec.json.Decoder(_Dated).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class HyperliquidStatsAggregator(FilesAggregator):
    """Both files hold the whole history: only the days are told that are new or say something else.

    The last day of a file is still being counted, and is told of once a later one stands beside it. A day
    begins at midnight UTC. What was not liquidated on a day has no row, so that nothing is said of it.
    """

    files: ClassVar[tuple[str, ...]] = (_TOTAL, _BY_ASSET)
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"application/json", "text/json", "text/plain", "application/octet-stream", "binary/octet-stream"}
    )
    largest: ClassVar[int] = 48 << 20

    def __init__(self, settings: HyperliquidStatsSettings, tools: Toolbox) -> None:
        every = timedelta(minutes=settings.poll_minutes)
        url = check_url(f"sources.{_NAME}.url", settings.url)
        self.description = SourceDescription(
            name=_NAME,
            type=SourceType.POLLED,
            url=url,
            priority=62,
            label=CoverageLabel.NOT_MEASURED,
            silence_limit=_POLLS_OF_SILENCE * every,
            lag_limit=ANY_AGE,
            poll_every=every,
            subject=Subject.TOTALS,
        )
        super().__init__(tools, url, _READER)

    async def read(self, name: str, body: bytes, memory: str) -> AsyncGenerator[Told, None]:
        """A payload for each day that is new or changed, the oldest first."""
        days = await self._days(_rows(name, body))
        known, now = Known(memory), self.clock.now()
        today = f"{now:%Y-%m-%d}"
        changed = [
            (day, payload)
            for day in _told_days(days, today)
            if known.said(day) != digest(payload := b"[" + b",".join(days[day]) + b"]")
        ]
        given = 0
        for number, (day, payload) in enumerate(changed, 1):
            if day <= today:  # what is refused as still to come may come
                known.remember(day, payload)
            raw = Raw(source=_NAME, stream=name, payload=payload, received_at=now)
            remembered = number == len(changed) or number % _REMEMBERED_EVERY == 0
            yield raw, known.pack() if remembered else None
            given += len(days[day])
            if given >= _ROWS_AT_ONCE:
                given = 0
                await self.clock.sleep(_BREATH)  # else a whole history is one batch, and all others wait

    def normalize(self, raw: Raw) -> Normalized:
        """The totals of one day; a row that is refused is refused alone."""
        if raw.stream not in _FIELDS:
            raise MalformedPayload(f"no file of ours: {raw.stream[:64]!r}", rule="unknown_stream")
        try:
            rows = _decode_rows(raw.payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedPayload(f"no list of rows: {error}", rule="not_a_total") from error
        totals, rejects = _Totals(), list[Reject]()
        for row in rows:
            try:
                _add(totals, _total(raw, bytes(row)))
            except MalformedPayload as error:
                rejects.append(reject(raw, rule=error.rule, detail=str(error), payload=bytes(row)))
        counts = {
            Counted.PAYLOADS: 1,
            Counted.CLAIMED_TOTALS: len(totals),
            Counted.REJECTS: len(rejects),
        }
        return Normalized(
            events=tuple(totals.values()),
            rejects=rejects,
            counts={name: number for name, number in counts.items() if number},
            last_event_at=max((start for start, _asset in totals), default=None),
        )

    async def _days(self, rows: Sequence[msgspec.Raw]) -> Mapping[str, list[bytes]]:
        """The rows by their day; others run meanwhile, as a file has a hundred thousand."""
        days = defaultdict[str, list[bytes]](list)
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            for row in rows[at : at + _ROWS_AT_ONCE]:
                days[_day_of(row)].append(bytes(row))
            await self.clock.sleep(timedelta(0))
        return days


def _rows(name: str, body: bytes) -> Sequence[msgspec.Raw]:
    """The rows of a file; FileRefused for what is no such file."""
    try:
        rows = _decode_chart(body).chart_data
        fields = _decode_fields(rows[0]) if rows else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FileRefused(f"it is no chart: {error}") from error
    if not rows:
        raise FileRefused("it is empty")
    missing = [field for field in _FIELDS[name] if field not in fields]
    if missing:
        told = ", ".join(fields)[:_LONGEST_NAMES]
        raise FileRefused(f"its rows lack {', '.join(missing)}; they have {told}")
    return rows


def _told_days(days: Iterable[str], today: str) -> list[str]:
    """All but the last that has begun; what cannot be read, or is still to come, is told of to be refused."""
    last = max((day for day in days if day and day <= today), default=None)
    return sorted(day for day in days if day != last)


def _day_of(row: msgspec.Raw) -> str:
    """The day a row is of, as ``2025-10-10``; nothing where that cannot be read."""
    try:
        return _midnight(_decode_dated(row).time).date().isoformat()
    except (msgspec.DecodeError, UnicodeDecodeError, MalformedPayload):
        return ""


@lru_cache(maxsize=4096)  # a day has two hundred rows
def _start_of(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def _midnight(time: str) -> datetime:
    found = _MIDNIGHT.fullmatch(time)
    try:
        if found:
            return _start_of(found[1])
    except ValueError:
        pass
    raise MalformedPayload(f"no day: {time[:64]!r}", rule="not_a_time")


def _total(raw: Raw, content: bytes) -> ClaimedTotal:
    try:
        row = _decode_row(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayload(f"no total of a day: {error}", rule="not_a_total") from error
    if raw.stream == _BY_ASSET and row.coin is None:
        raise MalformedPayload("the asset is missing", rule="not_a_total")
    return ClaimedTotal(
        source=_NAME,
        exchange=MAINNET,
        asset=row.coin if raw.stream == _BY_ASSET else None,
        start=_midnight(row.time),
        window_seconds=_DAY // timedelta(seconds=1),
        rolling=False,
        observed_at=raw.received_at,
        total_usd=Usd(_number(bytes(row.daily_notional_liquidated))),
    )


def _add(totals: _Totals, total: ClaimedTotal) -> None:
    """Two numbers for one day and asset contradict each other: the first stands, the other is refused."""
    if (total.start, total.asset) in totals:
        raise MalformedPayload("the day and the asset stand there before", rule="repeated_row")
    totals[total.start, total.asset] = total


def _number(content: bytes) -> Decimal:
    """The number in the digits it is written in; it never was a float."""
    text = content.decode()
    if _NUMBER.fullmatch(text) is None or abs((number := Decimal(text)).adjusted()) > _LARGEST_EXPONENT:
        raise MalformedPayload(f"no number: {text[:64]!r}", rule="not_a_number")
    return number


AGGREGATOR = AggregatorSpec(name=_NAME, settings=HyperliquidStatsSettings, build=HyperliquidStatsAggregator)
