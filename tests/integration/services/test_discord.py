"""Discord against a local one: nothing is lost, nothing comes twice, nothing is asked too often."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators.base import Alive, Toolbox, Waiting
from kamiyo.aggregators.discord import AGGREGATOR, DiscordAggregator, DiscordSettings
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Cursor
from kamiyo.core.reports import Grade, Report, ReportDeleted
from kamiyo.kit.clock import LapseClock
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import open_session, open_websocket
from kamiyo.processing.normalizer import normalize
from tests.builders import NOW
from tests.services.discord import Bucket, Discord, open_discord, too_much
from tests.services.hearing import Heard, drained, hearing, logged
from tests.services.server import Reply, Request, Server, json_reply

TOKEN = "canary.MTk4NjIyNDgzNDcxOTI1MjQ4.never-shown"
NEWS, OTHER, UNLISTED = 290926798999357250, 290926798999357251, 290926798999357252
SPEED = 60.0


@dataclass
class Lab:
    """A local Discord, its HTTP server, and what reads it."""

    discord: Discord
    server: Server
    tools: Toolbox

    def aggregator(self, **settings: Any) -> DiscordAggregator:
        values: dict[str, Any] = {
            "token": Secret(TOKEN),
            "channels": f"{NEWS}:primary,{OTHER}",
            "url": self.discord.base,
        }
        return DiscordAggregator(DiscordSettings(**(values | settings)), self.tools)

    def asked_for_messages(self) -> int:
        return sum(path.endswith("/messages") for path in self.server.paths())


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """Run a Discord of which a minute takes a second."""
    clock = LapseClock(NOW, SPEED)
    async with open_discord(TOKEN, clock) as (discord, server), open_session() as session:
        discord.messages = {NEWS: {}, OTHER: {}, UNLISTED: {}}
        yield Lab(
            discord,
            server,
            Toolbox(clock=clock, session=session, connect=open_websocket, random=random.Random(7)),
        )


def told(heard: Heard) -> Counter[tuple[str, str]]:
    """How often each message was given, by its id and its words."""
    found = (msgspec.json.decode(each.payload) for each in heard.raws if each.stream.startswith("message/"))
    return Counter((each["id"], each["content"]) for each in found)


def deleted(heard: Heard) -> set[int]:
    """The ids of the messages that were said to be deleted."""
    gone = [msgspec.json.decode(each.payload) for each in heard.raws if each.stream == "deleted"]
    return {int(each) for one in gone for each in ([one["id"]] if one.get("id") else one["ids"])}


def there(lab: Lab, *channels: int) -> Counter[tuple[str, str]]:
    """Each message that stands in the channels, once."""
    return Counter(
        (str(number), message["content"])
        for channel in channels or (NEWS, OTHER)
        for number, message in lab.discord.messages[channel].items()
    )


def refuse(request: Request) -> Reply:
    """Refuse as a proxy does that has nothing behind it."""
    del request
    return Reply(502, b"<html>bad gateway</html>")


@asynccontextmanager
async def following(lab: Lab, heard: Heard | None = None, **settings: Any) -> AsyncIterator[Heard]:
    """Read until connected and up to date, and go on."""
    async with hearing(lab.aggregator(**settings), heard) as listening:
        await listening.until(lambda: lab.discord.connected)
        asked = -1
        while asked != lab.asked_for_messages():
            asked = lab.asked_for_messages()
            await asyncio.sleep(0.4)
        yield listening


async def test_posts_are_heard_as_they_are_written(lab: Lab) -> None:
    """What stands there at the start and what is written later is given once; other channels are not."""
    await lab.discord.post(NEWS, "before")
    async with following(lab) as heard:
        await lab.discord.post(NEWS, "first")
        await lab.discord.post(UNLISTED, "nobody listed this")
        await lab.discord.post(OTHER, "second")
        await heard.until(lambda: told(heard).total() >= 3)
    assert told(heard) == there(lab)
    assert all(each.source == "discord" for each in heard.raws)


async def test_edits_and_deletions_are_heard(lab: Lab) -> None:
    """An edited message is given again in its new words, deleted ones are named, one or many at once."""
    async with following(lab) as heard:
        numbers = [await lab.discord.post(NEWS, f"message {number}") for number in range(4)]
        await lab.discord.edit(NEWS, numbers[0], "corrected")
        await lab.discord.delete(NEWS, numbers[1])
        await lab.discord.delete(NEWS, numbers[2], numbers[3])
        await heard.until(lambda: len(deleted(heard)) == 3)
    assert told(heard)[str(numbers[0]), "corrected"] == 1
    assert deleted(heard) == set(numbers[1:])


async def test_a_restart_goes_on_where_it_was(lab: Lab) -> None:
    """What was written while nobody listened is asked for page by page, and what was given is not again."""
    heard = Heard()
    async with following(lab, heard):
        for number in range(30):
            await lab.discord.post(NEWS, f"before {number}")
        await heard.until(lambda: told(heard).total() == 30)
    for number in range(250):
        await lab.discord.post(NEWS, f"unheard {number}")
        await lab.discord.post(OTHER, f"unheard too {number}")
    async with following(lab, heard):
        await lab.discord.post(NEWS, "after")
        await heard.until(lambda: told(heard).total() >= there(lab).total())
    assert told(heard) == there(lab)


async def test_a_long_history_begins_with_its_newest_page(lab: Lab) -> None:
    """A channel that is read for the first time gives its newest hundred messages."""
    numbers = [await lab.discord.post(NEWS, f"message {number}") for number in range(150)]
    heard = await drained(lab.aggregator())
    assert [int(number) for number, _ in told(heard)] == numbers[-100:]


async def test_edits_and_deletions_of_a_hole_are_found(lab: Lab) -> None:
    """A session that could not be resumed brings what was edited and deleted in it too."""
    async with following(lab) as heard:
        numbers = [await lab.discord.post(NEWS, f"message {number}") for number in range(5)]
        await heard.until(lambda: told(heard).total() == 5)
        await lab.tools.clock.sleep(timedelta(minutes=2))
        await lab.discord.close(4009, forget=True)
        await lab.discord.edit(NEWS, numbers[1], "corrected")
        await lab.discord.delete(NEWS, numbers[3])
        await heard.until(lambda: deleted(heard) == {numbers[3]})
        await heard.until(lambda: (str(numbers[1]), "corrected") in told(heard))
    assert told(heard).total() == 6


@pytest.mark.parametrize("how", ["cut", "closed", "asked"])
async def test_a_lost_connection_is_resumed(lab: Lab, how: str) -> None:
    """What happened meanwhile is told by Discord itself: nothing is asked for, nothing lost or doubled."""
    async with following(lab) as heard:
        await lab.discord.post(NEWS, "first")
        await heard.until(lambda: told(heard).total() == 1)
        asked = lab.asked_for_messages()
        match how:
            case "cut":
                lab.discord.cut()
            case "closed":
                await lab.discord.close(4000)
            case _:
                await lab.discord.say('{"op":7,"d":null}')
                await heard.until(lambda: bool(lab.discord.closes))
        for number in range(20):
            await lab.discord.post(OTHER, f"meanwhile {number}")
        await heard.until(lambda: told(heard).total() >= 21)
        assert lab.asked_for_messages() == asked
    assert told(heard) == there(lab)
    assert (lab.discord.resumed, lab.discord.identified) == (1, 1)
    assert how != "asked" or lab.discord.closes[0] == 4000  # 1000 would have ended the session


@pytest.mark.parametrize("resumable", [True, False])
async def test_an_invalid_session_is_begun_anew_or_resumed(lab: Lab, *, resumable: bool) -> None:
    """Discord says whether a session can be resumed; where not, the hole is filled from the history."""
    async with following(lab) as heard:
        await lab.discord.post(NEWS, "first")
        await heard.until(lambda: told(heard).total() == 1)
        await lab.discord.say(msgspec.json.encode({"op": 9, "d": resumable}).decode())
        await heard.until(lambda: bool(lab.discord.closes))
        for number in range(120):
            await lab.discord.post(NEWS, f"meanwhile {number}")
        await heard.until(lambda: told(heard).total() >= 121)
    assert told(heard) == there(lab)
    assert (lab.discord.resumed, lab.discord.identified) == ((1, 1) if resumable else (0, 2))


async def test_a_session_discord_has_forgotten_is_replaced(lab: Lab) -> None:
    """Resuming is tried, refused, and a new session begun: the hole is filled from the history."""
    async with following(lab) as heard:
        await lab.discord.post(NEWS, "first")
        await heard.until(lambda: told(heard).total() == 1)
        await lab.discord.close(1001, forget=True)
        await lab.discord.post(NEWS, "meanwhile")
        await heard.until(lambda: told(heard).total() >= 2)
        await lab.discord.post(NEWS, "later")
        await heard.until(lambda: told(heard).total() >= 3)
    assert told(heard) == there(lab)
    assert lab.discord.refused_resumes == 1


async def test_a_connection_that_does_not_answer_is_given_up(lab: Lab) -> None:
    """A heartbeat without an answer makes a zombie of the connection, which is closed and resumed."""
    async with following(lab) as heard:
        await heard.until(lambda: len(lab.discord.sent[0]) >= 2)
        lab.discord.acknowledges = False
        await heard.until(lambda: bool(lab.discord.closes))
        lab.discord.acknowledges = True
        await lab.discord.post(NEWS, "meanwhile")
        await heard.until(lambda: told(heard).total() == 1)
    assert lab.discord.closes[0] == 4000
    assert (lab.discord.resumed, lab.discord.identified) == (1, 1)


async def test_signs_of_life_are_given(lab: Lab) -> None:
    """A quiet channel's source is alive, and said to be so at every answered heartbeat."""
    async with following(lab) as heard:
        await heard.until(lambda: sum(isinstance(each, Alive) for each in heard.items) >= 5)
    assert heard.details == []
    (sent,) = lab.discord.sent
    pauses = [later - earlier for earlier, later in itertools.pairwise(sent[1:])]
    assert all(timedelta(seconds=40) < each < timedelta(seconds=60) for each in pauses)


