"""X against a local one: nothing is lost, nothing comes twice, and no day costs more than it may."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from kamiyo.aggregators._x.posts import parse_post
from kamiyo.aggregators.base import Alive, NotConfigured, Toolbox
from kamiyo.aggregators.x import AGGREGATOR, Mode, XAggregator, XSettings
from kamiyo.core.errors import MalformedPayload
from kamiyo.core.events import Gap
from kamiyo.core.ports import Counted
from kamiyo.core.reports import Grade, Medium, Report, ReportKind
from kamiyo.core.time import to_millis
from kamiyo.kit.clock import LapseClock
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import HttpSession, open_session
from kamiyo.processing.normalizer import normalize
from tests.builders import NOW
from tests.fake_venue import SteppedClock
from tests.fakes import MemoryUsdBudget
from tests.services.hearing import Heard, drained, hearing, logged
from tests.services.server import Reply, json_reply
from tests.services.x import RULES, SEARCH, STREAM, TOKEN, X, open_x

SPEED = 200.0  # a keep-alive is a tenth of a second
PRICE = Decimal("0.005")
SHIELD, VENUE, SLEUTH = "PeckShieldAlert", "HyperliquidX", "zachxbt"
AUTHORS = f"{SHIELD}:onchain_derived,{VENUE}:primary,{SLEUTH}"
THEFT = "#PeckShieldAlert Euler Finance was exploited, ~$4.9M stolen on #Ethereum"


@dataclass
class Lab:
    """A local X and what reads it."""

    x: X
    clock: LapseClock | SteppedClock
    tools: Toolbox
    money: MemoryUsdBudget
    posted: list[str] = field(default_factory=list)

    def aggregator(self, **settings: Any) -> XAggregator:
        values: dict[str, Any] = {
            "token": Secret(TOKEN),
            "authors": AUTHORS,
            "url": self.x.url,
            "silence_seconds": 1,
            "daily_usd": Decimal(5),
        }
        return XAggregator(XSettings(**(values | settings)), self.tools)

    def post(self, handle: str = SHIELD, text: str = THEFT, **more: Any) -> str:
        self.posted.append(self.x.post(handle, text, **more))
        return self.posted[-1]

    def cost_of(self, day: date) -> Decimal:
        return self.x.charged[day] * PRICE

    def spent(self, day: date) -> Decimal:
        return self.money.spent.get((day, AGGREGATOR.name), Decimal(0))

    def asked(self, path: str, method: str = "GET") -> int:
        assert self.x.server is not None
        return sum((each.path, each.method) == (path, method) for each in self.x.server.requests)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """Run an X of which five minutes take a second and a half."""
    async with a_lab(NOW) as made:
        yield made


@asynccontextmanager
async def a_lab(
    start: datetime, clock: LapseClock | SteppedClock | None = None, **service: Any
) -> AsyncIterator[Lab]:
    clock = clock or LapseClock(start, SPEED)
    async with open_x(clock, **service) as x, open_session() as session:
        money = MemoryUsdBudget(clock)
        tools = Toolbox(clock=clock, session=session, money=money)
        yield Lab(x, clock, tools, money)


def ids(heard: Heard) -> list[str]:
    """Give the posts that were told, in order; what is no post is none."""
    found: list[str] = []
    for raw in heard.raws:
        try:
            found.append(parse_post(raw, "x").url.rpartition("/")[2])
        except MalformedPayload:
            continue
    return found


def heard_all(lab: Lab, heard: Heard) -> Callable[[], bool]:
    return lambda: set(lab.posted) <= set(ids(heard))


def lives(heard: Heard) -> bool:
    """Whether a round of searching was ended."""
    return any(isinstance(each, Alive) for each in heard.items)


async def connected(lab: Lab, heard: Heard) -> None:
    """Wait until a stream is open and what was missed before is read."""
    await heard.until(
        lambda: bool(lab.x.connections) and any(isinstance(each, Alive) for each in heard.items)
    )


# --- what is said ------------------------------------------------------------------------------------------


async def test_a_post_of_the_stream_becomes_a_report(lab: Lab) -> None:
    """As soon as it is posted, with who said it, how near they are, and what they claim."""
    aggregator = lab.aggregator()
    async with hearing(aggregator) as heard:
        await connected(lab, heard)
        number = lab.post()
        await heard.until(heard_all(lab, heard))
    (report,) = normalize(aggregator.normalize, heard.raws[0]).events
    assert isinstance(report, Report)
    assert (report.report_id, report.origin, report.medium) == (
        f"x:{number}",
        "x:peckshieldalert",
        Medium.SOCIAL,
    )
    assert (report.grade, report.kind) == (Grade.ONCHAIN_DERIVED, ReportKind.NEW)
    assert report.source_url == f"https://x.com/PeckShieldAlert/status/{number}"
    assert report.facts.amount_usd == 4_900_000


async def test_a_post_that_is_searched_for_says_the_same(lab: Lab) -> None:
    """However it was come by: only when it was received differs."""
    streamed, searched = lab.aggregator(), lab.aggregator(mode=Mode.SEARCH)
    async with hearing(streamed) as heard:
        await connected(lab, heard)
        start = heard.cursor
        lab.post()
        await heard.until(heard_all(lab, heard))
    found = await drained(searched, start)
    (one,), (other,) = (
        normalize(each.normalize, raws[0]).events
        for each, raws in ((streamed, heard.raws), (searched, found.raws))
    )
    assert isinstance(one, Report)
    assert isinstance(other, Report)
    assert msgspec.structs.replace(one, received_at=other.received_at) == other


async def test_an_edit_is_the_same_report(lab: Lab) -> None:
    """It has another id at X, and tells which post it was."""
    aggregator = lab.aggregator()
    async with hearing(aggregator) as heard:
        await connected(lab, heard)
        first = lab.post()
        await asyncio.sleep(0.05)
        lab.post(text=THEFT.replace("4.9", "5.1"), edit_history_tweet_ids=[first, "9"])
        await heard.until(heard_all(lab, heard))
    before, after = (normalize(aggregator.normalize, raw).events[0] for raw in heard.raws)
    assert isinstance(before, Report)
    assert isinstance(after, Report)
    assert before.edited_at is None
    assert after.edited_at is not None


# --- rules -------------------------------------------------------------------------------------------------


async def test_only_our_own_rules_are_changed(lab: Lab) -> None:
    """What another program asked for stays; ours of former settings go, and none is added twice."""
    lab.x.rules = {
        "901": ("cats has:images", "cats"),
        "902": ("from:Nobody", "kamiyo:nobody"),
        "903": (f"from:{VENUE} -is:retweet", "kamiyo:hyperliquidx"),
    }
    for _ in range(2):
        async with hearing(lab.aggregator()) as heard:
            await connected(lab, heard)
        assert {"901", "902", "903"} & set(lab.x.rules) == {"901", "903"}
        assert sorted(value for value, _tag in lab.x.rules.values()) == [
            "cats has:images",
            f"from:{VENUE} -is:retweet",
            f"from:{SHIELD} -is:retweet",
            f"from:{SLEUTH} -is:retweet",
        ]
    assert lab.asked(RULES, "POST") == 2


async def test_what_nobody_listed_is_dropped_and_counted(lab: Lab) -> None:
    """A rule of another program brings its posts here too: they are paid for, and no report."""
    lab.x.rules = {"901": ("from:PeckShie1dAlert", "cats")}
    aggregator = lab.aggregator()
    async with hearing(aggregator) as heard:
        await connected(lab, heard)
        lab.post("PeckShie1dAlert")
        await heard.until(heard_all(lab, heard))
    said = normalize(aggregator.normalize, heard.raws[0])
    assert (list(said.events), said.counts[Counted.UNLISTED_POSTS]) == ([], 1)


async def test_a_rule_that_x_does_not_take_is_named(lab: Lab) -> None:
    """Nothing is listened to then, as one account would silently be missing."""
    lab.x.faults[RULES].extend([json_reply({}), json_reply({"errors": [{"title": "Invalid Rule"}]}, 201)])
    async with hearing(lab.aggregator()) as heard:
        await heard.until(lambda: bool(heard.details))
    assert "no rule was taken for" in heard.details[0]
    assert "sources.x.filter" in heard.details[0]


# --- what goes wrong ---------------------------------------------------------------------------------------

FAULTS: dict[str, Callable[[X], None]] = {
    "cut": lambda x: x.cut(),
    "cut within a line": lambda x: x.cut(after=b'{"data":{"id":"'),
    "clean end": lambda x: x.cut(clean=True),
    "disconnected": lambda x: x.disconnect(),
    "silence": lambda x: x.fall_silent(),
    "garbage": lambda x: x.send(b"<html>Bad Gateway</html>\r\n"),
    "not a post": lambda x: x.send(b'{"data":{"id":12}}\r\n'),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_posted_while_the_stream_is_lost_is_searched_for(lab: Lab, fault: str) -> None:
    """Whatever ends a connection: the next begins with what the last one missed."""
    async with hearing(lab.aggregator()) as heard:
        await connected(lab, heard)
        lab.post()
        await heard.until(heard_all(lab, heard))
        FAULTS[fault](lab.x)
        for author in (SHIELD, VENUE, SLEUTH):
            lab.post(author)
        await heard.until(heard_all(lab, heard))
        await heard.until(lambda: bool(lab.x.connections))
        lab.post()
        await heard.until(heard_all(lab, heard))
    assert sorted(ids(heard)) == sorted(lab.posted)
    assert lab.x.connected >= 2


async def test_a_post_is_found_that_never_arrived_though_a_later_one_did(lab: Lab) -> None:
    """What the next connection reads again begins well before the newest post of the last."""
    async with hearing(lab.aggregator()) as heard:
        await connected(lab, heard)
        (connection,) = lab.x.connections
        connection.deaf = True
        lab.post()
        connection.deaf = False
        lab.post()
        await heard.until(lambda: lab.posted[1:] == ids(heard))
        lab.x.cut()
        await heard.until(heard_all(lab, heard))
    assert ids(heard) == [lab.posted[1], lab.posted[0]]


async def test_a_line_that_comes_slowly_is_read_whole(lab: Lab) -> None:
    """Byte by byte, with pauses that are no silence."""
    async with hearing(lab.aggregator()) as heard:
        await connected(lab, heard)
        line = msgspec.json.encode(
            {"data": {"id": str(1 << 62), "text": "slow", "created_at": "2026-01-01T00:00:00Z"}}
        )
        lab.x.keeps_alive = False
        for at in range(0, len(line), 10):
            lab.x.send(line[at : at + 10])
            await asyncio.sleep(0.03)
        lab.x.send(b"\r\n")
        await heard.until(lambda: bool(heard.raws))
    assert (heard.raws[0].payload, lab.x.connected) == (line, 1)


async def test_what_the_search_finds_late_is_found(lab: Lab) -> None:
    """A post made just before the stream was opened again is in neither at first."""
    async with a_lab(NOW, index_lag=timedelta(seconds=40)) as late, hearing(late.aggregator()) as heard:
        await connected(late, heard)
        late.x.cut()
        late.post()
        await heard.until(heard_all(late, heard))
        await asyncio.sleep(0.5)
    assert ids(heard) == late.posted


_ELSEWHERE = {"title": "ConnectionException", "connection_issue": "TooManyConnections"}
_UNPAID = "the credits of the account are used up"


@pytest.mark.parametrize(
    ("path", "reply", "said", "pause"),
    [
        (STREAM, Reply(503), "an error (503", 5),
        (SEARCH, Reply(500), "an error (500", 5),
        (RULES, Reply(502, b"<html>"), "an error (502", 5),
        (SEARCH, json_reply({"title": "Too Many Requests"}, 429), "asked too much", 60),
        (STREAM, json_reply(_ELSEWHERE, 429), "another connection holds the stream", 60),
        (
            STREAM,
            json_reply({"title": "Unauthorized"}, 401),
            "the token is refused: set sources.x.token",
            900,
        ),
        (SEARCH, json_reply({"title": "Forbidden"}, 403), "the token may not ask this", 900),
        (SEARCH, json_reply({"title": "CreditsDepleted"}, 402), _UNPAID, 900),
        (STREAM, json_reply({"title": "UsageCapExceeded"}, 429), _UNPAID, 900),
    ],
)
async def test_a_refusal_is_said_and_waited_after(
    lab: Lab, path: str, reply: Reply, said: str, pause: int
) -> None:
    """For as long as its kind asks; then it goes on as if nothing had been."""
    lab.x.faults[path].append(reply)
    began = lab.clock.now()
    async with hearing(lab.aggregator()) as heard:
        await heard.until(lambda: bool(heard.details))
        asked = lab.asked(path)
        await connected(lab, heard)
        lab.post()
        await heard.until(heard_all(lab, heard))
        passed = (lab.clock.now() - began).total_seconds()
    assert said in heard.details[0]
    assert len(heard.details) == 1
    assert passed >= pause
    assert asked == 1
    assert ids(heard) == lab.posted


async def test_as_long_as_a_limit_lasts_nobody_asks(lab: Lab) -> None:
    """The header says until when, and it counts where it is longer than our own pause."""
    until = int((lab.clock.now() + timedelta(minutes=10)).timestamp())
    lab.x.faults[SEARCH].append(
        json_reply({}, 429, {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(until)})
    )
    async with hearing(lab.aggregator(mode=Mode.SEARCH)) as heard:
        await heard.until(lambda: lab.asked(SEARCH) > 1)
        assert lab.clock.now().timestamp() >= until
    assert len(heard.details) == 1


async def test_nobody_is_asked_more_often_than_is_allowed(lab: Lab) -> None:
    """Twenty accounts are asked for as fast as can be: the next window is waited for."""
    lab.x.limits["GET", SEARCH] = 45
    many = ",".join(f"account_{number}" for number in range(20))
    async with hearing(lab.aggregator(mode=Mode.SEARCH, authors=many, poll_seconds=15)) as heard:
        await heard.until(lambda: bool(heard.details))
        assert "no more is allowed" in heard.details[0]
        await heard.until(lambda: lab.asked(SEARCH) > 90)
    assert not +lab.x.refused


async def test_what_nobody_answers_costs_nothing(lab: Lab) -> None:
    """A machine without a network does not spend its budget on trying."""
    async with hearing(lab.aggregator(mode=Mode.SEARCH, url="http://127.0.0.1:9")) as heard:
        await heard.until(lambda: len(heard.details) > 5)
    assert lab.spent(NOW.date()) <= 10 * PRICE


@pytest.mark.parametrize("seed", range(3))
async def test_an_hour_of_faults(lab: Lab, seed: int) -> None:
    """Posts, faults and restarts at random: each post comes once, and what it cost was set aside before."""
    chance = random.Random(seed)
    heard = Heard()
    replies = [
        Reply(503),
        Reply(500),
        Reply(200, b"{", cut_after=0),
        json_reply({}, 429),
        Reply(raw=b"nonsense"),
    ]
    for _ in range(3):
        async with hearing(lab.aggregator(), heard):
            for _ in range(12):
                for _ in range(chance.randrange(4)):
                    lab.post(chance.choice([SHIELD, VENUE, SLEUTH]))
                    await asyncio.sleep(chance.choice([0, 0.01]))
                if chance.random() < 0.5:
                    chance.choice(list(FAULTS.values()))(lab.x)
                if chance.random() < 0.3:
                    lab.x.faults[chance.choice([SEARCH, STREAM, RULES])].append(chance.choice(replies))
                await asyncio.sleep(chance.random() / 4)
    async with hearing(lab.aggregator(), heard):
        await heard.until(heard_all(lab, heard), seconds=40)
    assert sorted(ids(heard)) == sorted(lab.posted)
    assert not [each for each in heard.items if isinstance(each, Gap)]
    assert lab.cost_of(NOW.date()) <= lab.spent(NOW.date()) <= 5


# --- what it costs -----------------------------------------------------------------------------------------


async def some_days(lab: Lab, clock: SteppedClock, until: datetime, authors: Sequence[str]) -> None:
    """Let somebody post every five minutes, and everybody read it."""
    chance = random.Random(1)
    while clock.now() < until:
        lab.post(chance.choice(authors))
        await asyncio.sleep(0.01)
        await clock.advance(300)


async def test_no_day_costs_more_than_its_budget() -> None:
    """More is posted than may be paid for: each day stops in time, says until when, and the next goes on."""
    clock = SteppedClock(datetime(2026, 11, 22, 3, tzinfo=UTC))
    async with (
        a_lab(clock.now(), clock) as lab,
        hearing(lab.aggregator(daily_usd=Decimal("0.50"))) as heard,
    ):
        await connected(lab, heard)
        await some_days(lab, clock, datetime(2026, 11, 23, 16, tzinfo=UTC), [SHIELD, VENUE, SLEUTH])
    days = [date(2026, 11, day) for day in (22, 23)]
    assert all(Decimal("0.30") <= lab.cost_of(day) <= Decimal("0.50") for day in days)
    assert all(lab.cost_of(day) <= lab.spent(day) <= Decimal("0.50") for day in days)
    assert heard.details == [
        f"the budget of 0.50 USD a day is spent; goes on at 2026-11-{day}T00:00:30.000Z" for day in (23, 24)
    ]
    assert len(ids(heard)) == len(set(ids(heard)))


async def test_what_the_budget_did_not_pay_for_is_a_gap() -> None:
    """Each post of a day was told, or lies in a gap of its author, and the next day hears its own."""
    clock = SteppedClock(datetime(2026, 11, 22, 3, tzinfo=UTC))
    async with (
        a_lab(clock.now(), clock) as lab,
        hearing(lab.aggregator(daily_usd=Decimal("0.60"))) as heard,
    ):
        await connected(lab, heard)
        await some_days(lab, clock, datetime(2026, 11, 23, 0, 40, tzinfo=UTC), [SHIELD])
        lab.post(VENUE)
        await asyncio.sleep(0.02)
    gaps = [each for each in heard.items if isinstance(each, Gap)]
    told = set(ids(heard))
    missing = [each for each in lab.x.tweets if str(each.id) not in told]
    assert len(missing) > 80
    for tweet in missing:
        millis = to_millis(tweet.posted_at)
        assert any(gap.scope == SHIELD.lower() and gap.first <= millis < gap.after_last for gap in gaps)
    assert not [each for each in missing if each.posted_at.day == 23]
    assert all(lab.cost_of(day) <= Decimal("0.60") for day in lab.x.charged)


async def test_nothing_is_open_while_the_day_turns() -> None:
    """What arrives at midnight would be charged to a day nobody can tell."""
    async with a_lab(datetime(2026, 11, 22, 23, 57, tzinfo=UTC)) as lab, hearing(lab.aggregator()) as heard:
        await connected(lab, heard)
        midnight = datetime(2026, 11, 23, tzinfo=UTC)
        while lab.clock.now() < midnight - timedelta(seconds=15):
            await asyncio.sleep(0.01)
        lab.x.send(b"\r\n")
        await asyncio.sleep(0.02)
        lab.post()
        assert lab.x.charged[midnight.date() - timedelta(days=1)] == 0
        await heard.until(heard_all(lab, heard))
        assert lab.clock.now() >= midnight
    assert ids(heard) == lab.posted
    assert heard.details == []


async def test_what_was_charged_and_never_arrived_counts(lab: Lab) -> None:
    """Posts that were sent on a connection that was lost are paid for twice, as they are searched for."""
    async with hearing(lab.aggregator()) as heard:
        await connected(lab, heard)
        lab.x.fall_silent()
        for _ in range(40):
            lab.post()
        await heard.until(heard_all(lab, heard))
        await heard.until(lambda: lab.spent(NOW.date()) >= 110 * PRICE)  # both, and what is set aside ahead
    assert lab.x.charged[NOW.date()] >= 80
    assert lab.cost_of(NOW.date()) <= lab.spent(NOW.date())


async def test_a_process_that_ends_gives_back_what_it_did_not_use(lab: Lab) -> None:
    """But not what may have been under way when the stream was closed."""
    async with hearing(lab.aggregator()) as heard:
        await connected(lab, heard)
        lab.post()
        await heard.until(heard_all(lab, heard))
    assert lab.cost_of(NOW.date()) == PRICE
    assert lab.spent(NOW.date()) == 11 * PRICE


# --- search ------------------------------------------------------------------------------------------------


async def test_a_search_reads_every_page_once(lab: Lab) -> None:
    """More than a page of one author, with posts of others between; then nothing is paid for twice."""
    async with hearing(lab.aggregator(mode=Mode.SEARCH, poll_seconds=30)) as heard:
        await heard.until(lambda: lives(heard))
        for number in range(33):
            lab.post(SHIELD if number % 3 else VENUE)
        await heard.until(heard_all(lab, heard))
        asked = lab.asked(SEARCH)
        await heard.until(lambda: lab.asked(SEARCH) > asked + 6)
    assert sorted(ids(heard)) == sorted(lab.posted)
    assert lab.cost_of(NOW.date()) == 33 * PRICE
    assert 33 * PRICE <= lab.spent(NOW.date()) <= 43 * PRICE  # the last question was not waited for


@pytest.mark.parametrize("stop_after", [1, 10, 11, 20, 25])
async def test_a_search_that_was_stopped_goes_on_where_it_was(lab: Lab, stop_after: int) -> None:
    """In the middle of pages, which come newest first: nothing is lost, and a page begun is read again."""
    start = (await drained(lab.aggregator(mode=Mode.SEARCH))).cursor
    for _ in range(35):
        lab.post(SHIELD)
    heard = Heard(cursor=start)
    async with aclosing(lab.aggregator(mode=Mode.SEARCH).stream(start, follow=False)) as items:
        async for item in items:
            heard.take(item)
            if len(heard.raws) == stop_after:
                break
    lab.post(SHIELD)
    for _ in range(2):
        rest = await drained(lab.aggregator(mode=Mode.SEARCH), heard.cursor)
        for item in rest.items:
            heard.take(item)
    assert set(ids(heard)) == set(lab.posted)
    assert len(ids(heard)) - len(lab.posted) == stop_after % 10


async def test_what_is_too_old_to_be_found_is_a_gap(lab: Lab) -> None:
    """The search reaches back seven days: what was missed before that is said to be missing."""
    cursor = (await drained(lab.aggregator())).cursor
    async with a_lab(NOW + timedelta(days=9)) as later:
        later.x.tweets = lab.x.tweets
        found = await drained(later.aggregator(), cursor)
    gaps = [each for each in found.items if isinstance(each, Gap)]
    assert {gap.scope for gap in gaps} == {SHIELD.lower(), VENUE.lower(), SLEUTH.lower()}
    for gap in gaps:
        assert gap.started_at is not None
        assert gap.ended_at is not None
        assert NOW - timedelta(minutes=2) <= gap.started_at <= NOW + timedelta(minutes=5)
        assert timedelta(days=2) <= gap.ended_at - NOW <= timedelta(days=2, hours=1)
    assert found.details == []


# --- secrets -----------------------------------------------------------------------------------------------


async def test_the_token_is_nowhere(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Not in a URL, a log, an error, a payload or a reject, even where the service repeats it."""
    echo = {"title": f"bad {TOKEN}", "detail": TOKEN, "type": TOKEN}
    for path in (RULES, SEARCH, STREAM):
        lab.x.faults[path].extend([json_reply(echo, 500), Reply(200, TOKEN.encode()), json_reply(echo, 503)])
    aggregator = lab.aggregator()
    shown: list[str] = [repr(aggregator.__dict__), repr(aggregator.description)]
    async with logged() as lines, hearing(aggregator) as heard:
        await connected(lab, heard)
        lab.x.send(f'{{"data":"{TOKEN}"}}\r\n'.encode())
        lab.post(text=f"{THEFT} {TOKEN}")
        await heard.until(heard_all(lab, heard))
    assert lab.x.server is not None
    shown += [repr(normalize(aggregator.normalize, raw)) for raw in heard.raws]
    shown += [repr(heard.items), *lines, *capsys.readouterr()]
    shown += [f"{request.path}{request.query}" for request in lab.x.server.requests]
    assert "********" in "".join(shown)
    assert "canary" not in "".join(shown)


async def test_a_broken_transport_tells_no_token() -> None:
    """Nor does an error that repeats what was sent."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"refused {request.headers}", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
        tools = Toolbox(
            clock=LapseClock(NOW, SPEED),
            session=HttpSession(client),
            money=MemoryUsdBudget(LapseClock(NOW, 1)),
        )
        aggregator = XAggregator(XSettings(token=Secret(TOKEN), mode=Mode.SEARCH), tools)
        async with hearing(aggregator) as heard:
            await heard.until(lambda: bool(heard.details))
    assert "canary" not in repr(heard.items)


async def test_without_a_token_it_says_what_it_wants(lab: Lab) -> None:
    """Nobody is asked, and nothing is wrong."""
    for token in (None, Secret("")):
        found = await drained(lab.aggregator(token=token))
        assert found.items == [NotConfigured("set sources.x.token to a bearer token of the X API")]
    assert lab.x.server is not None
    assert lab.x.server.requests == []
