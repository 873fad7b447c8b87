"""DefiLlama's list of hacks: written by people hours to days after, on every chain, and corrected later."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec

from kamiyo.aggregators._kinds import category_of
from kamiyo.aggregators._lists import (
    Cursors,
    Found,
    Known,
    Row,
    changed_rows,
    digest,
    parse_row,
    slug_of,
    told_rows,
)
from kamiyo.aggregators._polled import Asking, PolledAggregator, Validators, host_of
from kamiyo.aggregators._voices import citation_of, voice_of
from kamiyo.aggregators.base import AggregatorSettings, AggregatorSpec, Alive, StreamItem, Toolbox
from kamiyo.core.errors import MalformedPayload, SourceUnavailable
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.money import Usd, is_plain_decimal, plain
from kamiyo.core.ports import Counted, Normalized, Raw, Reject, reject
from kamiyo.core.reports import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    Citation,
    Facts,
    Grade,
    Medium,
    Precision,
    Report,
    ReportKind,
)
from kamiyo.core.sources import ANY_AGE, CoverageLabel, SourceDescription, SourceType, Subject
from kamiyo.core.time import EPOCH
from kamiyo.extraction.chains import chain_of
from kamiyo.extraction.names import identifier_of

_NAME: Final = SourceName("defillama")
_URL: Final = "https://api.llama.fi"
_PAGE: Final = "https://defillama.com/hacks"
_STREAM: Final = "hacks"
_PARENT: Final = "parent#"
_DIGITS: Final = 24
_DAY_SECONDS: Final = 86_400
_LATEST_DATE: Final = 253_402_300_799  # the end of the year 9999
_POLLS_OF_SILENCE: Final = 3
_VENUE_CHAINS: Final = frozenset({"hyperliquid", "hyperevm"})
_VENUE_WORDS: Final = frozenset({"hyperliquid", "hyperevm"})
_BRIDGED_FROM: Final = "arbitrum"  # the venue's own bridge stands there, and what else bridges beside it

_Minutes = Annotated[int, msgspec.Meta(ge=5, le=1440)]
_Cells = dict[str, msgspec.Raw]


class DefiLlamaSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.defillama]``.

    ``scope`` is ``all`` or ``hyperliquid``: only what happened on the venue's chains, names it, or hit a
    bridge on Arbitrum. All is the default, because a case can be corrected to name the venue later and a
    collateral, bridge or oracle of the venue fails elsewhere first; whoever reads can filter by chain.
    """

    url: str = _URL
    scope: Literal["all", "hyperliquid"] = "all"
    poll_minutes: _Minutes = 60


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """What a cursor holds. ``scope`` is the one its rows were read for: another one reads them anew."""

    scope: str = "all"
    validators: Validators = Validators()
    rows: str = ""