@pytest.mark.parametrize(
    ("code", "says"),
    [(4004, "sources.discord.token"), (4013, "intents"), (4014, "MESSAGE CONTENT intent is off")],
)
async def test_a_fatal_refusal_says_what_to_do(lab: Lab, code: int, says: str) -> None:
    """Discord is left alone for minutes, the operator told what to switch on, and then it works."""
    lab.discord.refusals = [code]
    async with hearing(lab.aggregator()) as heard:
        await heard.until(lambda: any(says in each for each in heard.details))
        refused_at = lab.tools.clock.now()
        await lab.discord.post(NEWS, "meanwhile")
        await heard.until(lambda: lab.discord.connected, 30)
        assert lab.tools.clock.now() - refused_at > timedelta(minutes=4)
        await heard.until(lambda: told(heard).total() == 1)
    assert lab.discord.identified == 2


async def test_no_session_is_begun_beyond_the_limit(lab: Lab) -> None:
    """Where Discord allows no more sessions, one is begun only when it does again."""
    lab.discord.remaining, lab.discord.reset_after = 0, timedelta(minutes=3)
    began = lab.tools.clock.now()
    async with hearing(lab.aggregator()) as heard:
        await heard.until(lambda: any("no more sessions" in each for each in heard.details))
        await heard.until(lambda: lab.discord.identified > 0)
    assert lab.tools.clock.now() - began >= timedelta(minutes=3)


