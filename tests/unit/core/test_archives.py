"""Objects of an archive."""

from datetime import timedelta

from kamiyo.core.archives import ArchiveObject
from kamiyo.core.ids import SourceName
from tests.builders import NOW


def test_an_object_says_where_it_is_and_what_it_covers() -> None:
    """Its name is the one everybody writes; the end belongs to the next."""
    found = ArchiveObject(
        source=SourceName("hyperliquid_archive"),
        bucket="data",
        key="node_fills_by_block/hourly/20251010/21.lz4",
        stream="node_fills_by_block",
        start=NOW,
        length=timedelta(hours=1),
        size=7,
        etag="e",
    )
    assert found.name == "s3://data/node_fills_by_block/hourly/20251010/21.lz4"
    assert found.end == NOW + timedelta(hours=1)
