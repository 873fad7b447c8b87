"""The shipped list of known exploits and honest look-alikes, one readable file for each case."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from kamiyo.aggregators.base import AggregatorSettings, AggregatorSpec, BaseAggregator, StreamItem, Toolbox
from kamiyo.core.case_rules import report_lines
from kamiyo.core.errors import InvalidSettings, MalformedPayload
from kamiyo.core.exploits import CaseKind, Confidence, ExploitStatus, HonestCase, TimelineEntry, exploit_id
from kamiyo.core.ids import (
    Cursor,
    ExploitId,
    SourceName,
    TransactionHash,
    parse_address,
    parse_transaction_hash,
)
from kamiyo.core.money import Usd, parse_decimal
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.core.reports import (
    Citation,
    Curated,
    Facts,
    Grade,
    Medium,
    Precision,
    Report,
    ReportId,
    ReportKind,
)
from kamiyo.core.sources import CoverageLabel, SourceDescription, SourceType
from kamiyo.core.time import EPOCH, Utc

_NAME = SourceName("catalogue")
_UNKNOWN = "unknown"

Category = Literal[
    "liquidation_attack",
    "oracle_manipulation",
    "oracle_failure",
    "market_manipulation",
    "bridge",
    "outage",
    "key_theft",
    "smart_contract_exploit",
    "rug_pull",
    "adl_cascade",
    "other",
]

_CaseId = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,64}$")]
_Identifier = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
_Amount = Annotated[str, msgspec.Meta(pattern=r"^(unknown|-?[0-9]{1,24}(\.[0-9]{1,24})?)$")]
_Url = Annotated[str, msgspec.Meta(pattern=r"^(https?://\S+)?$")]
_Line = Annotated[str, msgspec.Meta(min_length=1)]


class ReportRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One source of a case as it stands in its file; an empty ``url`` says that none was recorded."""

    title: _Line
    url: _Url
    grade: Grade


class TimelineRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One dated moment as it stands in a case's file."""

    timestamp: Utc
    precision: Precision
    event: _Line


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="record"):
    id: _CaseId
    name: _Line
    confidence: Confidence
    category: Category
    chain: _Identifier
    protocol: _Identifier
    timestamp: Utc
    ended_at: Utc | None = None
    timestamp_precision: Precision
    assets: tuple[str, ...]
    description: _Line
    reports: Annotated[tuple[ReportRecord, ...], msgspec.Meta(min_length=1)]


class ExploitRecord(_Record, frozen=True, kw_only=True, tag="exploit"):
    """An exploit as it stands in its file. An amount is written ``"unknown"`` where nobody knows it."""

    kind: CaseKind
    status: ExploitStatus
    amount_usd: _Amount
    amount_usd_low: _Amount
    amount_usd_high: _Amount
    amount_note: str
    recovery_status: _Line
    transactions: tuple[str, ...]
    addresses: tuple[str, ...]
    conflicts: tuple[_Line, ...]
    timeline: tuple[TimelineRecord, ...] = ()


class HonestCaseRecord(_Record, frozen=True, kw_only=True, tag="honest_case"):
    """A large but honest event as it stands in its file."""


class CatalogueSettings(AggregatorSettings, frozen=True):
    """``directory`` holds case files of your own, which replace shipped ones of the same name."""

    directory: str | None = None


class CatalogueAggregator(BaseAggregator):
    """The case files as a source: given once, and again only after what they say has changed."""

    description = SourceDescription(
        name=_NAME,
        type=SourceType.CATALOGUE,
        url="kamiyo:catalogue_data",
        priority=10,
        label=CoverageLabel.CURATED,
        silence_limit=timedelta(days=1),
        lag_limit=timedelta(days=1),
    )

    def __init__(self, settings: CatalogueSettings, tools: Toolbox) -> None:
        super().__init__(tools)
        self._settings = settings

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """Every case, and then the end: with ``follow`` or without, files do not change while they are used.

        Only the last case carries the cursor, so that a load cut short begins again from the first.
        """
        del follow
        payloads = await asyncio.to_thread(load_cases, self._settings.directory)
        digest = digest_of(payloads)
        if cursor == digest:
            return
        now = self.clock.now()
        for payload in payloads[:-1]:
            yield Raw(source=self.name, stream="cases", payload=payload, received_at=now)
        yield Raw(source=self.name, stream="cases", payload=payloads[-1], received_at=now, cursor=digest)

    def normalize(self, raw: Raw) -> Normalized:
        """The one report of an exploit, or the honest case, that a payload holds."""
        event = parse_case(raw.payload, raw.received_at)
        if isinstance(event, HonestCase):
            return Normalized(events=(event,), last_event_at=event.timestamp)
        return Normalized(events=(event,), counts={Counted.REPORTS: 1}, last_event_at=event.published_at)


def load_cases(directory: str | None = None) -> tuple[bytes, ...]:
    """Every case as canonical JSON, in the order of file names; InvalidSettings for a missing directory."""
    found = _case_files(files("kamiyo.aggregators") / "catalogue_data")
    if directory is not None:
        own = Path(directory)
        if not own.is_dir():
            raise InvalidSettings(f"the directory of sources.catalogue does not exist: {directory}")
        found |= _case_files(own)
    return tuple(_canonical(found[name].read_bytes()) for name in sorted(found))


