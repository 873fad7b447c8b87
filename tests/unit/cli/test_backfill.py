"""What `kamiyo backfill` is asked, what it says before it reads, and what after."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest

from kamiyo.cli.backfill import _request, ending_lines, lines_of, parse_time
from kamiyo.core.backfills import BackfillPlan, BackfillReason, BackfillRequest
from kamiyo.core.errors import InvalidQuery
from kamiyo.runtime.asked_history import Offer
from kamiyo.storage.read_backfills import BackfillObjectText, BackfillText
from tests.archives import STREAM, MemoryArchive, hour
from tests.builders import ARCHIVE

NEAR = timezone(timedelta(hours=2))
FOUND = BackfillText(
    backfill_id=7,
    requested_at="2025-10-11T00:00:00.000Z",
    requested_by="kamiyo backfill",
    source=ARCHIVE,
    start="2025-10-10T20:00:00.000Z",
    end="2025-10-10T23:00:00.000Z",
    assets=[],
    reason="asked",
    state="done",
    done_at=None,
    cost_usd="0.1",
    objects=3,
    bytes=3_000,
    objects_done=3,
    objects_failed=0,
    objects_running=0,
    bytes_done=3_000,
    bytes_read=9_000,
    payloads=30,
    liquidated_fills=12_000,
    new_fills=11,
    rejects=1,
    seconds=4,
    rate_bytes_per_second=750,
    seconds_left=None,
)
TROUBLE = BackfillObjectText(
    object_id=1,
    backfill_id=7,
    source=ARCHIVE,
    name="s3://archive/21.lz4",
    etag="1",
    stream=STREAM,
    start="2025-10-10T21:00:00.000Z",
    end="2025-10-10T22:00:00.000Z",
    size=1_000,
    state="failed",
    detail="CorruptObject: cut off",
    attempts=1,
    failures=0,
    bytes_read=0,
    payloads=0,
    liquidated_fills=0,
    new_fills=0,
    rejects=0,
    started_at=None,
    done_at=None,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-10-10T20", datetime(2025, 10, 10, 20, tzinfo=UTC)),
        (" 2025-10-10t20 ", datetime(2025, 10, 10, 20, tzinfo=UTC)),
        ("2025-10-10 20", datetime(2025, 10, 10, 20, tzinfo=UTC)),
        ("2025-10-10", datetime(2025, 10, 10, tzinfo=UTC)),
        ("2025-10-10T20:30", datetime(2025, 10, 10, 20, 30, tzinfo=UTC)),
        ("2025-10-10T20:30:15.5Z", datetime(2025, 10, 10, 20, 30, 15, 500_000, tzinfo=UTC)),
        ("2025-10-10T20:30:00+02:00", datetime(2025, 10, 10, 20, 30, tzinfo=NEAR)),
    ],
)
def test_a_time_is_an_hour_or_a_moment(text: str, expected: datetime) -> None:
    """In UTC unless it says otherwise."""
    found = parse_time(text)
    assert (found, found.tzinfo) == (expected, UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2025-13-01", "2025-10-10T24", "20251010", "0001-01-01T00:00+23:00", "2025-W41"]
)
def test_anything_else_is_no_time(text: str) -> None:
    """And the answer shows how one is written; a form nobody meant is not guessed at."""
    with pytest.raises(InvalidQuery, match="2025-10-10T20"):
        parse_time(text)


def test_a_request_has_a_beginning_and_a_later_end() -> None:
    """Each asset once, in the venue's spelling."""
    found = _request("2025-10-10T20", "2025-10-10T21", "somewhere", ["ETH", "xyz:TSLA", "ETH"], again=True)
    assert (found.start, found.end, found.source) == (hour(0), hour(1), "somewhere")
    assert (found.assets, found.again, found.reason) == (("ETH", "xyz:TSLA"), True, BackfillReason.ASKED)
    for start, end, assets in (
        (None, "2025-10-10T21", ()),
        ("2025-10-10T20", None, ()),
        ("2025-10-10T20", "2025-10-10T20", ()),
        ("2025-10-10T20", "2025-10-10T21", ("no asset",)),
    ):
        with pytest.raises(InvalidQuery):
            _request(start, end, ARCHIVE, assets, again=False)


def an_offer(*numbers: int, listed: int | None = None, **changes: object) -> Offer:
    archive = MemoryArchive()
    objects = tuple(archive.keep(number, [b"x" * 1_000_000]) for number in numbers)
    request = BackfillRequest(source=ARCHIVE, start=hour(0), end=hour(3))
    plan = BackfillPlan(
        request=msgspec.structs.replace(request, **changes), objects=objects, cost_usd=Decimal("0.0120")
    )
    return Offer(plan=plan, listed=len(numbers) if listed is None else listed, uncovered={})


def test_what_it_costs_is_said_before_anything_is_read() -> None:
    """Objects, bytes and US dollars."""
    assert lines_of(an_offer(0, 1)) == [
        "2025-10-10T20:00:00.000Z to 2025-10-10T23:00:00.000Z of hyperliquid_archive",
        "  2 objects, 2.0 MB, about 0.012 USD",
    ]


def test_what_is_not_there_is_said() -> None:
    """And what was read before, and what it will not count as."""
    offer = an_offer(0, listed=3, assets=("BTC", "ETH"))
    missing = Offer(
        plan=offer.plan, listed=3, uncovered={STREAM: [(hour(1), hour(2))], "": [(hour(2), hour(3))]}
    )
    assert lines_of(missing)[1:] == [
        "  nothing is kept of 2025-10-10T21:00:00.000Z to 2025-10-10T22:00:00.000Z of node_fills_by_block",
        "  nothing is kept of 2025-10-10T22:00:00.000Z to 2025-10-10T23:00:00.000Z",
        "  2 of 3 objects were read before (--again reads them)",
        "  only BTC, ETH: counts as no coverage",
        "  1 objects, 1.0 MB, about 0.012 USD",
    ]
    assert lines_of(an_offer(listed=2))[-1] == "  nothing to read"


def test_the_end_accounts_for_all_of_it() -> None:
    """What is well needs one line."""
    assert ending_lines(FOUND, []) == [
        "3 of 3 objects read, 12,000 liquidated fills in them, 11 of them new, 1 rows refused"
    ]


def test_what_was_not_read_is_named() -> None:
    """The first of them, with where to look for all."""
    lines = ending_lines(FOUND, [TROUBLE] * 12)
    assert lines[1] == "s3://archive/21.lz4: failed: CorruptObject: cut off"
    assert len(lines) == 13
    assert lines[-2:] == [
        "and 2 objects more",
        "look with: kamiyo backfill --list, or GET /backfills/7",
    ]


def test_who_leaves_early_learns_who_goes_on() -> None:
    """Nothing is said to run that may not."""
    lines = ending_lines(msgspec.structs.replace(FOUND, state="running", objects_done=1), [])
    assert lines[1:] == [
        "the rest is read as soon as a worker runs: kamiyo run, or kamiyo run --role work",
        "look with: kamiyo backfill --list, or GET /backfills/7",
    ]
