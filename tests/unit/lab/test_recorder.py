"""Recordings as they are written: readable at any moment, in hours, with an origin that tells the truth."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.events import Gap
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Raw
from kamiyo.kit.recordings import read_lines
from kamiyo.lab.recorded_payload import decode_payload
from kamiyo.lab.recorder import Recorder, as_toml
from kamiyo.lab.recording import ORIGIN, Kind, Origin, RecordedFile, read_recording

AT = datetime(2026, 11, 22, 16, 59, 58, tzinfo=UTC)
MINE = Origin(name="mine", title="Mine", mode="replay", chain="hyperliquid", source='a "test" \\ of\x7f it')


def a_raw(payload: bytes, *, stream: str = "ws/trades", at: datetime = AT) -> Raw:
    return Raw(source=SourceName("hyperliquid_api"), stream=stream, payload=payload, received_at=at)


def contents(folder: Path) -> list[list[bytes]]:
    """The lines of each file of a recording."""
    return [[line for _at, line in read_lines(path)] for path, _file in read_recording(folder).files]


def test_payloads_come_back_with_their_time_and_stream(tmp_path: Path) -> None:
    """In order, in one file of the hour; the origin says from when to when."""
    with Recorder(tmp_path / "new", MINE, as_lines=False) as recorder:
        recorder.add(a_raw(b"1"))
        recorder.add(a_raw(b"\xff", stream="info/meta", at=AT + timedelta(seconds=1)))
    assert recorder.payloads == 2
    [(path, file)] = read_recording(tmp_path / "new").files
    assert (path.name, file.kind) == ("frames-20261122T16.jsonl.zst", Kind.FRAMES)
    assert recorder.packed_bytes == path.stat().st_size
    found = [decode_payload(line) for line in contents(tmp_path / "new")[0]]
    assert [(each.received_at, each.stream, each.content) for each in found] == [
        (1_795_366_798_000, "ws/trades", b"1"),
        (1_795_366_799_000, "info/meta", b"\xff"),
    ]
    origin = read_recording(tmp_path / "new").origin
    assert (origin.starts_at, origin.ends_at) == (AT, AT + timedelta(seconds=1))
    assert origin.source == MINE.source


def test_each_hour_has_a_file(tmp_path: Path) -> None:
    """What comes in the next hour goes into the next file, and both are named."""
    with Recorder(tmp_path, MINE, as_lines=False) as recorder:
        for seconds in (0, 1, 2, 3601):
            recorder.add(a_raw(b"%d" % seconds, at=AT + timedelta(seconds=seconds)))
    hours = [path.name for path, _file in read_recording(tmp_path).files]
    assert hours == [f"frames-20261122T{hour}.jsonl.zst" for hour in (16, 17)]
    assert [[decode_payload(line).content for line in lines] for lines in contents(tmp_path)] == [
        [b"0", b"1"],
        [b"2", b"3601"],
    ]


def test_what_was_flushed_survives_any_end(tmp_path: Path) -> None:
    """Files and origin can be read while the recorder goes on, as if it were killed now."""
    with Recorder(tmp_path, MINE, as_lines=False) as recorder:
        recorder.add(a_raw(b"kept"))
        recorder.flush()
        recorder.add(a_raw(b"not yet"))
        assert [decode_payload(line).content for line in contents(tmp_path)[0]] == [b"kept"]
        origin = read_recording(tmp_path).origin
        assert (origin.starts_at, origin.ends_at) == (AT, None)
        size = recorder.packed_bytes
        recorder.flush()
        assert recorder.packed_bytes > size


def test_much_is_not_gathered_in_memory(tmp_path: Path) -> None:
    """Four megabytes are written without being told to."""
    with Recorder(tmp_path, MINE, as_lines=False) as recorder:
        for _each in range(5):
            recorder.add(a_raw(b"x" * (1 << 20)))
        assert len(contents(tmp_path)[0]) == 4


def test_the_lines_of_a_node_stay_as_they_are(tmp_path: Path) -> None:
    """Each stream has its files, which are a recording as a node's own are."""
    with Recorder(tmp_path, MINE, as_lines=True) as recorder:
        recorder.add(a_raw(b'{"block_number":1,"events":[]}', stream="node_fills_by_block"))
        recorder.add(a_raw(b'{"inner":{}}', stream="misc_events"))
        recorder.add(a_raw(b'{"block_number":2,"events":[]}', stream="node_fills_by_block"))
        recorder.add_gap(a_gap(), AT)
    assert [file.kind for _path, file in read_recording(tmp_path).files] == [Kind.NODE_FILLS, Kind.NODE_LINES]
    assert read_recording(tmp_path).origin.starts_at is None  # its blocks say when they were
    assert contents(tmp_path) == [
        [b'{"block_number":1,"events":[]}', b'{"block_number":2,"events":[]}'],
        [b'{"inner":{}}'],
    ]


def a_gap() -> Gap:
    return Gap(
        source=SourceName("hyperliquid_api"),
        scope="trades",
        scale="millisecond",
        first=1,
        after_last=2,
        detected_at=AT,
        reason="closed",
    )


def test_what_was_missed_is_recorded_too(tmp_path: Path) -> None:
    """A gap stands where it was noticed, on a stream of its own."""
    with Recorder(tmp_path, MINE, as_lines=False) as recorder:
        recorder.add_gap(a_gap(), AT)
    [line] = contents(tmp_path)[0]
    found = decode_payload(line)
    assert found.stream == "gap"
    assert msgspec.json.decode(found.content, type=Gap) == a_gap()


def test_a_recording_is_never_mixed_into_another(tmp_path: Path) -> None:
    """A folder that holds one is refused before anything is touched."""
    with Recorder(tmp_path, MINE, as_lines=False):
        pass
    before = (tmp_path / ORIGIN).read_bytes()
    with pytest.raises(InvalidQuery, match="already holds a recording: choose another directory"):
        Recorder(tmp_path, MINE, as_lines=False)
    assert (tmp_path / ORIGIN).read_bytes() == before


def test_a_file_is_no_place_for_a_recording(tmp_path: Path) -> None:
    """The sentence names it."""
    (tmp_path / "file").touch()
    with pytest.raises(InvalidQuery, match="file is no directory"):
        Recorder(tmp_path / "file", MINE, as_lines=False)


def test_the_origin_is_written_as_it_is_read(tmp_path: Path) -> None:
    """Every field comes back, whatever its text holds."""
    origin = Origin(
        name="all-of-it",
        title="quotes \" and ' and \\ and \t and é",
        mode="simulated",
        chain="hyperliquid",
        source="line\nbreak\x7f",
        source_url="https://example.org",
        licence="Apache-2.0",
        starts_at=AT,
        ends_at=AT,
        notes="two\nlines",
        speed=60,
        watch=("0x01", "0x02"),
        seed=3,
        files=(RecordedFile(path="a b.csv", kind=Kind.MINUTES, asset="BTC"),),
    )
    (tmp_path / "a b.csv").touch()
    (tmp_path / ORIGIN).write_bytes(as_toml(origin))
    assert read_recording(tmp_path).origin == origin
