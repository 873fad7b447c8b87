"""The live stream over real sockets and a real PostgreSQL."""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kamiyo.api.stream.hub import Hub, joined
from kamiyo.core.sources import CoverageLabel, SourceDescription, SourceState, SourceType
from kamiyo.storage import sources
from kamiyo.storage.pool import Pool
from tests.integration.api.stream_harness import (
    CLOCK,
    LIQUIDATIONS,
    SOON,
    Caller,
    Frame,
    calling,
    kept_running,
    message,
    numbered,
    numbers_in,
    read_all,
    relaying,
    running,
    serving,
    tell,
)


async def test_a_caller_is_told_what_is_committed_after_it_subscribed(database_url: str, pool: Pool) -> None:
    """Messages arrive in order, unchanged, with a sequence from one and the cursor of the last."""
    async with relaying(database_url), serving(database_url) as (url, _hub), calling(url) as caller:
        await tell(pool, message(0))
        await numbered(pool, 1)
        await asyncio.sleep(1.2)
        answer = await caller.subscribe()
        assert answer["channel"] == "subscriptionResponse"
        assert answer["data"]["subscription"] == LIQUIDATIONS
        first = answer["data"]["cursor"]
        for number in range(1, 4):
            await tell(pool, message(number))
            frame = await caller.receive()
            assert [each["number"] for each in frame["data"]] == [number]
            assert frame["seq"] == number
            assert frame["channel"] == "liquidations"
            assert frame["is_snapshot"] is False
            assert frame["replayed"] is False
            assert frame["subscription"] == LIQUIDATIONS
            epoch, _, position = frame["cursor"].partition(":")
            assert (epoch, int(position)) == (first.partition(":")[0], number + 1)


async def test_filters_choose_and_cursors_pass_what_they_skip(database_url: str, pool: Pool) -> None:
    """Two subscriptions of one connection get their own, and resuming a filter repeats and loses nothing."""
    async with relaying(database_url), serving(database_url) as (url, _hub):
        large = {"type": "liquidations", "asset": "ETH", "min_usd": "5000"}
        async with calling(url) as caller:
            await caller.subscribe(large)
            await caller.subscribe({"type": "exploits", "status": "confirmed"})
            await tell(
                pool,
                message(1),
                message(2, asset="ETH", amount_usd="4999.99"),
                message(3, asset="ETH", amount_usd="5000"),
                message(4),
            )
            frame = await caller.receive()
            assert [each["number"] for each in frame["data"]] == [3]
            assert frame["cursor"].endswith(":4")
            await tell(pool, message(5, status="refuted"), message(6, status="confirmed"), channel="exploits")
            other = await caller.receive()
            assert [each["number"] for each in other["data"]] == [6]
            assert other["channel"] == "exploits"
        await tell(pool, message(7, asset="ETH", amount_usd="9000"))
        async with calling(url) as caller:
            await caller.subscribe(large, cursor=frame["cursor"])
            frames, messages = await caller.receive_messages(1)
            assert [each["number"] for each in messages] == [7]
            assert frames[0]["seq"] == 1


async def _write(pool: Pool, numbers: "itertools.count[int]", batches: int) -> None:
    for _ in range(batches):
        await tell(pool, *(message(next(numbers)) for _ in range(random.randint(1, 4))))
        await asyncio.sleep(random.random() * 0.01)


async def _read_some(url: str, cursor: str, heard: list[Frame]) -> str:
    """Connect, resume, take a few frames, and disconnect; the cursor of the last."""
    async with calling(url) as caller:
        assert (await caller.subscribe(cursor=cursor))["data"]["cursor"] == cursor
        for seq in range(1, random.randint(2, 12)):
            try:
                frame = await caller.receive(1)
            except TimeoutError:
                break
            assert frame["seq"] == seq
            heard.append(frame)
            cursor = frame["cursor"]
    return cursor


@pytest.mark.parametrize("window", [50_000, 20], ids=["from memory", "from the database"])
async def test_resuming_under_load_repeats_and_loses_nothing(
    database_url: str, pool: Pool, window: int
) -> None:
    """A caller that keeps disconnecting at random ends with every message once, in the order of positions."""
    numbers, heard = itertools.count(), list[Frame]()
    limits: dict[str, Any] = {"window_messages": window, "first_messages": window, "frame_bytes": 700}
    async with relaying(database_url), serving(database_url, **limits) as (url, hub):
        cursor = str(hub.newest)
        async with asyncio.TaskGroup() as tasks:
            writers = [tasks.create_task(_write(pool, numbers, 60)) for _ in range(4)]
            while not all(writer.done() for writer in writers):
                cursor = await _read_some(url, cursor, heard)
        end = await numbered(pool, next(numbers))
        while cursor != str(end):
            cursor = await _read_some(url, cursor, heard)
        stored = [each["number"] for each in await read_all(pool, end.epoch)]
    assert numbers_in(heard) == stored
    assert sorted(stored) == list(range(end.position))
    assert any(frame["replayed"] for frame in heard)