async def test_sessions_are_begun_ever_later(lab: Lab) -> None:
    """A Discord that ends every session at once is not asked for a thousand a day."""
    lab.discord.refusals = [4009] * 100
    async with hearing(lab.aggregator()) as heard:
        began = lab.tools.clock.now()
        await heard.until(lambda: lab.tools.clock.now() - began > timedelta(minutes=5))
    assert 4 <= lab.discord.identified <= 12
    assert all(len(each) <= 120 for each in lab.discord.sent)


@pytest.mark.parametrize("nonsense", ["not json", "[]", '{"op":0,"d":{},"s":null,"t":null}', '{"op":"x"}'])
async def test_nonsense_of_the_gateway_loses_nothing(lab: Lab, nonsense: str) -> None:
    """It is kept as refused, and what it came instead of is told again by resuming."""
    aggregator = lab.aggregator()
    async with hearing(aggregator) as heard:
        await heard.until(lambda: lab.discord.connected)
        await lab.discord.say(nonsense)
        await lab.discord.post(NEWS, "after")
        await heard.until(lambda: told(heard).total() >= 1)
    assert told(heard) == there(lab)
    assert lab.discord.resumed == 1
    (refused,) = [each for each in heard.raws if each.stream == "unreadable"]
    with pytest.raises(MalformedPayload):
        aggregator.normalize(refused)


