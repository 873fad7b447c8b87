"""What a line of a node's files says, and how the aggregator introduces itself."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.aggregators._node_files import next_hour
from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_node import AGGREGATOR, HyperliquidNodeSettings, stream_of
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import AccountLiquidation, FillRole, LedgerMovement, LiquidatedFill, LiquidationMethod
from kamiyo.core.ports import Counted, Normalized, Raw, Span
from kamiyo.core.sources import CoverageLabel, SourceType
from kamiyo.kit.clock import SystemClock

NOW = datetime(2025, 10, 27, 17, 0, 1, tzinfo=UTC)
VICTIM, MAKER, VAULT = ("0x" + digit * 40 for digit in "123")
HASH = "0x" + "ab" * 32
MILLIS = 1_761_584_402_387
MARKET = {"liquidatedUser": VICTIM, "markPx": "0.15319", "method": "market"}


AGGREGATOR_UNDER_TEST = AGGREGATOR.build(HyperliquidNodeSettings(path="/data"), Toolbox(SystemClock()))


def fill(**changes) -> dict:
    return {
        "coin": "WLFI",
        "px": "0.15327",
        "sz": "890.0",
        "side": "B",
        "time": MILLIS,
        "startPosition": "-890.0",
        "dir": "Close Short",
        "closedPnl": "-11.3475",
        "hash": HASH,
        "oid": 1,
        "crossed": True,
        "fee": "0.06",
        "tid": 7,
    } | changes


def without(field: str) -> dict:
    return {name: value for name, value in fill().items() if name != field}


def line(*events, time: str = "2025-10-27T17:00:02.387123456", block: int = 777) -> bytes:
    return msgspec.json.encode(
        {"local_time": time, "block_time": time, "block_number": block, "events": events}
    )


def ledger(delta: dict, users=(VICTIM,), time: str = "2025-10-27T17:00:02", **inner) -> dict:
    update = {"LedgerUpdate": {"users": users, "delta": delta}} | inner
    return {"time": time, "hash": HASH, "inner": update}


def liquidation(**changes) -> dict:
    return {
        "type": "liquidation",
        "liquidatedNtlPos": "54187.21188",
        "accountValue": "356.952084",
        "leverageType": "Isolated",
        "liquidatedPositions": [{"coin": "ETH", "szi": "16.5908"}],
    } | changes


def raw(stream: str, payload: bytes, span: Span | None = None) -> Raw:
    return Raw(
        source=AGGREGATOR.name, stream=stream, payload=payload, received_at=NOW, cursor=None, span=span
    )


def normalize(stream: str, payload: bytes) -> Normalized:
    return AGGREGATOR_UNDER_TEST.normalize(raw(stream, payload))


def block(*events) -> Normalized:
    return normalize("node_fills_by_block", line(*events))


def rule_of(stream: str, payload: bytes, span: Span | None = None) -> str:
    with pytest.raises(MalformedPayload) as refused:
        AGGREGATOR_UNDER_TEST.normalize(raw(stream, payload, span))
    return refused.value.rule


def fill_counts(normalized: Normalized) -> tuple[int, ...]:
    """Fills, ordinary, liquidated, underwater, refused; and they must add up."""
    counts = normalized.counts
    parts = (
        Counted.ORDINARY_FILLS,
        Counted.LIQUIDATED_FILLS,
        Counted.UNDERWATER_FILLS,
        Counted.REFUSED_FILLS,
    )
    assert counts[Counted.FILLS] == sum(counts[part] for part in parts)
    assert counts[Counted.PAYLOADS] == 1
    assert counts[Counted.REJECTS] == len(normalized.rejects)
    return (counts[Counted.FILLS], *(counts[part] for part in parts))


def test_the_aggregator_introduces_itself() -> None:
    """A stream that sees all there is, and is late after seconds."""
    description = AGGREGATOR_UNDER_TEST.description
    assert (description.name, description.type, description.label) == (
        "hyperliquid_node",
        SourceType.STREAM,
        CoverageLabel.COMPLETE,
    )
    assert (description.url, description.priority) == ("file:/data", 20)
    assert (description.silence_limit, description.lag_limit) == (
        timedelta(seconds=10),
        timedelta(seconds=60),
    )


def test_the_home_directory_is_found() -> None:
    """The default is where the node writes by default."""
    node = AGGREGATOR.build(HyperliquidNodeSettings(), Toolbox(SystemClock()))
    assert node.description.url == f"file:{Path.home() / 'hl/data'}"


def test_ordinary_fills_are_counted_and_handed_on() -> None:
    """With the block's number and time, and no event."""
    normalized = block((VICTIM, fill()), (MAKER, fill(side="A")))
    assert fill_counts(normalized) == (2, 2, 0, 0, 0)
    assert [user for user, _fill in normalized.fills] == [VICTIM, MAKER]
    assert (normalized.block, normalized.events) == (777, ())
    assert normalized.last_event_at == datetime(2025, 10, 27, 17, 0, 2, 387_123, tzinfo=UTC)


