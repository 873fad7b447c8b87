"""A chunk of ``node_fills_by_block``: the one path nearly every archived byte takes.

Of a node's lines few tell of a liquidation. They are searched for in the whole chunk and only they are
decoded; of every other line the block's number and time are cut from its beginning.
"""

from __future__ import annotations

import enum
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from struct import Struct
from typing import Final

from kamiyo.aggregators._node_payloads import LARGEST_BLOCK, take_fill_block
from kamiyo.core.archives import BlockRun
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Chain
from kamiyo.core.ports import Counted, Normalized, Raw, Reject
from kamiyo.hyperliquid.fills import MARKERS, parse_node_time
from kamiyo.hyperliquid.reading import UNREADABLE
from kamiyo.hyperliquid.rows import FillRows, refusal
from kamiyo.hyperliquid.wire import decode_fill_block

# A second is any text of its length here: what it says is looked at later, once for all blocks of a minute.
_BEGINNING: Final = re.compile(
    rb'\{"local_time":"[^"]*","block_time":"((.{19})(?:\.[0-9]{1,9})?)","block_number":([0-9]{1,11}),"events":\[',
    re.DOTALL,
)
_beginning = _BEGINNING.match
# The same where every time has nanoseconds: then it is known where what stands.
_FIRST: Final = b'{"local_time":"'
_THEN: Final = b'","block_time":"'
_MINUTE: Final = len("2025-10-10T21:16:")
_SECONDS: Final = frozenset(b"%02d" % second for second in range(60))
_TEXT: Final = _MINUTE + 2
_DIGITS: Final = _TEXT + 1
_WHOLE: Final = _DIGITS + 9
_TIME: Final = len(_FIRST) + _WHOLE
_SECOND: Final = _TIME + len(_THEN)
_NUMBER: Final = _SECOND + _WHOLE
_NUMBERED: Final = b'","block_number":%d'
# The rest of a number, and what follows it: making them for each line would take longer than finding its end.
_THOUSAND: Final = 1_000
_REST: Final = [b'%03d,"events":[' % number for number in range(_THOUSAND)]
_BETWEEN: Final = b"]}\n" + _FIRST
_END: Final = len(b"]}\n")
_NAMED, _AUTO_DELEVERAGED, _ESCAPED = MARKERS
# A letter is found many times sooner than a word; of what a node writes little else has these.
_LETTERS: Final = {_NAMED: b"q", _AUTO_DELEVERAGED: b"v", _ESCAPED: b"\\"}


class Decode(enum.StrEnum):
    """How much of the fills is decoded."""

    LIQUIDATIONS = "liquidations"
    ALL = "all"


def fill_blocks(raw: Raw, chain: Chain, decode: Decode) -> Normalized:
    """What a chunk of blocks says; a line that cannot be read is refused alone.

    Where only liquidations are decoded, other fills are neither given nor counted.
    """
    blocks = _Blocks(raw, FillRows(raw, chain))
    if decode is Decode.ALL:
        blocks.decode_all()
    else:
        blocks.search()
    return blocks.normalized()


def lines_of(content: bytes) -> list[bytes]:
    """The lines without their ends."""
    lines = content.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    return lines


def liquidations_in(content: bytes, markers: Sequence[bytes] = MARKERS) -> set[int]:
    """Where the lines begin that may tell of a liquidation: which hold one of the markers.

    Searching all of it at once is several times faster than asking line by line.
    """
    starts: set[int] = set()
    find, is_at = content.find, content.startswith
    for marker in markers:
        letter = _LETTERS[marker]
        before = marker.index(letter)
        hit = find(letter)
        while hit >= 0:
            if is_at(marker, hit - before):
                starts.add(content.rfind(b"\n", 0, hit) + 1)
                hit = find(b"\n", hit)
                if hit < 0:
                    break
            hit = find(letter, hit + 1)
    return starts


