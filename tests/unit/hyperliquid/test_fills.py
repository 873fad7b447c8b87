from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import FillRole, LiquidationMethod, MarginMode, Side
from kamiyo.core.ids import Chain
from kamiyo.core.liquidations import fill_key, fold, liquidation_id, merge_all, observe
from kamiyo.core.margin import Direction
from kamiyo.core.time import from_millis
from kamiyo.hyperliquid.fills import (
    FillClass,
    classify,
    lines_with_liquidations,
    liquidated_fill,
    parse_node_time,
)
from kamiyo.hyperliquid.wire import decode_fill_row
from tests.builders import (
    API,
    CHAIN,
    MAKER,
    MILLIS,
    NODE,
    VAULT,
    VICTIM,
    ZERO_HASH,
    a_counterparty_fill,
    a_fill,
    a_liquidated_fill,
    a_maker_row,
    a_named_liquidation,
    a_victim_row,
    block_line,
    fill_json,
)

FACTS = {
    FillClass.MARKET_VICTIM,
    FillClass.MARKET_MAKER,
    FillClass.BACKSTOP_VICTIM,
    FillClass.BACKSTOP_LIQUIDATOR,
    FillClass.ADL_DELEVERAGED,
}


def named(method, liquidated_user=VICTIM):
    return a_named_liquidation(method=method, liquidated_user=liquidated_user)


def read(user, fill):
    return liquidated_fill(user, fill, classify(user, fill), source=NODE, chain=CHAIN)


def rule_broken_by(user, fill):
    with pytest.raises(MalformedPayload) as caught:
        read(user, fill)
    return caught.value.rule


# --- classify ---------------------------------------------------------------------------------------------

# The venue's table, restated: method, dir, crossed, whose row it is; the liquidated user is always VICTIM.
ROWS = [
    (None, "Close Long", True, VICTIM, FillClass.ORDINARY),
    (None, "Open Short", False, MAKER, FillClass.ORDINARY),
    (None, "Liquidated Cross Long", True, VICTIM, FillClass.ORDINARY),  # the object is the marker, not dir
    (None, "Settlement", True, VICTIM, FillClass.ORDINARY),
    ("market", "Close Long", True, VICTIM, FillClass.MARKET_VICTIM),
    ("market", "Close Short", True, VICTIM, FillClass.MARKET_VICTIM),
    ("market", "Open Short", False, MAKER, FillClass.MARKET_MAKER),
    ("market", "Close Long", False, MAKER, FillClass.MARKET_MAKER),
    ("market", "Long > Short", False, MAKER, FillClass.MARKET_MAKER),
    ("market", "Close Long", False, VICTIM, FillClass.MARKET_MAKER),  # the other row of a trade with himself
    ("backstop", "Liquidated Cross Long", False, VICTIM, FillClass.BACKSTOP_VICTIM),
    ("backstop", "Liquidated Cross Short", False, VICTIM, FillClass.BACKSTOP_VICTIM),
    ("backstop", "Liquidated Isolated Long", True, MAKER, FillClass.BACKSTOP_LIQUIDATOR),
    ("backstop", "Liquidated Isolated Short", True, MAKER, FillClass.BACKSTOP_LIQUIDATOR),
    ("backstop", "Auto-Deleveraging", False, VICTIM, FillClass.ADL_UNDERWATER),
    ("backstop", "Auto-Deleveraging", True, VICTIM, FillClass.ADL_UNDERWATER),
    ("backstop", "Auto-Deleveraging", True, MAKER, FillClass.ADL_DELEVERAGED),
    ("market", "Auto-Deleveraging", True, MAKER, FillClass.ADL_DELEVERAGED),
]


@pytest.mark.parametrize(("method", "direction_text", "crossed", "user", "kind"), ROWS)
def test_each_row_of_the_venues_table_has_its_class(method, direction_text, crossed, user, kind) -> None:
    """Method, direction and whose row it is decide what a row is to a liquidation."""
    liquidation = named(method) if method else None
    fill = a_fill(direction_text=direction_text, crossed=crossed, liquidation=liquidation)
    assert classify(user, fill) is kind


