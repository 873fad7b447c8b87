"""The public socket: what is followed, what is missed, and exactly when."""

from datetime import timedelta

import msgspec
import pytest
from structlog.testing import capture_logs

from kamiyo.core.ids import Cursor
from kamiyo.core.time import to_millis
from kamiyo.hyperliquid.fills import LAST_MILLIS
from tests.builders import NOW, a_trade, a_trades_frame
from tests.fake_venue import (
    Live,
    ScriptedSocket,
    SteppedClock,
    a_venue,
    contexts_frame,
    dexes,
    fast_contexts_frame,
    living,
    metas,
)

NOW_MILLIS = to_millis(NOW)


def millis(live: Live) -> int:
    return to_millis(live.clock.now())


async def tick(live: Live, seconds: float, *, every: float = 0.5, tid: int = 10_000) -> None:
    """Let time pass in which trades come, as on the venue they do without a pause."""
    for number in range(int(seconds / every)):
        await live.clock.advance(every)
        if live.venue.sockets and live.venue.public.open:
            live.venue.trade(a_trade(asset="BTC", tid=tid + number, time=millis(live)))
    await live.clock.advance(0)


def subscribed(socket: ScriptedSocket, kind: str = "trades") -> list[str]:
    requests = [msgspec.json.decode(text) for text in socket.sent]
    feeds = [each["subscription"] for each in requests if each["method"] == "subscribe"]
    return [feed.get("coin", "") for feed in feeds if feed["type"] == kind]


def span(gap) -> tuple[float, float]:
    """A gap in seconds since the beginning of the test."""
    return (gap.first - NOW_MILLIS) / 1000, (gap.after_last - NOW_MILLIS) / 1000


# --- what is followed ---


async def test_every_live_asset_of_every_dex_is_followed() -> None:
    """Delisted ones are not, as are majors that do not exist; contexts are, of all dexes together."""
    venue = a_venue()
    venue.answers |= {
        "perpDexs": dexes("xyz"),
        "allPerpMetas": metas(["BTC", "OLD", "ETH"], ["xyz:A"], delisted=["OLD"]),
    }
    async with living(venue, majors="ETH, SOL BTC"):
        assert subscribed(venue.public) == ["BTC", "ETH", "xyz:A"]
        assert subscribed(venue.public, "bbo") == ["ETH", "BTC"]
        assert (
            subscribed(venue.public, "fastAssetCtxs") == subscribed(venue.public, "allDexsAssetCtxs") == [""]
        )


async def test_no_more_is_asked_for_than_the_venue_allows() -> None:
    """Room is kept for the accounts; quotes are left out first, then assets, and those are missing."""
    names = [f"A{number}" for number in range(995)]
    with capture_logs() as logs:
        async with living(a_venue(*names), majors="A1", seconds=40) as live:
            assert len([text for text in live.venue.public.sent if "subscribe" in text]) == 1_000 - 11
            assert subscribed(live.venue.public, "bbo") == []
            left_out = {log["asset"] for log in logs if log["event"] == "asset_left_out"}
            assert left_out == {f"A{number}" for number in range(987, 995)}
            await tick(live, 2)
            assert '"trades/A990"' in live.cursor


async def test_trades_are_handed_on_as_they_came() -> None:
    """Those that arrived together in one payload, with the numbers of their frames."""
    async with living(a_venue()) as live:
        one, two = a_trades_frame(a_trade(tid=1)), a_trades_frame(a_trade(tid=2, asset="BTC"))
        live.venue.public.say(one, two)
        await live.clock.advance(0)
        [raw] = live.raws("ws/trades")
        assert raw.payload == one + b"\n" + two
        assert raw.span is not None
        assert raw.span.end - raw.span.start == 2
        assert live.tids() == [1, 2]


async def test_many_frames_are_several_payloads() -> None:
    """So that none becomes larger than a batch can be."""
    async with living(a_venue()) as live:
        live.venue.public.say(*(a_trades_frame(a_trade(tid=number)) for number in range(300)))
        await live.clock.advance(0)
        assert [raw.span.end - raw.span.start for raw in live.raws("ws/trades") if raw.span] == [256, 44]
        assert live.tids() == list(range(300))


