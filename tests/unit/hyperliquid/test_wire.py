import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import Side
from kamiyo.hyperliquid.wire import (
    WireFill,
    WireLiquidation,
    decode_delta,
    decode_fill_block,
    decode_fill_row,
    decode_ledger_liquidation,
    decode_ledger_update,
    decode_misc_event,
    decode_raw_block,
)
from tests.builders import HASH, MAKER, MILLIS, VICTIM, block_line, fill_json

DECODERS = [
    decode_fill_block,
    decode_raw_block,
    decode_fill_row,
    decode_misc_event,
    decode_ledger_update,
    decode_delta,
    decode_ledger_liquidation,
]
FILL = WireFill(
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
    liquidation=WireLiquidation(liquidated_user=VICTIM, mark_price="3000.5", method="market"),
)
NUMBERS = ["px", "sz", "startPosition", "closedPnl", "fee"]
FIELDS = ["coin", *NUMBERS, "side", "time", "dir", "hash", "crossed", "tid"]


def row(**changes) -> bytes:
    return msgspec.json.encode((VICTIM, fill_json(**changes)))


def row_with(name, raw) -> bytes:
    """A row with a field as these very bytes."""
    return row(**{name: msgspec.Raw(raw)})


@pytest.fixture
def samples(shared_data) -> Path:
    folder = shared_data.parent / "reference" / "samples"
    if not folder.is_dir():
        pytest.skip(f"needs the reference samples: {folder} does not exist")
    return folder


# --- fills ------------------------------------------------------------------------------------------------


def test_a_row_is_read_in_our_words() -> None:
    """Each of the venue's fields is where it belongs and unknown fields are ignored."""
    assert decode_fill_row(row(somethingNew={"deep": [1]})) == (VICTIM, FILL)


def test_a_row_can_be_read_from_a_part_of_a_block() -> None:
    """A row left undecoded within its block is read like one of its own."""
    block = decode_raw_block(block_line((VICTIM, fill_json()), (MAKER, fill_json(side="B"))))
    assert [decode_fill_row(raw)[0] for raw in block.events] == [VICTIM, MAKER]


@pytest.mark.parametrize("name", FIELDS)
def test_a_row_that_lacks_a_field_is_no_row(name) -> None:
    """No missing field is made up."""
    with pytest.raises(msgspec.ValidationError):
        decode_fill_row(row(**{name: None}))


@pytest.mark.parametrize("missing", ["liquidatedUser", "markPx", "method"])
def test_a_liquidation_that_lacks_a_field_is_none(missing) -> None:
    """A row that names half a liquidation is refused, and not taken for an ordinary one."""
    named = {name: value for name, value in fill_json()["liquidation"].items() if name != missing}
    with pytest.raises(msgspec.ValidationError):
        decode_fill_row(row(liquidation=named))


@pytest.mark.parametrize("payload", [row(liquidation=None), row_with("liquidation", b"null")])
def test_a_row_without_a_liquidation_has_none(payload) -> None:
    """The absent object and null say the same."""
    assert decode_fill_row(payload)[1].liquidation is None


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        *(("side", b'"X"'), ("side", b'""'), ("side", b"1")),
        *(("time", b'"1"'), ("time", b"1.5"), ("time", b"null"), ("tid", b'"1"'), ("tid", b"true")),
        *(("crossed", b'"true"'), ("crossed", b"1"), ("coin", b"5"), ("coin", b"null"), ("dir", b"[]")),
        *(("px", b"true"), ("px", b"null"), ("px", b"{}"), ("px", b'[""]')),
        *(("liquidation", b'"x"'), ("liquidation", b"{}"), ("liquidation", b"false")),
    ],
)
def test_a_field_of_another_type_is_refused(name, raw) -> None:
    """Nothing is converted into what the venue documents."""
    with pytest.raises(msgspec.ValidationError):
        decode_fill_row(row_with(name, raw))


# --- numbers as JSON numbers ------------------------------------------------------------------------------