def test_the_table_knows_every_class() -> None:
    """No class of rows is left without an example."""
    assert {kind for *_row, kind in ROWS} == {*FillClass}


@pytest.mark.parametrize("fill", [a_victim_row(), a_victim_row(liquidation=named("backstop"))])
def test_an_address_is_the_same_in_any_case(fill) -> None:
    """A checksummed address in either place is still the victim's."""
    mixed = a_named_liquidation(liquidated_user="0x" + "aB" * 20, method=fill.liquidation.method)
    kinds = {
        classify(user, msgspec.structs.replace(fill, liquidation=mixed))
        for user in ("0x" + "Ab" * 20, "0x" + "ab" * 20)
    }
    assert kinds <= {FillClass.MARKET_VICTIM, FillClass.BACKSTOP_VICTIM}
    assert len(kinds) == 1


def test_a_deleveraging_that_does_not_name_the_underwater_account_is_refused() -> None:
    """Guessing whose row it is would count one trade twice."""
    fill = a_fill(direction_text="Auto-Deleveraging")
    assert rule_broken_by(VICTIM, fill) == "adl_without_liquidated_user"


@pytest.mark.parametrize("method", ["", "Market", "twap", "m" * 10_000])
def test_a_method_nobody_knows_is_refused(method) -> None:
    """A new way of liquidating is not silently counted as an old one, and is not logged whole."""
    with pytest.raises(MalformedPayload) as caught:
        classify(VICTIM, a_fill(liquidation=named(method)))
    assert caught.value.rule == "unknown_liquidation_method"
    assert len(str(caught.value)) < 100


# --- liquidated_fill --------------------------------------------------------------------------------------


def test_a_victims_row_says_everything() -> None:
    """All that the victim's row holds is in the fact, exactly."""
    assert read(VICTIM, a_victim_row()) == a_liquidated_fill()


def test_a_makers_row_says_who_lost_and_not_what_it_cost_him() -> None:
    """The maker's own profit, fee and position are not taken for the victim's."""
    assert read(MAKER, a_maker_row()) == a_counterparty_fill()


def test_a_fact_carries_the_source_it_was_read_for() -> None:
    """Source and chain are those of the reader."""
    fill = a_victim_row()
    fact = liquidated_fill(VICTIM, fill, classify(VICTIM, fill), source=API, chain=Chain("testnet"))
    assert (fact.source, fact.chain) == ("hyperliquid_api", "testnet")


@pytest.mark.parametrize(
    ("user", "side", "direction_text", "method", "lost"),
    [
        (VICTIM, Side.SELL, "Close Long", "market", Direction.LONG),
        (VICTIM, Side.BUY, "Close Short", "market", Direction.SHORT),
        (VICTIM, Side.SELL, "Long > Short", "market", Direction.LONG),
        (VICTIM, Side.BUY, "Short > Long", "market", Direction.SHORT),
        (VICTIM, Side.SELL, "Sell", "market", Direction.LONG),
        (MAKER, Side.BUY, "Open Long", "market", Direction.LONG),
        (MAKER, Side.BUY, "Close Short", "market", Direction.LONG),
        (MAKER, Side.SELL, "Open Short", "market", Direction.SHORT),
        (MAKER, Side.SELL, "Close Long", "market", Direction.SHORT),
        (VICTIM, Side.SELL, "Liquidated Cross Long", "backstop", Direction.LONG),
        (VICTIM, Side.BUY, "Liquidated Isolated Short", "backstop", Direction.SHORT),
        (VAULT, Side.BUY, "Liquidated Isolated Long", "backstop", Direction.LONG),
        (VAULT, Side.SELL, "Liquidated Cross Short", "backstop", Direction.SHORT),
        (MAKER, Side.SELL, "Auto-Deleveraging", "backstop", Direction.LONG),
        (MAKER, Side.BUY, "Auto-Deleveraging", "backstop", Direction.SHORT),
    ],
)
def test_who_loses_a_long_sells_it(user, side, direction_text, method, lost) -> None:
    """The lost side is read off who traded which way, and the other row mirrors it."""
    crossed = user == VICTIM
    fill = a_fill(side=side, direction_text=direction_text, crossed=crossed, liquidation=named(method))
    assert read(user, fill).side is lost


