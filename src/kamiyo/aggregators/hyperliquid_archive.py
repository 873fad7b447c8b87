"""What others keep of the venue's past: every fill and ledger event since 2025, hour by hour, in S3.

The buckets are requester-pays: whoever reads pays Amazon for the requests and for every byte.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Generator, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from kamiyo.aggregators._hyperliquid_archive.chunks import (
    Decode,
    chunk_size,
    names_any,
    normalize_chunk,
    stream_name,
)
from kamiyo.aggregators._hyperliquid_archive.layout import STREAMS, Stream, covering
from kamiyo.aggregators._hyperliquid_archive.place import Place, gap
from kamiyo.aggregators._hyperliquid_archive.reading import patiently, read_payloads
from kamiyo.aggregators._polled import PolledAggregator
from kamiyo.aggregators.base import (
    AggregatorSettings,
    AggregatorSpec,
    Alive,
    NotConfigured,
    StreamItem,
    Toolbox,
)
from kamiyo.core.archives import ArchiveObject
from kamiyo.core.errors import CorruptObject, InvalidSettings, SourceUnavailable
from kamiyo.core.ids import Chain, Cursor, SourceName
from kamiyo.core.ports import Normalized, Raw, Span
from kamiyo.core.sources import ANY_AGE, CoverageLabel, SourceDescription, SourceType, Subject
from kamiyo.kit.object_store import AccessRefused, BucketAccess, ObjectMissing, ObjectStore
from kamiyo.kit.secret import Secret

__all__ = ["AGGREGATOR", "Decode", "HyperliquidArchiveAggregator", "HyperliquidArchiveSettings"]

NAME: Final = SourceName("hyperliquid_archive")
_POLL_EVERY: Final = timedelta(hours=1)
_GIGABYTE: Final = 10**9
_REQUESTS: Final = 1000
_LONGEST_REASON: Final = 200
_QUOTE: Final = '"'
_NO_KEYS: Final = (
    f"set sources.{NAME}.access_key_id and sources.{NAME}.secret_access_key: reading is paid for"
)
_ADVICE: Final = (
    f"see that sources.{NAME}.access_key_id, secret_access_key and session_token are valid, that this "
    "machine's clock is right, and that the account may use s3:ListBucket and s3:GetObject as requester"
)
_ENDPOINT: Final = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?/?", re.ASCII)
_ONE_HOUR: Final = timedelta(hours=1)


class HyperliquidArchiveSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.hyperliquid_archive]``.

    The keys are of an AWS account, which pays. ``streams`` are what is listed and read of the buckets.
    With ``decode = "liquidations"`` ordinary fills are left undecoded, and so are neither counted nor shown
    to detectors. With ``nightly`` the hours since the last reading are read by themselves, within
    ``daily_limit_usd``. The prices are what Amazon takes in the dearer of the two regions.
    """

    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    endpoint: str = ""
    region: str = ""
    bucket_in_host: bool = False
    node_bucket: str = "hl-mainnet-node-data"
    archive_bucket: str = "hyperliquid-archive"
    streams: str = "node_fills_by_block, misc_events_by_block"
    chain: str = "hyperliquid"
    decode: Decode = Decode.LIQUIDATIONS
    nightly: bool = False
    daily_limit_usd: Decimal = Decimal("1.00")
    gigabyte_usd: Decimal = Decimal("0.114")
    thousand_requests_usd: Decimal = Decimal("0.0047")