async def test_new_listings_are_followed_and_what_is_gone_is_not() -> None:
    """A new one was missed since the markets were last read, but for what the venue repeats."""
    async with living(a_venue()) as live:
        await tick(live, 30)
        live.venue.answers["allPerpMetas"] = metas(["BTC", "ETH", "NEW"], delisted=["ETH"])
        await tick(live, 35)
        assert subscribed(live.venue.public) == ["BTC", "ETH", "NEW"]
        assert (
            '{"method":"unsubscribe","subscription":{"type":"trades","coin":"ETH"}}' in live.venue.public.sent
        )
        [gap] = live.gaps
        assert gap.scope == "trades/NEW"
        first, last = span(gap)
        assert first == pytest.approx(0, abs=0.5)
        assert last == pytest.approx(60 - 15, abs=3)
        assert "NEW" not in live.cursor


# --- what is missed ---


@pytest.mark.parametrize("reason", ["1006 abnormal closure", "1000 Expired"])
async def test_a_short_outage_is_bridged_by_what_the_venue_repeats(reason) -> None:
    """Everything is asked for again at once, and nothing is missing."""
    async with living(a_venue()) as live:
        await tick(live, 5)
        first = live.venue.public
        live.venue.history["BTC"] = [a_trade(asset="BTC", tid=7, time=millis(live))]
        first.end(reason)
        await tick(live, 8)
        assert live.venue.public is not first
        assert subscribed(live.venue.public) == ["BTC", "ETH"]
        assert 7 in live.tids()
        assert (live.gaps, live.waits) == ([], [])


async def test_a_long_outage_is_a_gap_from_the_last_word_to_what_is_repeated() -> None:
    """Fifteen seconds before the acknowledgement are relied on; the venue may be a second late."""
    async with living(a_venue()) as live:
        await tick(live, 5)
        live.venue.unreachable = "lab: refused"
        last_word = millis(live)
        live.venue.public.end()
        await live.clock.advance(60)
        live.venue.unreachable = None
        await tick(live, 40)
        again = live.venue.public
        [gap] = live.gaps
        assert (gap.scope, gap.scale) == ("trades", "millisecond")
        assert gap.first == last_word - 1_000
        opened = next(
            int(raw.span.scope.split("/")[1]) for raw in reversed(live.raws("ws/trades")) if raw.span
        )
        assert again.open
        assert gap.after_last == opened - 15_000


async def test_who_slept_has_not_heard_what_was_said_after_the_last_frame() -> None:
    """Frames of long ago and the end come together when a process goes on: the gap begins at the frames."""
    async with living(a_venue("BTC"), seconds=30) as live:
        await tick(live, 10)
        live.venue.trade(a_trade(asset="BTC", tid=1, time=millis(live)))
        await live.clock.advance(0.1)
        fell_asleep = millis(live)
        live.clock.moment += timedelta(seconds=100)
        live.venue.trade(a_trade(asset="BTC", tid=2, time=fell_asleep + 40_000))
        live.venue.public.end()
        await tick(live, 10)
        [gap] = live.gaps
        assert gap.first == fell_asleep + 39_000
        assert gap.after_last > fell_asleep + 80_000


@pytest.mark.parametrize("looked_first", [False, True])
async def test_who_stood_still_believes_only_what_says_its_time(looked_first) -> None:
    """Contexts do not say when they are of: read after a few seconds' sleep, they are no news of trades."""
    async with living(a_venue("BTC"), seconds=30) as live:
        await tick(live, 10)
        live.venue.trade(a_trade(asset="BTC", tid=1, time=millis(live)))
        await live.clock.advance(0.1)
        last_word = millis(live) - 100
        live.clock.moment += timedelta(seconds=3)
        if looked_first:
            await live.clock.advance(0.5)
        live.venue.public.say(fast_contexts_frame(BTC="100.0"))
        live.venue.public.end()
        live.venue.unreachable = "lab: refused"
        await live.clock.advance(60)
        live.venue.unreachable = None
        await tick(live, 40)
        assert [gap.first for gap in live.gaps] == [last_word - 1_000]


@pytest.mark.parametrize(("repeated", "missing"), [(19.0, False), (12.0, True)])
async def test_a_longer_history_proves_more(repeated, missing) -> None:
    """Between fifteen and twenty seconds what the first frames tell decides."""
    async with living(a_venue()) as live:
        await tick(live, 5)
        live.venue.unreachable = "lab: refused"
        live.venue.public.end()
        await live.clock.advance(15)
        live.venue.unreachable = None
        back = [a_trade(asset="ETH", tid=1, time=millis(live) + 1_000 - int(repeated * 1000))]
        live.venue.history["ETH"] = back
        await tick(live, 20)
        assert bool(live.gaps) is missing