@pytest.mark.parametrize(
    ("user", "side", "direction_text", "method"),
    [
        (VICTIM, Side.BUY, "Close Long", "market"),
        (VICTIM, Side.SELL, "Close Short", "market"),
        (VICTIM, Side.BUY, "Liquidated Cross Long", "backstop"),
        (VAULT, Side.SELL, "Liquidated Isolated Long", "backstop"),
        (VAULT, Side.BUY, "Liquidated Isolated Short", "backstop"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(user, side, direction_text, method) -> None:
    """Where dir and side both tell the side, they must agree."""
    fill = a_fill(side=side, direction_text=direction_text, liquidation=named(method))
    assert rule_broken_by(user, fill) == "direction_contradicts_side"


@pytest.mark.parametrize(
    "direction_text",
    [
        "Backstop Borrow Liquidation",
        "Partial Borrow Liquidation",
        "Close Long",
        "",
        "Liquidated Long",
        "x" * 9_999,
    ],
)
@pytest.mark.parametrize("user", [VICTIM, VAULT])
def test_a_backstop_of_an_unknown_kind_is_refused(direction_text, user) -> None:
    """A borrow liquidation has no side, so it is kept as a reject and not as somebody's long."""
    fill = a_fill(direction_text=direction_text, liquidation=named("backstop"))
    assert rule_broken_by(user, fill) == "unknown_fill_direction"


@pytest.mark.parametrize(
    ("direction_text", "mode"),
    [("Liquidated Cross Long", MarginMode.CROSS), ("Liquidated Isolated Long", MarginMode.ISOLATED)],
)
def test_a_takeover_tells_the_margin_mode(direction_text, mode) -> None:
    """Only the liquidator's take-over says whether the position was cross or isolated."""
    fill = a_fill(direction_text=direction_text, liquidation=named("backstop"))
    fact = read(VICTIM, fill)
    assert (fact.method, fact.margin_mode, fact.role) == (LiquidationMethod.BACKSTOP, mode, FillRole.VICTIM)
    assert read(VICTIM, a_victim_row()).margin_mode is None


def test_who_is_deleveraged_lost_the_position_and_is_not_who_was_underwater() -> None:
    """The row's own user is the one whose position was taken."""
    fill = a_fill(direction_text="Auto-Deleveraging", liquidation=named("backstop", VAULT))
    fact = read(MAKER, fill)
    assert (fact.user, fact.liquidated_user, fact.method) == (MAKER, VAULT, LiquidationMethod.ADL)
    assert (fact.role, fact.closed_pnl) == (FillRole.VICTIM, "-150.5")


@pytest.mark.parametrize("kind", [FillClass.ORDINARY, FillClass.ADL_UNDERWATER])
def test_a_row_that_tells_of_no_lost_position_is_no_fact(kind) -> None:
    """The two classes that are not liquidated fills cannot be read as one."""
    with pytest.raises(MalformedPayload) as caught:
        liquidated_fill(VICTIM, a_victim_row(), kind, source=NODE, chain=CHAIN)
    assert caught.value.rule == "not_a_liquidation"


@pytest.mark.parametrize("kind", FACTS)
def test_a_row_without_the_marker_is_no_fact(kind) -> None:
    """Whatever the caller calls it, a row that names no liquidation is not one."""
    with pytest.raises(MalformedPayload) as caught:
        liquidated_fill(VICTIM, a_fill(), kind, source=NODE, chain=CHAIN)
    assert caught.value.rule == "not_a_liquidation"


@pytest.mark.parametrize(
    ("user", "changes", "rule"),
    [
        ("0x12", {}, "not_an_address"),
        (VICTIM, {"liquidation": named("market", "HLP")}, "not_an_address"),
        (VICTIM, {"asset": "ETH; DROP"}, "not_an_asset"),
        (VICTIM, {"hash": "0x1328..."}, "not_a_transaction_hash"),
        (VICTIM, {"price": "NaN"}, "not_a_number"),
        (VICTIM, {"size": "1e400000"}, "not_a_number"),
        (VICTIM, {"closed_pnl": ""}, "not_a_number"),
        (VICTIM, {"fee": "Infinity"}, "not_a_number"),
        (VICTIM, {"start_position": "1_0"}, "not_a_number"),
        (VICTIM, {"liquidation": a_named_liquidation(mark_price="-")}, "not_a_number"),
        (VICTIM, {"time": 0}, "time_out_of_range"),
        (VICTIM, {"time": -1}, "time_out_of_range"),
        (VICTIM, {"time": 1_672_531_199_999}, "time_out_of_range"),
        (VICTIM, {"time": 253_402_214_400_000}, "time_out_of_range"),
        (VICTIM, {"time": 10**30}, "time_out_of_range"),
    ],
)
def test_a_row_with_a_bad_field_is_refused_by_its_rule(user, changes, rule) -> None:
    """Each field is checked and the rule that is broken has a name."""
    assert rule_broken_by(user, a_victim_row(**changes)) == rule


@pytest.mark.parametrize("field", ["closed_pnl", "fee", "start_position"])
def test_a_makers_own_numbers_are_not_even_looked_at(field) -> None:
    """What is not taken from a maker's row cannot make it unreadable."""
    assert read(MAKER, a_maker_row(**{field: "NaN"})) == a_counterparty_fill()


@pytest.mark.parametrize("millis", [1_672_531_200_000, MILLIS, 253_402_214_399_999])
def test_a_fact_happened_when_its_row_says_to_the_millisecond(millis) -> None:
    """Every moment since the venue opened is taken exactly."""
    assert read(VICTIM, a_victim_row(time=millis)).timestamp == from_millis(millis)


def test_the_zero_hash_is_no_hash() -> None:
    """A row without a transaction has None and not a string of zeros."""
    assert read(VICTIM, a_victim_row(hash=ZERO_HASH)).hash is None


@pytest.mark.parametrize("text", ["Close\x00Long", "\x1b[31m", "Close Long\n", "\u202egnoL"])
def test_a_direction_text_that_cannot_be_shown_is_refused(text) -> None:
    """No control character reaches the database or a terminal."""
    assert rule_broken_by(VICTIM, a_victim_row(direction_text=text)) == "unknown_fill_direction"


def test_a_long_direction_text_is_cut() -> None:
    """What is kept of free text has an end."""
    fact = read(VICTIM, a_victim_row(direction_text="y" * 10_000))
    assert fact.direction_text == "y" * 64


# --- lines_with_liquidations ------------------------------------------------------------------------------

HIT = b'[["0x",{"liquidation":{"liquidatedUser":"0x"}}]]'
MISS = b'{"block_number":1,"events":[]}'


def line_by_line(buffer):
    return [line for line in buffer.split(b"\n") if b'"liquidatedUser"' in line]


@pytest.mark.parametrize(
    ("buffer", "lines"),
    [
        (b"", []),
        (b"\n", []),
        (MISS, []),
        (MISS + b"\n" + MISS + b"\n", []),
        (HIT, [HIT]),
        (HIT + b"\n", [HIT]),
        (b"\n" + HIT, [HIT]),
        (b"\n\n" + HIT + b"\n\n", [HIT]),
        (HIT + b"\n" + MISS, [HIT]),
        (MISS + b"\n" + HIT, [HIT]),
        (MISS + b"\n" + HIT + b"\n" + MISS, [HIT]),
        (HIT + b"\n" + b"1" + HIT + b"\n" + b"2" + HIT, [HIT, b"1" + HIT, b"2" + HIT]),
        (HIT + HIT + b"\n" + HIT, [HIT + HIT, HIT]),
        (HIT + b"\r\n" + MISS + b"\r\n", [HIT + b"\r"]),
        (b'"liquidated\nUser"', []),
        (b"liquidatedUser", []),
    ],
)
def test_the_lines_that_hold_the_marker_are_found(buffer, lines) -> None:
    """First, last, adjacent and unterminated lines are found once each, and no others."""
    assert list(lines_with_liquidations(buffer)) == lines
    assert line_by_line(buffer) == lines


PIECES = [
    b"\n",
    b"\n\n",
    b'"liquidatedUser"',
    b'"liquidatedUser',
    b'liquidatedUser"',
    b"{}",
    b'"',
    b"\r",
    b"\x00",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
def test_the_fast_search_finds_what_the_slow_one_finds(buffer) -> None:
    """Searching the buffer is only a faster way of asking line by line."""
    assert list(lines_with_liquidations(buffer)) == line_by_line(buffer)


def test_a_block_with_a_liquidation_is_found_among_blocks_without() -> None:
    """Lines as the node writes them are told apart by what they hold."""
    ordinary = block_line((VICTIM, fill_json(liquidation=None)), number=1)
    liquidated = block_line((VICTIM, fill_json()), (MAKER, fill_json()), number=2)
    assert list(lines_with_liquidations(b"\n".join([ordinary, liquidated, ordinary, b""]))) == [liquidated]


# --- parse_node_time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["", "Z"])
@pytest.mark.parametrize(
    ("fraction", "micros"),
    [
        ("", 0),
        (".1", 100_000),
        (".12", 120_000),
        (".123", 123_000),
        (".1234", 123_400),
        (".12345", 123_450),
        (".123456", 123_456),
        (".1234567", 123_456),
        (".12345678", 123_456),
        (".123456789", 123_456),
        (".000000999", 0),
        (".999999999", 999_999),
    ],
)
def test_a_node_time_is_cut_to_microseconds(fraction, micros, zone) -> None:
    """None to nine digits of a second are read, and never rounded up into the next one."""
    moment = parse_node_time(f"2026-06-28T08:43:53{fraction}{zone}")
    assert moment == datetime(2026, 6, 28, 8, 43, 53, micros, tzinfo=UTC)
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        *("", "Z", "now", "1782636233257", "2026-06-28T08:43:53.x", "2026-06-28T08:43:53.-1"),
        *("2026-02-30T00:00:00", "2026-06-28T24:00:01", "2026-06-28T08:60:00", "2026-06-28T08:43:60"),
        *("10000-01-01T00:00:00", "2026-06-28T08:43:53.1.2", "t" * 9_999),
        *("2026-06-28", "20260628T084353", "2026-W26-7T08:43:53", "2026-06-28 08:43:53", "2026-06-28T08:43"),
        *("2026-06-28T08:43:53+02:00", "2026-06-28T08:43:53.123456+02:00", "2026-06-28T08:43:53ZZ"),
        *(
            "2026-06-28T08:43:53.",
            "2026-06-28T08:43:53,5",
            "2026-06-28T08:43:53.1_0",
            "2026-06-28T08:43:53.+1",
        ),
        *(
            "2026-06-28T08:43:53.1234567890",
            "2026-06-28T08:43:53.\uff11",
            "\uff12026-06-28T08:43:53",
            " 2026-06-28T08:43:53",
        ),
    ],
)
def test_what_is_no_node_time_is_refused(text) -> None:
    """No moment is made up for a text that is none, and it is not logged whole."""
    with pytest.raises(MalformedPayload) as caught:
        parse_node_time(text)
    assert caught.value.rule == "not_a_time"
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "2022-12-31T23:59:59.999", "9999-12-31T00:00:00"])
def test_a_node_time_before_the_venue_or_after_the_calendar_is_refused(text) -> None:
    """A block cannot have happened before the venue opened."""
    with pytest.raises(MalformedPayload) as caught:
        parse_node_time(text)
    assert caught.value.rule == "time_out_of_range"


