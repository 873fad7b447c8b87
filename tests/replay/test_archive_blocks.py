"""Hours of blocks of any size, as benchmarks read them: each follows the last and repeats nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from kamiyo.aggregators._hyperliquid_archive.chunks import (
    Decode,
    normalize_chunk,
    stream_name,
    whole_line_chunks,
)
from kamiyo.aggregators._hyperliquid_archive.frames import Frames
from kamiyo.core.archives import BlockRun
from kamiyo.core.events import LiquidatedFill
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.liquidations import fill_key, liquidation_id
from kamiyo.core.ports import Normalized, Raw
from kamiyo.hyperliquid.wire import decode_fill_block
from tests.services.archive_blocks import (
    FIRST_BLOCK,
    RECORDED,
    START,
    STREAM,
    Minute,
    WrittenObject,
    key_of,
    real_blocks,
    simulated_blocks,
    write_hours,
)

SIZE = 5_000_000
LATE = START + timedelta(minutes=59)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Make = Callable[[pytest.FixtureRequest], Minute]


def read(found: WrittenObject, decode: Decode) -> list[Normalized]:
    chunks = whole_line_chunks(Frames().unpack(found.path.read_bytes()))
    archive, stream = SourceName("hyperliquid_archive"), stream_name(STREAM)
    raws = (Raw(source=archive, stream=stream, payload=each.content, received_at=NOW) for each in chunks)
    return [normalize_chunk(raw, Chain("hyperliquid"), decode) for raw in raws]


def of_real_blocks(request: pytest.FixtureRequest) -> Minute:
    shared_data: Path = request.getfixturevalue("shared_data")
    if not (shared_data / RECORDED).exists():
        pytest.skip(f"needs real blocks: {shared_data / RECORDED} does not exist")
    return real_blocks(shared_data, liquidations=5)


def made_up(_request: pytest.FixtureRequest) -> Minute:
    return simulated_blocks()


@pytest.mark.parametrize("make", [of_real_blocks, made_up])
@pytest.mark.parametrize("decode", list(Decode))
def test_repeated_blocks_follow_one_another_and_tell_of_nothing_twice(
    tmp_path: Path, request: pytest.FixtureRequest, make: Make, decode: Decode
) -> None:
    """They lie in the object of the hour they were written in, and unpack to the size that was asked for."""
    minute = make(request)
    plain = tmp_path / "blocks.jsonl"
    written = write_hours(tmp_path, minute, size=SIZE, start=LATE, plain=plain)
    assert [each.key for each in written] == [key_of(START), key_of(START + timedelta(hours=1))]
    said = [each for found in written for each in read(found, decode)]
    assert not [refused for each in said for refused in each.rejects]
    blocks = sum(each.blocks for each in written)
    assert run_of(said) == (FIRST_BLOCK, FIRST_BLOCK + blocks - 1)
    size = sum(each.unpacked for each in written)
    assert SIZE <= size == plain.stat().st_size < SIZE + 100_000

    fills = [fill for each in said for fill in each.events if isinstance(fill, LiquidatedFill)]
    told = {fill_key(liquidation_id(fill), fill) for fill in fills}
    assert len(told) == trades_in(plain) >= 5


def trades_in(plain: Path) -> int:
    """How many trades liquidated somebody: a trade is told of in one block only, on one row or two."""
    blocks = [
        decode_fill_block(line) for line in plain.read_bytes().splitlines() if b"liquidatedUser" in line
    ]
    trades = {
        (block.block_number, fill.asset, fill.tid)
        for block in blocks
        for _user, fill in block.events
        if fill.liquidation
    }
    assert len({tid for _block, _asset, tid in trades}) == len(trades)
    return len(trades)


def run_of(said: list[Normalized]) -> tuple[int, int]:
    """The one run of blocks all runs add up to, each later than the one before."""
    runs: list[BlockRun] = [run for each in said for run in each.block_runs]
    for before, after in pairwise(runs):
        assert (before.last + 1, True) == (after.first, before.last_at <= after.first_at)
    return runs[0].first, runs[-1].last


def test_each_object_holds_what_was_written_in_its_hour(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A block is made before it is written: the first one of an hour may be of the hour before."""
    before, after = write_hours(tmp_path, of_real_blocks(request), size=SIZE, start=LATE)
    [*_lines, last, _end] = b"".join(Frames().unpack(before.path.read_bytes())).split(b"\n")
    first = b"".join(Frames().unpack(after.path.read_bytes())).split(b"\n")[0]
    assert b'"local_time":"2025-10-27T17:59:59' in last
    assert b'"local_time":"2025-10-27T18:00:00' in first
    assert decode_fill_block(first).block_time.startswith("2025-10-27T17:59:59")