async def test_a_connection_that_ends_before_it_is_whole_does_not_shorten_the_gap() -> None:
    """Only once every asset is acknowledged is everything heard again."""
    async with living(a_venue()) as live:
        await tick(live, 5)
        last_word = millis(live)
        live.venue.deaf = True
        live.venue.public.end()
        await live.clock.advance(20)
        live.venue.trade(a_trade(time=millis(live)))
        live.venue.public.end()
        await live.clock.advance(20)
        live.venue.deaf = False
        live.venue.public.end()
        await tick(live, 40)
        [gap] = live.gaps
        assert gap.first == last_word - 1_000


async def test_a_restart_continues_where_the_cursor_stands() -> None:
    """The gap begins with the last moment that was stored, whoever had heard it."""
    async with living(a_venue()) as live:
        await tick(live, 5)
        cursor, stopped = live.cursor, live.clock.now()
    clock = SteppedClock(stopped + timedelta(minutes=2))
    async with living(a_venue(), clock=clock, cursor=cursor) as again:
        await tick(again, 5)
        gap = next(gap for gap in again.gaps if gap.scope == "trades")
        assert gap.first == pytest.approx(to_millis(stopped) - 1_000, abs=1_500)
        assert gap.after_last == pytest.approx(to_millis(clock.moment), abs=30_000)
        assert [each.scope for each in again.gaps if each.scope != "trades"] == []


async def test_a_short_restart_misses_nothing() -> None:
    """It is an interruption like any other."""
    async with living(a_venue()) as live:
        await tick(live, 5)
        cursor, stopped = live.cursor, live.clock.now()
    async with living(a_venue(), clock=SteppedClock(stopped + timedelta(seconds=5)), cursor=cursor) as again:
        await tick(again, 5)
        assert again.gaps == []


async def test_silence_of_an_open_socket_ends_it() -> None:
    """It is begun again early enough for the venue to repeat what it did not say."""
    async with living(a_venue()) as live:
        await tick(live, 200, every=1)
        first = live.venue.public
        await live.clock.advance(10)
        assert not first.open
        await tick(live, 5)
        assert live.gaps == []


async def test_news_after_a_silence_do_not_hide_it() -> None:
    """Whoever spoke again after too long a pause has left something out."""
    async with living(a_venue()) as live:
        await tick(live, 200, every=1)
        first, heard = live.venue.public, millis(live)
        live.clock.moment += timedelta(seconds=7)  # nobody looked meanwhile
        first.say(a_trades_frame(a_trade(asset="BTC", tid=1, time=millis(live))))
        await live.clock.advance(4)
        assert not first.open
        await tick(live, 3)
        assert live.gaps == []
        assert heard < millis(live)


async def test_frames_that_were_only_late_are_no_silence() -> None:
    """When it was we who did not look, they tell of the time in between."""
    async with living(a_venue()) as live:
        await tick(live, 200, every=1)
        first = live.venue.public
        live.clock.moment += timedelta(seconds=7)
        late = [
            a_trade(asset="BTC", tid=number, time=millis(live) - 7_000 + 500 * number) for number in range(15)
        ]
        first.say(a_trades_frame(*late))
        await tick(live, 3)
        assert first.open


@pytest.mark.parametrize("junk", [b'{"channel":', b'{"channel":"trades","data":7}', b"[]", b""])
async def test_a_frame_that_cannot_be_read_came_instead_of_another(junk) -> None:
    """The connection is begun again, which brings back what was lost; the junk is kept to be refused."""
    async with living(a_venue()) as live:
        await tick(live, 5)
        first = live.venue.public
        first.say(junk)
        await live.clock.advance(3)
        assert not first.open
        assert junk in [raw.payload for raw in (*live.raws("ws/other"), *live.raws("ws/trades"))]
        assert live.gaps == []


async def test_junk_that_does_not_end_is_a_gap_each_time() -> None:
    """Beginning again for every frame would hear nothing at all."""
    async with living(a_venue()) as live:
        await tick(live, 5)
        for _ in range(6):
            live.venue.public.say(b"[]")
            await tick(live, 10)
        assert len(live.venue.sockets) == 2 + 4
        assert {gap.scope for gap in live.gaps} == {"trades"}
        assert all("unreadable" in gap.reason for gap in live.gaps)
        assert live.venue.public.open


async def test_a_bad_row_is_no_reason_to_begin_again() -> None:
    """It is refused by itself, and the rest of its frame is believed."""
    async with living(a_venue()) as live:
        first = live.venue.public
        first.say(b'{"channel":"trades","data":[{"coin":"ETH"}]}', a_trades_frame(a_trade(tid=5)))
        await live.clock.advance(3)
        assert first.open
        assert live.tids() == [5]


