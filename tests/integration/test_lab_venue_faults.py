"""The lab venue's faults, each at a moment of the schedule, and the exact account of what each cost."""

import asyncio
from datetime import timedelta

import pytest
import websockets

from kamiyo.lab.faults import ONCE, Fault, FaultKind, drawn_faults
from kamiyo.lab.outgoing import Delivery, Loss
from tests.venues import START, Client, OpenVenue, a_block, a_tape, a_trade, millis, open_by_hand, open_venue

TAPE = a_tape(*(a_block(second, a_trade(coin="BTC", tid=second)) for second in range(1, 21)))


def at(kind: FaultKind, second: float, **more: float) -> Fault:
    """A fault so many seconds after the start; ``lasts`` and ``amount`` in seconds."""
    times = {name: timedelta(seconds=more[name]) for name in ("lasts", "amount") if name in more}
    number = more.get("connection")
    return Fault(
        kind,
        START + timedelta(seconds=second),
        **times,
        connection=None if number is None else int(number),
    )


async def heard_tids(client: Client) -> list[object]:
    """The trades of every frame up to the pong, or what a frame was that holds none."""
    await client.say({"method": "ping"})
    tids: list[object] = []
    while (frame := await client.hear()) != {"channel": "pong"}:
        if not isinstance(frame, dict):
            tids.append(frame)
        elif frame["channel"] == "trades":
            tids += [trade["tid"] for trade in frame["data"]] if isinstance(frame["data"], list) else ["?"]
    return tids


async def listening(client: Client) -> None:
    await client.hear()
    await client.subscribe("trades", coin="BTC")
    await client.hear_of("subscriptionResponse")


def delivered(account: Delivery) -> list[int]:
    """The trades of the account's delivered frames."""
    return [int(each.frame.partition(b'"tid":')[2].partition(b",")[0]) for each in account.delivered]


def lost(account: Delivery) -> list[tuple[int, Loss]]:
    """The trades of the account's lost frames, and why."""
    frames = ((each.publication.frame, each.why) for each in account.lost)
    return [(int(frame.partition(b'"tid":')[2].partition(b",")[0]), why) for frame, why in frames]


async def test_without_faults_everything_is_delivered() -> None:
    """Every frame that was due is in the account, in order, and nothing is lost."""
    async with open_by_hand(TAPE) as venue, venue.connect() as client:
        await listening(client)
        venue.move_to(20)
        assert await heard_tids(client) == list(range(1, 21))
        [account] = venue.venue.delivered
    assert (delivered(account), account.lost) == (list(range(1, 21)), [])
    assert account.sent == {"trades": 20, "control": 3}


async def test_silence_loses_what_was_due_and_answers_no_ping() -> None:
    """For as long as it lasts nothing arrives on the connection, not even a pong; a new one is served."""
    faults = [at(FaultKind.SILENCE, 4.5, lasts=3)]
    async with open_by_hand(TAPE, faults=faults) as venue, venue.connect() as client:
        await listening(client)
        venue.move_to(6)
        await client.say({"method": "ping"})
        async with venue.connect() as other:
            await listening(other)
            assert (await heard_tids(other))[-1] == 6
        venue.move_to(9)
        assert await heard_tids(client) == [1, 2, 3, 4, 8, 9]
        account = venue.venue.delivered[0]
    assert delivered(account) == [1, 2, 3, 4, 8, 9]
    assert lost(account) == [(tid, Loss.SILENCE) for tid in (5, 6, 7)]


async def test_a_silence_of_a_minute_ends_the_connection() -> None:
    """A connection to which nothing could be said for 60 s is dropped like any other."""
    faults = [at(FaultKind.SILENCE, 0.5, lasts=100)]
    async with open_by_hand(TAPE, faults=faults) as venue, venue.connect() as client:
        await listening(client)
        venue.move_to(59.5)
        assert await client.end() == 1006