async def test_a_gateway_that_greets_with_nonsense_is_tried_again(lab: Lab) -> None:
    """A greeting that is none, or none at all, is no session."""
    lab.discord.greetings = ['{"op":10,"d":{"heartbeat_interval":0}}', '{"op":10,"d":null}', '{"op":11}']
    async with hearing(lab.aggregator()) as heard:
        await heard.until(lambda: lab.discord.connected)
        await lab.discord.post(NEWS, "at last")
        await heard.until(lambda: told(heard).total() == 1)
    assert lab.discord.identified == 1


async def test_the_rate_limit_is_never_exceeded(lab: Lab) -> None:
    """The headers are read: of two thousand messages no page is asked for before its time."""
    lab.discord.bucket = Bucket(3, 6.0)
    first = await lab.discord.post(NEWS, "first")
    for number in range(1_500):
        await lab.discord.post(NEWS, f"message {number}")
    cursor = Cursor(msgspec.json.encode({str(NEWS): str(first)}).decode())
    async with following(lab, Heard(cursor=cursor), channels=str(NEWS)) as heard:
        await heard.until(lambda: told(heard).total() >= 1_500, 30)
    assert told(heard) == there(lab, NEWS) - Counter([(str(first), "first")])
    assert (lab.discord.exceeded, lab.discord.invalid) == (0, 0)


@pytest.mark.parametrize("everything", [True, False])
async def test_a_refused_question_waits_as_long_as_it_is_told(lab: Lab, *, everything: bool) -> None:
    """After 429 nothing is asked before the time it names."""
    await lab.discord.post(NEWS, "there")
    asked: list[Any] = []

    def refuse_once(request: Request) -> Reply:
        asked.append((lab.tools.clock.now(), request.path))
        return too_much(50.0, everything=everything)

    def see(request: Request) -> Reply:
        asked.append((lab.tools.clock.now(), request.path))
        return json_reply([])

    # The channel itself is asked for first.
    async with hearing(lab.aggregator(channels=str(NEWS), token=Secret(TOKEN))) as heard:
        await heard.until(lambda: lab.asked_for_messages() >= 1)
        lab.discord.answers = [refuse_once, see]
        await lab.discord.close(4009, forget=True)
        await heard.until(lambda: len(asked) == 2, 20)
    (refused, path), (again, next_path) = asked
    if everything or path == next_path:
        assert again - refused >= timedelta(seconds=50)


@pytest.mark.parametrize(
    "answer",
    [
        Reply(502, b"<html>bad gateway</html>"),
        Reply(200, b"<html>not json</html>"),
        Reply(200, b'{"message": "no list"}'),
        Reply(200, b"[{}]"),
        Reply(200, b"[" * 500, cut_after=20),
        Reply(raw=b"\x00\x01nonsense\r\n\r\n"),
        Reply(200, b"[]", delay=0.3),
        Reply(429, b"error code: 1015", {"retry-after": "20"}),
        Reply(429, b""),
        Reply(302, b"", {"location": "https://elsewhere.example/"}),
    ],
    ids=["502", "html", "object", "empty", "cut", "raw", "slow", "cloudflare", "bare429", "moved"],
)
async def test_a_history_that_fails_is_asked_again(lab: Lab, answer: Reply) -> None:
    """Whatever one answer is, all that was written is given once in the end, and the cursor says so."""
    first = await lab.discord.post(NEWS, "first")
    for number in range(5):
        await lab.discord.post(NEWS, f"message {number}")
    cursor = Cursor(msgspec.json.encode({str(NEWS): str(first)}).decode())
    faulty = 0

    def fail(request: Request) -> Reply:
        nonlocal faulty
        faulty += 1
        return answer if request.path.endswith("/messages") else refuse(request)

    lab.discord.answers = [fail, fail, fail]
    async with hearing(lab.aggregator(channels=str(NEWS)), Heard(cursor=cursor)) as heard:
        await heard.until(lambda: told(heard).total() >= 5 and lab.discord.connected, 30)
        last = await lab.discord.post(NEWS, "last")
        await heard.until(lambda: heard.cursor == Cursor(f'{{"{NEWS}":"{last}"}}'))
    assert faulty == 3
    assert told(heard) == there(lab, NEWS) - Counter([(str(first), "first")])