def test_numbers_may_be_json_numbers_and_stay_exact() -> None:
    """The documentation's form of a row is the same row, to the last digit of each number."""
    payload = row(
        px=msgspec.Raw(b"3000.0"),
        sz=msgspec.Raw(b"2.0"),
        startPosition=msgspec.Raw(b"2.0"),
        closedPnl=msgspec.Raw(b"-150.5"),
        fee=msgspec.Raw(b"2.7"),
        liquidation={"liquidatedUser": VICTIM, "markPx": msgspec.Raw(b"3000.5"), "method": "market"},
    )
    assert decode_fill_row(payload) == (VICTIM, FILL)


@pytest.mark.parametrize("name", NUMBERS)
def test_one_json_number_among_texts_is_read(name) -> None:
    """A row may mix both forms, with and without a liquidation."""
    for liquidation in (fill_json()["liquidation"], None):
        payload = row(**{name: 7, "liquidation": liquidation})
        expected = decode_fill_row(row(**{name: "7", "liquidation": liquidation}))
        assert decode_fill_row(payload) == expected


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"0", "0"),
        (b"-0", "0"),
        (b"-2.50", "-2.50"),
        (b"5", "5"),
        (b"0.1", "0.1"),
        (b"1e3", "1000"),
        (b"1E-3", "0.001"),
        (b"1e24", "1" + "0" * 24),
        (b"0.123456789012345678901234", "0.123456789012345678901234"),
        (b"9007199254740993.1", "9007199254740993.1"),
    ],
)
def test_a_json_number_becomes_plain_text_without_loss(raw, text) -> None:
    """No float lies between the venue's digits and ours."""
    assert decode_fill_row(row_with("px", raw))[1].price == text


@pytest.mark.parametrize(
    "raw", [b"1e400000", b"-1e400000", b"1e-400000", b"0e400000", b"1e25", b"1e-25", b"1" * 26]
)
@pytest.mark.parametrize("name", NUMBERS)
def test_a_short_number_with_a_huge_exponent_is_refused(name, raw) -> None:
    """A few bytes of JSON are not written out as hundreds of thousands of digits."""
    with pytest.raises(MalformedPayload, match="not a plain decimal number") as caught:
        decode_fill_row(row_with(name, raw))
    assert caught.value.rule == "not_a_number"


def test_a_huge_exponent_costs_no_memory() -> None:
    """Refusing 1e400000 takes less memory than its digits would, in the mark as in the price."""
    named = {"liquidatedUser": VICTIM, "markPx": msgspec.Raw(b"1e400000"), "method": "market"}
    payloads = [row_with("px", b"1e400000"), row(liquidation=named)]
    tracemalloc.start()
    for payload in payloads:
        with pytest.raises(MalformedPayload):
            decode_fill_row(payload)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_text_that_is_no_number_is_refused_among_json_numbers(text) -> None:
    """Not-a-number does not pass where another number of the row is a JSON number."""
    with pytest.raises(MalformedPayload) as caught:
        decode_fill_row(row(px=text, sz=7))
    assert caught.value.rule == "not_a_number"


@pytest.mark.parametrize(
    "raw", [b"1e99999999999999999999", b"NaN", b"Infinity", b"-", b"01", b"+1", b".5", b"1."]
)
def test_what_json_knows_no_number_for_is_refused(raw) -> None:
    """Numbers beyond every decimal, and words of JavaScript, are decoding errors."""
    with pytest.raises(msgspec.DecodeError):
        decode_fill_row(row_with("px", raw))


# --- blocks and ledger events -----------------------------------------------------------------------------


def test_a_block_is_read_with_its_rows() -> None:
    """A line of the node's file is its time, its number and its rows."""
    block = decode_fill_block(block_line((VICTIM, fill_json()), number=7))
    assert (block.block_time, block.block_number) == ("2025-10-10T21:16:00.250123456", 7)
    [(user, fill)] = block.events
    assert (user, msgspec.structs.asdict(fill)) == (VICTIM, msgspec.structs.asdict(FILL))


@pytest.mark.parametrize(("field", "value"), [("tid", -1), ("tid", 2**63), ("time", 1), ("time", 10**15)])
def test_a_block_with_a_number_beyond_all_bounds_fails_the_fast_reading(field: str, value: int) -> None:
    """Nobody looks at each row for it: the decoder does."""
    with pytest.raises(msgspec.ValidationError, match=field):
        decode_fill_block(block_line((VICTIM, fill_json(**{field: value}))))