@dataclass(slots=True)
class _Blocks:
    """What the blocks of a chunk add up to."""

    raw: Raw
    rows: FillRows
    refused: list[Reject] = field(default_factory=list[Reject])
    runs: list[BlockRun] = field(default_factory=list[BlockRun])
    first: int = 0
    last: int = -2  # before every block there can be, and followed by none
    first_at: bytes | datetime = b""
    last_at: bytes | datetime = b""
    minute: bytes = b""

    def decode_all(self) -> None:
        """Decode every line."""
        liquidations, start = liquidations_in(self.raw.payload), 0
        for line in lines_of(self.raw.payload):
            if start in liquidations or not self._took_ordinary(line):
                self.decode(line)
            start += len(line) + 1

    def _took_ordinary(self, line: bytes) -> bool:
        """Take the rows of a block of which a search said that it tells of no liquidation.

        False where anything is the matter with it. Nearly every line is taken here where all are.
        """
        try:
            block = decode_fill_block(line)
        except UNREADABLE:
            return False
        at, number = block.block_time.encode(), block.block_number
        regular = at[_TEXT:_DIGITS] == b"." and at[_DIGITS:].isdigit() and len(at) == _WHOLE
        if not (regular and 0 <= number <= LARGEST_BLOCK and self._is_second(at[:_TEXT])):
            return False
        self.rows.fills += block.events
        self._follow(number, at)
        return True

    def search(self) -> None:
        """Decode what tells of a liquidation, and of the rest only read the beginnings."""
        content = self.raw.payload
        named = liquidations_in(content, (_NAMED, _ESCAPED))
        start, size = 0, len(content)
        stops = [*sorted(named), size]
        while start < size:
            end = content.find(b"\n", start)
            if end < 0:
                end = size
            found = _beginning(content, start, end)
            if (
                found is None
                or start in named
                or content.find(_AUTO_DELEVERAGED, start, end) >= 0
                or not content.endswith(b"]}", start, end)
                or not self._followed(*found.groups())
            ):
                self.decode(content[start:end])
                self.rows.fills.clear()
            start = end + 1
            start = self._pass_by(content, start, stops[bisect_left(stops, start, hi=len(stops) - 1)])

    def _pass_by(self, content: bytes, start: int, stop: int) -> int:
        """Go on over the next blocks; where the first line begins of which more has to be known.

        Nearly every line is passed by here: cutting and comparing takes a third of the time of matching. That
        a line ends as a block does is seen where the next begins.
        """
        thousand, first = divmod(self.last + 1, _THOUSAND)
        told, at = _NUMBERED % thousand, max(start - _END, 0)
        beginning = Struct(f"{len(_BETWEEN)}s{_WHOLE}x{len(_THEN) + _DIGITS}s9s{len(told)}s{len(_REST[0])}s")
        read, find, size = beginning.unpack_from, content.find, beginning.size
        stop = min(stop - _END, len(content) - size)
        passed, newest, time = self.last, start, b""
        for number, wanted in enumerate(_REST[first:], self.last):  # of the line before, and of this one
            if not 0 <= at < stop:
                break
            between, second, digits, found, rest = read(content, at)
            if between != _BETWEEN:
                break
            passed, newest, start = number, start, at + _END
            if rest != wanted or found != told or not digits.isdigit():
                break
            if second != time and not self._is_time_of_second(second):
                break
            time = second
            end = find(b"\n", at + size)
            if find(b"v", at + size, end) >= 0:  # of an auto-deleveraging, perhaps
                break
            at = end + 1 - _END
        if passed != self.last:
            self.last, self.last_at = passed, content[newest + _SECOND : newest + _NUMBER]
        return start

    def decode(self, line: bytes) -> None:
        """Take a line's rows. A block with a refused row was not understood whole: it is in no run."""
        before = len(self.rows.rejects)
        try:
            number, at = take_fill_block(self.rows, line)
        except MalformedPayload as error:
            self.refused.append(refusal(self.raw, error.rule, error, line))
        except UNREADABLE as error:
            self.refused.append(refusal(self.raw, "malformed", error, line))
        else:
            if len(self.rows.rejects) == before:
                self._follow(number, at)

    def normalized(self) -> Normalized:
        """All of it."""
        self._end_run()
        newest = max((run.last_at for run in self.runs), default=None)
        told = self.rows.normalized(at=newest)
        counts = dict(told.counts)
        counts[Counted.REJECTS] += len(self.refused)
        return Normalized(
            events=told.events,
            fills=told.fills,
            rejects=[*told.rejects, *self.refused],
            counts=counts,
            block_runs=self.runs,
            last_event_at=newest,
        )

    def _followed(self, at: bytes, second: bytes, digits: bytes) -> bool:
        """Go on with a block that is not decoded; False where its time is none."""
        if not self._is_second(second):
            return False
        self._follow(int(digits), at)
        return True

    def _is_time_of_second(self, text: bytes) -> bool:
        """Whether between its key and its digits stands a time."""
        return (
            text.startswith(_THEN) and text.endswith(b".") and self._is_second(text[len(_THEN) : -len(b".")])
        )

    def _is_second(self, text: bytes) -> bool:
        """Whether this is a time; a minute has many blocks, and is looked at once."""
        minute = text[:_MINUTE]
        if minute != self.minute:
            try:
                parse_node_time(text.decode())
            except (MalformedPayload, UnicodeDecodeError):
                return False
            self.minute = minute
        return text[_MINUTE:] in _SECONDS

    def _follow(self, number: int, at: bytes | datetime) -> None:
        if number != self.last + 1:
            self._end_run()
            self.first, self.first_at = number, at
        self.last, self.last_at = number, at

    def _end_run(self) -> None:
        if self.last >= 0:
            first_at, last_at = _moment(self.first_at), _moment(self.last_at)
            self.runs.append(BlockRun(first=self.first, last=self.last, first_at=first_at, last_at=last_at))


def _moment(at: bytes | datetime) -> datetime:
    return parse_node_time(at.decode()) if isinstance(at, bytes) else at