async def test_a_cursor_of_another_epoch_or_from_before_all_that_is_kept_is_refused(
    database_url: str, pool: Pool
) -> None:
    """Nothing is skipped in silence: the subscription is not made, and the connection stays usable."""
    async with relaying(database_url):
        await tell(pool, *(message(number) for number in range(10)))
        end = await numbered(pool, 10)
        async with serving(database_url, first_messages=0) as (url, _hub), calling(url) as caller:
            for cursor in ("20200101000000000:5", "nonsense", f"{end.epoch}:11"):
                answer = await caller.subscribe(cursor=cursor)
                assert answer["channel"] == "error"
                assert answer["data"]["code"] == "cursor_expired"
            async with pool.acquire() as connection:
                await connection.execute("DELETE FROM stream_positions")
            answer = await caller.subscribe(cursor=f"{end.epoch}:0")
            assert answer["data"]["code"] == "cursor_expired"
            assert (await caller.subscribe())["data"]["cursor"]


async def test_an_hour_old_cursor_is_resumed_from_the_database(database_url: str, pool: Pool) -> None:
    """Age does not matter within the retention: messages numbered an hour ago are replayed in order."""
    async with relaying(database_url):
        for first in range(0, 300, 3):
            await tell(pool, *(message(number) for number in range(first, first + 3)))
        end = await numbered(pool, 300)
        async with pool.acquire() as connection:
            await connection.execute("UPDATE stream_positions SET relayed_at = now() - interval '61 minutes'")
        async with serving(database_url, first_messages=10) as (url, hub), calling(url) as caller:
            assert not hub._window.holds_after(1)
            await caller.subscribe(cursor=f"{end.epoch}:1")
            frames, messages = await caller.receive_messages(299)
            assert [each["number"] for each in messages] == list(range(1, 300))
            assert all(frame["replayed"] for frame in frames)
            await tell(pool, message(300))
            live = await caller.receive()
            assert (live["replayed"], live["seq"]) == (False, len(frames) + 1)


async def _write_a_lot(pool: Pool, count: int) -> None:
    for first in range(0, count, 50):
        await tell(pool, *(message(number, padding=1_000) for number in range(first, first + 50)))
        await asyncio.sleep(0.01)


async def _sent_away(hub: Hub) -> None:
    async with asyncio.timeout(10):
        while len(hub._subscribers) > 1 and all(each._farewell is None for each in hub._subscribers):  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)


async def test_a_caller_that_does_not_read_is_closed_with_its_cursor_and_resumes_complete(
    database_url: str, pool: Pool
) -> None:
    """Its backlog is bounded; the close names the cursor from which on nothing is lost."""
    count, farewell = 3_000, timedelta(seconds=8)
    limits: dict[str, Any] = {"backlog_bytes": 1_000_000, "frame_bytes": 50_000, "farewell": farewell}
    limits["backlog_age"] = timedelta(seconds=1)
    async with relaying(database_url), serving(database_url, send_buffer=16_384, **limits) as (url, hub):
        async with calling(url) as fast, calling(url, max_queue=1, receive_buffer=16_384) as slow:
            await fast.subscribe()
            await slow.subscribe()
            slow.connection.transport.pause_reading()
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(fast.receive_messages(count))
                await _write_a_lot(pool, count)
            assert numbers_in(reading.result()[0]) == list(range(count))
            await _sent_away(hub)
            slow.connection.transport.resume_reading()
            frames, close = await slow.receive_until_closed()
        last = frames[-1]["cursor"]
        assert (close.code, close.reason) == (1013, f"too slow; cursor {last}")
        heard = numbers_in(frames)
        async with calling(url) as again:
            await again.subscribe(cursor=last)
            frames, _messages = await again.receive_messages(count - len(heard))
        assert heard + numbers_in(frames) == list(range(count))


