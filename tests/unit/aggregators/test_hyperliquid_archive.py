"""What the archive's settings mean, before anybody is asked."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kamiyo.aggregators.base import Archive, Toolbox
from kamiyo.aggregators.hyperliquid_archive import (
    AGGREGATOR,
    Decode,
    HyperliquidArchiveAggregator,
    HyperliquidArchiveSettings,
)
from kamiyo.core.errors import InvalidSettings, SourceUnavailable
from kamiyo.core.ports import Counted
from kamiyo.core.sources import CoverageLabel, SourceType, Subject
from kamiyo.kit.object_store import BucketAccess, ObjectStore
from kamiyo.kit.secret import Secret
from tests.builders import MAKER, a_raw, block_line, fill_json
from tests.fakes import ManualClock, NoNetwork, tools

KEYS = {"access_key_id": Secret("CANARY-KEY-ID"), "secret_access_key": Secret("CANARY-SECRET-KEY")}
HOUR = (datetime(2025, 10, 10, tzinfo=UTC), datetime(2025, 10, 10, 1, tzinfo=UTC))


def build(**settings: Any) -> HyperliquidArchiveAggregator:
    return HyperliquidArchiveAggregator(HyperliquidArchiveSettings(**settings), tools())


def test_the_source_is_complete_and_late() -> None:
    """It tells of the venue, is asked now and then, and its past can be asked for."""
    archive = build()
    described = archive.description
    assert (described.name, described.label) == (AGGREGATOR.name, CoverageLabel.DELAYED_COMPLETE)
    assert (described.type, described.subject) == (SourceType.POLLED, Subject.VENUE)
    assert (described.url, archive.chain) == ("s3://hl-mainnet-node-data", "hyperliquid")
    assert build(endpoint="http://127.0.0.1:9000").description.url == "http://127.0.0.1:9000"
    assert isinstance(archive, Archive)


def test_the_cost_is_that_of_the_requests_and_of_the_bytes() -> None:
    """By the prices that are set: Amazon's in the dearer of the two regions, unless told otherwise."""
    archive = build()
    assert archive.cost_usd(0, 0) == 0
    assert archive.cost_usd(1_000, 0) == Decimal("0.0047")
    assert archive.cost_usd(0, 10**9) == Decimal("0.114")
    dear = build(thousand_requests_usd=Decimal(5), gigabyte_usd=Decimal(2))
    assert dear.cost_usd(200, 500_000_000) == Decimal(2)


def test_without_keys_nothing_may_be_spent() -> None:
    """Whoever did not give a key did not agree to pay."""
    assert build().daily_limit_usd == 0
    assert build(**KEYS | {"secret_access_key": Secret("")}).daily_limit_usd == 0
    assert build(**KEYS).daily_limit_usd == Decimal("1.00")
    assert build(**KEYS, daily_limit_usd=Decimal(0)).daily_limit_usd == 0


def test_how_much_is_decoded_is_a_setting() -> None:
    """By default liquidations alone."""
    line = block_line((MAKER, fill_json(liquidation=None)), number=5)
    raw = a_raw(stream="archive/node_fills_by_block", payload=line, span=None)
    assert build().normalize(raw).counts[Counted.ORDINARY_FILLS] == 0
    assert build(decode=Decode.ALL).normalize(raw).counts[Counted.ORDINARY_FILLS] == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"streams": ""}, "sources.hyperliquid_archive.streams: '' is no stream; known: node_fills_by_block"),
        ({"streams": "node_fills, hourly"}, "'hourly' is no stream"),
        ({"endpoint": "ftp://host"}, "endpoint must be http"),
        ({"endpoint": "https://CANARY@host"}, "endpoint must be http"),
        ({"endpoint": "https://host/CANARY?x"}, "endpoint must be http"),
        ({"access_key_id": Secret("CANARY\n")}, "access_key_id holds what no key does"),
        ({"secret_access_key": Secret("CANARY\u00e9")}, "secret_access_key holds what no key does"),
        ({"session_token": Secret("CANARY\0")}, "session_token holds what no key does"),
        ({"daily_limit_usd": Decimal(-1)}, "must not be below 0"),
        ({"gigabyte_usd": Decimal("NaN")}, "must not be below 0"),
        ({"thousand_requests_usd": Decimal("Infinity")}, "must not be below 0"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_its_name(settings: dict[str, Any], told: str) -> None:
    """And no key is repeated, nor what may hold one."""
    with pytest.raises(InvalidSettings) as caught:
        build(**settings)
    assert told in str(caught.value)
    assert "CANARY" not in str(caught.value)


class Opened:
    """What buckets were opened, and how."""

    def __init__(self) -> None:
        self.accesses: list[BucketAccess] = []

    def open(self, access: BucketAccess) -> ObjectStore:
        self.accesses.append(access)
        raise SourceUnavailable("not now")


async def test_each_stream_is_looked_for_in_its_own_bucket() -> None:
    """With all that the settings say of how."""
    opened = Opened()
    given: dict[str, Any] = KEYS | {
        "region": "eu-west-1",
        "bucket_in_host": True,
        "session_token": Secret("CANARY-TOKEN"),
    }
    toolbox = Toolbox(clock=ManualClock(), session=NoNetwork(), open_store=opened.open)
    for stream, bucket in (("asset_ctxs", "a"), ("node_fills", "n")):
        settings = HyperliquidArchiveSettings(**given, streams=stream, archive_bucket="a", node_bucket="n")
        with pytest.raises(SourceUnavailable, match="not now"):
            await HyperliquidArchiveAggregator(settings, toolbox).list_objects(*HOUR)
        assert opened.accesses[-1] == BucketAccess(bucket=bucket, **given)


async def test_a_process_that_is_given_no_buckets_reads_none() -> None:
    """What a source is not handed, it may not use."""
    with pytest.raises(SourceUnavailable, match="s3://hl-mainnet-node-data: this process reads no buckets"):
        await build(**KEYS).list_objects(*HOUR)
