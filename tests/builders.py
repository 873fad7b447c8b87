"""Facts for tests: one valid example of each kind, and the same with what a test cares about changed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from kamiyo.core.events import (
    AccountLiquidation,
    Fill,
    FillRole,
    Gap,
    LedgerMovement,
    LiquidatedFill,
    LiquidationMethod,
    MarginMode,
    NamedLiquidation,
    Side,
)
from kamiyo.core.exploits import (
    CaseKind,
    Confidence,
    Exploit,
    ExploitStatus,
    HonestCase,
    ReportLine,
    TimelineEntry,
    exploit_id,
)
from kamiyo.core.ids import Address, Asset, Chain, Protocol, SourceName, TransactionHash
from kamiyo.core.liquidations import Liquidation, fold, liquidation_id, observe
from kamiyo.core.margin import Direction
from kamiyo.core.money import Price, Size, Usd, plain
from kamiyo.core.ports import Batch, Raw, Reject, Span, Tally
from kamiyo.core.reports import Curated, Facts, Grade, Medium, Precision, Report, ReportId, ReportKind
from kamiyo.core.sources import (
    CoverageLabel,
    SourceDescription,
    SourceState,
    SourceStatus,
    SourceType,
    Subject,
)
from kamiyo.core.states import AccountState, MarketState, Position, VaultState
from kamiyo.hyperliquid.channels import WireTrade
from kamiyo.hyperliquid.wire import WireFill

CHAIN = Chain("hyperliquid")
NODE = SourceName("hyperliquid_node")
API = SourceName("hyperliquid_api")
ARCHIVE = SourceName("hyperliquid_archive")

VICTIM = Address("0x" + "1" * 40)
MAKER = Address("0x" + "2" * 40)
VAULT = Address("0x" + "3" * 40)
OTHER_VICTIM = Address("0x" + "4" * 40)

HASH = TransactionHash("0x" + "ab" * 32)
OTHER_HASH = TransactionHash("0x" + "cd" * 32)
ZERO_HASH = "0x" + "00" * 32

MILLIS = 1_760_130_960_250
NOW = datetime(2025, 10, 10, 21, 16, 0, 250_000, tzinfo=UTC)

_NAMED = NamedLiquidation(liquidated_user=VICTIM, mark_price="3000.5", method="market")
_FILL = Fill(
    asset="ETH",
    price="3000.0",
    size="2.0",
    side=Side.SELL,
    time=MILLIS,
    direction_text="Close Long",
    hash=HASH,
    crossed=True,
    tid=101,
    start_position="2.0",
    closed_pnl="-150.5",
    fee="2.7",
)
_TRADE = WireTrade(
    asset=_FILL.asset,
    side=_FILL.side,
    price=_FILL.price,
    size=_FILL.size,
    time=_FILL.time,
    hash=_FILL.hash,
    tid=_FILL.tid,
    users=(MAKER, VICTIM),
)
_LIQUIDATED_FILL = LiquidatedFill(
    source=NODE,
    chain=CHAIN,
    asset=Asset("ETH"),
    user=VICTIM,
    side=Direction.LONG,
    method=LiquidationMethod.MARKET,
    price="3000",
    size="2",
    mark_price="3000.5",
    timestamp=NOW,
    hash=HASH,
    tid=101,
    role=FillRole.VICTIM,
    liquidated_user=VICTIM,
    direction_text="Close Long",
    closed_pnl="-150.5",
    fee="2.7",
    position_size_before="2",
)
_ACCOUNT_LIQUIDATION = AccountLiquidation(
    source=NODE,
    chain=CHAIN,
    user=VICTIM,
    timestamp=NOW,
    hash=HASH,
    amount_usd=Usd(Decimal(6000)),
    account_value=Usd(Decimal("58.5")),
    margin_mode=MarginMode.CROSS,
    positions=((Asset("ETH"), "2.0"),),
)
_LEDGER_MOVEMENT = LedgerMovement(
    source=NODE,
    chain=CHAIN,
    users=(VICTIM,),
    type="deposit",
    timestamp=NOW,
    hash=HASH,
    delta=b'{"type":"deposit","usdc":"100.0"}',
)
_GAP = Gap(
    source=NODE, scale="block", scope="", first=100, after_last=110, reason="block_missing", detected_at=NOW
)
_REPORT_LINE = ReportLine(
    report_id="catalogue:1",
    source=SourceName("catalogue"),
    source_url="https://example.org/report",
    title="A vault was drained",
    grade="primary",
)
_REPORT = Report(
    report_id=ReportId("feeds:1"),
    source=SourceName("feeds"),
    medium=Medium.PRESS,
    origin="example.org",
    source_url="https://example.org/report",
    title="A vault was drained",
    text="An attacker drained a vault of 1M USD on Hyperliquid.",
    grade=Grade.PRESS,
    kind=ReportKind.NEW,
    published_at=NOW,
    received_at=NOW,
    facts=Facts(
        name="A vault was drained",
        protocol="hyperliquid",
        chains=("hyperliquid",),
        assets=("ETH",),
        amount_usd=Usd(Decimal(1_000_000)),
        occurred_at=NOW,
        precision=Precision.MINUTE,
        category="price_manipulation",
    ),
)
_EXPLOIT = Exploit(
    tx_hash=exploit_id("a-vault-was-drained"),
    name="A vault was drained",
    kind=CaseKind.INCIDENT,
    chain="hyperliquid",
    protocol="hyperliquid",
    amount_usd=Usd(Decimal(1_000_000)),
    amount_usd_low=Usd(Decimal(900_000)),
    amount_usd_high=Usd(Decimal(1_100_000)),
    amount_note="",
    timestamp=NOW,
    ended_at=None,
    timestamp_precision="minute",
    source=SourceName("catalogue"),
    source_url="https://example.org/report",
    category="price_manipulation",
    description="A position was built in a thin market and handed to the vault.",
    recovery_status="none",
    status=ExploitStatus.CONFIRMED,
    confidence=Confidence.HIGH,
    assets=("ETH",),
    addresses=(VICTIM,),
    aliases=(),
    timeline=(TimelineEntry(timestamp=NOW, precision="minute", event="The vault takes the position"),),
    conflicts=(),
    reports=(_REPORT_LINE,),
)
_HONEST_CASE = HonestCase(
    case_id="honest-1",
    name="A large trader closed a large position",
    chain="hyperliquid",
    protocol="hyperliquid",
    timestamp=NOW,
    ended_at=None,
    timestamp_precision="minute",
    category="large_trade",
    description="Alarming, and honest.",
    assets=("ETH",),
    confidence=Confidence.HIGH,
    reports=(_REPORT_LINE,),
)
_SOURCE_DESCRIPTION = SourceDescription(
    name=NODE,
    type=SourceType.STREAM,
    url="file:///var/node",
    priority=10,
    label=CoverageLabel.COMPLETE,
    silence_limit=timedelta(seconds=60),
    lag_limit=timedelta(seconds=30),
    subject=Subject.VENUE,
)
_SOURCE_STATUS = SourceStatus(
    name=NODE,
    type=SourceType.STREAM,
    url="file:///var/node",
    priority=10,
    active=True,
    label=CoverageLabel.COMPLETE,
    silence_limit=timedelta(seconds=60),
    lag_limit=timedelta(seconds=30),
    state=SourceState.LIVE,
    detail="",
    heard_at=NOW,
    last_fetch=NOW,
    first_event_at=NOW,
    last_event_at=NOW,
    state_changed_at=NOW,
    subject=Subject.VENUE,
)
_MARKET_STATE = MarketState(
    source=API,
    chain=CHAIN,
    asset=Asset("ETH"),
    timestamp=NOW,
    mark_price=Price(Decimal("3000.5")),
    oracle_price=Price(Decimal(3000)),
    mid_price=Price(Decimal("3000.25")),
    open_interest=Size(Decimal("250000.5")),
    funding_rate=Decimal("0.0000125"),
    premium=Decimal("-0.0003"),
    day_volume_usd=Usd(Decimal(1_500_000_000)),
)
_VAULT_STATE = VaultState(
    source=API,
    chain=CHAIN,
    vault=VAULT,
    name="Hyperliquidity Provider (HLP)",
    parent=None,
    timestamp=NOW,
    account_value=Usd(Decimal("350000000.25")),
    total_pnl=Usd(Decimal("-1000.5")),
    children=(MAKER,),
)
_POSITION = Position(
    asset=Asset("ETH"),
    side=Direction.LONG,
    size=Size(Decimal(2)),
    entry_price=Price(Decimal(3100)),
    mark_price=Price(Decimal(3000)),
    amount_usd=Usd(Decimal(6000)),
    liquidation_price=Price(Decimal(2850)),
    leverage=Decimal(20),
    margin_mode=MarginMode.CROSS,
)
_ACCOUNT_STATE = AccountState(
    source=API,
    chain=CHAIN,
    protocol=Protocol("hyperliquid"),
    user=VICTIM,
    timestamp=NOW,
    account_value=Usd(Decimal("450.5")),
    maintenance_margin=Usd(Decimal(60)),
    positions=(_POSITION,),
)
_SPAN = Span(scope="hourly/20251010/21#1", start=0, end=512)
_RAW = Raw(source=NODE, stream="node_fills_by_block", payload=b"{}", received_at=NOW)
_REJECT = Reject(
    source=NODE,
    stream="node_fills_by_block",
    rule="not_a_number",
    detail="not a plain decimal number: 'x'",
    payload=b"{}",
    received_at=NOW,
)


def a_named_liquidation(**changes: Any) -> NamedLiquidation:
    """What a fill says of the liquidation it was part of: ``VICTIM``'s, into the book."""
    return msgspec.structs.replace(_NAMED, **changes)


