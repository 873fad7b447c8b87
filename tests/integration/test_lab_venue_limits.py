"""The lab venue's limits, one by one: what is allowed, what is refused, and the exact meter of both."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import websockets

from kamiyo.lab import hub
from kamiyo.lab.faults import Fault, FaultKind
from tests.venues import ALICE, BOB, START, Client, OpenVenue, a_block, a_tape, a_trade, open_by_hand

# Frames of half a megabyte: more than all the buffers between two sockets hold.
HEAVY = a_tape(*(a_block(second, a_trade(hash="0x" + "1" * 500_000)) for second in range(1, 60)))
TAPE = a_tape(a_block(0, *(a_trade(coin="BTC", tid=tid) for tid in range(41))))


async def test_twelve_hundred_weight_a_minute_and_no_more() -> None:
    """Sixty questions of 20 are answered in a minute, the next gets 429, and a minute later there is room."""
    async with open_by_hand(TAPE) as venue:
        answers = [await venue.ask("meta") for _each in range(60)]
        refused = await venue.ask("allMids")
        venue.move_to(58.9)
        still = await venue.ask("allMids")
        venue.move_to(59)
        again = await venue.ask("allMids")
        meter = venue.venue.meter
    assert {answer.status_code for answer in answers} == {200}
    assert (refused.status_code, refused.text) == (429, "null")
    assert (still.status_code, again.status_code) == (429, 200)
    assert (meter.highest.amount, meter.highest.by) == (1_200, {"meta": 1_200})
    assert [breach.limit for breach in meter.breaches] == ["weight", "weight"]


async def test_rows_are_charged_after_the_answer() -> None:
    """Forty-one fills cost three more than the question itself: one for each twenty rows or part of them."""
    async with open_by_hand(TAPE, at=1) as venue:
        await venue.answer("userFills", user=ALICE)
        await venue.answer("userFillsByTime", user=BOB, startTime=1 << 60)
        await venue.answer("clearinghouseState", user=ALICE)
        meter = venue.venue.meter
    assert meter.spent == {"userFills": 23, "userFillsByTime": 20, "clearinghouseState": 2}
    assert meter.highest.amount == 45
    assert meter.asked == {"userFills": 1, "userFillsByTime": 1, "clearinghouseState": 1}


async def test_an_error_has_no_rows_to_charge() -> None:
    """A question that is answered with an error costs what asking costs, and no more."""
    async with open_by_hand(TAPE) as venue:
        response = await venue.ask("fundingHistory", coin="NOPE", startTime=1)
        spent = venue.venue.meter.spent
    assert (response.status_code, spent) == (500, {"fundingHistory": 20})


async def test_the_row_surcharge_may_exceed_the_limit_and_is_metered() -> None:
    """What an answer's rows cost is known only afterwards, so the meter can tell more than the limit."""
    async with open_by_hand(TAPE, at=1) as venue:
        for _each in range(59):
            await venue.answer("meta")
        await venue.answer("userFills", user=ALICE)
        meter = venue.venue.meter
    assert (meter.highest.amount, meter.breaches) == (1_203, [])


async def test_ten_connections_at_once() -> None:
    """The eleventh connection of one address is refused, and let in once another has ended."""
    async with open_by_hand(TAPE) as venue, AsyncExitStack() as stack:
        [first, *_others] = [await stack.enter_async_context(venue.connect()) for _each in range(10)]
        with pytest.raises(websockets.InvalidStatus, match="429"):
            await stack.enter_async_context(venue.connect())
        await first.socket.close()
        await _until_connected(venue, 9)
        await stack.enter_async_context(venue.connect())
        meter = venue.venue.meter
    assert (meter.most("connections"), [breach.limit for breach in meter.breaches]) == (10, ["connections"])


async def test_thirty_new_connections_a_minute() -> None:
    """The thirty-first connection within a minute is refused, even if no other is open."""
    async with open_by_hand(TAPE) as venue:
        for _each in range(30):
            async with venue.connect():
                pass
            await _until_connected(venue, 0)
        with pytest.raises(websockets.InvalidStatus, match="429"):
            async with venue.connect():
                pass
        venue.move_to(59)
        async with venue.connect():
            pass
        meter = venue.venue.meter
    assert meter.peak("opened").amount == 30
    assert [breach.limit for breach in meter.breaches] == ["new connections"]