class DefiLlamaAggregator(PolledAggregator):
    """The whole list, each row once, and again when it says something else.

    A row has no id but its date and name, and no moment of publication, so its date stands for that. A row
    that has gone is not taken back, and an amount of 0 is one nobody entered.
    """

    def __init__(self, settings: DefiLlamaSettings, tools: Toolbox) -> None:
        every = timedelta(minutes=settings.poll_minutes)
        self.description = SourceDescription(
            name=_NAME,
            type=SourceType.POLLED,
            url=f"{settings.url.rstrip('/')}/hacks",
            priority=60,
            label=CoverageLabel.CURATED,
            silence_limit=_POLLS_OF_SILENCE * every,
            lag_limit=ANY_AGE,
            poll_every=every,
            subject=Subject.EXPLOITS,
        )
        super().__init__(tools)
        self._scope = settings.scope
        self._asking = Asking(tools.session, tools.clock)

    async def poll(self, cursor: Cursor | None) -> AsyncGenerator[StreamItem, None]:
        """The rows that are new or changed since the cursor."""
        state = self._state(cursor)
        page = await self._asking.page(self.description.url, state.validators)
        now = self.clock.now()
        if page is None:
            yield Alive(now)
            return
        known = Known(state.rows)
        rows = changed_rows([_found(each) for each in self._listed(page.body)], known)
        cursors = Cursors(
            halfway=lambda rows: _cursor(_State(scope=self._scope, rows=rows)),
            finished=lambda rows: _cursor(_State(scope=self._scope, validators=page.validators, rows=rows)),
        )
        if not rows:
            yield Alive(now, cursors.finished(known.pack()))
        for raw in told_rows(rows, known, source=self.name, stream=_STREAM, now=now, cursors=cursors):
            yield raw

    def normalize(self, raw: Raw) -> Normalized:
        """The report a row is, with a reject for each cell that cannot be read."""
        row = parse_row(raw.payload)
        cells = _cells(row.content)
        refused: list[str] = []
        facts = _facts(cells, refused)
        if self._scope != "all" and not _is_of_the_venue(facts, cells):
            return Normalized(counts={Counted.PAYLOADS: 1, Counted.UNRELATED_POSTS: 1})
        rejects = tuple(_reject(raw, name, cells[name]) for name in refused)
        report = _report(row, cells, facts, raw.received_at)
        counts = {Counted.PAYLOADS: 1, Counted.REPORTS: 1}
        return Normalized(
            events=(report,),
            rejects=rejects,
            counts=counts | ({Counted.REJECTS: len(rejects)} if rejects else {}),
            last_event_at=report.published_at,
        )

    def _state(self, cursor: Cursor | None) -> _State:
        try:
            state = _decode_state(cursor or "")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _State(scope=self._scope)
        return state if state.scope == self._scope else _State(scope=self._scope)

    def _listed(self, body: bytes) -> list[msgspec.Raw]:
        """The rows as they stand; SourceUnavailable for what is no whole list of them."""
        try:
            return _decode_list(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            host = host_of(self.description.url)
            raise SourceUnavailable(f"{host} answered something that is no list of hacks") from error


_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_cells = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_state = msgspec.json.Decoder(_State).decode
_decode_number = msgspec.json.Decoder(Decimal | None).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_chains = msgspec.json.Decoder(list[str | None] | str | None).decode
_encode = msgspec.json.Encoder().encode


def _cursor(state: _State) -> Cursor:
    return Cursor(_encode(state).decode())


def _found(content: msgspec.Raw) -> Found:
    """The row under its date and name; one that has none is known by what it says."""
    try:
        cells = _cells(content)
        key = f"{_NAME}:{_date(cells):%Y-%m-%d}/{slug_of(_name(cells)) or digest(_name(cells).encode())}"
    except MalformedPayload:
        meaning = bytes(content)
        return Found(f"{_NAME}:unreadable/{digest(meaning)}", meaning, content, _PAGE)
    meaning = b"\n".join(name.encode() + b"=" + bytes(cells[name]) for name in _SAYING if name in cells)
    return Found(key, meaning, content, _PAGE)


# The cells that are read: a row that changes in another one says nothing else to us.
_SAYING: Final = (
    "date",
    "name",
    "classification",
    "technique",
    "amount",
    "chain",
    "bridgeHack",
    "targetType",
    "source",
    "returnedFunds",
    "parentProtocolId",
)


def _cells(content: msgspec.Raw) -> _Cells:
    try:
        return _decode_cells(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayload(str(error), rule="not_a_hack") from error


def _date(cells: _Cells) -> datetime:
    seconds = _number(cells, "date", [])
    if seconds is None or not 0 < seconds <= _LATEST_DATE:
        raise MalformedPayload("the row has no date", rule="hack_without_date")
    return EPOCH + timedelta(days=int(seconds) // _DAY_SECONDS)


def _name(cells: _Cells) -> str:
    name = _text(cells, "name").strip()
    if not name:
        raise MalformedPayload("the row has no name", rule="hack_without_name")
    return name


def _text(cells: _Cells, name: str) -> str:
    """A cell of words; what is no text says nothing."""
    try:
        return _decode_text(cells[name]) or "" if name in cells else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _number(cells: _Cells, name: str, refused: list[str]) -> Decimal | None:
    """A cell of digits, written as a number or as a text; one that is neither is named in ``refused``."""
    if name not in cells or bytes(cells[name]) == b'""':
        return None
    try:
        number: Decimal | None = _decode_number(cells[name])
    except (msgspec.DecodeError, UnicodeDecodeError):
        number = Decimal("NaN")
    if number is None or _is_plain(number):
        return number
    refused.append(name)
    return None


def _is_plain(number: Decimal) -> bool:
    return number.is_finite() and abs(number.adjusted()) < _DIGITS and is_plain_decimal(plain(number))


def _usd(cells: _Cells, name: str, refused: list[str]) -> Usd | None:
    number = _number(cells, name, refused)
    if number is not None and number < 0:
        refused.append(name)
    return Usd(number) if number is not None and number > 0 else None


def _chains(cells: _Cells, refused: list[str]) -> tuple[str, ...]:
    if "chain" not in cells:
        return ()
    try:
        told = _decode_chains(cells["chain"])
    except (msgspec.DecodeError, UnicodeDecodeError):
        refused.append("chain")
        return ()
    names = told.split(",") if isinstance(told, str) else told or ()
    found = (chain_of(name.strip()) or slug_of(name).replace("-", "_") for name in names if name)
    return tuple(dict.fromkeys(each for each in found if each))


def _facts(cells: _Cells, refused: list[str]) -> Facts:
    name = _name(cells)
    parent = _text(cells, "parentProtocolId").removeprefix(_PARENT).replace("-", " ")
    return Facts(
        name=name[:LONGEST_TITLE],
        protocol=identifier_of(parent or name),
        chains=_chains(cells, refused),
        amount_usd=_usd(cells, "amount", refused),
        returned_usd=_usd(cells, "returnedFunds", refused),
        occurred_at=_date(cells),
        precision=Precision.DAY,
        category=_category(cells),
    )


def _category(cells: _Cells) -> str | None:
    if _is_bridge(cells):
        return "bridge"
    words = [_text(cells, name) for name in ("classification", "technique")]
    return category_of(*words)


def _is_bridge(cells: _Cells) -> bool:
    return "bridgeHack" in cells and bytes(cells["bridgeHack"]) == b"true"


def _is_of_the_venue(facts: Facts, cells: _Cells) -> bool:
    named = frozenset(slug_of(facts.name or "").split("-")) & _VENUE_WORDS
    bridged = _is_bridge(cells) and _BRIDGED_FROM in facts.chains
    return bool(named) or bridged or not _VENUE_CHAINS.isdisjoint(facts.chains)


def _report(row: Row, cells: _Cells, facts: Facts, received_at: datetime) -> Report:
    link = _text(cells, "source").strip()
    words = (_text(cells, name).strip() for name in ("technique", "classification", "targetType"))
    return Report(
        report_id=row.report_id,
        source=_NAME,
        medium=Medium.DATABASE,
        origin=voice_of(link) or str(_NAME),
        source_url=link if voice_of(link) else _PAGE,
        title=facts.name or "",
        text="; ".join(each for each in words if each)[:LONGEST_TEXT],
        grade=Grade.PRESS,
        kind=ReportKind.NEW,
        published_at=facts.occurred_at or received_at,
        received_at=received_at,
        edited_at=received_at if row.edited else None,
        facts=facts,
        citations=_citations(link),
    )


def _citations(link: str) -> tuple[Citation, ...]:
    own = Citation(title="DefiLlama", source_url=_PAGE, grade=Grade.PRESS)
    cited = citation_of(link)
    return (own,) if cited is None else (own, cited)


def _reject(raw: Raw, name: str, cell: msgspec.Raw) -> Reject:
    detail = f"the cell {name} cannot be read; the rest of the row can"
    payload = b'{"%s":%s}' % (name.encode(), bytes(cell))
    return reject(raw, rule="unreadable_cell", detail=detail, payload=payload)


AGGREGATOR = AggregatorSpec(name=_NAME, settings=DefiLlamaSettings, build=DefiLlamaAggregator)