async def test_live_posts_do_not_wait_for_a_hole(lab: Lab) -> None:
    """While the history cannot be read, live posts are given and the cursor stays before the hole."""
    first = await lab.discord.post(NEWS, "first")
    await lab.discord.post(NEWS, "unheard")
    cursor = Cursor(msgspec.json.encode({str(NEWS): str(first)}).decode())
    failing = True

    def gateway_only(request: Request) -> Reply:
        lab.discord.answers = [gateway_only] if failing else []
        if request.path.endswith("/gateway/bot") or not failing:
            kept, lab.discord.answers = lab.discord.answers, []
            reply = lab.discord.answer(request)
            lab.discord.answers = kept
            return reply
        return refuse(request)

    lab.discord.answers = [gateway_only]
    async with hearing(lab.aggregator(channels=str(NEWS)), Heard(cursor=cursor)) as heard:
        await heard.until(lambda: lab.discord.connected)
        live = await lab.discord.post(NEWS, "live")
        await heard.until(lambda: told(heard).total() == 1)
        assert heard.cursor == cursor
        failing = False
        await heard.until(lambda: told(heard).total() >= 2, 30)
        await heard.until(lambda: heard.cursor is not None and str(live) in heard.cursor)
    assert told(heard) == there(lab, NEWS) - Counter([(str(first), "first")])


async def test_a_channel_that_is_closed_to_the_bot_is_named_and_left_alone(lab: Lab) -> None:
    """The others are read, the source says what it lacks, and the closed one is asked for rarely."""
    lab.discord.hidden = {OTHER}
    async with following(lab) as heard:
        await lab.discord.post(NEWS, "open")
        await heard.until(lambda: told(heard).total() == 1)
        began = lab.tools.clock.now()
        await heard.until(lambda: lab.tools.clock.now() - began > timedelta(minutes=10))
        assert heard.details[-1].startswith(f"channel {OTHER}: ")
        assert not any(isinstance(each, Waiting) for each in heard.items)
        assert lab.discord.invalid <= 5
        lab.discord.hidden = set()
        await lab.discord.post(OTHER, "now open")
        await lab.discord.dispatch("CHANNEL_UPDATE", {"id": str(OTHER)})
        await heard.until(lambda: isinstance(each := heard.items[-1], Alive) and not each.lacking)
    assert told(heard) == there(lab)


async def test_a_token_discord_does_not_know_is_not_tried_again_and_again(lab: Lab) -> None:
    """An answer 401 stops every question for minutes."""
    async with hearing(lab.aggregator(token=Secret("another canary"))) as heard:
        began = lab.tools.clock.now()
        await heard.until(lambda: lab.tools.clock.now() - began > timedelta(minutes=12))
    assert "sources.discord.token" in heard.details[0]
    assert lab.discord.invalid <= 3
    assert lab.discord.identified == 0


async def test_a_history_that_may_not_be_read_is_told(lab: Lab) -> None:
    """A channel that looks empty and is not is no silence: the missing right is named."""
    lab.discord.no_history = {NEWS}
    await lab.discord.post(NEWS, "there")
    heard = await drained(lab.aggregator())
    assert "Read Message History" in heard.details[-1]


async def test_words_that_are_withheld_are_noticed(lab: Lab) -> None:
    """Messages without any content mean that the intent is off; once it is on, all of them are given."""
    lab.discord.content_allowed = False
    numbers = [await lab.discord.post(NEWS, f"message {number}") for number in range(3)]
    heard = await drained(lab.aggregator())
    assert "MESSAGE CONTENT intent is off" in heard.details[-1]
    assert isinstance(heard.items[-1], Waiting)
    assert told(heard).total() == 0
    assert str(NEWS) not in (heard.cursor or "")
    lab.discord.content_allowed = True
    heard = await drained(lab.aggregator(), heard.cursor)
    assert {int(number) for number, _ in told(heard)} == set(numbers)


async def test_live_words_that_are_withheld_are_noticed(lab: Lab) -> None:
    """A live message without content moves no cursor and is asked for again until it is seen."""
    async with following(lab) as heard:
        lab.discord.content_allowed = False
        await lab.discord.post(NEWS, "hidden")
        await heard.until(lambda: any("MESSAGE CONTENT intent is off" in each for each in heard.details))
        assert told(heard).total() == 0
        lab.discord.content_allowed = True
        await heard.until(lambda: told(heard).total() == 1, 30)
    assert told(heard) == there(lab)


async def test_an_image_among_words_is_no_alarm(lab: Lab) -> None:
    """Where others' words are shown, a message without any is just that."""
    await lab.discord.post(NEWS, "words")
    async with following(lab) as heard:
        await heard.until(lambda: told(heard).total() == 1)
        await lab.discord.post(NEWS, "")
        await heard.until(lambda: told(heard).total() == 2)
    assert heard.details == []


