"""Which files a replay reads, and how far it says it is."""

import gzip
from pathlib import Path

import pytest

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.ports import Raw
from kamiyo.kit.clock import SystemClock
from kamiyo.lab.recorder import Recorder
from kamiyo.lab.recording import Origin
from kamiyo.runtime.replay import UNKNOWN_STREAM, _Recording, recorded_files
from tests.builders import NOW, a_gap, a_raw

GAP = a_gap(source="hyperliquid_api", scope="trades", scale="millisecond")


def test_a_folder_is_read_in_order_without_what_describes_it(tmp_path: Path) -> None:
    """Hidden files and documentation are no recordings; a node's hours without a suffix are."""
    for name in ("b/17", "a.jsonl", "SOURCE.md", ".hidden/x", "b/.part", "notes.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    with recorded_files([tmp_path]) as files:
        assert files == [tmp_path / "a.jsonl", tmp_path / "b" / "17"]


def test_a_file_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    """Who names it means it."""
    file = tmp_path / ".blocks.md"
    file.touch()
    with recorded_files([file]) as files:
        assert files == [file]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_path_without_a_recording_is_refused(tmp_path: Path, name: str) -> None:
    """An empty replay would look like a recording without liquidations."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidQuery, match=name), recorded_files([tmp_path / name]):
        pass


def test_progress_counts_the_bytes_of_the_files_themselves(tmp_path: Path) -> None:
    """Packed bytes, not unpacked ones, so that the whole is the sum of the files' sizes."""
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(b"one\ntwo\n")
    packed.write_bytes(gzip.compress(b"three\n" * 1000))
    recording = _Recording([plain, packed], SystemClock())
    raws = recording.items()
    assert recording.read == 0
    first = next(raws)
    assert isinstance(first, Raw)
    assert (first.payload, first.stream, first.span and first.span.start) == (b"one", UNKNOWN_STREAM, 0)
    assert recording.read == 8
    assert sum(1 for _ in raws) == 1001
    assert recording.read == 8 + packed.stat().st_size


def test_a_folder_with_an_origin_is_what_that_names(tmp_path: Path) -> None:
    """What else lies there is not replayed; what was recorded comes as it came, and so does a gap."""
    origin = Origin(name="mine", title="Mine", mode="replay", chain="hyperliquid", source="a test")
    with Recorder(tmp_path, origin, as_lines=False) as recorder:
        recorder.add(a_raw(payload=b"one", source="hyperliquid_api", stream="ws/trades", received_at=NOW))
        recorder.add_gap(GAP, NOW)
    (tmp_path / "beside.jsonl").touch()
    with recorded_files([tmp_path]) as files:
        assert [file.name for file in files] == [f"frames-{NOW:%Y%m%dT%H}.jsonl.zst"]
        raw, gap = _Recording(files, SystemClock()).items()
    assert isinstance(raw, Raw)
    assert (raw.source, raw.stream, raw.payload, raw.received_at) == (
        "hyperliquid_api",
        "ws/trades",
        b"one",
        NOW,
    )
    assert gap == GAP


@pytest.mark.parametrize(
    "line",
    [
        b'{"received_at":',
        b'{"received_at":1,"stream":"x"}',
        b'{"received_at":1,"stream":"gap","payload":"{}"}',
    ],
)
def test_a_damaged_line_of_a_recording_is_a_payload_nobody_knows(tmp_path: Path, line: bytes) -> None:
    """So it becomes a reject, and the lines behind it are read."""
    file = tmp_path / "frames.jsonl"
    file.write_bytes(line + b"\n")
    [raw] = _Recording([file], SystemClock()).items()
    assert isinstance(raw, Raw)
    assert (raw.source, raw.stream, raw.payload) == ("hyperliquid_api", UNKNOWN_STREAM, line)


def test_another_chain_is_not_accounted_for_as_this_one(tmp_path: Path) -> None:
    """Its rows would say that they were of the main chain."""
    origin = Origin(name="mine", title="Mine", mode="replay", chain="hyperliquid_testnet", source="a test")
    with Recorder(tmp_path, origin, as_lines=False) as recorder:
        recorder.add(a_raw())
    with pytest.raises(InvalidQuery, match="is of hyperliquid_testnet"), recorded_files([tmp_path]):
        pass


def test_a_series_has_nothing_to_replay() -> None:
    """It is shown, not accounted for, and the sentence says how."""
    with (
        pytest.raises(InvalidQuery, match="show it by kamiyo run --replay popcat-2025-11-12"),
        recorded_files([Path("popcat-2025-11-12")]),
    ):
        pass


def test_the_made_up_cascade_is_a_file_meanwhile() -> None:
    """A shipped recording is known by its name alone."""
    with recorded_files([Path("simulated-cascade")]) as files:
        [file] = files
        assert file.is_file()
    assert not file.exists()
