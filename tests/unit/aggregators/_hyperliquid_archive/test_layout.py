"""What a key says."""

from datetime import UTC, datetime, timedelta

import pytest

from kamiyo.aggregators._hyperliquid_archive.layout import STREAMS, covering
from kamiyo.core.archives import ArchiveObject
from kamiyo.core.ids import SourceName
from kamiyo.kit.object_store import StoredObject

SOURCE = SourceName("hyperliquid_archive")
DAY = datetime(2025, 10, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def read(stream: str, key: str) -> ArchiveObject | None:
    return STREAMS[stream].object_of(StoredObject(key=key, size=5, etag='"e"'), SOURCE, "bucket")


@pytest.mark.parametrize(
    "stream", ["node_fills_by_block", "node_fills", "node_trades", "misc_events_by_block"]
)
@pytest.mark.parametrize("hour", [0, 9, 10, 23])
def test_an_hours_key_names_its_hour(stream: str, hour: int) -> None:
    """Without a leading zero."""
    key = f"{stream}/hourly/20251010/{hour}.lz4"
    assert read(stream, key) == ArchiveObject(
        source=SOURCE,
        bucket="bucket",
        key=key,
        stream=stream,
        start=DAY + hour * HOUR,
        length=HOUR,
        size=5,
        etag='"e"',
    )


def test_a_day_of_markets_is_a_day() -> None:
    """One object for all its minutes."""
    found = read("asset_ctxs", "asset_ctxs/20251010.csv.lz4")
    assert found is not None
    assert (found.start, found.length, found.stream) == (DAY, timedelta(days=1), "asset_ctxs")


@pytest.mark.parametrize(
    ("stream", "key"),
    [
        ("node_fills", "node_fills_by_block/hourly/20251010/3.lz4"),
        ("node_fills", "node_fills/hourly/20251010/24.lz4"),
        ("node_fills", "node_fills/hourly/20251010/03.lz4"),
        ("node_fills", "node_fills/hourly/20251310/3.lz4"),
        ("node_fills", "node_fills/hourly/20251010/3.lz4.tmp"),
        ("node_fills", "node_fills/hourly/20251010/"),
        ("node_fills", "other/node_fills/hourly/20251010/3.lz4"),
        ("asset_ctxs", "asset_ctxs/20251010.csv"),
    ],
)
def test_another_key_is_none(stream: str, key: str) -> None:
    """What we do not know by its name we do not read."""
    assert read(stream, key) is None


def test_bounds_hold_every_key_of_the_time_and_of_no_other_day() -> None:
    """As keys are ordered: by letters."""
    stream = STREAMS["node_fills"]
    after, up_to = stream.bounds(DAY + 5 * HOUR, DAY + 30 * HOUR)
    keys = [
        f"node_fills/hourly/{day}/{hour}.lz4"
        for day in (20251009, 20251010, 20251011, 20251012)
        for hour in (0, 23)
    ]
    assert [key for key in keys if after < key <= up_to] == keys[2:6]
    after, up_to = STREAMS["asset_ctxs"].bounds(DAY, DAY)
    assert after < "asset_ctxs/20251010.csv.lz4" <= up_to


def test_what_covers_any_of_the_time_is_kept_in_its_order() -> None:
    """A day covers an hour in it; what only touches the time's ends covers none of it."""
    keys = [f"node_fills/hourly/20251010/{hour}.lz4" for hour in (10, 11, 9, 8)]
    hours = [found for key in keys if (found := read("node_fills", key))]
    day = read("asset_ctxs", "asset_ctxs/20251010.csv.lz4")
    assert day is not None
    covered = covering([*hours, day], DAY + 9 * HOUR, DAY + 11 * HOUR)
    assert [each.key for each in covered] == ["asset_ctxs/20251010.csv.lz4", keys[2], keys[0]]
    assert covering(hours, DAY + 10.5 * HOUR, DAY + 10.6 * HOUR) == [hours[0]]