def digest_of(payloads: Sequence[bytes]) -> Cursor:
    """Changes when what the cases mean to us changes, be it their text or how we read it."""
    digest = hashlib.blake2b(digest_size=16)
    for payload in payloads:
        digest.update(_meaning(payload) + b"\n")
    return Cursor(digest.hexdigest())


def parse_case(payload: bytes, received_at: datetime) -> Report | HonestCase:
    """The case a payload describes; MalformedPayload if any part of it is not as documented."""
    try:
        record = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayload(str(error), rule="not_a_case") from error
    if record.ended_at is not None and record.ended_at < record.timestamp:
        raise MalformedPayload(f"{record.id} ends before it starts", rule="ends_before_start")
    if isinstance(record, ExploitRecord):
        return _exploit(record, received_at)
    return _honest_case(record, received_at)


_decoder = msgspec.json.Decoder(ExploitRecord | HonestCaseRecord)


def _case_files(directory: Traversable) -> dict[str, Traversable]:
    return {file.name: file for file in directory.iterdir() if file.name.endswith(".toml")}


def _canonical(text: bytes) -> bytes:
    """The file as JSON with sorted keys; what is not TOML stays as it is, to be refused as a payload."""
    try:
        return msgspec.json.encode(msgspec.toml.decode(text), order="sorted")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return text


def _meaning(payload: bytes) -> bytes:
    try:
        return repr(parse_case(payload, EPOCH)).encode()
    except MalformedPayload:
        return payload


def _report(record: _Record, facts: Facts, received_at: datetime, curated: Curated | None = None) -> Report:
    """A case as the report of its curator, who says when it happened and not when it was written down."""
    return Report(
        report_id=ReportId(f"catalogue:{record.id}"),
        source=_NAME,
        medium=Medium.CURATED,
        origin=_NAME,
        source_url=next((report.url for report in record.reports if report.url), ""),
        title=record.name,
        text=_unfolded(record.description),
        grade=Grade.REPOSITORY,
        kind=ReportKind.NEW,
        published_at=record.timestamp,
        received_at=received_at,
        facts=facts,
        curated=curated,
        citations=tuple(
            Citation(title=report.title, source_url=report.url, grade=report.grade)
            for report in record.reports
        ),
    )


def _exploit(record: ExploitRecord, received_at: datetime) -> Report:
    hashes = _hashes(record)
    low, amount, high = _amounts(record)
    facts = Facts(
        name=record.name,
        protocol=record.protocol,
        chains=(record.chain,),
        assets=record.assets,
        amount_usd=amount,
        amount_usd_low=low,
        amount_usd_high=high,
        addresses=tuple(parse_address(address) for address in record.addresses),
        transactions=tuple(hashes),
        occurred_at=record.timestamp,
        precision=record.timestamp_precision,
        ended_at=record.ended_at,
        category=record.category,
    )
    return _report(record, facts, received_at, _curated(record, hashes))


def _curated(record: ExploitRecord, hashes: Sequence[TransactionHash]) -> Curated:
    return Curated(
        tx_hash=ExploitId(hashes[0]) if hashes else exploit_id(f"catalogue:{record.id}"),
        kind=record.kind,
        status=record.status,
        confidence=record.confidence,
        description=_unfolded(record.description),
        amount_note=record.amount_note,
        recovery_status=record.recovery_status,
        timeline=tuple(
            TimelineEntry(timestamp=entry.timestamp, precision=entry.precision, event=entry.event)
            for entry in record.timeline
        ),
        conflicts=record.conflicts,
        aliases=(record.id,),
    )


def _honest_case(record: HonestCaseRecord, received_at: datetime) -> HonestCase:
    return HonestCase(
        case_id=record.id,
        name=record.name,
        chain=record.chain,
        protocol=record.protocol,
        timestamp=record.timestamp,
        ended_at=record.ended_at,
        timestamp_precision=record.timestamp_precision,
        category=record.category,
        description=_unfolded(record.description),
        assets=record.assets,
        confidence=record.confidence,
        reports=report_lines(_report(record, Facts(), received_at)),
    )


def _hashes(record: ExploitRecord) -> list[TransactionHash]:
    parsed = (parse_transaction_hash(text) for text in record.transactions)
    return [each for each in parsed if each is not None]


def _amounts(record: ExploitRecord) -> tuple[Usd | None, Usd | None, Usd | None]:
    amounts = _usd(record.amount_usd_low), _usd(record.amount_usd), _usd(record.amount_usd_high)
    known = [amount for amount in amounts if amount is not None]
    if known != sorted(known):
        raise MalformedPayload(f"{record.id} has a loss outside its own bounds", rule="amounts_out_of_order")
    return amounts


def _usd(text: str) -> Usd | None:
    return None if text == _UNKNOWN else Usd(parse_decimal(text))


def _unfolded(text: str) -> str:
    return " ".join(text.split())


AGGREGATOR = AggregatorSpec(name=_NAME, settings=CatalogueSettings, build=CatalogueAggregator)