async def test_who_reads_is_not_sent_away_for_how_much_comes_at_once(database_url: str, pool: Pool) -> None:
    """After a standstill of the database more may come in a moment than anybody may fall behind."""
    count, limits = 20_000, {"backlog_bytes": 1_000_000, "frame_bytes": 50_000}
    async with (
        relaying(database_url),
        serving(database_url, send_buffer=16_384, **limits) as (url, _),
        calling(url, receive_buffer=16_384) as caller,
    ):
        await caller.subscribe()
        await tell(pool, *(message(number, padding=1_000) for number in range(count)))
        frames, _messages = await caller.receive_messages(count)
        assert numbers_in(frames) == list(range(count))


async def test_two_servers_number_alike(database_url: str, pool: Pool) -> None:
    """A cursor of one server is resumed at another, and both tell the same positions."""
    async with (
        relaying(database_url),
        serving(database_url) as (one, _),
        serving(database_url) as (other, _),
        calling(one) as here,
        calling(other) as there,
    ):
        await here.subscribe()
        await there.subscribe()
        for number in range(20):
            await tell(pool, message(number))
        at_one, told_one = await here.receive_messages(20)
        at_other, told_other = await there.receive_messages(20)
        assert told_one == told_other
        assert at_one[-1]["cursor"] == at_other[-1]["cursor"]
        async with calling(other) as moved:
            await moved.subscribe(cursor=at_one[0]["cursor"])
            _frames, rest = await moved.receive_messages(20 - len(at_one[0]["data"]))
            assert at_one[0]["data"] + rest == told_one


async def test_losing_the_database_connections_loses_no_message(database_url: str, pool: Pool) -> None:
    """Callers stay connected while relay and hub begin again, and are told what was written meanwhile."""
    async with relaying(database_url), serving(database_url) as (url, _hub), calling(url) as caller:
        await caller.subscribe()
        for number in range(15):
            if number % 5 == 2:
                async with pool.acquire() as connection:
                    await connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
            await tell(pool, message(number))
            await asyncio.sleep(0.05)
        frames, messages = await caller.receive_messages(15)
        assert [each["number"] for each in messages] == list(range(15))
        assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))


async def test_a_new_epoch_ends_connections_with_the_cursor_they_had(database_url: str, pool: Pool) -> None:
    """After a restore nobody is told a position of the new numbering as if it belonged to the old."""
    async with relaying(database_url) as relays, serving(database_url) as (url, _hub), calling(url) as caller:
        answer = await caller.subscribe()
        relays[0].cancel()
        async with pool.acquire() as connection:
            await connection.execute("UPDATE relay SET server = 'another'")
            await asyncio.sleep(0.1)
            async with relaying(database_url):
                _frames, close = await caller.receive_until_closed()
        assert close.code == 1012
        assert close.reason.endswith(answer["data"]["cursor"])


async def test_a_heartbeat_says_how_long_nothing_is_known_to_be_missing(
    database_url: str, pool: Pool
) -> None:
    """Its moment moves on while the relay works, and stands still while committed messages wait for it."""
    async with (
        relaying(database_url) as relays,
        serving(database_url, heartbeat=SOON) as (url, _hub),
        calling(url) as caller,
    ):
        await caller.subscribe()
        first = await _beat(caller, after=datetime.now(UTC))
        relays[0].cancel()
        await tell(pool, message(1))
        written_at = datetime.now(UTC)
        await asyncio.sleep(1.5)
        later = [await caller.receive() for _ in range(6)]
        assert all(datetime.fromisoformat(each["as_of"]) <= written_at for each in later)
        assert later[-1]["cursor"] == first["cursor"]
        async with relaying(database_url):
            frames, _messages = await caller.receive_messages(1)
            beat = await _beat(caller, after=written_at)
            assert beat["cursor"] == frames[-1]["cursor"]


async def _beat(caller: Caller, *, after: datetime) -> Any:
    async with asyncio.timeout(10):
        while True:
            frame = await caller.receive()
            if frame["channel"] == "heartbeat" and datetime.fromisoformat(frame["as_of"]) > after:
                return frame