def test_a_block_with_a_bad_row_still_gives_its_other_rows() -> None:
    """One unreadable row fails the fast reading only; row by row the others are read."""
    line = block_line((VICTIM, fill_json()), (MAKER, fill_json(px=None)), (MAKER, fill_json(px=3000)))
    with pytest.raises(msgspec.ValidationError):
        decode_fill_block(line)
    good, bad, numeric = decode_raw_block(line).events
    assert decode_fill_row(good) == (VICTIM, FILL)
    with pytest.raises(msgspec.ValidationError):
        decode_fill_row(bad)
    assert decode_fill_row(numeric)[1].price == "3000"


@pytest.mark.parametrize("decode", [decode_fill_block, decode_raw_block])
@pytest.mark.parametrize("name", ["block_time", "block_number", "events"])
def test_a_block_that_lacks_a_field_is_no_block(decode, name) -> None:
    """Neither reading makes up a time or a number."""
    fields = msgspec.json.decode(block_line())
    del fields[name]
    with pytest.raises(msgspec.ValidationError, match=name):
        decode(msgspec.json.encode(fields))


def test_a_ledger_liquidation_is_read_layer_by_layer() -> None:
    """The envelope, the update, the delta's type and the delta are read each when it is needed."""
    delta = {
        "type": "liquidation",
        "liquidatedNtlPos": "54187.2",
        "accountValue": "-1.5",
        "leverageType": "Isolated",
        "liquidatedPositions": [{"coin": "ETH", "szi": "-16.5"}],
    }
    update = {"LedgerUpdate": {"users": [VICTIM], "delta": delta}}
    event = decode_misc_event(
        msgspec.json.encode({"time": "2024-06-24T09:33:27.872", "hash": HASH, "inner": update})
    )
    assert (event.time, event.hash, list(event.inner)) == ("2024-06-24T09:33:27.872", HASH, ["LedgerUpdate"])
    read = decode_ledger_update(event.inner["LedgerUpdate"])
    assert (read.users, decode_delta(read.delta).type) == ([VICTIM], "liquidation")
    liquidation = decode_ledger_liquidation(read.delta)
    assert (liquidation.liquidated_ntl_pos, liquidation.account_value) == ("54187.2", "-1.5")
    assert liquidation.leverage_type == "Isolated"
    assert [(each.asset, each.size) for each in liquidation.liquidated_positions] == [("ETH", "-16.5")]


@pytest.mark.parametrize(
    ("decode", "payload"),
    [
        (decode_misc_event, b'{"time":"t","hash":"0x"}'),
        (decode_misc_event, b'{"time":"t","hash":"0x","inner":[]}'),
        (decode_ledger_update, b'{"users":[]}'),
        (decode_ledger_update, b'{"users":[1],"delta":{}}'),
        (decode_delta, b"{}"),
        (decode_delta, b'{"type":null}'),
        (decode_ledger_liquidation, b'{"type":"liquidation"}'),
    ],
)
def test_a_ledger_event_of_another_shape_is_refused(decode, payload) -> None:
    """What is missing on any layer is missed there."""
    with pytest.raises(msgspec.ValidationError):
        decode(payload)


# --- what is no message at all ----------------------------------------------------------------------------


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("payload", [b"", b" ", b"{", b"[", b"nul", b"{}{}", b"\x00", b"<html>", b'{"a":1,}'])
def test_what_is_no_json_is_a_decoding_error(decode, payload) -> None:
    """An empty, cut or foreign payload is told from a message."""
    with pytest.raises(msgspec.DecodeError):
        decode(payload)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\\ud800"])
def test_text_that_is_no_unicode_is_refused(bad) -> None:
    """Invalid UTF-8 and half a surrogate pair do not become text."""
    payload = row(dir="Close #Long").replace(b"#", bad)
    with pytest.raises((UnicodeDecodeError, msgspec.DecodeError)):
        decode_fill_row(payload)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("opening", [b"[", b'{"delta":', b'{"inner":{"a":', b'{"events":[['])