async def test_a_disconnect_ends_without_a_close_frame_after_what_was_sent() -> None:
    """What was due before the disconnect arrives; then the connection ends with 1006 and hears no more."""
    async with open_by_hand(TAPE, faults=[at(FaultKind.DISCONNECT, 4.5)]) as venue, venue.connect() as client:
        await listening(client)
        venue.move_to(9)
        tids = [(await client.hear_of("trades"))[0]["tid"] for _each in range(4)]
        assert await client.end() == 1006
        [account] = venue.venue.delivered
    assert tids == delivered(account) == [1, 2, 3, 4]
    assert (account.end, account.closed_at) == ("1006", START + timedelta(seconds=4.5))


async def test_an_expired_connection_is_closed_cleanly() -> None:
    """Server rotation closes with 1000 and the reason Expired."""
    async with open_by_hand(TAPE, faults=[at(FaultKind.EXPIRED, 4.5)]) as venue, venue.connect() as client:
        await listening(client)
        venue.move_to(9)
        assert await client.end() == 1000
        assert client.socket.close_reason == "Expired"
        assert venue.venue.delivered[0].end == "1000 Expired"


async def test_a_fault_can_hit_one_connection_alone() -> None:
    """Of two connections only the one that is named is cut; the other hears on."""
    async with (
        open_by_hand(TAPE, faults=[at(FaultKind.DISCONNECT, 4.5, connection=0)]) as venue,
        venue.connect() as one,
        venue.connect() as other,
    ):
        await listening(one)
        await listening(other)
        venue.move_to(6)
        assert await heard_tids(other) == [1, 2, 3, 4, 5, 6]
        assert await one.end() == 1006


async def test_a_malformed_frame_stands_in_the_place_of_another() -> None:
    """Something unreadable arrives instead of the next frame, whose content is lost."""
    async with open_by_hand(TAPE, faults=[at(FaultKind.MALFORMED, 4.5)]) as venue, venue.connect() as client:
        await listening(client)
        venue.move_to(6)
        heard = await heard_tids(client)
        [account] = venue.venue.delivered
    assert len(heard) == 6
    assert [heard[0], heard[3], heard[5]] == [1, 4, 6]
    assert heard[4] != 5
    assert lost(account) == [(5, Loss.MALFORMED)]


async def test_a_duplicate_comes_twice_and_is_counted_twice() -> None:
    """The next frame arrives two times in a row."""
    async with open_by_hand(TAPE, faults=[at(FaultKind.DUPLICATE, 4.5)]) as venue, venue.connect() as client:
        await listening(client)
        venue.move_to(6)
        assert await heard_tids(client) == [1, 2, 3, 4, 5, 5, 6]
        [account] = venue.venue.delivered
    assert delivered(account) == [1, 2, 3, 4, 5, 5, 6]


async def test_reordered_frames_change_places() -> None:
    """The next two frames arrive in the wrong order; one held back at the end is lost."""
    faults = [at(FaultKind.REORDER, 4.5), at(FaultKind.REORDER, 7.5), at(FaultKind.DISCONNECT, 8.5)]
    async with open_by_hand(TAPE, faults=faults) as venue, venue.connect() as client:
        await listening(client)
        venue.move_to(7)
        assert await heard_tids(client) == [1, 2, 3, 4, 6, 5, 7]
        venue.move_to(9)
        assert await client.end() == 1006
        [account] = venue.venue.delivered
    assert lost(account) == [(8, Loss.ENDED)]


async def test_busy_answers_429_and_charges_nothing() -> None:
    """While the venue is busy every question gets 429, and no weight is counted for it."""
    async with open_by_hand(TAPE, faults=[at(FaultKind.BUSY, 4, lasts=2)]) as venue:
        statuses = await _statuses(venue, 3.9, 4, 5.9, 6)
        meter = venue.venue.meter
    assert statuses == [200, 429, 429, 200]
    assert (meter.spent, meter.breaches) == ({"exchangeStatus": 4}, [])


