"""Large accounts are asked about in turn, and whoever trades like one being liquidated is confirmed."""

import msgspec
import pytest
from structlog.testing import capture_logs

from kamiyo.aggregators.base import Response
from kamiyo.core.events import FillRole, LiquidatedFill
from kamiyo.core.time import to_millis
from tests.builders import MAKER, OTHER_HASH, VAULT, VICTIM, a_trade, fill_json
from tests.fake_venue import Live, ScriptedVenue, a_venue, fast_contexts_frame, living

OTHER = "0x" + "9" * 40


def leaderboard(*users: str) -> bytes:
    rows = [
        {"ethAddress": user, "accountValue": f"{len(users) - place}.0"} for place, user in enumerate(users)
    ]
    return msgspec.json.encode({"leaderboardRows": rows})


def an_account(limit: str | None = "3000.0", mark: str = "3010.0") -> bytes:
    position = {
        "coin": "ETH",
        "szi": "2.0",
        "leverage": {"type": "cross", "value": 20},
        "entryPx": "3100.0",
        "positionValue": str(2 * float(mark)),
        "liquidationPx": limit,
    }
    return msgspec.json.encode(
        {
            "marginSummary": {"accountValue": "100.0"},
            "crossMaintenanceMarginUsed": "1.0",
            "assetPositions": [{"type": "oneWay", "position": position}],
            "time": 1_760_130_960_250,
        }
    )


EMPTY = msgspec.json.encode({"assetPositions": [], "time": 1_760_130_960_250})


def a_crowd(*users: str, near: str = VICTIM) -> ScriptedVenue:
    venue = a_venue()
    venue.files["leaderboard"] = leaderboard(*users)
    venue.answers["clearinghouseState"] = lambda question: an_account() if question.user == near else EMPTY
    return venue


def asked_about(live: Live) -> list[str]:
    return [
        each.user for each in live.venue.asked_of("clearinghouseState") if each.user in {VICTIM, MAKER, OTHER}
    ]


async def test_the_accounts_of_the_leaderboard_are_asked_about_in_turn() -> None:
    """The largest first, and who is near liquidation more often than the others."""
    async with living(a_crowd(MAKER, VICTIM, OTHER), scan_accounts=3, scan_per_minute=30) as live:
        await live.clock.advance(40)
        assert asked_about(live)[:3] == [MAKER, VICTIM, OTHER]
        assert asked_about(live).count(VICTIM) > asked_about(live).count(OTHER)
        assert len(asked_about(live)) <= 23
        assert len(live.raws("info/clearinghouseState")) == len(live.venue.asked_of("clearinghouseState"))


async def test_no_more_accounts_are_asked_about_than_set() -> None:
    """The largest are chosen; none at all asks nothing and reads no file."""
    async with living(a_crowd(MAKER, VICTIM, OTHER), scan_accounts=1) as live:
        assert set(asked_about(live)) == {MAKER}
    async with living(a_crowd(MAKER, VICTIM)) as live:
        assert asked_about(live) == live.venue.read == []


@pytest.mark.slow
async def test_files_are_read_once_an_hour() -> None:
    """The most liquidated come before the largest; both are where the settings say."""
    venue = a_crowd(MAKER, near="nobody")
    venue.files["liquidated"] = msgspec.json.encode({"table_data": [{"name": VICTIM, "value": 5.5}]})
    async with living(
        venue,
        scan_accounts=5,
        scan_per_minute=1,
        statistics_url="http://lab/files/",
        liquidated_users_url="http://lab/liquidated",
    ) as live:
        assert venue.read == ["http://lab/liquidated", "http://lab/files/leaderboard"]
        for _ in range(1_250):
            await live.clock.advance(3)
            venue.public.say(b'{"channel":"pong"}')
        assert len(venue.read) == 4
        assert asked_about(live)[:2] == [VICTIM, MAKER]


async def test_without_files_large_takers_are_asked_about() -> None:
    """Whoever traded for much is worth a look; that the files do not answer is told once."""
    venue = a_crowd(near=VICTIM)
    venue.files["leaderboard"] = Response(403, {}, b"")
    with capture_logs() as logs:
        async with living(venue, scan_accounts=5) as live:
            for number in range(110):
                venue.trade(
                    a_trade(tid=number, size="100", users=(MAKER, VICTIM)),
                    a_trade(tid=1_000 + number, size="0.1", users=(MAKER, OTHER)),
                    a_trade(tid=2_000 + number, size="NaN", users=(MAKER, OTHER)),
                )
                await live.clock.advance(3)
            assert set(asked_about(live)) == {VICTIM}
    assert len([log for log in logs if log["event"] == "statistics_unreadable"]) == 1


