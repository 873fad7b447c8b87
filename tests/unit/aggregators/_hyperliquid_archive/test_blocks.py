"""A chunk of blocks: every liquidation in it, which blocks it holds, and what of it was refused."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators._hyperliquid_archive.blocks import Decode, fill_blocks, liquidations_in
from kamiyo.aggregators._node_payloads import FILLS_BY_BLOCK, normalize
from kamiyo.core.archives import BlockRun
from kamiyo.core.ports import Counted, Normalized
from tests.builders import CHAIN, MAKER, VICTIM, a_raw, block_line, fill_json

AT = datetime(2025, 10, 10, 21, 16, 0, 250_123, tzinfo=UTC)
BOTH = list(Decode)


def ordinary(**changes: Any) -> tuple[str, dict[str, Any]]:
    return (MAKER, fill_json(**({"liquidation": None} | changes)))


def liquidated(**changes: Any) -> tuple[str, dict[str, Any]]:
    return (VICTIM, fill_json(**changes))


def adl(user: str) -> tuple[str, dict[str, Any]]:
    return (user, fill_json(dir="Auto-Deleveraging"))


def block(number: int, *rows: tuple[str, dict[str, Any]], second: int = 0) -> bytes:
    line = block_line(*rows, number=number)
    return line.replace(b'"block_time":"2025-10-10T21:16:00', b'"block_time":"2025-10-10T21:16:%02d' % second)


def read(*lines: bytes, decode: Decode = Decode.LIQUIDATIONS) -> Normalized:
    return fill_blocks(a_raw(payload=b"".join(line + b"\n" for line in lines)), CHAIN, decode)


def a_run(first: int, last: int, first_second: int = 0, last_second: int = 0) -> BlockRun:
    return BlockRun(
        first=first,
        last=last,
        first_at=AT + timedelta(seconds=first_second),
        last_at=AT + timedelta(seconds=last_second),
    )


def counts(normalized: Normalized) -> dict[Counted, int]:
    return {name: number for name, number in normalized.counts.items() if number}


FIRST = 758_800_950  # of many: some more and a thousand is full
USUAL = b"2025-10-10T21:16:00.250"
CHUNK = [
    block(7, ordinary(), ordinary()),
    block(8),
    block(9, ordinary(), liquidated(), (MAKER, fill_json(side="B", crossed=False)), second=1),
    block(10, adl(MAKER), adl(VICTIM), second=1),
    block(11, ordinary(), second=2),
]


@pytest.mark.parametrize("decode", BOTH)
def test_every_liquidation_is_what_the_nodes_own_lines_say(decode: Decode) -> None:
    """Nothing depends on how many lines come at once, nor on how many are decoded."""
    line_by_line = [
        event
        for line in CHUNK
        for event in normalize(a_raw(stream=FILLS_BY_BLOCK, payload=line, span=None), CHAIN).events
    ]
    found = read(*CHUNK, decode=decode)
    assert len(line_by_line) == 3
    assert list(found.events) == line_by_line
    assert found.rejects == []
    assert found.block_runs == [a_run(7, 11, 0, 2)]
    assert found.last_event_at == AT + timedelta(seconds=2)
    assert found.block is None


@pytest.mark.parametrize("decode", BOTH)
@pytest.mark.parametrize("seed", range(5))
def test_no_liquidation_is_passed_by_among_many_blocks(seed: int, decode: Decode) -> None:
    """Wherever it stands, whatever stands around it, and whoever's name has a letter of a marker."""
    chance = random.Random(seed)
    kinds = [
        list,
        lambda: [ordinary()] * chance.randint(1, 9),
        lambda: [ordinary(coin="vntl:OPENAI")],
        lambda: [ordinary(), liquidated(tid=chance.getrandbits(40))],
        lambda: [adl(MAKER), adl(VICTIM)],
    ]
    rows = [chance.choices(kinds, (3, 9, 1, 1, 1))[0]() for _ in range(300)]
    lines = [block(FIRST + place, *each, second=place // 12) for place, each in enumerate(rows)]
    found = read(*lines, decode=decode)
    alone = [event for line in lines for event in read(line, decode=decode).events]
    assert list(found.events) == alone
    assert len(alone) == sum(b"liquidatedUser" in line for line in lines)
    assert found.block_runs == [a_run(FIRST, FIRST + 299, 0, 24)]
    assert found.rejects == []


def test_all_fills_are_given_and_counted_where_all_are_decoded() -> None:
    """Fills are ordinary, liquidated, underwater and refused ones."""
    found = read(*CHUNK, decode=Decode.ALL)
    assert [user for user, _fill in found.fills] == [MAKER] * 4
    assert counts(found) == {
        Counted.PAYLOADS: 1,
        Counted.FILLS: 8,
        Counted.ORDINARY_FILLS: 4,
        Counted.LIQUIDATED_FILLS: 3,
        Counted.UNDERWATER_FILLS: 1,
    }


def test_ordinary_fills_are_neither_given_nor_counted_where_only_liquidations_are_decoded() -> None:
    """Not even those beside a liquidation: a number of some of them would say nothing."""
    found = read(*CHUNK)
    assert found.fills == []
    assert counts(found) == {
        Counted.PAYLOADS: 1,
        Counted.FILLS: 4,
        Counted.LIQUIDATED_FILLS: 3,
        Counted.UNDERWATER_FILLS: 1,
    }


@pytest.mark.parametrize("decode", BOTH)
def test_a_hole_splits_the_run(decode: Decode) -> None:
    """And so does a block that comes again, or too late."""
    lines = [block(number, ordinary()) for number in (3, 4, 6, 6, 7, 5)]
    runs = [(run.first, run.last) for run in read(*lines, decode=decode).block_runs]
    assert runs == [(3, 4), (6, 6), (6, 7), (5, 5)]


@pytest.mark.parametrize("decode", BOTH)
@pytest.mark.parametrize("missing", [1, 10, 1_000, 1_000_000, 10**9])
def test_no_hole_among_many_blocks_is_overlooked(missing: int, decode: Decode) -> None:
    """However much alike the numbers around it are."""
    numbers = [FIRST, FIRST + 1, FIRST + 2, FIRST + 3 + missing, FIRST + 4 + missing, FIRST + 5 + missing]
    lines = [block(number, ordinary()) for number in numbers]
    runs = [(run.first, run.last) for run in read(*lines, decode=decode).block_runs]
    assert runs == [(numbers[0], numbers[2]), (numbers[3], numbers[5])]


@pytest.mark.parametrize("decode", BOTH)
@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"garbage", "malformed"),
        (b"", "malformed"),
        (block(5, ordinary())[:-1] + b"\x00", "malformed"),
        (block(5, liquidated())[:-30], "malformed"),
        (block(5, ordinary()).replace(USUAL, b"2025-13-10T21:16:00.250"), "not_a_time"),
        (
            block(5, ordinary()).replace(b"2025-10-10T21:16:00.250", b"1999-10-10T21:16:00.250"),
            "time_out_of_range",
        ),
        (block(10**11 + 1, ordinary()), "block_out_of_range"),
        (b'{"block_time":"2025-10-10T21:16:00","block_number":5}', "malformed"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_alone(line: bytes, rule: str, decode: Decode) -> None:
    """Its block is not known to have been read: the run ends before it."""
    found = read(block(4, ordinary()), line, block(6, liquidated()), decode=decode)
    [refused] = found.rejects
    assert (refused.rule, refused.payload) == (rule, line)
    assert len(found.events) == 1
    assert [(run.first, run.last) for run in found.block_runs] == [(4, 4), (6, 6)]
    assert found.counts[Counted.REJECTS] == 1
    assert found.counts[Counted.REFUSED_FILLS] == 0


@pytest.mark.parametrize("decode", BOTH)
@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_chunk_says_what_its_lines_say_alone(seed: int, decode: Decode) -> None:
    """Whatever happened to it: what is passed by in a hurry is what a look at each line would let pass."""
    chance = random.Random(seed)
    kinds: list[list[tuple[str, dict[str, Any]]]]
    kinds = [[ordinary()], [ordinary()] * 2, [liquidated()], [adl(MAKER), adl(VICTIM)], []]
    rows = [chance.choices(kinds, (9, 9, 1, 1, 1))[0] for _ in range(80)]
    content = bytearray(b"\n".join(block(FIRST + place, *each) for place, each in enumerate(rows)))
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(content))
        match chance.randrange(3):
            case 0:
                content[at] = chance.randrange(256)
            case 1:
                del content[at : at + chance.randint(1, 300)]
            case _:
                content[at:at] = chance.choice((b"\n", b"]}\n", b"\n\n", b"v", b"0", b'"liquidatedUser"'))
    lines = bytes(content).removesuffix(b"\n").split(b"\n")
    found, alone = read(*lines, decode=decode), [read(line, decode=decode) for line in lines]
    assert list(found.events) == [event for each in alone for event in each.events]
    refused = sorted((each.rule, each.payload) for said in alone for each in said.rejects)
    assert sorted((each.rule, each.payload) for each in found.rejects) == refused
    assert numbers_of(found) == [number for said in alone for number in numbers_of(said)]


def numbers_of(said: Normalized) -> list[int]:
    """Every block that was read, in the order they stood in."""
    return [number for run in said.block_runs for number in range(run.first, run.last + 1)]


@pytest.mark.parametrize("decode", BOTH)
@pytest.mark.parametrize("place", [0, 1, 40, 49, 50, 51, 98, 99])
def test_a_deleveraging_without_its_loser_is_found_among_many_blocks(place: int, decode: Decode) -> None:
    """Nothing names a liquidated user there, and still it must not pass for an ordinary row."""
    lines = [block(FIRST + number, ordinary()) for number in range(100)]
    lines[place] = block(FIRST + place, ordinary(), ordinary(dir="Auto-Deleveraging"), ordinary())
    found = read(*lines, decode=decode)
    assert [each.rule for each in found.rejects] == ["adl_without_liquidated_user"]
    assert {number - FIRST for number in numbers_of(found)} == set(range(100)) - {place}


@pytest.mark.parametrize("decode", BOTH)
def test_a_refused_row_keeps_its_block_out_of_the_runs(decode: Decode) -> None:
    """What was not understood whole must not count as read; its other rows are good all the same."""
    bad = (VICTIM, fill_json(dir="Auto-Deleveraging", liquidation=None))
    found = read(block(4, ordinary()), block(5, liquidated(), bad), block(6, ordinary()), decode=decode)
    [refused] = found.rejects
    assert refused.rule == "adl_without_liquidated_user"
    assert len(found.events) == 1
    assert [(run.first, run.last) for run in found.block_runs] == [(4, 4), (6, 6)]
    assert found.counts[Counted.REFUSED_FILLS] == found.counts[Counted.REJECTS] == 1


def test_a_row_beyond_all_bounds_is_found_where_all_are_decoded() -> None:
    """Where they are not, nobody looked: nothing is said of it."""
    lines = [block(4, ordinary(tid=-1))]
    [refused] = read(*lines, decode=Decode.ALL).rejects
    assert refused.rule == "tid_out_of_range"
    assert read(*lines).rejects == []


@pytest.mark.parametrize("decode", BOTH)
def test_a_line_that_begins_otherwise_is_decoded(decode: Decode) -> None:
    """Its keys may come in any order, with any spaces: only the usual beginning is read without decoding."""
    told = msgspec.json.decode(block(5, ordinary()))
    unusual = msgspec.json.format(msgspec.json.encode(dict(sorted(told.items()))), indent=0)
    found = read(block(4), unusual, block(6), decode=decode)
    assert found.rejects == []
    assert [(run.first, run.last) for run in found.block_runs] == [(4, 6)]


@pytest.mark.parametrize("decode", BOTH)
def test_an_escape_hides_no_liquidation(decode: Decode) -> None:
    """JSON may write any letter as its number."""
    hidden = block(5, liquidated()).replace(b"liquidatedUser", rb"liquidated\u0055ser")
    assert hidden.count(b"liquidatedUser") == 0
    assert len(read(hidden, decode=decode).events) == 1


def test_nothing_says_nothing() -> None:
    """An empty payload has no blocks and no time."""
    found = read()
    assert (found.block_runs, found.last_event_at, counts(found)) == ([], None, {Counted.PAYLOADS: 1})


def test_a_last_line_without_its_end_is_read() -> None:
    """As any other."""
    payload = block(4) + b"\n" + block(5, liquidated())
    found = fill_blocks(a_raw(payload=payload), CHAIN, Decode.LIQUIDATIONS)
    assert (len(found.events), [(run.first, run.last) for run in found.block_runs]) == (1, [(4, 5)])


def test_liquidations_are_found_in_the_first_and_the_last_line() -> None:
    """Where nothing stands before, or no line end behind."""
    first, middle, last = block(1, liquidated()), block(2, ordinary()), block(3, adl(MAKER))
    content = b"\n".join((first, middle, last))
    assert liquidations_in(content) == {0, len(first) + len(middle) + 2}
    assert liquidations_in(middle) == set()


@pytest.mark.parametrize("decode", BOTH)
@pytest.mark.parametrize(
    ("instead", "rule"),
    [
        ((b'"block_time":"2025-10-10T21:16:00.250', b'"block_tide":"2025-10-10T21:16:00.250'), "malformed"),
        ((b'"block_time":"2025-10-10T21:16:00.250', b'"block_time":"2025-10-10T21:16:61.250'), "not_a_time"),
        (
            (b'"block_time":"2025-10-10T21:16:00.250', b'"block_time":"2025-10-10T21:16:0\xff.250'),
            "malformed",
        ),
        ((b'"block_time":"2025-10-10T21:16:00.250', b'"block_time":"2025-10-10T21:16:00.x50'), "not_a_time"),
        ((b'"block_time":"2025-10-10T21:16:00.250', b'"block_time":"2025-10-10T21:16:00x250'), "not_a_time"),
        ((b'{"local_time":', b'["local_time":'), "malformed"),
        ((b"]}", b"]]"), "malformed"),
    ],
)
@pytest.mark.parametrize("before", [1, 2, 3, 49, 50, 51, 60])
def test_a_damaged_line_is_noticed_however_many_good_ones_were_passed_by(
    instead: tuple[bytes, bytes], rule: str, before: int, decode: Decode
) -> None:
    """It is refused by its name, and the run of blocks ends before it."""
    lines = [block(FIRST + number, ordinary()) for number in range(before + 2)]
    lines[before] = lines[before].replace(*instead)
    found = read(*lines, decode=decode)
    assert [refused.rule for refused in found.rejects] == [rule]
    runs = [(run.first - FIRST, run.last - FIRST) for run in found.block_runs]
    assert runs == [(0, before - 1), (before + 1, before + 1)]


@pytest.mark.parametrize("decode", BOTH)
def test_the_time_of_a_run_is_that_of_its_blocks(decode: Decode) -> None:
    """Also where its blocks are of several seconds, and where the last line has no end."""
    lines = [block(FIRST + place, ordinary(), second=place // 2) for place in (*range(2, 109), 112, 113)]
    found = fill_blocks(a_raw(payload=b"\n".join(lines)), CHAIN, decode)
    assert found.block_runs == [
        a_run(FIRST + 2, FIRST + 108, 1, 54),
        a_run(FIRST + 112, FIRST + 113, 56, 56),
    ]
    assert found.rejects == []