async def test_a_thousand_subscriptions_over_all_connections() -> None:
    """One thousand subscriptions of one address, and the next is an error whichever connection asks."""
    tape = a_tape(a_block(0, *(a_trade(coin=f"C{number}", tid=number) for number in range(1_001))))
    async with open_by_hand(tape) as venue, venue.connect() as one, venue.connect() as other:
        for number in range(600):
            await one.subscribe("trades", coin=f"C{number}")
        await _done(one)
        for number in range(600, 1_001):
            await other.subscribe("trades", coin=f"C{number}")
        assert await other.hear_of("error") == "Cannot subscribe to more than 1000 channels."
        await one.say({"method": "unsubscribe", "subscription": {"type": "trades", "coin": "C1"}})
        await _done(one)
        await other.subscribe("trades", coin="C1000")
        await _done(other)
        meter = venue.venue.meter
    assert meter.most("subscriptions") == 1_000
    assert [breach.limit for breach in meter.breaches] == ["subscriptions"]


async def test_the_fifteenth_user_is_refused() -> None:
    """Fourteen distinct users are followed, whatever feeds they have; the error speaks of fifteen."""
    async with open_by_hand(TAPE) as venue, venue.connect() as one, venue.connect() as other:
        for number in range(14):
            await one.subscribe("userFills", user=_user(number))
        await _done(one)
        await other.subscribe("userEvents", user=_user(3))
        await other.hear_of("subscriptionResponse")
        await other.subscribe("userFills", user=_user(14))
        assert await other.hear_of("error") == "Cannot track more than 15 total users."
        await one.socket.close()
        await _until_connected(venue, 1)
        await other.subscribe("userFills", user=_user(14))
        await other.hear_of("subscriptionResponse")
        meter = venue.venue.meter
    assert (meter.most("users"), [breach.limit for breach in meter.breaches]) == (14, ["users"])


async def test_two_thousand_messages_a_minute() -> None:
    """Whoever sends more than 2,000 messages in a minute loses the connection."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        for _each in range(2_001):
            await client.say('{"method":"ping"}')
        assert await client.end() == 1006
        meter = venue.venue.meter
    assert meter.peak("messages").amount == 2_000
    assert [breach.limit for breach in meter.breaches] == ["messages"]


async def test_a_hundred_posts_in_flight() -> None:
    """While a hundred posted questions wait for their answers, the next is an error that names it."""
    slow = Fault(FaultKind.SLOW, START, timedelta(seconds=30), timedelta(seconds=5))
    question = {"type": "info", "payload": {"type": "exchangeStatus"}}
    async with open_by_hand(TAPE, at=1, faults=[slow]) as venue, venue.connect() as client:
        for number in range(101):
            await client.say({"method": "post", "id": number, "request": question})
        assert await client.hear_of("error") == "too many pending post requests id=100"
        venue.move_to(6)
        assert (await client.hear_of("post"))["id"] == 0
        meter = venue.venue.meter
    assert (meter.most("posts"), [breach.limit for breach in meter.breaches]) == (100, ["posts"])


def _user(number: int) -> str:
    return f"0x{number:040x}"


async def _done(client: Client) -> None:
    """Everything said before was answered once the pong is here."""
    await client.say({"method": "ping"})
    await client.hear_of("pong")


async def _until_connected(venue: OpenVenue, connections: int) -> None:
    while venue.venue.connections != connections:
        await asyncio.sleep(0.001)


async def test_who_stops_reading_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that leaves too much unread loses its connection, so that it costs the others nothing."""
    monkeypatch.setattr(hub, "MOST_WAITING", 1 << 16)
    async with open_by_hand(HEAVY) as venue:
        address = venue.venue.url.replace("http", "ws") + "/ws"
        async with websockets.connect(address, max_queue=1, compression=None, close_timeout=0.1) as socket:
            client = Client(socket)
            await client.subscribe("trades", coin="BTC")
            await client.hear_of("subscriptionResponse")
            for second in range(1, 60):
                venue.move_to(second)
                await asyncio.sleep(0)
            await _until_connected(venue, 0)
            assert venue.venue.delivered[0].end == "overflow"


async def test_a_patient_venue_waits_for_its_readers() -> None:
    """A venue for measurements loses no reader: it goes on once he has caught up."""
    async with open_by_hand(HEAVY, patient=True) as venue, venue.connect() as client:
        await client.subscribe("trades", coin="BTC")
        await client.hear_of("subscriptionResponse")
        venue.move_to(60)
        heard = [len(await client.hear_of("trades")) for _each in range(59)]
    assert heard == [1] * 59