async def test_a_venue_whose_clock_is_late_is_believed_about_its_own_time() -> None:
    """What it says of ten seconds ago is the newest there is: the gap begins there."""
    async with living(a_venue()) as live:
        for number in range(10):
            await live.clock.advance(0.5)
            live.venue.trade(a_trade(tid=number, time=millis(live) - 10_000))
        await live.clock.advance(1.5)
        live.venue.unreachable = "lab: refused"
        live.venue.public.end()
        await live.clock.advance(60)
        live.venue.unreachable = None
        await tick(live, 40)
        assert span(live.gaps[0])[0] == pytest.approx(8 - 10 - 1, abs=2)


async def test_a_trade_of_the_far_future_does_not_hide_what_is_missed() -> None:
    """Its time is a mistake: nothing was heard until then."""
    venue = a_venue()
    async with living(venue) as live:
        await tick(live, 5)
        venue.history["BTC"] = [a_trade(asset="BTC", time=LAST_MILLIS - 1)]
        for _ in range(2):
            venue.unreachable = "lab: refused"
            venue.public.end()
            await live.clock.advance(60)
            venue.unreachable = None
            await live.clock.advance(40)
        assert len(live.gaps) == 2
        assert all(gap.after_last <= millis(live) for gap in live.gaps)


# --- who is left out ---


@pytest.mark.slow
async def test_an_asset_that_closes_the_socket_is_left_alone_for_an_hour() -> None:
    """Told once, as a gap without an end; tried again, and then its gap has one."""
    venue = a_venue("BTC", "BAD", "ETH")
    venue.deadly = {"BAD"}
    with capture_logs() as logs:
        async with living(venue) as live:
            await tick(live, 150)
            assert subscribed(venue.public) == ["BTC", "ETH"]
            assert [log["asset"] for log in logs if log["event"] == "asset_left_out"] == ["BAD"]
            assert '"trades/BAD"' in live.cursor
            venue.deadly = set()
            await tick(live, 3_600, every=2)
            assert "BAD" in subscribed(venue.public)
            [gap] = [gap for gap in live.gaps if gap.scope == "trades/BAD"]
            assert gap.after_last - gap.first == pytest.approx(3_600_000, abs=120_000)
            assert "BAD" not in live.cursor


async def test_sockets_that_end_together_before_they_are_answered_accuse_no_asset() -> None:
    """Both ask for the first major's quotes; one accident that ends both is not two of one asset."""
    venue = a_venue()
    async with living(venue, majors="BTC") as live:
        with capture_logs() as logs:
            for deaf in (True, False):
                venue.deaf = deaf
                for socket in (venue.users, venue.public):
                    socket.end()
                await live.clock.advance(4)
        assert not [log for log in logs if log["event"] == "asset_left_out"]
        assert subscribed(venue.public) == ["BTC", "ETH"]


async def test_a_refused_feed_is_told_once() -> None:
    """Without one asset, or without contexts, the rest is heard all the same."""
    venue = a_venue()
    venue.refused = {"ETH", "fastAssetCtxs"}
    with capture_logs() as logs:
        async with living(venue) as live:
            await tick(live, 5)
            venue.public.end()
            await tick(live, 5)
            assert '"trades/ETH"' in live.cursor
            assert '"trades":' in live.cursor
    told = [
        (log["event"], log["asset"]) for log in logs if log["event"] in {"asset_left_out", "feed_refused"}
    ]
    assert sorted(told, key=str) == [("asset_left_out", "ETH"), ("feed_refused", None)]


async def test_what_is_never_answered_is_left_out_in_the_end() -> None:
    """The others are not held up for ever."""
    venue = a_venue()
    venue.deaf = True
    with capture_logs() as logs:
        async with living(venue) as live:
            for number in range(170):
                await live.clock.advance(1)
                venue.trade(a_trade(asset="BTC", tid=number, time=millis(live)))
            left_out = {log["asset"] for log in logs if log["event"] == "asset_left_out"}
            assert left_out == {"BTC", "ETH"}


async def test_what_was_left_out_and_is_gone_is_forgotten() -> None:
    """Nobody can follow an asset that does not trade any more."""
    cursor = Cursor(f'{{"trades":{NOW_MILLIS - 5_000},"trades/GONE":1,"trades/ETH":{NOW_MILLIS - 60_000}}}')
    async with living(a_venue(), cursor=cursor) as live:
        await tick(live, 5)
        assert "trades/" not in live.cursor
        assert [gap.scope for gap in live.gaps] == ["trades/ETH"]


