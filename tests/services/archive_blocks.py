"""Objects as the venue's archive keeps them: hours of blocks packed with LZ4, of any size, bit by bit.

The blocks are a minute of real ones, or of made-up ones, repeated: each time later and with the next numbers,
other transactions and other trades, so that no two of them tell of the same liquidation. An object holds what
a node wrote in its hour, whenever its blocks were made.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from pathlib import Path

import lz4.frame
import msgspec

from kamiyo.kit.recordings import read_lines
from kamiyo.lab.simulated import Cascade

RECORDED = "hl-node-fills-2025-10-27/node_fills_by_block_20251027_1700.jsonl.zst"
START = datetime(2025, 10, 27, 17, tzinfo=UTC)
FIRST_BLOCK = 777_010_829
STREAM = "node_fills_by_block"
MOST_REPEATS = 9_000  # then a trade's identifier has no room left; twelve gigabytes of real blocks

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PIECE = 1 << 20
# As the command-line program packs, which is what the venue's objects look like.
PACKING = {"block_size": lz4.frame.BLOCKSIZE_MAX4MB, "block_linked": False, "content_checksum": True}
_HEAD = re.compile(
    rb'\{"local_time":"([^"]{26})(\d{3})","block_time":"([^"]{26})(\d{3})","block_number":(\d+),"events":'
)
_HASH = re.compile(rb'"hash":"0x(?!0{64})([0-9a-f]{22})[0-9a-f]{8}([0-9a-f]{34})"')
_TRADE = re.compile(rb'"tid":\d*?(\d{1,11}),')
_TRADE_DIGITS = 11
_NUMBER_IN_HASH, _FIRST_DIGITS = b"\x01", b"\x02"  # neither can stand in JSON
# The trade, taker's row first or last, that is made a liquidation of the taker.
_TAKER = re.compile(
    rb'\["(0x[0-9a-f]{40})",\{"coin":"[^"]*","px":"([^"]*)"[^{}]*"crossed":true,[^{}]*"tid":(\d+),'
)


@dataclass(frozen=True)
class _Template:
    """One block without what changes each time."""

    before: timedelta  # from the first time a block of the minute was written until this one was
    latency: timedelta
    nanoseconds: tuple[bytes, bytes]  # below the microsecond, of both times
    parts: tuple[bytes, ...]  # of the rows, between the times of the fills


@dataclass(frozen=True)
class Minute:
    """Blocks one after the other that are repeated."""

    templates: Sequence[_Template]
    length: timedelta

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> "Minute":
        """What these lines are without their times, numbers and transactions."""
        heads = [_matched(line) for line in lines]
        written = [_moment(head[1]) for head in heads]
        span = written[-1] - written[0]
        step = span / (len(lines) - 1) + _MILLISECOND
        return cls(
            [_template(line, head, written[0]) for line, head in zip(lines, heads, strict=True)],
            (span + step) // _MILLISECOND * _MILLISECOND,
        )

    def lines(
        self, start: datetime = START, *, first_block: int = FIRST_BLOCK
    ) -> Iterator[tuple[datetime, bytes]]:
        """When each block was written, and its line; without an end, from ``start`` on."""
        numbers = count(first_block)
        for repeat in range(MOST_REPEATS):
            digits = b"%d" % (repeat + 1)
            begins = start + repeat * self.length
            for template, number in zip(self.templates, numbers):  # noqa: B905  # one of them has no end
                written = begins + template.before
                yield written, _line(template, written, number, digits)


def _matched(line: bytes) -> re.Match[bytes]:
    found = _HEAD.match(line)
    assert found is not None
    return found


def _moment(text: bytes) -> datetime:
    return datetime.fromisoformat(text.decode()).replace(tzinfo=UTC)


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def _template(line: bytes, head: re.Match[bytes], first: datetime) -> _Template:
    written, made = _moment(head[1]), _moment(head[3])
    rows = _HASH.sub(rb'"hash":"0x\1' + _NUMBER_IN_HASH + rb'\2"', line[head.end() :])
    rows = _TRADE.sub(lambda found: b'"tid":' + _FIRST_DIGITS + found[1].zfill(_TRADE_DIGITS) + b",", rows)
    parts = rows.split(b'"time":%d,' % _millis(made))
    return _Template(written - first, written - made, (head[2], head[4]), tuple(parts))


def _line(template: _Template, written: datetime, number: int, digits: bytes) -> bytes:
    made = written - template.latency
    rows = (b'"time":%d,' % _millis(made)).join(template.parts)
    rows = rows.replace(_NUMBER_IN_HASH, b"%08x" % number).replace(_FIRST_DIGITS, digits)
    local, block = (
        moment.isoformat(timespec="microseconds").removesuffix("+00:00").encode() + rest
        for moment, rest in zip((written, made), template.nanoseconds, strict=True)
    )
    return b'{"local_time":"%b","block_time":"%b","block_number":%d,"events":%b\n' % (
        local,
        block,
        number,
        rows,
    )


def real_blocks(shared_data: Path, *, liquidations: int = 1) -> Minute:
    """700 blocks of 27 October 2025, in which there was one liquidation.

    With more ``liquidations``, so many blocks evenly spread have theirs: the taker of an ordinary trade is
    said to have been liquidated, on both rows.
    """
    lines = [line for _offset, line in read_lines(shared_data / RECORDED)]
    told = {at for at, line in enumerate(lines) if b'"liquidation"' in line}
    able = [at for at, line in enumerate(lines) if at not in told and _TAKER.search(line)]
    wanted = max(0, liquidations - len(told))
    for at in able[:: max(1, len(able) // max(1, wanted))][:wanted]:
        lines[at] = liquidated(lines[at])
    return Minute.of(lines)


def liquidated(line: bytes) -> bytes:
    """The block with its first taker liquidated in the trade he took."""
    taker = _TAKER.search(line)
    assert taker is not None
    named = msgspec.json.encode(
        {"liquidatedUser": taker[1].decode(), "markPx": taker[2].decode(), "method": "market"}
    )
    trade = b'"tid":%b,' % taker[3]
    return line.replace(trade, trade + b'"liquidation":%b,' % named)


def simulated_blocks(*, blocks: int = 700) -> Minute:
    """Made-up blocks with liquidations of every method, for where nobody has real ones."""
    story = (
        (0, 0),
        (blocks // 3, 700_000),
        (blocks // 3 + 1, 930_000),
        (blocks // 2, 1_000_000),
        (blocks, 500_000),
    )
    return Minute.of([msgspec.json.encode(block) for block in Cascade(20251027, START, story=story).blocks()])


@dataclass(frozen=True)
class WrittenObject:
    """One object in a folder: its key there, and what is in it."""

    key: str
    path: Path
    hour: datetime
    first_block: int
    blocks: int
    unpacked: int  # bytes


def key_of(hour: datetime) -> str:
    """The key of the object with the blocks that were written in this hour."""
    return f"{STREAM}/hourly/{hour:%Y%m%d}/{hour.hour}.lz4"


def write_hours(
    folder: Path, minute: Minute, *, size: int, start: datetime = START, plain: Path | None = None
) -> list[WrittenObject]:
    """Write objects from ``start`` on until they unpack to so many bytes; the last hour is cut off there.

    ``plain`` is written too, with all of it unpacked.
    """
    if plain is not None:
        plain.unlink(missing_ok=True)
    written, left, first_block = list[WrittenObject](), size, FIRST_BLOCK
    by_hour = groupby(minute.lines(start), lambda each: each[0].replace(minute=0, second=0, microsecond=0))
    for hour, blocks in by_hour:
        if left <= 0:
            break
        made = _write_object(folder, hour, first_block, pieces((line for _at, line in blocks), left), plain)
        written.append(made)
        first_block, left = first_block + made.blocks, left - made.unpacked
    return written


def _write_object(
    folder: Path, hour: datetime, first_block: int, content: Iterator[bytes], plain: Path | None
) -> WrittenObject:
    path = folder / key_of(hour)
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = unpacked = 0
    with ExitStack() as stack:
        packed = stack.enter_context(lz4.frame.open(path, "wb", **PACKING))
        beside = stack.enter_context(plain.open("ab")) if plain is not None else None
        for piece in content:
            packed.write(piece)
            if beside is not None:
                beside.write(piece)
            blocks, unpacked = blocks + piece.count(b"\n"), unpacked + len(piece)
    return WrittenObject(key_of(hour), path, hour, first_block, blocks, unpacked)


def pieces(lines: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Lines joined to pieces of about 1 MiB, until ``size`` bytes are reached."""
    held, length, left = list[bytes](), 0, size
    for line in lines:
        held.append(line)
        length, left = length + len(line), left - len(line)
        if length >= _PIECE or left <= 0:
            yield b"".join(held)
            held, length = [], 0
        if left <= 0:
            return
    if held:
        yield b"".join(held)