def test_a_block_without_fills_counts_as_a_block() -> None:
    """Blocks are written even where nothing traded, and that they are there is what continuity needs."""
    normalized = block()
    assert fill_counts(normalized) == (0, 0, 0, 0, 0)
    assert normalized.block == 777


def test_liquidated_fills_become_events_and_the_others_stay_fills() -> None:
    """Both rows of the liquidated trade are facts; the row between them is not lost."""
    normalized = block(
        (VICTIM, fill(liquidation=MARKET)),
        (VAULT, fill(tid=8)),
        (MAKER, fill(side="A", crossed=False, dir="Open Short", liquidation=MARKET)),
    )
    assert fill_counts(normalized) == (3, 1, 2, 0, 0)
    victim, counterparty = normalized.events
    assert isinstance(victim, LiquidatedFill)
    assert isinstance(counterparty, LiquidatedFill)
    assert (victim.role, counterparty.role) == (FillRole.VICTIM, FillRole.COUNTERPARTY)
    assert victim.user == counterparty.user == VICTIM
    assert (victim.chain, victim.source) == ("hyperliquid", "hyperliquid_node")
    assert [user for user, _fill in normalized.fills] == [VAULT]


def test_the_losing_row_of_an_adl_trade_is_only_counted() -> None:
    """The other row tells the trade; both told would count it twice."""
    named = {"liquidatedUser": VAULT, "markPx": "22.0", "method": "backstop"}
    normalized = block(
        (VICTIM, fill(dir="Auto-Deleveraging", liquidation=named)),
        (VAULT, fill(dir="Auto-Deleveraging", side="A", crossed=False, liquidation=named)),
    )
    assert fill_counts(normalized) == (2, 0, 1, 1, 0)
    [event] = normalized.events
    assert isinstance(event, LiquidatedFill)
    assert (event.user, event.method) == (VICTIM, LiquidationMethod.ADL)


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ((VICTIM, without("hash")), "incomplete_fill"),
        ((VICTIM, fill(side="X")), "malformed"),
        ((VICTIM, fill(crossed="yes")), "malformed"),
        ("no row", "malformed"),
        ((VICTIM, fill(tid=-1)), "tid_out_of_range"),
        ((VICTIM, fill(tid=2**63)), "tid_out_of_range"),
        ((VICTIM, fill(time=2**62)), "time_out_of_range"),
        ((VICTIM, fill(time=0)), "time_out_of_range"),
        ((VICTIM, fill(dir="Auto-Deleveraging")), "adl_without_liquidated_user"),
        ((VICTIM, fill(px="NaN", liquidation=MARKET)), "not_a_number"),
        (("(not given)", fill(liquidation=MARKET)), "not_an_address"),
        ((VICTIM, fill(liquidation=MARKET | {"method": "new"})), "unknown_liquidation_method"),
        ((VICTIM, fill(dir="Close \x00", liquidation=MARKET)), "unknown_fill_direction"),
    ],
)
def test_one_bad_row_is_refused_alone_and_exactly(bad, rule: str) -> None:
    """The reject holds that row's JSON and nothing else; the rows around it survive."""
    normalized = block((VICTIM, fill()), bad, (MAKER, fill(liquidation=MARKET)))
    assert fill_counts(normalized) == (3, 1, 1, 0, 1)
    [reject] = normalized.rejects
    assert (reject.rule, reject.stream, reject.received_at) == (rule, "node_fills_by_block", NOW)
    assert reject.payload == msgspec.json.encode(bad)
    assert reject.detail
    assert reject.detail.isprintable()
    assert normalized.block == 777
    assert normalized.last_event_at is not None


