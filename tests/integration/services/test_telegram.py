"""Telegram against a local one: by its Bot API and by previews, nothing is lost, nothing comes twice."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from kamiyo.aggregators.base import Alive, NotConfigured, Toolbox, Waiting
from kamiyo.aggregators.telegram import TelegramAggregator, TelegramSettings
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Raw
from kamiyo.core.reports import Grade, Report, ReportDeleted
from kamiyo.kit.clock import LapseClock
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import open_session
from kamiyo.processing.normalizer import normalize
from tests.builders import NOW
from tests.services.hearing import Heard, drained, hearing, logged
from tests.services.server import Reply, Request, Server, json_reply, open_server
from tests.services.telegram import Telegram, preview_page

TOKEN = "110201543:canary-AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
SPEED = 60.0


@dataclass
class Lab:
    """A local Telegram, its HTTP server, and what reads it."""

    telegram: Telegram
    server: Server
    tools: Toolbox

    def aggregator(self, **settings: Any) -> TelegramAggregator:
        urls = {"url": self.server.url, "preview_url": self.server.url}
        return TelegramAggregator(TelegramSettings(**(urls | settings)), self.tools)

    def bot(self, **settings: Any) -> TelegramAggregator:
        return self.aggregator(**({"token": Secret(TOKEN), "channels": "alerts:press"} | settings))

    def preview(self, **settings: Any) -> TelegramAggregator:
        return self.aggregator(**({"preview_channels": "@Investigations:press"} | settings))


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """Run a Telegram of which a minute takes a second."""
    clock = LapseClock(NOW, SPEED)
    telegram = Telegram(TOKEN, clock, channels={"alerts": {}, "Investigations": {}})
    async with open_server(telegram.answer) as server, open_session() as session:
        yield Lab(telegram, server, Toolbox(clock=clock, session=session, random=random.Random(7)))


def told(aggregator: TelegramAggregator, heard: Heard) -> Counter[tuple[str, str]]:
    """How often each post was given, by what it is known by and its words."""
    found: Counter[tuple[str, str]] = Counter()
    for raw in heard.raws:
        if raw.stream in {"update", "preview", "preview/edited"}:
            found.update(posts(aggregator, raw))
    return found


def posts(aggregator: TelegramAggregator, raw: Raw) -> list[tuple[str, str]]:
    """What a payload says, whether it claims something or not."""
    seen: list[tuple[str, str]] = []

    class Seeing(TelegramAggregator):
        def report_of(self, post: Any, *, received_at: Any) -> None:
            del received_at
            seen.append((post.post_id, post.text))

    seeing = Seeing(aggregator._settings, aggregator_tools(aggregator))
    seeing.normalize(raw)
    return seen


def aggregator_tools(aggregator: TelegramAggregator) -> Toolbox:
    return Toolbox(clock=aggregator.clock)


def there(lab: Lab, channel: str) -> Counter[tuple[str, str]]:
    """Each post that stands in a channel, once."""
    found = lab.telegram.channels[channel].items()
    return Counter((f"{channel.casefold()}/{number}", message.text) for number, message in found)


def storing(aggregator: TelegramAggregator, heard: Heard) -> Callable[[], bool]:
    """Store all that was given so far: true, so that it can stand before what is waited for."""

    def store() -> bool:
        if heard.cursor is not None:
            aggregator.stored(heard.cursor)
        return True

    return store


# --- the Bot API --------------------------------------------------------------------------------------------


async def test_posts_and_edits_come_by_the_bot(lab: Lab) -> None:
    """Each post is given once, an edit again in its new words, and nothing else is asked for."""
    aggregator = lab.bot()
    async with hearing(aggregator) as heard:
        store = storing(aggregator, heard)
        first = lab.telegram.post("alerts", "first", bot=True)
        await heard.until(lambda: told(aggregator, heard).total() == 1)
        store()
        lab.telegram.edit("alerts", first, "corrected", bot=True)
        for number in range(250):
            lab.telegram.post("alerts", f"more {number}", bot=True)
        await heard.until(lambda: store() and told(aggregator, heard).total() >= 252)
        await heard.until(lambda: store() and len(lab.telegram.confirmed) == 252)
    assert told(aggregator, heard) == there(lab, "alerts") + Counter([("alerts/1", "first")])
    assert lab.telegram.wanted == {'["channel_post","edited_channel_post"]'}


async def test_nothing_is_confirmed_before_it_is_stored(lab: Lab) -> None:
    """What a killed process had taken and not stored is given to the next one."""
    aggregator = lab.bot()
    async with hearing(aggregator) as heard:
        for number in range(5):
            lab.telegram.post("alerts", f"message {number}", bot=True)
        await heard.until(lambda: told(aggregator, heard).total() == 5)
        await lab.tools.clock.sleep(timedelta(seconds=30))
        assert lab.telegram.confirmed == []
        raws = heard.raws
        assert raws[1].cursor is not None
        aggregator.stored(raws[1].cursor)
        await heard.until(lambda: lab.telegram.confirmed == [10_000, 10_001])
        lab.telegram.post("alerts", "later", bot=True)
        await heard.until(lambda: told(aggregator, heard).total() == 6)
    assert told(aggregator, heard) == there(lab, "alerts")  # though it was sent again and again
    restarted = lab.bot()
    async with hearing(restarted, Heard(cursor=raws[2].cursor)) as again:
        await again.until(lambda: told(restarted, again).total() == 3)
        await again.until(lambda: lab.telegram.confirmed == [10_000, 10_001, 10_002])
    assert [words for _, words in told(restarted, again)] == ["message 3", "message 4", "later"]


async def test_what_is_stored_while_it_is_asked_is_confirmed_too(lab: Lab) -> None:
    """By the next question: no other post has to come for that."""
    aggregator = lab.bot()
    async with hearing(aggregator) as heard:

        def store(_request: Request) -> Reply:
            aggregator.stored(heard.raws[-1].cursor or Cursor(""))
            return json_reply({"ok": True, "result": lab.telegram.updates})

        for number in range(3):
            lab.telegram.post("alerts", f"message {number}", bot=True)
        await heard.until(lambda: told(aggregator, heard).total() == 3)
        lab.telegram.answers = [store]
        await heard.until(lambda: lab.telegram.confirmed == [10_000, 10_001, 10_002])
    assert told(aggregator, heard) == there(lab, "alerts")


async def test_a_new_count_of_updates_loses_nothing(lab: Lab) -> None:
    """After a quiet week Telegram counts from another number: lower ones are no old ones."""
    lab.telegram.next_update = 900_000
    aggregator = lab.bot()
    async with hearing(aggregator) as heard:
        lab.telegram.post("alerts", "before", bot=True)
        await heard.until(lambda: storing(aggregator, heard)() and lab.telegram.confirmed == [900_000])
        lab.telegram.next_update = 17
        lab.telegram.post("alerts", "after", bot=True)
        await heard.until(lambda: told(aggregator, heard).total() == 2)
    restarted = lab.bot()
    async with hearing(restarted, Heard(cursor=Cursor('{"update":900000,"previews":{}}'))) as again:
        await again.until(lambda: told(restarted, again).total() == 1)


@pytest.mark.parametrize(
    ("answer", "says", "wait"),
    [
        (json_reply({"ok": False, "error_code": 409, "description": "Conflict"}, 409), "another program", 0),
        (
            json_reply({"ok": False, "error_code": 429, "parameters": {"retry_after": 40}}, 429),
            "left alone for 40 s",
            40,
        ),
        (json_reply({"ok": False, "error_code": 401}, 401), "sources.telegram.token", 240),
        (json_reply({"ok": False, "error_code": 502}, 502), "answered 502", 0),
        (Reply(502, b"<html>"), "answered 502", 0),
        (Reply(200, b"garbage"), "nothing that can be read", 0),
        (Reply(200, b'{"ok":true,"result":{}}'), "nothing that can be read", 0),
        (Reply(200, b'{"ok":true,"result":[]}', cut_after=5), "127.0.0.1", 0),
        (Reply(raw=b"\x00nonsense\r\n\r\n"), "127.0.0.1", 0),
    ],
    ids=["409", "429", "401", "502", "html", "garbage", "object", "cut", "raw"],
)
async def test_a_bot_that_fails_is_asked_again(lab: Lab, answer: Reply, says: str, wait: int) -> None:
    """The trouble is told, nothing is asked before its time, and then nothing is missing."""
    lab.telegram.post("alerts", "there", bot=True)
    asked: list[Any] = []

    def fail(request: Request) -> Reply:
        asked.append(lab.tools.clock.now())
        return answer

    lab.telegram.answers = [fail, fail]
    aggregator = lab.bot()
    async with hearing(aggregator) as heard:
        await heard.until(lambda: told(aggregator, heard).total() == 1, 30)
    assert told(aggregator, heard) == there(lab, "alerts")
    assert any(says in each for each in heard.details)
    assert isinstance(heard.items[0], Waiting)
    assert asked[1] - asked[0] >= timedelta(seconds=wait)


async def test_updates_that_are_none_do_not_stop_the_others(lab: Lab) -> None:
    """What cannot be read is kept as refused, and what comes with it is given."""
    lab.telegram.post("alerts", "there", bot=True)
    lab.telegram.updates.insert(0, {"update_id": 9_999, "channel_post": {"message_id": "x"}})
    lab.telegram.updates.insert(0, {"something": "else"})
    aggregator = lab.bot()
    async with hearing(aggregator) as heard:
        await heard.until(lambda: len(heard.raws) >= 3)
    rejects = [reject for raw in heard.raws[:3] for reject in normalize(aggregator.normalize, raw).rejects]
    assert len(rejects) == 2


# --- previews -----------------------------------------------------------------------------------------------


async def test_a_preview_is_read_again_and_again(lab: Lab) -> None:
    """Posts are given once, oldest first, about every 45 seconds, however the numbers of readers change."""
    for number in range(3):
        lab.telegram.post("Investigations", f"message {number}")
    aggregator = lab.preview()
    async with hearing(aggregator) as heard:
        await heard.until(lambda: told(aggregator, heard).total() == 3)
        lab.telegram.post("Investigations", "later\nin two lines")
        await heard.until(lambda: told(aggregator, heard).total() == 4)
        began, asked = lab.tools.clock.now(), len(lab.server.requests)
        await lab.tools.clock.sleep(timedelta(minutes=9))
        polls = len(lab.server.requests) - asked
    elapsed = lab.tools.clock.now() - began
    assert elapsed / timedelta(seconds=60) < polls < elapsed / timedelta(seconds=33)
    assert list(told(aggregator, heard)) == list(there(lab, "Investigations"))
    assert told(aggregator, heard) == there(lab, "Investigations")


async def test_older_pages_are_read_back_to_the_cursor(lab: Lab) -> None:
    """What was written while nobody looked is found page by page, across a restart."""
    lab.telegram.post("Investigations", "first")
    aggregator = lab.preview()
    heard = await drained(aggregator)
    for number in range(95):
        lab.telegram.post("Investigations", f"unseen {number}")
    later = await drained(lab.preview(), heard.cursor)
    heard.items += later.items
    assert told(aggregator, heard) == there(lab, "Investigations")
    numbers = [int(key.partition("/")[2]) for key, _ in told(aggregator, later)]
    assert numbers == sorted(numbers)


async def test_a_preview_that_was_empty_has_been_read(lab: Lab) -> None:
    """Whatever was written since is new, however much it is; only what was never read begins with a page."""
    aggregator = lab.preview()
    empty = await drained(aggregator)
    for number in range(45):
        lab.telegram.post("Investigations", f"unseen {number}")
    assert told(aggregator, await drained(lab.preview(), empty.cursor)) == there(lab, "Investigations")
    assert told(aggregator, await drained(lab.preview())).total() == 20


async def test_a_page_that_fails_halfway_is_read_anew(lab: Lab) -> None:
    """Where an older page cannot be had, nothing newer is given before it."""
    lab.telegram.post("Investigations", "first")
    aggregator = lab.preview()
    heard = await drained(aggregator)
    for number in range(50):
        lab.telegram.post("Investigations", f"unseen {number}")
    fails = 2

    def fail_older(request: Request) -> Reply:
        nonlocal fails
        if "before" in request.query and fails:
            fails -= 1
            lab.telegram.answers = [fail_older]
            return Reply(503)
        reply = lab.telegram._preview(request)
        lab.telegram.answers = [fail_older] if fails else []
        return reply

    lab.telegram.answers = [fail_older]
    async with hearing(aggregator, heard):
        await heard.until(lambda: told(aggregator, heard).total() >= 51, 30)
    assert told(aggregator, heard) == there(lab, "Investigations")
    assert "answered 503" in "".join(heard.details)


async def test_edits_and_deletions_of_a_preview_are_seen(lab: Lab) -> None:
    """Changed words are an edit and a post that is missing twice a deletion, also across a restart."""
    numbers = [lab.telegram.post("Investigations", f"message {number}") for number in range(6)]
    aggregator = lab.preview()
    heard = await drained(aggregator)
    lab.telegram.edit("Investigations", numbers[1], "corrected")
    del lab.telegram.channels["Investigations"][numbers[2]]
    del lab.telegram.channels["Investigations"][numbers[5]]
    async with hearing(aggregator, heard):
        await heard.until(lambda: sum(each.stream == "preview/gone" for each in heard.raws) == 2)
        await lab.tools.clock.sleep(timedelta(minutes=3))
    events = [event for raw in heard.raws for event in aggregator.normalize(raw).events]
    gone = [each.report_id for each in events if isinstance(each, ReportDeleted)]
    assert {"telegram:investigations/3", "telegram:investigations/6"} <= set(gone)
    assert told(aggregator, heard)["investigations/2", "corrected"] == 1
    assert told(aggregator, heard).total() == 7


async def test_an_old_page_is_no_deletion(lab: Lab) -> None:
    """A page that was made before the newest post does not delete it."""
    lab.telegram.post("Investigations", "first")
    aggregator = lab.preview()
    async with hearing(aggregator) as heard:
        await heard.until(lambda: told(aggregator, heard).total() == 1)
        number = lab.telegram.post("Investigations", "second")
        await heard.until(lambda: told(aggregator, heard).total() == 2)
        newest = lab.telegram.channels["Investigations"].pop(number)
        asked = len(lab.server.requests)
        await heard.until(lambda: len(lab.server.requests) > asked)
        lab.telegram.channels["Investigations"][number] = newest
        await lab.tools.clock.sleep(timedelta(minutes=4))
    assert [each.stream for each in heard.raws] == ["preview", "preview"]


async def test_a_page_that_has_not_changed_is_not_sent_again(lab: Lab) -> None:
    """Where the server offers it, the page is asked for only if it is another one."""
    lab.telegram.etags = True
    lab.telegram.post("Investigations", "first")
    aggregator = lab.preview()
    async with hearing(aggregator) as heard:
        await heard.until(lambda: lab.telegram.not_modified >= 2)
        lab.telegram.post("Investigations", "second")
        await heard.until(lambda: told(aggregator, heard).total() == 2)
    assert told(aggregator, heard) == there(lab, "Investigations")


@pytest.mark.parametrize(
    ("answer", "says", "rejected"),
    [
        (Reply(302, b"", {"location": "https://t.me/Investigations"}), "no public preview", 0),
        (Reply(404), "answered 404", 0),
        (Reply(429, b"", {"retry-after": "200"}), "asked too much", 0),
        (Reply(503), "answered 503", 0),
        (Reply(200, b"<html><body>something else</body></html>"), "no preview", 1),
        (Reply(200, b"\xff\x00\x01 garbage"), "no preview", 1),
        (Reply(200, preview_page("")), "no post any more", 1),
        (Reply(200, preview_page('<div class="tgme_widget_message">x</div>')), "without its number", 1),
        (
            Reply(200, preview_page('<div class="tgme_widget_message" data-post="Other/1">x</div>')),
            "another channel",
            1,
        ),
        (Reply(200, b"x" * 500, cut_after=20), "127.0.0.1", 0),
    ],
    ids=["302", "404", "429", "503", "html", "garbage", "empty", "layout", "other", "cut"],
)
async def test_an_unexpected_page_is_told_and_read_again_later(
    lab: Lab, answer: Reply, says: str, rejected: int
) -> None:
    """The trouble is told, the page kept once as refused, nothing deleted, and the reader waits longer."""
    lab.telegram.post("Investigations", "first")
    aggregator = lab.preview()
    heard = await drained(aggregator)
    asked: list[Any] = []

    def fail(request: Request) -> Reply:
        asked.append(lab.tools.clock.now())
        return answer

    lab.telegram.answers = [fail, fail, fail]
    async with hearing(aggregator, heard):
        await heard.until(lambda: len(asked) == 3, 30)
        lab.telegram.post("Investigations", "second")
        await heard.until(lambda: told(aggregator, heard).total() == 2, 30)
    assert told(aggregator, heard) == there(lab, "Investigations")
    assert says in heard.details[0]
    assert asked[2] - asked[1] > timedelta(seconds=80)
    rejects = [reject for raw in heard.raws for reject in normalize(aggregator.normalize, raw).rejects]
    assert len(rejects) == rejected
    assert not [each for each in heard.raws if each.stream == "preview/gone"]
    if answer.status == 429:
        assert asked[1] - asked[0] >= timedelta(seconds=200)


async def test_one_preview_that_fails_does_not_stop_the_other(lab: Lab) -> None:
    """The source is heard, and says what it lacks."""
    lab.telegram.hidden = {"alerts"}
    lab.telegram.post("Investigations", "first")
    aggregator = lab.preview(preview_channels="Investigations:press, alerts")
    heard = await drained(aggregator)
    assert told(aggregator, heard).total() == 1
    last = heard.items[-1]
    assert isinstance(last, Alive)
    assert last.lacking.startswith("the preview of alerts: ")


# --- both ---------------------------------------------------------------------------------------------------


async def test_what_is_missing_is_said(lab: Lab) -> None:
    """Without a channel nothing is asked; without a token the previews are read and the setting named."""
    for settings, wanted in (
        ({}, "preview_channels"),
        ({"token": Secret(TOKEN)}, "preview_channels"),
        ({"channels": "alerts"}, "sources.telegram.token"),
        ({"channels": "alerts", "token": Secret("")}, "sources.telegram.token"),
    ):
        heard = await drained(lab.aggregator(**settings))
        assert [type(each) for each in heard.items] == [NotConfigured]
        assert wanted in heard.details[0]
    assert lab.server.requests == []
    lab.telegram.post("Investigations", "first")
    heard = await drained(lab.preview(channels="alerts"))
    assert len(heard.raws) == 1
    assert heard.details == ["set sources.telegram.token to read sources.telegram.channels"]


async def test_a_channel_read_in_both_ways_makes_the_same_reports(lab: Lab) -> None:
    """The bot's post and the preview's have one identity, one voice and one text."""
    lab.telegram.post("alerts", "Acme Protocol was exploited, $4.9M stolen on Arbitrum", bot=True)
    aggregator = lab.bot(preview_channels="Alerts:press")
    heard = await drained(aggregator)
    events = [event for raw in heard.raws for event in aggregator.normalize(raw).events]
    first, second = [each for each in events if isinstance(each, Report)]
    assert (first.report_id, first.origin) == ("telegram:alerts/1", "telegram:alerts")
    assert (first.report_id, first.origin, first.text) == (second.report_id, second.origin, second.text)
    assert (first.grade, first.source_url) == (Grade.PRESS, "https://t.me/alerts/1")


async def test_a_forwarded_post_names_whose_words_it_is(lab: Lab) -> None:
    """However it is read, a forwarded post is a repost of the channel it comes from."""
    words = "Acme Protocol was exploited, $4.9M stolen on Arbitrum"
    lab.telegram.post("Investigations", words, forwarded_from="zachxbt")
    aggregator = lab.preview()
    heard = await drained(aggregator)
    (report,) = [event for raw in heard.raws for event in aggregator.normalize(raw).events]
    assert isinstance(report, Report)
    assert report.repost_of == "telegram:zachxbt"


async def test_the_token_is_shown_nowhere(lab: Lab) -> None:
    """It is part of the address: neither an error nor a log nor anything that is given holds it."""
    lab.telegram.answers = [
        Reply(200, b"x" * 100, cut_after=5),
        Reply(302, b"", {"location": f"{lab.server.url}/bot{TOKEN}/elsewhere"}),
        Reply(200, b"garbage"),
        json_reply({"ok": False, "error_code": 404, "description": f"no bot {TOKEN}"}, 404),
    ]
    aggregator = lab.bot()
    async with logged() as lines, hearing(aggregator) as heard:
        await heard.until(lambda: len(heard.details) >= 4, 30)
    refused = lab.aggregator(token=Secret(TOKEN), channels="alerts", url="http://127.0.0.1:1")
    unreachable = await drained(refused)
    assert unreachable.details
    shown = [repr(heard.items), repr(unreachable.items), repr(vars(aggregator)), *lines]
    assert "canary" not in "".join(shown)


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_lost_or_doubled_whatever_happens(lab: Lab, seed: int) -> None:
    """Under faults and killed processes each post is given, and what comes again is the same post."""
    chance = random.Random(seed)
    telegram, heard = lab.telegram, Heard()
    faults = [Reply(502), Reply(200, b"[{]"), Reply(200, b"x" * 90, cut_after=9)]
    aggregator = lab.bot(preview_channels="Investigations")
    heard.cursor = (await drained(aggregator)).cursor
    for _ in range(5):
        stored = heard.cursor
        async with hearing(aggregator, heard):
            for _ in range(chance.randrange(2, 40)):
                telegram.post("alerts", f"words {chance.random()}", bot=True)
                telegram.post("Investigations", f"words {chance.random()}")
                telegram.answers += chance.choices(faults, k=chance.randrange(2))
                await asyncio.sleep(chance.random() * 0.03)
                if chance.random() < 0.5 and heard.cursor is not None:
                    stored = heard.cursor
                    aggregator.stored(stored)
        heard.cursor = stored  # killed: what was given since is not stored
        aggregator = lab.bot(preview_channels="Investigations")
    telegram.answers = []
    everything = there(lab, "alerts") + there(lab, "Investigations")
    async with hearing(aggregator, heard):
        store = storing(aggregator, heard)
        await heard.until(lambda: store() and set(told(aggregator, heard)) == set(everything), 30)