def a_fill(**changes: Any) -> Fill:
    """An ordinary fill: the closing of a long of 2 ETH."""
    return msgspec.structs.replace(_FILL, **changes)


def a_victim_row(**changes: Any) -> Fill:
    """The row of ``VICTIM``, whose long was closed into the book."""
    return a_fill(**{"liquidation": _NAMED} | changes)


def a_maker_row(**changes: Any) -> Fill:
    """The row of ``MAKER``, who bought from ``VICTIM``."""
    mirror: dict[str, Any] = {
        "side": Side.BUY,
        "direction_text": "Open Long",
        "crossed": False,
        "start_position": "0.0",
        "closed_pnl": "0.0",
        "fee": "0.3",
        "liquidation": _NAMED,
    }
    return a_fill(**mirror | changes)


def a_liquidated_fill(**changes: Any) -> LiquidatedFill:
    """The fact in the victim's row, seen by the node; numbers may be given as Decimals."""
    texts = {name: plain(value) if isinstance(value, Decimal) else value for name, value in changes.items()}
    return msgspec.structs.replace(_LIQUIDATED_FILL, **texts)


def a_counterparty_fill(**changes: Any) -> LiquidatedFill:
    """The same fact in the maker's row, which knows less."""
    mirror: dict[str, Any] = {
        "role": FillRole.COUNTERPARTY,
        "direction_text": "Open Long",
        "closed_pnl": None,
        "fee": None,
        "position_size_before": None,
        "counterparty": MAKER,
    }
    return a_liquidated_fill(**mirror | changes)