# --- the recordings ---------------------------------------------------------------------------------------


@pytest.fixture
def reference_samples(shared_data) -> Path:
    folder = shared_data.parent / "reference" / "samples"
    if not folder.is_dir():
        pytest.skip(f"needs the reference samples: {folder} does not exist")
    return folder


@pytest.fixture
def samples(shared_data) -> Path:
    folder = shared_data / "hl-liquidation-fill-samples"
    if not folder.is_dir():
        pytest.skip(f"needs the recorded liquidation fills: {folder} does not exist")
    return folder


def owner(text):
    """The row's account: the recordings say in words where they do not know it."""
    return text if text.startswith("0x") else "0x" + "f" * 40


def test_the_recorded_liquidation_fills_are_what_they_were_counted_to_be(samples) -> None:
    """Of 25 real fills each has the class that a person found by reading it."""
    kinds: Counter[FillClass] = Counter()
    unreadable = 0
    for line in (samples / "liquidation_fills.jsonl").read_bytes().splitlines():
        record = msgspec.json.decode(line)
        user = owner(record["fill_owner"])
        try:
            _user, fill = decode_fill_row(msgspec.json.encode([user, record["fill"]]))
        except msgspec.ValidationError:
            assert not record["complete"]
            unreadable += 1
            continue
        kinds[classify(user, fill)] += 1
    assert unreadable == 2  # one without a hash, one without half of its fields
    assert kinds == {
        FillClass.MARKET_VICTIM: 15,
        FillClass.MARKET_MAKER: 4,
        FillClass.BACKSTOP_VICTIM: 1,
        FillClass.BACKSTOP_LIQUIDATOR: 2,
        FillClass.ADL_DELEVERAGED: 1,
    }