# --- what is unreachable ---


async def test_an_unreachable_socket_is_told_once_and_recovers_by_itself() -> None:
    """With the reason; what the venue answers meanwhile is not asked for, as it would look like life."""
    venue = a_venue()
    venue.answers["exchangeStatus"] = b'{"time":5}'
    venue.unreachable = "lab: ConnectionRefusedError"
    async with living(venue, seconds=60) as live:
        assert live.waits == ["the venue's socket: lab: ConnectionRefusedError"]
        assert not venue.asked_of("exchangeStatus")
        venue.unreachable = None
        await tick(live, 40)
        assert venue.asked_of("exchangeStatus")
        venue.unreachable = "lab: ConnectionRefusedError"
        venue.public.end()
        await live.clock.advance(60)
        assert len(live.waits) == 2


async def test_markets_that_cannot_be_read_are_told_once() -> None:
    """Nothing is followed before they are there."""
    venue = a_venue()
    answer = venue.answers.pop("perpDexs")
    async with living(venue, seconds=30) as live:
        assert len(live.waits) == 1
        assert "perpDexs" in live.waits[0]
        assert venue.sockets == []
        venue.answers["perpDexs"] = answer
        await tick(live, 40)
        assert subscribed(venue.public) == ["BTC", "ETH"]


async def test_universes_that_belong_to_no_dexes_are_told() -> None:
    """Two answers that do not fit together name nothing."""
    venue = a_venue()
    venue.answers["perpDexs"] = dexes("xyz")
    async with living(venue) as live:
        assert live.waits == ["the venue's markets: 1 universes for 2 dexes"]


@pytest.mark.parametrize("universe", [metas([]), metas(["BTC"], delisted=["BTC"])])
async def test_a_venue_without_a_live_asset_is_not_believed(universe) -> None:
    """Who followed nothing would say that he heard everything."""
    async with living(a_venue("BTC")) as live:
        await tick(live, 30)
        live.venue.answers["allPerpMetas"] = universe
        await tick(live, 35)
        assert subscribed(live.venue.public) == ["BTC"]
        assert not any('"unsubscribe"' in text for text in live.venue.public.sent)


async def test_no_more_than_thirty_connections_are_tried_in_a_minute() -> None:
    """Nor all at once: each failure makes the next attempt later."""
    venue = a_venue()
    venue.unreachable = "lab: refused"
    tried = 0
    connect = venue.connect

    def counting(url: str):
        nonlocal tried
        tried += 1
        return connect(url)

    venue.connect = counting  # type: ignore[method-assign]
    async with living(venue, seconds=120):
        assert 4 < tried < 30


# --- contexts ---


async def test_contexts_are_kept_with_the_universe_that_numbers_them() -> None:
    """Those that fit none wait until the markets are read again."""
    async with living(a_venue()) as live:
        live.venue.public.say(contexts_frame(first=2), contexts_frame(first=3))
        await tick(live, 5)
        assert [len(live.source.normalize(raw).events) for raw in live.raws("ws/allDexsAssetCtxs")] == [2]
        live.venue.answers["allPerpMetas"] = metas(["BTC", "ETH", "NEW"])
        await tick(live, 65)
        assert [len(live.source.normalize(raw).events) for raw in live.raws("ws/allDexsAssetCtxs")] == [2, 3]


async def test_missed_contexts_are_a_gap_where_a_frame_can_have_been_missed() -> None:
    """They come every fourteen seconds: what is shorter has missed none."""
    async with living(a_venue()) as live:
        live.venue.public.say(contexts_frame(first=2))
        await live.clock.advance(1)
        for seconds in (10, 100):
            live.venue.unreachable = "lab: refused"
            live.venue.public.end()
            await live.clock.advance(seconds)
            live.venue.unreachable = None
            await tick(live, 40)
            live.venue.public.say(contexts_frame(first=2))
            await live.clock.advance(1)
        gaps = [gap for gap in live.gaps if gap.scope == "contexts"]
        assert len(gaps) == 2


async def test_contexts_that_cannot_be_read_are_handed_on_to_be_refused() -> None:
    """No universe would help."""
    async with living(a_venue()) as live:
        live.venue.public.say(b'{"channel":"allDexsAssetCtxs","data":7}')
        await live.clock.advance(1)
        assert len(live.raws("ws/allDexsAssetCtxs")) == 1
        assert live.venue.public.open