async def test_a_change_of_a_sources_state_is_told_once(database_url: str, pool: Pool) -> None:
    """Subscribers of a source hear that it went silent, and not that it is as it was."""
    description = SourceDescription(
        name="hyperliquid_node",  # type: ignore[arg-type]
        type=SourceType.STREAM,
        url="file:x",
        priority=1,
        label=CoverageLabel.COMPLETE,
        silence_limit=timedelta(seconds=10),
        lag_limit=timedelta(seconds=60),
    )
    async with relaying(database_url), serving(database_url) as (url, _hub), calling(url) as caller:
        await caller.subscribe({"type": "sources", "source": "hyperliquid_node"})
        async with pool.acquire() as connection:
            await sources.register(connection, description, CLOCK.now())
            for state in (SourceState.LIVE, SourceState.LIVE, SourceState.UNREACHABLE):
                await sources.report_state(connection, description.name, state, "", CLOCK.now())
        _frames, messages = await caller.receive_messages(2)
        assert [each["state"] for each in messages] == ["live", "unreachable"]
        assert messages[0]["name"] == "hyperliquid_node"


async def test_limits_are_answered_with_their_codes(database_url: str, pool: Pool) -> None:
    """Bad frames, doubles, too many subscriptions and unknown ones are told apart, and nothing closes."""
    async with (
        relaying(database_url),
        serving(database_url, subscriptions=2) as (url, _hub),
        calling(url) as caller,
    ):
        await caller.send({"method": "ping"})
        assert await caller.receive() == {"channel": "pong"}
        expected = [
            ({"method": "subscribe", "subscription": {"type": "weather"}}, "invalid_frame"),
            ({"method": "unsubscribe", "subscription": LIQUIDATIONS}, "not_subscribed"),
            ({"method": "subscribe", "subscription": LIQUIDATIONS}, None),
            (
                {"method": "subscribe", "subscription": {"type": "liquidations", "asset": "*"}},
                "already_subscribed",
            ),
            ({"method": "subscribe", "subscription": {"type": "exploits"}}, None),
            ({"method": "subscribe", "subscription": {"type": "sources"}}, "too_many_subscriptions"),
            ({"method": "unsubscribe", "subscription": LIQUIDATIONS}, None),
            ({"method": "subscribe", "subscription": {"type": "sources"}}, None),
        ]
        for request, code in expected:
            await caller.send(request)
            answer = await caller.receive()
            assert answer["data"].get("code") == code


async def _close_code(caller: Caller) -> int:
    _frames, close = await caller.receive_until_closed()
    return close.code


async def test_who_breaks_a_limit_for_good_is_closed_with_its_code(database_url: str) -> None:
    """Ten bad frames in a row, a frame too long, silence, and one connection too many each have a code."""
    limits: dict[str, Any] = {"idle": timedelta(seconds=1), "connections": 2}
    async with relaying(database_url), serving(database_url, **limits) as (url, hub):
        async with calling(url) as caller:
            for _ in range(10):
                await caller.connection.send("{")
            assert await _close_code(caller) == 4400
        async with calling(url) as caller:
            await caller.connection.send(" " * 4_097)
            assert await _close_code(caller) == 1009
        async with calling(url) as caller:
            assert await _close_code(caller) == 4408
        await _left(hub)
        async with calling(url) as one, calling(url) as two, calling(url) as three:
            for caller in (one, two):
                await caller.subscribe()
            assert (await three.receive())["data"]["code"] == "too_many_connections"
            assert await _close_code(three) == 4429


async def _left(hub: Hub) -> None:
    async with asyncio.timeout(5):
        while hub._subscribers:
            await asyncio.sleep(0.01)


async def test_a_server_that_goes_down_says_where_to_go_on(database_url: str, pool: Pool) -> None:
    """Cancelling the hub closes each connection with code 1012 and its cursor."""
    async with relaying(database_url), serving(database_url) as (url, hub), calling(url) as caller:
        await caller.subscribe()
        await tell(pool, message(1))
        frame = await caller.receive()
        hub.shut_down()
        _frames, close = await caller.receive_until_closed()
        assert close.code == 1012
        assert close.reason.endswith(frame["cursor"])
        async with calling(url) as late:
            assert await _close_code(late) == 1012


async def test_who_comes_before_the_stream_was_first_read_may_stay(database_url: str, pool: Pool) -> None:
    """Beginning to read is no restart: a caller who is early waits a moment instead of being sent away."""
    hub = Hub(database_url, pool, CLOCK)
    ended: list[int] = []

    class Early:
        def wake(self) -> None: ...

        def end(self, code: int, _reason: str) -> None:
            ended.append(code)

    async with relaying(database_url), joined(hub, Early()):
        await tell(pool, message(0))
        await numbered(pool, 1)
        async with running(kept_running(hub.run)):
            async with asyncio.timeout(20):
                while hub.newest is None:
                    await asyncio.sleep(0.01)
            assert ended == []
