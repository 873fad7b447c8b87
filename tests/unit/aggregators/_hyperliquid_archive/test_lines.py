"""Chunks of whole lines: nothing is lost, nothing is cut, and the pieces do not matter."""

import random
import tracemalloc
from collections.abc import Iterator

import pytest

from kamiyo.aggregators._hyperliquid_archive.lines import (
    CHUNK,
    KEPT_OF_TOO_LONG,
    LONGEST_LINE,
    SEARCHED,
    Chunk,
    Lines,
    whole_line_chunks,
)

LINE = b"x" * 99 + b"\n"


def pieces_of(content: bytes, *sizes: int) -> Iterator[bytes]:
    """Cut into these sizes, and the rest."""
    start = 0
    for size in sizes:
        yield content[start : start + size]
        start += size
    yield content[start:]


def test_nothing_has_no_chunks() -> None:
    """Neither a chunk nor an empty one."""
    assert list(whole_line_chunks([])) == []
    assert list(whole_line_chunks([b"", b""])) == []


def test_a_last_line_without_its_end_is_a_line() -> None:
    """A writer need not end the last one."""
    assert list(whole_line_chunks([b"a\nb"])) == [Chunk(0, 3, b"a\nb")]


@pytest.mark.parametrize("seed", range(5))
def test_chunks_are_whole_lines_and_the_same_for_any_pieces(seed: int) -> None:
    """What came over the wire in which pieces is chance; spans have to be the same at every reading."""
    chance = random.Random(seed)
    lengths = chance.choices((1, 50, 5_000, CHUNK // 2, CHUNK + 7, 2 * CHUNK), (9, 9, 99, 2, 2, 2), k=400)
    content = b"".join(b"y" * (length - 1) + b"\n" for length in lengths) + b"the last one"
    expected = list(whole_line_chunks([content]))
    assert b"".join(each.content for each in expected) == content
    assert [each.start for each in expected] == [0, *(each.end for each in expected[:-1])]
    assert all(each.end - each.start == len(each.content) for each in expected)
    assert all(each.content.endswith(b"\n") for each in expected[:-1])
    assert all(len(each.content) <= CHUNK or each.content.count(b"\n") <= 1 for each in expected)
    cuts = [chance.choice((1, 10, CHUNK, 300_000)) for _ in range(30)]
    assert list(whole_line_chunks(pieces_of(content, *cuts))) == expected
    for size in (999, 40_000, CHUNK - 1):
        pieces = pieces_of(content, *[size] * (len(content) // size))
        assert list(whole_line_chunks(pieces)) == expected


@pytest.mark.parametrize("size", [len(LINE), CHUNK, SEARCHED])
def test_a_chunk_is_as_long_as_whole_lines_of_its_size(size) -> None:
    """Nobody is given less than he asked for, but at the end."""
    content = LINE * (2 * SEARCHED // len(LINE))
    *chunks, _last = whole_line_chunks([content], size)
    assert {len(each.content) for each in chunks} == {size // len(LINE) * len(LINE)}


@pytest.mark.parametrize("length", [CHUNK - 1, CHUNK, CHUNK + 1])
def test_a_line_as_long_as_a_chunk_is_one(length: int) -> None:
    """Whether its end is the last byte of one, or the first behind it."""
    content = b"z" * length + b"\n"
    assert [each.content for each in whole_line_chunks([content + LINE])] == [content, LINE]


def test_a_line_that_is_too_long_is_a_chunk_of_its_own_and_cut_short() -> None:
    """However long it is, no more than the longest line is ever held, and what stands around it is good."""
    long = b"z" * (LONGEST_LINE + 1) + b"\n"
    content = LINE + long + LINE
    chunks = list(whole_line_chunks([content]))
    assert [(each.start, each.end, len(each.content)) for each in chunks] == [
        (0, 100, 100),
        (100, 100 + len(long), KEPT_OF_TOO_LONG),
        (100 + len(long), len(content), 100),
    ]
    in_pieces = pieces_of(content, *[1 << 20] * 17)
    assert list(whole_line_chunks(in_pieces)) == chunks
    assert list(whole_line_chunks(pieces_of(content, 100 + LONGEST_LINE + 1))) == chunks


def test_of_a_line_without_an_end_little_is_held() -> None:
    """However much of it comes: whoever writes an archive must not be able to fill our memory."""
    lines, piece = Lines(), b"z" * (1 << 20)
    tracemalloc.start()
    for _ in range(64):
        assert list(lines.take(piece)) == []
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2 * LONGEST_LINE
    assert next(each.end for each in lines.take(b"\n" + LINE * CHUNK)) == 64 * len(piece) + 1


def test_the_longest_line_is_whole() -> None:
    """One byte less is not too long."""
    content = b"z" * LONGEST_LINE + b"\n"
    assert list(whole_line_chunks(pieces_of(content, 5_000_000))) == [Chunk(0, len(content), content)]


def test_an_end_in_a_line_that_is_too_long_cuts_it_there() -> None:
    """What is left of it still says how long it was."""
    lines = Lines()
    assert list(lines.take(b"z" * (LONGEST_LINE + 1))) == []
    assert list(lines.take(b"z" * 9)) == []
    [chunk] = lines.rest()
    assert (chunk.start, chunk.end, len(chunk.content)) == (0, LONGEST_LINE + 10, KEPT_OF_TOO_LONG)


def test_before_damage_only_whole_lines_count() -> None:
    """An unfinished one may be the damage."""
    lines = Lines()
    assert list(lines.take(b"good\nunfini")) == []
    assert list(lines.whole()) == [Chunk(0, 5, b"good\n")]
    assert list(lines.whole()) == []