def a_liquidation(*fills: LiquidatedFill) -> Liquidation:
    """What these fills (each once, of one identity) fold to; without any, ``a_liquidated_fill()``."""
    seen = fills or (_LIQUIDATED_FILL,)
    return fold(liquidation_id(seen[0]), [observe(fill) for fill in seen])


def an_account_liquidation(**changes: Any) -> AccountLiquidation:
    """The ledger's note of ``VICTIM``'s liquidation."""
    return msgspec.structs.replace(_ACCOUNT_LIQUIDATION, **changes)


def a_ledger_movement(**changes: Any) -> LedgerMovement:
    """A deposit of 100 USDC by ``VICTIM``."""
    return msgspec.structs.replace(_LEDGER_MOVEMENT, **changes)


def a_gap(**changes: Any) -> Gap:
    """Ten blocks the node's files do not hold."""
    return msgspec.structs.replace(_GAP, **changes)


def a_report(**changes: Any) -> Report:
    """What a paper says of ``an_exploit``; changes of ``Facts`` change its facts."""
    facts = {name: changes.pop(name) for name in tuple(changes) if name in Facts.__struct_fields__}
    changed = msgspec.structs.replace(_REPORT, **changes)
    return msgspec.structs.replace(changed, facts=msgspec.structs.replace(changed.facts, **facts))


def a_report_line(**changes: Any) -> ReportLine:
    """The one report listed by ``an_exploit``."""
    return msgspec.structs.replace(_REPORT_LINE, **changes)


def an_exploit(**changes: Any) -> Exploit:
    """A confirmed case with one report."""
    return msgspec.structs.replace(_EXPLOIT, **changes)


def a_record(exploit: Exploit = _EXPLOIT) -> Report:
    """The curated report that makes this exploit of one report, which is its own record."""
    return Report(
        report_id=ReportId(f"{exploit.source}:{exploit.tx_hash}"),
        source=exploit.source,
        medium=Medium.CURATED,
        origin=exploit.source,
        source_url=exploit.source_url,
        title=exploit.name,
        text=exploit.description,
        grade=Grade.PRIMARY,
        kind=ReportKind.NEW,
        published_at=exploit.timestamp,
        received_at=NOW,
        facts=Facts(
            name=exploit.name,
            protocol=exploit.protocol,
            chains=(exploit.chain,),
            assets=exploit.assets,
            amount_usd=exploit.amount_usd,
            amount_usd_low=exploit.amount_usd_low,
            amount_usd_high=exploit.amount_usd_high,
            addresses=exploit.addresses,
            occurred_at=exploit.timestamp,
            precision=Precision(exploit.timestamp_precision),
            ended_at=exploit.ended_at,
            category=exploit.category,
        ),
        curated=Curated(
            tx_hash=exploit.tx_hash,
            kind=exploit.kind,
            status=exploit.status,
            confidence=exploit.confidence,
            description=exploit.description,
            amount_note=exploit.amount_note,
            recovery_status=exploit.recovery_status,
            timeline=exploit.timeline,
            conflicts=exploit.conflicts,
            aliases=exploit.aliases,
        ),
    )