def test_a_recorded_account_was_liquidated_as_often_and_as_much_as_was_counted(samples) -> None:
    """Nineteen of fifty real fills fold to five rows of one user, 30,178.36 USD in all."""
    rows = msgspec.json.decode((samples / "userFills_0x109a42c3_2025-10.json").read_bytes())
    names = {row["liquidation"]["liquidatedUser"] for row in rows if "liquidation" in row}
    (user,) = names
    facts = []
    for row in rows:
        _user, fill = decode_fill_row(msgspec.json.encode([user, row]))
        kind = classify(user, fill)
        assert kind in {FillClass.ORDINARY, FillClass.MARKET_VICTIM}
        if kind is FillClass.MARKET_VICTIM:
            facts.append(liquidated_fill(user, fill, kind, source=API, chain=CHAIN))
    assert (len(rows), len(facts)) == (50, 19)
    merged = merge_all((fill_key(liquidation_id(fact), fact), observe(fact)) for fact in facts)
    found = [
        fold(identity, [item for key, item in merged.items() if key[0] == identity])
        for identity in {key[0] for key in merged}
    ]
    assert sorted((row.asset, row.fill_count, row.size) for row in found) == [
        ("BTC", 15, "0.0118"),
        ("HYPE", 1, "108.22"),
        ("HYPE", 1, "50"),
        ("HYPE", 1, "95.88"),
        ("XPL", 1, "22214"),
    ]
    assert {row.side for row in found} == {Direction.LONG}
    by_hash = Counter(row.metadata.hash for row in found)
    assert sorted(by_hash.values()) == [1, 1, 1, 2]  # one cross liquidation closed XPL and BTC
    assert round(sum(Decimal(row.amount_usd) for row in found), 2) == Decimal("30178.36")