def test_the_largest_trade_number_fits() -> None:
    """The database's integers end one further on."""
    assert fill_counts(block((VICTIM, fill(tid=2**63 - 1)))) == (1, 1, 0, 0, 0)


def test_numbers_may_be_numbers() -> None:
    """A server that writes numbers as numbers is understood row by row."""
    normalized = block((VICTIM, fill(px=0.15327, liquidation=MARKET)), (MAKER, fill()))
    assert fill_counts(normalized) == (2, 1, 1, 0, 0)
    [event] = normalized.events
    assert isinstance(event, LiquidatedFill)
    assert event.price == "0.15327"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00" * 100,
        b"null",
        b"{}",
        b'{"block_time":"\xff","block_number":1,"events":[]}',
        b"[" * 100_000,
        b'{"block_time":"2025-10-27T17:00:02","block_number":1,"events":[' + b"[" * 100_000,
        b'{"time":' * 50_000,
        line()[:-1],
        line() + b"}",
    ],
    ids=range(10),
)
@pytest.mark.parametrize(
    "stream", ["node_fills_by_block", "node_fills", "misc_events_by_block", "misc_events", "user_fills"]
)
def test_what_is_not_readable_is_malformed(stream: str, payload: bytes) -> None:
    """Broken JSON, broken text and endless nesting alike: one named error, nothing else."""
    assert rule_of(stream, payload) == "malformed"


@given(st.binary(max_size=40), st.integers(0, 600), st.sampled_from([1, 5, 40]))
def test_no_damage_to_a_line_escapes(damage: bytes, at: int, length: int) -> None:
    """Whatever replaces part of a line, it ends as facts and rejects, or as one malformed payload."""
    whole = line((VICTIM, fill(liquidation=MARKET)), (MAKER, fill()))
    try:
        normalized = normalize("node_fills_by_block", whole[:at] + damage + whole[at + length :])
    except MalformedPayload:
        return
    fill_counts(normalized)


@pytest.mark.parametrize("number", [-1, 10**11 + 1, 2**63])
@pytest.mark.parametrize("stream", ["node_fills_by_block", "misc_events_by_block"])
def test_an_impossible_block_number_refuses_the_line(stream: str, number: int) -> None:
    """It would be the newest block for ever, and every later gap would go unseen."""
    assert rule_of(stream, line(block=number)) == "block_out_of_range"


@pytest.mark.parametrize("stream", ["node_fills_by_block", "misc_events_by_block"])
def test_an_impossible_block_time_refuses_the_line(stream: str) -> None:
    """A block that does not say when it was is no block."""
    assert rule_of(stream, line(time="yesterday")) == "not_a_time"


def test_a_cut_line_is_refused_by_its_span() -> None:
    """Of an overlong line only the beginning is read, and that may by chance be readable itself."""
    payload = line()
    assert rule_of("node_fills_by_block", payload, Span("x", 0, len(payload) + 2)) == "line_too_long"
    whole = raw("node_fills_by_block", payload, Span("x", 0, len(payload) + 1))
    assert AGGREGATOR_UNDER_TEST.normalize(whole).block == 777


def test_a_stream_no_node_writes_is_refused() -> None:
    """A payload under a strange name is kept as a reject."""
    assert rule_of("trades", b"{}") == "unknown_stream"