def an_honest_case(**changes: Any) -> HonestCase:
    """An alarming and honest event."""
    return msgspec.structs.replace(_HONEST_CASE, **changes)


def a_source_description(**changes: Any) -> SourceDescription:
    """The node, silent for a minute and late for half a minute at most."""
    return msgspec.structs.replace(_SOURCE_DESCRIPTION, **changes)


def a_source_status(**changes: Any) -> SourceStatus:
    """The node, heard at ``NOW`` with an event of ``NOW``."""
    return msgspec.structs.replace(_SOURCE_STATUS, **changes)


def a_span(**changes: Any) -> Span:
    """The first 512 bytes of a node file."""
    return msgspec.structs.replace(_SPAN, **changes)


def a_raw(**changes: Any) -> Raw:
    """A payload as it arrived."""
    return msgspec.structs.replace(_RAW, **changes)


def a_reject(**changes: Any) -> Reject:
    """A payload refused for its number."""
    return msgspec.structs.replace(_REJECT, **changes)


def a_tally(**changes: Any) -> Tally:
    """What ``a_span`` held: nothing."""
    return msgspec.structs.replace(Tally(span=_SPAN, counts={}), **changes)


def a_batch(**changes: Any) -> Batch:
    """What one transaction stores: the one event of ``a_liquidated_fill``."""
    return msgspec.structs.replace(Batch(source=NODE, events=(_LIQUIDATED_FILL,)), **changes)


def fill_json(**changes: Any) -> dict[str, Any]:
    """A fill in the venue's words and, as there, with numbers in text; None removes a field."""
    fields: dict[str, Any] = {
        "coin": "ETH",
        "px": "3000.0",
        "sz": "2.0",
        "side": "A",
        "time": MILLIS,
        "startPosition": "2.0",
        "dir": "Close Long",
        "closedPnl": "-150.5",
        "hash": HASH,
        "oid": 7001,
        "crossed": True,
        "fee": "2.7",
        "tid": 101,
        "feeToken": "USDC",
        "liquidation": {"liquidatedUser": VICTIM, "markPx": "3000.5", "method": "market"},
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def block_line(*rows: tuple[str, dict[str, Any]], number: int = 758_800_641) -> bytes:
    """A line of ``node_fills_by_block`` with these rows, without its line end."""
    return msgspec.json.encode(
        {
            "local_time": "2025-10-10T21:16:00.700000001",
            "block_time": "2025-10-10T21:16:00.250123456",
            "block_number": number,
            "events": rows,
        }
    )


def a_market_state(**changes: Any) -> MarketState:
    """ETH with everything a context says."""
    return msgspec.structs.replace(_MARKET_STATE, **changes)


def a_vault_state(**changes: Any) -> VaultState:
    """A vault with one child."""
    return msgspec.structs.replace(_VAULT_STATE, **changes)


def a_position(**changes: Any) -> Position:
    """A long of 2 ETH that five hundredths of its mark separate from liquidation."""
    return msgspec.structs.replace(_POSITION, **changes)


def an_account_state(*positions: Position, **changes: Any) -> AccountState:
    """``VICTIM``'s account on the first dex with these positions; without any, ``a_position()``."""
    return msgspec.structs.replace(_ACCOUNT_STATE, **{"positions": positions or (_POSITION,)} | changes)


def a_trade(**changes: Any) -> WireTrade:
    """The public trade of ``a_victim_row`` and ``a_maker_row``: the victim sold, the maker bought."""
    return msgspec.structs.replace(_TRADE, **changes)


def a_trades_frame(*trades: WireTrade) -> bytes:
    """A frame of the socket with these trades."""
    return b'{"channel":"trades","data":' + msgspec.json.encode(list(trades)) + b"}"


def a_wire_fill(fill: Fill) -> WireFill:
    """The fill as the venue writes it: encoded, it has the venue's names."""
    return msgspec.convert(fill, WireFill, from_attributes=True)