async def test_a_tracked_taker_beyond_his_limit_is_confirmed() -> None:
    """One question about a few seconds; what it confirms, public trades complete."""
    venue = a_crowd(VICTIM, MAKER)
    async with living(venue, scan_accounts=2) as live:
        at = to_millis(live.clock.now())
        venue.answers["userFillsByTime"] = msgspec.json.encode([fill_json(time=at)])
        other = a_trade(tid=100, price="2999.0", users=(VAULT, VICTIM), time=at)
        venue.trade(other, a_trade(tid=101, price="2999.0", time=at))
        await live.clock.advance(1)
        assert not venue.asked_of("userFillsByTime")
        await live.clock.advance(4)
        [question] = venue.asked_of("userFillsByTime")
        assert (question.user, question.aggregate_by_time) == (VICTIM, False)
        assert (question.start_time, question.end_time) == (at - 2_000, at + 20_000)
        raws = [*live.raws("info/userFillsByTime"), *live.raws("confirmed")]
        facts = [fact for raw in raws for fact in live.source.normalize(raw).events]
        assert [(fact.tid, fact.role) for fact in facts if isinstance(fact, LiquidatedFill)] == [
            (101, FillRole.VICTIM),
            (100, FillRole.PUBLIC),
        ]


async def test_one_suspicion_is_one_question() -> None:
    """However often he trades until he was looked at again; afterwards he may be suspected anew."""
    venue = a_crowd(VICTIM)
    venue.answers["userFillsByTime"] = b"[]"
    async with living(venue, scan_accounts=1, scan_per_minute=60) as live:
        await live.clock.advance(5)
        for tid in range(3):
            venue.trade(a_trade(tid=tid, price="2999.0", hash=OTHER_HASH))
        await live.clock.advance(20)
        assert len(venue.asked_of("userFillsByTime")) == 1
        venue.trade(a_trade(tid=9, price="2999.0", time=to_millis(live.clock.now())))
        await live.clock.advance(10)
        assert len(venue.asked_of("userFillsByTime")) == 2


async def test_a_question_that_was_not_answered_is_asked_again() -> None:
    """For a while the venue may not answer; that is told once, and that it works again."""
    venue = a_crowd(VICTIM)
    venue.answers["userFillsByTime"] = Response(502, {}, b"")
    with capture_logs() as logs:
        async with living(venue, scan_accounts=1) as live:
            venue.trade(a_trade(tid=5, price="2999.0"))
            await live.clock.advance(40)
            venue.answers["userFillsByTime"] = b"[]"
            for _ in range(40):
                await live.clock.advance(3)
                venue.public.say(b'{"channel":"pong"}')
            assert len(live.raws("info/userFillsByTime")) == 1
    told = [log["event"] for log in logs if log.get("task") == "confirmation"]
    assert told == ["task_failing", "task_works_again"]


@pytest.mark.parametrize("price", ["3000.1", "3100.0"])
async def test_a_trade_before_the_limit_is_nobodys_business(price) -> None:
    """Most of what tracked accounts do is trading."""
    venue = a_crowd(VICTIM)
    async with living(venue, scan_accounts=1) as live:
        venue.trade(a_trade(price=price))
        await live.clock.advance(10)
        assert not venue.asked_of("userFillsByTime")


async def test_newer_marks_decide_who_is_near() -> None:
    """An account far from liquidation when it was read is asked about sooner once its market has fallen."""
    venue = a_crowd(VICTIM, *(f"0x{number:040x}" for number in range(100, 130)))
    venue.answers["clearinghouseState"] = lambda each: an_account("2000.0") if each.user == VICTIM else EMPTY
    async with living(venue, scan_accounts=31, scan_per_minute=20) as live:
        await live.clock.advance(60)
        assert asked_about(live).count(VICTIM) == 1
        venue.public.say(
            fast_contexts_frame(ETH="2001.0", BTC="nonsense"), b'{"channel":"fastAssetCtxs","data":1}'
        )
        await live.clock.advance(25)
        assert asked_about(live).count(VICTIM) > 1
        assert len(live.raws("ws/fastAssetCtxs")) == 2


async def test_an_answer_that_cannot_be_read_stops_nobody() -> None:
    """It is handed on to be refused, and the next account is asked about."""
    venue = a_crowd(MAKER, VICTIM)
    venue.answers["clearinghouseState"] = lambda each: b"{}" if each.user == MAKER else an_account()
    async with living(venue, scan_accounts=2) as live:
        await live.clock.advance(5)
        assert {MAKER, VICTIM} <= set(asked_about(live))
        assert len(live.raws("info/clearinghouseState")) > 2