async def test_unavailable_answers_502_and_lets_nobody_in() -> None:
    """While the venue is unavailable a question gets a 502 that is no JSON, and a new connection too."""
    async with open_by_hand(TAPE, faults=[at(FaultKind.UNAVAILABLE, 4, lasts=2)]) as venue:
        assert await _statuses(venue, 3.9, 4) == [200, 502]
        with pytest.raises(websockets.InvalidStatus, match="502"):
            async with venue.connect():
                pass
        assert (await venue.ask("meta")).text.startswith("<html>")
        assert await _statuses(venue, 6) == [200]


async def test_slow_answers_come_later_and_tell_of_later() -> None:
    """A slow answer comes so much later in venue time, and tells what is true then."""
    async with open_by_hand(TAPE, faults=[at(FaultKind.SLOW, 4, lasts=2, amount=3)]) as venue:
        venue.move_to(4)
        asking = asyncio.create_task(venue.answer("exchangeStatus"))
        while not venue.venue.meter.asked:
            await asyncio.sleep(0.001)
        venue.move_to(6.9)
        await asyncio.sleep(0.01)
        assert not asking.done()
        venue.move_to(7)
        assert (await asking)["time"] == millis(START + timedelta(seconds=7))


async def test_a_skewed_clock_is_what_the_venue_says() -> None:
    """While the clock is skewed the venue states another time, and its tape keeps to the true one."""
    async with open_by_hand(TAPE, faults=[at(FaultKind.SKEW, 4, lasts=2, amount=-30)]) as venue:
        venue.move_to(5)
        stated = (await venue.answer("exchangeStatus"))["time"]
        book = await venue.answer("l2Book", coin="BTC")
        venue.move_to(6)
        after = (await venue.answer("exchangeStatus"))["time"]
    assert stated == book["time"] == millis(START - timedelta(seconds=25))
    assert after == millis(START + timedelta(seconds=6))


async def test_the_account_is_what_each_connection_got() -> None:
    """Under every fault of a connection, at many times its speed, the account has exactly what arrived."""
    tape = a_tape(*(a_block(step / 10, a_trade(coin="BTC", tid=step)) for step in range(600)))
    often = dict.fromkeys((*ONCE, FaultKind.SILENCE), 400)
    faults = drawn_faults(often, since=tape.starts_at, until=tape.ends_at, seed=11)
    got: list[list[bytes]] = []
    async with open_venue(tape, speed=20, faults=faults) as venue:
        while venue.clock.now() <= tape.ends_at:
            got.append(await _everything_of_one_connection(venue))
        accounts = venue.venue.delivered
    assert len(got) == len(accounts) > 5
    for frames, account in zip(got, accounts, strict=True):
        replaced = [each for each in account.lost if each.why is Loss.MALFORMED]
        sent = [each.frame for each in account.delivered]
        assert [frame for frame in frames if frame in sent] == sent
        assert len(frames) == len(sent) + len(replaced)
    assert {each.why for account in accounts for each in account.lost} >= {Loss.SILENCE, Loss.MALFORMED}


async def _everything_of_one_connection(venue: OpenVenue) -> list[bytes]:
    """All frames but controls until the connection ends, or until all that is played was heard."""
    frames: list[bytes] = []
    async with venue.connect() as client:
        await client.subscribe("trades", coin="BTC")
        try:
            while b"pong" not in (frame := await _next_frame(client, venue)):
                if not frame.startswith((b"Websocket", b'{"channel":"subscriptionResponse"')):
                    frames.append(frame)
        except websockets.ConnectionClosed:
            pass
    return frames


async def _next_frame(client: Client, venue: OpenVenue) -> bytes:
    while True:
        try:
            async with asyncio.timeout(0.3):
                return await client.socket.recv(decode=False)
        except TimeoutError:
            if venue.clock.now() > venue.venue.tape.ends_at:
                await client.say({"method": "ping"})


async def _statuses(venue: OpenVenue, *moments: float) -> list[int]:
    statuses: list[int] = []
    for moment in moments:
        venue.move_to(moment)
        statuses.append((await venue.ask("exchangeStatus")).status_code)
    return statuses