def test_a_row_a_line_takes_its_time_from_the_fill() -> None:
    """The older format has no block around it."""
    normalized = normalize("node_fills", msgspec.json.encode((VICTIM, fill())))
    assert fill_counts(normalized) == (1, 1, 0, 0, 0)
    assert normalized.block is None
    assert normalized.last_event_at == datetime(2025, 10, 27, 17, 0, 2, 387_000, tzinfo=UTC)


def test_a_bad_row_a_line_is_a_refused_fill() -> None:
    """It was one fill of the venue's, so the sums must know it."""
    payload = msgspec.json.encode((VICTIM, without("tid")))
    normalized = normalize("node_fills", payload)
    assert fill_counts(normalized) == (1, 0, 0, 0, 1)
    assert (normalized.rejects[0].rule, normalized.rejects[0].payload) == ("incomplete_fill", payload)
    assert normalized.last_event_at is None


def test_an_answer_about_one_account_is_read_as_its_rows() -> None:
    """A liquidated taker is the account itself, and so says whose answer it is."""
    rows = [fill(liquidation=MARKET), fill(tid=8), without("tid")]
    normalized = normalize("user_fills", msgspec.json.encode(rows))
    assert fill_counts(normalized) == (3, 1, 1, 0, 1)
    [event] = normalized.events
    assert isinstance(event, LiquidatedFill)
    assert event.role is FillRole.VICTIM


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [fill()],
        [fill(crossed=False, liquidation=MARKET)],
        [fill(liquidation=MARKET | {"method": "backstop"})],
        [fill(liquidation=MARKET), fill(liquidation=MARKET | {"liquidatedUser": MAKER})],
    ],
    ids=["empty", "ordinary", "maker", "backstop", "two accounts"],
)
def test_an_answer_that_does_not_say_whose_it_is_is_refused(rows: list) -> None:
    """An account is never guessed."""
    assert rule_of("user_fills", msgspec.json.encode(rows)) == "unknown_user"


@pytest.mark.parametrize("by_block", [False, True])
def test_a_ledger_liquidation_is_an_account_liquidation_and_nothing_else(by_block: bool) -> None:
    """With the positions before; no liquidation is derived from it."""
    event = ledger(liquidation())
    stream = "misc_events_by_block" if by_block else "misc_events"
    normalized = normalize(stream, line(event) if by_block else msgspec.json.encode(event))
    [found] = normalized.events
    assert isinstance(found, AccountLiquidation)
    assert (found.user, found.amount_usd, found.account_value) == (
        VICTIM,
        Decimal("54187.21188"),
        Decimal("356.952084"),
    )
    assert (found.margin_mode.value, found.positions) == ("isolated", (("ETH", "16.5908"),))
    assert found.timestamp == datetime(2025, 10, 27, 17, 0, 2, tzinfo=UTC)
    assert (normalized.counts[Counted.LEDGER_EVENTS], normalized.counts[Counted.PAYLOADS]) == (1, 1)
    assert normalized.block is None


@pytest.mark.parametrize("by_block", [False, True])
def test_ledger_events_do_not_stand_in_for_fills(by_block: bool) -> None:
    """A node that writes only these is not as fresh as one that writes fills: they move no clock of it."""
    event = ledger(liquidation())
    stream = "misc_events_by_block" if by_block else "misc_events"
    normalized = normalize(stream, line(event) if by_block else msgspec.json.encode(event))
    assert (len(normalized.events), normalized.last_event_at) == (1, None)


@pytest.mark.parametrize("kind", ["deposit", "somethingNew"])
def test_any_other_delta_is_a_movement_kept_whole(kind: str) -> None:
    """New types appear without notice, and are not lost."""
    delta = {"type": kind, "usdc": "1.0", "more": [1]}
    normalized = normalize("misc_events", msgspec.json.encode(ledger(delta, users=(VICTIM, MAKER))))
    [movement] = normalized.events
    assert isinstance(movement, LedgerMovement)
    assert (movement.type, movement.users) == (kind, (VICTIM, MAKER))
    assert movement.delta == msgspec.json.encode(delta)
    assert movement.hash == HASH