async def test_what_is_missing_is_said(lab: Lab) -> None:
    """Without a token or a channel nothing is asked, and the setting that is wanted is named."""
    for settings, wanted in (
        ({"token": None}, "token"),
        ({"token": Secret("")}, "token"),
        ({"channels": ""}, "channels"),
    ):
        heard = await drained(lab.aggregator(**settings))
        assert heard.details == [f"set sources.discord.{wanted}"]
    assert lab.server.requests == []


async def test_a_claim_becomes_a_report(lab: Lab) -> None:
    """A post is a report of its channel's grade with a link to it; its deletion names the same report."""
    aggregator = lab.aggregator()
    async with hearing(aggregator) as heard:
        await heard.until(lambda: lab.discord.connected)
        number = await lab.discord.post(NEWS, "Acme Protocol was exploited, $4.9M stolen on Arbitrum")
        await lab.discord.delete(NEWS, number)
        await heard.until(lambda: bool(deleted(heard)))
    events = [event for raw in heard.raws for event in aggregator.normalize(raw).events]
    reports = [each for each in events if isinstance(each, Report)]
    assert len(reports) == 1
    assert reports[0].report_id == f"discord:{NEWS}/{number}"
    assert reports[0].grade is Grade.PRIMARY
    assert reports[0].source_url == f"https://discord.com/channels/{Discord.GUILD}/{NEWS}/{number}"
    assert [each.report_id for each in events if isinstance(each, ReportDeleted)] == [reports[0].report_id]


async def test_the_token_is_shown_nowhere(lab: Lab) -> None:
    """Neither what is given, nor what is refused, nor what is logged holds it, whatever goes wrong."""
    aggregator = lab.aggregator()
    lab.discord.answers = [refuse, Reply(200, b"nonsense"), Reply(401, b"no")]
    lab.discord.refusals = [4004]
    async with logged() as lines, hearing(aggregator) as heard:
        await heard.until(lambda: len(heard.details) >= 3, 30)
        lab.discord.cut()
    rejects = [reject for raw in heard.raws for reject in normalize(aggregator.normalize, raw).rejects]
    shown = [repr(heard.items), repr(rejects), repr(AGGREGATOR), repr(vars(aggregator)), *lines]
    assert "canary" not in "".join(shown)


async def disturb(discord: Discord, chance: random.Random) -> None:
    """Let something go wrong, or nothing, while some messages are written."""
    answers: list[Reply | Callable[[Request], Reply]] = [
        refuse,
        too_much(3.0),
        Reply(200, b"[{]"),
        Reply(cut_after=0, body=b"x"),
    ]
    match chance.randrange(9):
        case 0:
            discord.cut()
        case 1:
            await discord.close(chance.choice([1000, 1001, 4000, 4007, 4009]))
        case 2:
            await discord.close(4000, forget=True)
        case 3:
            await discord.say(chance.choice(['{"op":7}', '{"op":9,"d":true}', '{"op":9,"d":false}', "{"]))
        case 4:
            discord.answers += chance.choices(answers, k=3)
        case 5:
            discord.acknowledges = not discord.acknowledges
        case _:
            pass
    for _ in range(chance.randrange(12)):
        await discord.post(chance.choice([NEWS, OTHER]), f"words {chance.random()}")
        await asyncio.sleep(chance.random() * 0.002)


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_lost_or_doubled_whatever_happens(lab: Lab, seed: int) -> None:
    """Under a storm of faults and restarts each post is given, and what comes again is the same post."""
    chance = random.Random(seed)
    heard, discord = Heard(), lab.discord
    await discord.post(NEWS, "first")
    await discord.post(OTHER, "first")
    async with following(lab, heard):
        await heard.until(lambda: told(heard).total() == 2)
    for _ in range(4):
        async with hearing(lab.aggregator(), heard):
            for _ in range(6):
                await disturb(discord, chance)
                await asyncio.sleep(chance.random() * 0.1)
    discord.answers, discord.acknowledges = [], True
    async with hearing(lab.aggregator(), heard):
        await heard.until(lambda: set(told(heard)) == set(there(lab)), 30)
    assert set(told(heard)) == set(there(lab))
    assert (discord.invalid, discord.exceeded) == (0, 0)