def test_the_sampled_deleveraging_is_read_from_the_traders_row(reference_samples) -> None:
    """The real row of 10 October 2025 says that a short of 28.53 AVAX was closed for the vault's loss."""
    user, fill = decode_fill_row((reference_samples / "hl_fill_adl.json").read_bytes())
    fact = read(user, fill)
    assert (fact.user, fact.liquidated_user) == (user, "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14")
    assert (fact.asset, fact.side, fact.method) == ("AVAX", Direction.SHORT, LiquidationMethod.ADL)
    assert (fact.size, fact.price, fact.mark_price) == (
        "28.53",
        "22.075",
        "22.025",
    )
    assert (fact.closed_pnl, fact.fee, fact.position_size_before) == (
        "194.275035",
        "0",
        "-28.53",
    )


def test_the_sampled_makers_row_tells_of_a_short_on_a_builders_dex(reference_samples) -> None:
    """The real row of a maker who sold says that somebody's short was liquidated, and whose."""
    fill = decode_fill_row(
        b'["0x%s",%s]'
        % (b"f" * 40, (reference_samples / "hl_fill_liquidation_market_maker_side.json").read_bytes())
    )[1]
    fact = read(MAKER, fill)
    assert (fact.asset, fact.side, fact.role) == ("xyz:CRWV", Direction.SHORT, FillRole.COUNTERPARTY)
    assert fact.user == fact.liquidated_user == "0xbb8b801eeddaa7061ae171041ec77516313f2921"