@pytest.mark.parametrize("kind", ["Funding", "CDeposit", "CWithdrawal", "Delegation", "ValidatorRewards"])
def test_known_kinds_without_a_risk_fact_are_only_counted(kind: str) -> None:
    """Most lines of the file are such."""
    event = {"time": "2025-10-27T17:00:02", "hash": HASH, "inner": {kind: {"deltas": []}}}
    normalized = normalize("misc_events", msgspec.json.encode(event))
    assert normalized.counts[Counted.OTHER_EVENTS] == 1
    assert (normalized.events, normalized.rejects) == ([], [])


BAD_EVENTS = [
    ({"time": "2025-10-27T17:00:02", "hash": HASH, "inner": {"NewKind": {}}}, "unknown_misc_event"),
    ({"time": "2025-10-27T17:00:02", "hash": HASH, "inner": {}}, "unknown_misc_event"),
    (ledger(liquidation(), Funding={}), "unknown_misc_event"),
    (ledger(liquidation(), time="9999-12-31T00:00:00"), "time_out_of_range"),
    (ledger(liquidation(), users=(VICTIM, MAKER)), "not_one_user"),
    (ledger(liquidation(), users=()), "not_one_user"),
    (ledger(liquidation(), users=("somebody",)), "not_an_address"),
    (ledger(liquidation(leverageType="Portfolio")), "unknown_leverage_type"),
    (ledger(liquidation(accountValue="Infinity")), "not_a_number"),
    (ledger(liquidation(liquidatedPositions=[{"coin": "ETH", "szi": "1e9"}])), "not_a_number"),
    (ledger(liquidation(liquidatedPositions=[{"coin": "E T H", "szi": "1"}])), "not_an_asset"),
    (ledger({"type": "deposit", "note": "x" * 70_000}), "ledger_update_too_large"),
    (ledger({"type": "de\x00posit"}), "not_a_ledger_type"),
    (ledger({"usdc": "1.0"}), "malformed"),
    ({"time": "2025-10-27T17:00:02"}, "malformed"),
]


@pytest.mark.parametrize(("event", "rule"), BAD_EVENTS)
def test_a_bad_misc_event_is_refused_by_name(event: dict, rule: str) -> None:
    """A line that is one event is refused as a whole."""
    assert rule_of("misc_events", msgspec.json.encode(event)) == rule


@pytest.mark.parametrize(("event", "rule"), BAD_EVENTS)
def test_a_bad_misc_event_of_a_block_is_refused_alone(event: dict, rule: str) -> None:
    """The events around it survive, and the reject is exactly that event."""
    normalized = normalize("misc_events_by_block", line(ledger({"type": "deposit"}), event))
    assert len(normalized.events) == 1
    [reject] = normalized.rejects
    assert (reject.rule, reject.payload) == (rule, msgspec.json.encode(event))
    assert normalized.counts[Counted.REJECTS] == 1


@pytest.mark.parametrize(
    ("content", "stream"),
    [
        (line((VICTIM, fill())), "node_fills_by_block"),
        (line(), "node_fills_by_block"),
        (line(ledger(liquidation())), "misc_events_by_block"),
        (msgspec.json.encode(ledger(liquidation())), "misc_events"),
        (msgspec.json.encode((VICTIM, fill())), "node_fills"),
        (b"[\n" + msgspec.json.encode(fill()) + b"]", "user_fills"),
        (b"[]", None),
        (b"[1]", None),
        (b"{}", None),
        (b'{"events":1}', None),
        (b"", None),
        (b"\xff", None),
        (b'{"a":' * 50_000, None),
    ],
)
def test_a_lines_shape_tells_its_stream(content: bytes, stream: str | None) -> None:
    """A recording may lie anywhere, so its name is not asked."""
    assert stream_of(content) == stream


def test_a_stray_file_among_the_days_is_no_day(tmp_path: Path) -> None:
    """A file named like a day must not stop the way to the next hour."""
    (tmp_path / "20251026").write_text("not a folder")
    (tmp_path / "20251027").mkdir()
    (tmp_path / "20251027" / "5").write_text("")
    found = next_hour(tmp_path, None)
    assert found is not None
    assert found % 24 == 5