class HyperliquidArchiveAggregator(PolledAggregator):
    """Reads whole objects when it is asked for them, and by itself only where its settings say so."""

    def __init__(self, settings: HyperliquidArchiveSettings, tools: Toolbox) -> None:
        self.description = SourceDescription(
            name=NAME,
            type=SourceType.POLLED,
            url=settings.endpoint or f"s3://{settings.node_bucket}",
            priority=40,
            label=CoverageLabel.DELAYED_COMPLETE,
            silence_limit=3 * _POLL_EVERY,
            lag_limit=ANY_AGE,
            poll_every=_POLL_EVERY,
            subject=Subject.VENUE,
        )
        super().__init__(tools)
        _check(settings)
        self.chain = Chain(settings.chain)
        self._settings = settings
        self._streams = _streams(settings.streams)
        self._money = tools.money
        self._open_store = tools.open_store
        self._stores: dict[str, ObjectStore] = {}

    @property
    def daily_limit_usd(self) -> Decimal:
        """What may be spent of it in a UTC day without a person being asked; nothing without keys."""
        return self._settings.daily_limit_usd if _has_keys(self._settings) else Decimal(0)

    def normalize(self, raw: Raw) -> Normalized:
        """What a chunk of whole lines says; MalformedPayload if nothing of it can be understood."""
        return normalize_chunk(raw, self.chain, self._settings.decode)

    def cost_usd(self, objects: int, size: int) -> Decimal:
        """What reading so many objects, of so many bytes in all, costs whoever asks."""
        settings = self._settings
        requests = settings.thousand_requests_usd * objects / _REQUESTS
        return requests + settings.gigabyte_usd * size / _GIGABYTE

    async def list_objects(self, start: datetime, end: datetime) -> Sequence[ArchiveObject]:
        """What it keeps of the time from ``start`` up to ``end``, in order; SourceUnavailable as always."""
        found = [each for stream in self._streams for each in await self._list(stream, start, end)]
        return covering(found, start, end)

    async def _list(self, stream: Stream, start: datetime, end: datetime) -> Sequence[ArchiveObject]:
        bucket = self._bucket_of(stream)
        store = self._store(bucket)
        after, up_to = stream.bounds(start, end)
        with _advice():
            listed = await patiently(
                lambda: store.list_objects(stream.prefix, after=after, up_to=up_to), self.clock
            )
        objects = (stream.object_of(each, self.name, bucket) for each in listed)
        return [each for each in objects if each is not None]

    async def read_object(
        self, found: ArchiveObject, *, assets: Collection[str] = ()
    ) -> AsyncGenerator[StreamItem, None]:
        """Everything one object says, in chunks of whole lines, once, with no cursor.

        Where ``assets`` are named, chunks that name none of them are left out.
        """
        scope = f"{found.name}#{found.etag.strip(_QUOTE)}"
        store, size = self._store(found.bucket), chunk_size(found.stream, self._settings.decode)
        with _advice():
            async with aclosing(read_payloads(store, found, self.clock, size)) as chunks:
                async for chunk in chunks:
                    if names_any(chunk.content, found.stream, assets):
                        yield Raw(
                            source=self.name,
                            stream=stream_name(found.stream),
                            payload=chunk.content,
                            received_at=self.clock.now(),
                            span=Span(scope=scope, start=chunk.start, end=chunk.end),
                        )

    async def poll(self, cursor: Cursor | None) -> AsyncGenerator[StreamItem, None]:
        """The hours since ``cursor`` where it is asked to read them; else only whether the buckets answer."""
        if not _has_keys(self._settings):
            yield NotConfigured(_NO_KEYS)
            return
        now = self.clock.now()
        if not self._settings.nightly:
            await self.list_objects(now - _ONE_HOUR, now)
            yield Alive(now, lacking="it is read on demand only: see `kamiyo backfill`")
            return
        place = Place(cursor, [stream.name for stream in self._streams], now)
        listed = await self.list_objects(place.oldest, now)
        wanted = [found for found in listed if place.wants(found) and found.end <= now]
        for number, found in enumerate(wanted):
            cost = self.cost_usd(1, found.size)
            spending = await self._money.set_aside(
                self.name, cost, daily_limit_usd=self._settings.daily_limit_usd
            )
            if spending is None:
                yield Alive(now, lacking=f"today's limit is spent: {len(wanted) - number} objects wait")
                return
            async with aclosing(self._read_next(found, place)) as items:
                async for item in items:
                    yield item
            await spending.settle(cost)
        yield Alive(self.clock.now(), cursor=place.cursor)

    async def _read_next(self, found: ArchiveObject, place: Place) -> AsyncGenerator[StreamItem, None]:
        hole = place.hole_before(found, self.clock.now())
        if hole is not None:
            yield hole
        try:
            async with aclosing(self.read_object(found)) as items:
                async for item in items:
                    yield item
        except CorruptObject as error:
            yield gap(found, found.start, found.end, self.clock.now(), str(error)[:_LONGEST_REASON])
        place.passed(found)
        yield Alive(self.clock.now(), cursor=place.cursor)

    def _bucket_of(self, stream: Stream) -> str:
        return self._settings.node_bucket if stream.of_node else self._settings.archive_bucket

    def _store(self, bucket: str) -> ObjectStore:
        if bucket not in self._stores:
            self._stores[bucket] = self._open_store(_access(self._settings, bucket))
        return self._stores[bucket]


def _access(settings: HyperliquidArchiveSettings, bucket: str) -> BucketAccess:
    """SourceUnavailable, naming the settings, where there are no keys."""
    if not settings.access_key_id or not settings.secret_access_key or not _has_keys(settings):
        raise SourceUnavailable(_NO_KEYS)
    return BucketAccess(
        bucket=bucket,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key,
        session_token=settings.session_token,
        endpoint=settings.endpoint,
        region=settings.region,
        bucket_in_host=settings.bucket_in_host,
    )


@contextmanager
def _advice() -> Generator[None]:
    """Say of a refusal what can be done about it. Of an object nobody has, reading it says more."""
    try:
        yield
    except AccessRefused as error:
        raise SourceUnavailable(f"{error}: {_ADVICE}") from error
    except ObjectMissing as error:
        raise SourceUnavailable(f"{error}: see sources.{NAME}.node_bucket and archive_bucket") from error


def _has_keys(settings: HyperliquidArchiveSettings) -> bool:
    return all(key and key.reveal() for key in (settings.access_key_id, settings.secret_access_key))


def _streams(text: str) -> Sequence[Stream]:
    names = dict.fromkeys(name for each in text.split(",") if (name := each.strip()))
    unknown = [name for name in names if name not in STREAMS]
    if unknown or not names:
        wrong, known = (unknown or [text])[0], ", ".join(STREAMS)
        raise InvalidSettings(f"sources.{NAME}.streams: {wrong!r} is no stream; known: {known}")
    return [STREAMS[name] for name in names]


def _check(settings: HyperliquidArchiveSettings) -> None:
    for name in ("access_key_id", "secret_access_key", "session_token"):
        key: Secret | None = getattr(settings, name)
        if key and not (key.reveal().isascii() and key.reveal().isprintable()):
            raise InvalidSettings(f"sources.{NAME}.{name} holds what no key does")
    if settings.endpoint and not _ENDPOINT.fullmatch(settings.endpoint):  # it is shown and logged
        raise InvalidSettings(
            f"sources.{NAME}.endpoint must be http:// or https:// and a host, and nothing else"
        )
    prices = (settings.daily_limit_usd, settings.gigabyte_usd, settings.thousand_requests_usd)
    if any(not price.is_finite() or price < 0 for price in prices):
        raise InvalidSettings(f"sources.{NAME}: prices and daily_limit_usd must not be below 0")


AGGREGATOR = AggregatorSpec(
    name=NAME, settings=HyperliquidArchiveSettings, build=HyperliquidArchiveAggregator
)