def test_deep_nesting_ends_in_an_error_and_not_in_a_crash(decode, opening) -> None:
    """A hundred thousand brackets are refused by every decoder."""
    with pytest.raises((RecursionError, msgspec.DecodeError)):
        decode(opening * 100_000)


def test_deep_nesting_in_a_field_nobody_reads_is_an_error_too() -> None:
    """Even what is skipped may not exhaust the stack."""
    depth = 10 * sys.getrecursionlimit()
    with pytest.raises((RecursionError, msgspec.DecodeError)):
        decode_fill_row(row_with("oid", b"[" * depth + b"]" * depth))


# --- the reference samples --------------------------------------------------------------------------------


def test_the_sampled_deleveraging_row_is_read(samples) -> None:
    """The node's real row of an auto-deleveraging gives its account and its fill."""
    user, fill = decode_fill_row((samples / "hl_fill_adl.json").read_bytes())
    assert user == "0xe92d2041199b18f611b137457f3acee8bedb22d3"
    assert (fill.asset, fill.price, fill.size, fill.side) == ("AVAX", "22.075", "28.53", Side.BUY)
    assert (fill.direction_text, fill.crossed, fill.fee) == ("Auto-Deleveraging", True, "0.0")
    assert fill.liquidation == WireLiquidation(
        liquidated_user="0x2e3d94f0562703b25c83308a05046ddaf9a8dd14", mark_price="22.025", method="backstop"
    )


def test_the_sampled_makers_row_is_read(samples) -> None:
    """The real row of a maker on a builder's dex gives its fill."""
    fill = msgspec.json.decode(
        (samples / "hl_fill_liquidation_market_maker_side.json").read_bytes(), type=WireFill
    )
    assert (fill.asset, fill.tid, fill.crossed) == ("xyz:CRWV", 711_626_751_774_561, False)
    assert fill.liquidation is not None
    assert fill.liquidation.method == "market"


def test_the_sampled_row_whose_author_dropped_fields_is_refused(samples) -> None:
    """Half a real row is no row: its missing numbers are not guessed."""
    fill = (samples / "hl_fill_liquidation_backstop_partial.json").read_bytes()
    with pytest.raises(msgspec.ValidationError):
        decode_fill_row(b'["%s",%s]' % (VICTIM.encode(), fill))


def test_the_sampled_line_of_the_node_is_read(samples) -> None:
    """A real line of node_fills_by_block gives its block and its one row."""
    block = decode_fill_block((samples / "hl_node_fills_by_block_line.json").read_bytes())
    assert (block.block_time, block.block_number) == ("2026-06-28T08:43:53.257028820", 1_052_527_672)
    ((user, fill),) = block.events
    assert (user, fill.asset, fill.fee) == ("0xa775d1bd91ee2cc4cae6113e5fd9c0c17b355277", "SOL", "-0.001255")
    assert fill.liquidation is not None
    assert fill.liquidation.liquidated_user == "0x5ef843ccf26810073ee689a954f6d05f5b48fccb"


def test_the_sampled_ledger_event_is_read(samples) -> None:
    """The sampled misc event is a liquidation of 16.5908 ETH, isolated."""
    event = decode_misc_event((samples / "hl_node_misc_event_liquidation.json").read_bytes())
    update = decode_ledger_update(event.inner["LedgerUpdate"])
    liquidation = decode_ledger_liquidation(update.delta)
    assert Decimal(liquidation.liquidated_ntl_pos) == Decimal("54187.21188")
    assert (liquidation.leverage_type, liquidation.account_value) == ("Isolated", "356.952084")
    assert [(each.asset, each.size) for each in liquidation.liquidated_positions] == [("ETH", "16.5908")]


@pytest.mark.parametrize("name", ["hl_node_order_status_line.json", "hl_node_trades_line.json"])
def test_the_nodes_other_lines_are_not_taken_for_blocks(samples, name) -> None:
    """An order's or a trade's line is refused by both readings of blocks."""
    payload = (samples / name).read_bytes()
    for decode in (decode_fill_block, decode_raw_block, decode_fill_row):
        with pytest.raises(msgspec.ValidationError):
            decode(payload)
