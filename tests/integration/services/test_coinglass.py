"""CoinGlass against a local one: nothing is lost, nothing comes twice, nothing is asked too often."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from random import Random
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators.base import Alive, BudgetOf, NotConfigured, Toolbox, Waiting
from kamiyo.aggregators.coinglass import AGGREGATOR, CoinGlassAggregator, CoinGlassSettings
from kamiyo.core.claims import Claim, ClaimedAction, ClaimedPosition, ClaimedTotal
from kamiyo.core.events import Gap
from kamiyo.core.margin import Direction
from kamiyo.core.ports import Event, Journal, Leases
from kamiyo.core.sources import SourceState
from kamiyo.core.time import from_millis, to_millis
from kamiyo.kit.clock import LapseClock, SystemClock
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import open_session, open_websocket
from kamiyo.processing.normalizer import normalize
from kamiyo.processing.orchestrator import SupervisedSource
from kamiyo.storage.budgets import budgets_of
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.leases import PostgresLeases
from kamiyo.storage.pool import Pool
from tests.builders import NOW
from tests.fakes import MemoryBudget, MemoryJournal, MemoryLeases
from tests.services.coinglass import CoinGlass, Order, open_coinglass
from tests.services.hearing import Heard, drained, hearing, logged
from tests.services.server import Reply, Request, Server
from tests.stored import stored_in

KEY = "canary-4f1d0c-never-shown"
SPEED = 60
SECOND, HOUR = 1_000, 3_600_000
START = to_millis(NOW)
ONE_PAIR = {"exchanges": "Binance", "assets": "ETH"}

Tools = Callable[[BudgetOf], Toolbox]


@dataclass
class Lab:
    """A local CoinGlass, its HTTP server, and what reads it."""

    service: CoinGlass
    server: Server
    tools: Tools

    def aggregator(self, budget_of: BudgetOf | None = None, **settings: Any) -> CoinGlassAggregator:
        values: dict[str, Any] = {
            "key": Secret(KEY),
            "plan": "standard",
            "url": self.service.url,
            "websocket_url": self.service.websocket_url,
            "live": False,
        }
        found = msgspec.convert(values | ONE_PAIR | settings, CoinGlassSettings, dec_hook=_secret)
        return AGGREGATOR.build(found, self.tools(budget_of or self.one_budget()))  # type: ignore[return-value]

    def one_budget(self) -> BudgetOf:
        """Give one account, whatever limit is named."""
        clock = self.service.clock
        return lambda _name, limit: MemoryBudget(clock, limit_per_minute=limit)

    def asked(self, endpoint: str) -> list[Request]:
        return [each for each in self.server.requests if each.path.endswith(endpoint)]


def _secret(_kind: type, value: Any) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """Run a CoinGlass of which a minute takes a second."""
    clock = LapseClock(NOW, SPEED)
    async with open_coinglass(KEY, clock) as (service, server), open_session() as session:
        yield Lab(
            service,
            server,
            lambda budget_of: Toolbox(
                clock=clock, session=session, connect=open_websocket, budget_of=budget_of
            ),
        )


def events(aggregator: CoinGlassAggregator, heard: Heard) -> list[Event]:
    return [event for raw in heard.raws for event in normalize(aggregator.normalize, raw).events]


def claims(found: Iterable[Event]) -> Counter[tuple[int, str, str]]:
    """Each distinct claim by its moment, pair and amount, and how many of them are alike."""
    distinct = {each.claim_id: each for each in found if isinstance(each, Claim)}
    return Counter(
        (to_millis(each.timestamp), each.pair, f"{each.amount_usd:.2f}") for each in distinct.values()
    )


def happened(service: CoinGlass, *, exchange: str = "") -> Counter[tuple[int, str, str]]:
    """The orders that are large enough to be asked for."""
    return Counter(
        (each.time, each.pair, f"{each.usd:.2f}")
        for each in service.orders
        if each.usd >= 10_000 and exchange in {"", each.exchange}
    )


def some_orders(random: Random, number: int, *, hours: float = 24, **changes: Any) -> list[Order]:
    """Orders of the last hours, many at one moment and some alike in everything."""
    moments = [START - random.randrange(int(hours * HOUR)) for _ in range(number // 3)]
    return [
        Order(time=random.choice(moments), usd=random.choice([500.0, 10_000.0, 20_000.25]), **changes)
        for _ in range(number)
    ]


def gaps(heard: Heard) -> list[Gap]:
    return [each for each in heard.items if isinstance(each, Gap)]


def lacking(heard: Heard) -> str:
    """What was said to be lacking last."""
    return next((each.lacking for each in reversed(heard.items) if isinstance(each, Alive)), "")


async def test_without_a_key_it_says_what_it_wants_and_asks_nothing(lab: Lab) -> None:
    """Neither at once nor later."""
    heard = await drained(lab.aggregator(key=None))
    assert heard.items == [NotConfigured("set sources.coinglass.key")]
    async with hearing(lab.aggregator(key=None)) as heard:
        await heard.until(lambda: bool(heard.items))
    assert lab.server.requests == []


@pytest.mark.parametrize("bounds", [(True, True), (False, False), (True, False), (False, True)])
async def test_all_orders_of_a_day_come_however_many_fit_into_an_answer(lab: Lab, bounds) -> None:
    """Windows are split where an answer is cut off, whichever of their bounds belong to them."""
    lab.service.ends_belong = bounds
    dense = [
        Order(START - HOUR + number, usd=10_000 + number) for number in range(900)
    ]  # one each millisecond
    lab.service.orders = [*some_orders(Random(1), 1_500), *dense]
    aggregator = lab.aggregator()
    heard = await drained(aggregator)
    assert claims(events(aggregator, heard)) == happened(lab.service)
    assert max(claims(events(aggregator, heard)).values()) > 1
    assert gaps(heard) == []
    assert lab.service.exceeded == 0


async def test_what_is_told_of_late_is_heard_later(lab: Lab) -> None:
    """An order may be told of after a later one was; what is there twice is one claim."""
    lab.service.orders = [Order(START - 5 * SECOND)]
    aggregator = lab.aggregator()
    first = await drained(aggregator)
    lab.service.orders.append(Order(START - 60 * SECOND, usd=50_000))
    second = await drained(aggregator, first.cursor)
    found = [*events(aggregator, first), *events(aggregator, second)]
    assert claims(found) == happened(lab.service)
    assert len([each for each in found if isinstance(each, Claim)]) == 3


async def test_more_than_an_answer_holds_in_one_millisecond_is_a_gap(lab: Lab) -> None:
    """What comes of it is kept, and everything before and after it, too."""
    crowd = [Order(START - HOUR, usd=10_000 + number) for number in range(250)]
    lab.service.orders = [Order(START - 2 * HOUR), *crowd, Order(START - HOUR // 2)]
    aggregator = lab.aggregator()
    heard = await drained(aggregator)
    assert gaps(heard)
    for gap in gaps(heard):
        assert START - HOUR - 3 <= gap.first < gap.after_last <= START - HOUR + 4
    found = claims(events(aggregator, heard))
    assert found.total() == 202
    assert not found - happened(lab.service)


async def test_what_is_older_than_is_told_of_is_a_gap(lab: Lab) -> None:
    """After a pause of more than a week."""
    lab.service.orders = [Order(START - 60 * SECOND)]
    mark = START - 9 * 24 * HOUR
    aggregator = lab.aggregator()
    heard = await drained(aggregator, msgspec.json.encode({"order/Binance/ETH": mark}).decode())  # type: ignore[arg-type]
    [gap] = gaps(heard)
    assert (gap.scope, gap.first) == ("order/Binance/ETH", mark)
    assert gap.after_last == pytest.approx(START - 7 * 24 * HOUR, abs=10 * 60 * SECOND)
    assert claims(events(aggregator, heard)) == happened(lab.service)


async def test_totals_that_it_tells_of(lab: Lab) -> None:
    """Of rolling windows and of intervals; what is not told is not known."""
    service = lab.service
    service.orders = [Order(START - HOUR, usd=7.0), Order(START - HOUR, usd=5.5, side=1)]
    service.exchanges = [
        {"exchange": name, "liquidation_usd": 3.5, "long_liquidation_usd": "1.5", "short_liquidation_usd": 2}
        for name in ("All", "Bybit")
    ]
    amounts = {f"{side}liquidation_usd_{hours}h": 2.0e3 for side in ("", "long_") for hours in (1, 4, 12, 24)}
    service.coins = [{"symbol": "BTC"} | amounts]
    aggregator = lab.aggregator(interval="1h")
    found = events(aggregator, await drained(aggregator))

    totals = [each for each in found if isinstance(each, ClaimedTotal)]
    rolling = {(each.exchange, each.asset, each.window_seconds): each for each in totals if each.rolling}
    assert rolling[None, None, 3_600].total_usd == Decimal("3.5")
    assert rolling["bybit", None, 86_400].long_usd == Decimal("1.5")
    assert rolling["binance", "BTC", 14_400].long_usd == Decimal(2_000)
    assert rolling["binance", "BTC", 14_400].short_usd is None
    assert len(rolling) == 8
    [hour] = [each for each in totals if not each.rolling]
    assert (hour.exchange, hour.asset, hour.start) == (
        "binance",
        "ETH",
        from_millis(START // HOUR * HOUR - HOUR),
    )
    assert (hour.long_usd, hour.short_usd, hour.total_usd) == (Decimal(7), Decimal("5.5"), Decimal("12.5"))


async def test_positions_that_it_tells_of(lab: Lab) -> None:
    """Openings, closings and what is open; a liquidation price of 0 is none."""
    user = "0x" + "Ab" * 20
    alert = {"user": user, "symbol": "ETH", "position_size": 12_700, "entry_price": "1611.62", "liq_price": 0}
    lab.service.alerts = [
        alert | {"position_action": 2, "create_time": START - SECOND, "position_value_usd": 21e6}
    ]
    lab.service.positions = [
        {"user": user, "symbol": "ETH", "position_size": -4.5, "leverage": 25, "margin_mode": "cross"}
        | {"create_time": START - HOUR, "update_time": START - SECOND, "funding_fee": -3.25}
    ]
    aggregator = lab.aggregator()
    found = events(aggregator, await drained(aggregator))
    closed, observed = [each for each in found if isinstance(each, ClaimedPosition)]
    assert (closed.action, closed.user, closed.liquidation_price) == (
        ClaimedAction.CLOSED,
        user.lower(),
        None,
    )
    assert (closed.entry_price, closed.value_usd) == (Decimal("1611.62"), Decimal(21_000_000))
    assert (observed.side, observed.opened_at) == (Direction.SHORT, from_millis(START - HOUR))
    assert (observed.mark_price, observed.funding_usd) == (None, Decimal("-3.25"))


async def test_alerts_that_were_cut_off_are_a_gap(lab: Lab) -> None:
    """Where all of a full answer are newer than what was known."""
    aggregator = lab.aggregator()
    alert = {"user": "0x" + "1" * 40, "symbol": "ETH", "position_size": 1, "position_action": 1}
    lab.service.alerts = [alert | {"create_time": START - HOUR}]
    first = await drained(aggregator)
    lab.service.alerts += [alert | {"create_time": START - number * SECOND} for number in range(1, 251)]
    second = await drained(aggregator, first.cursor)
    assert gaps(first) == []
    [gap] = gaps(second)
    assert (gap.scope, gap.first, gap.after_last) == ("whale-alert", START - HOUR, START - 200 * SECOND + 1)


def fail(status: HTTPStatus, body: bytes = b"", **headers: str) -> Callable[[Request], Reply]:
    return lambda _request: Reply(
        status, body, {name.replace("_", "-"): each for name, each in headers.items()}
    )


FAULTS: list[Callable[[Request], Reply]] = [
    fail(HTTPStatus.INTERNAL_SERVER_ERROR, b"<html>"),
    fail(HTTPStatus.OK, b'{"code":"500","msg":"server error","data":null}'),
    fail(HTTPStatus.REQUEST_TIMEOUT),
    fail(HTTPStatus.OK, b"\xff{"),
    fail(HTTPStatus.OK, b'{"code":"0","data":{"a":1}}'),
    fail(HTTPStatus.TOO_MANY_REQUESTS, retry_after="20"),
    lambda _request: Reply(200, b'{"code":"0","data":[]}', cut_after=9),
    lambda _request: Reply(raw=b"\x00\x01\r\n\r\n"),
]


@asynccontextmanager
async def reading(
    aggregator: CoinGlassAggregator, journal: Journal, lab: Lab, leases: Leases | None = None
) -> AsyncIterator[None]:
    """Let a process read it until the block is left."""
    source = SupervisedSource(aggregator, journal, leases or MemoryLeases(), lab.service.clock)
    running = asyncio.ensure_future(source.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})


async def soon(true: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


async def stored_claims(pool: Pool) -> Counter[tuple[int, str, str]]:
    """The orders of Binance in the database."""
    rows = [row for (name, _id), row in (await stored_in(pool)).claims.items() if name == "claims"]
    names = Claim.__struct_fields__
    found = [msgspec.convert(dict(zip(names, row, strict=True)), Claim) for row in rows]
    return claims(each for each in found if each.exchange == "binance")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_is_lost_or_doubled_whatever_fails_and_whoever_is_killed(
    lab: Lab, pool: Pool, seed: int
) -> None:
    """Faults of every kind, cut sockets and processes that end at any moment: each order is stored once."""
    random = Random(seed)
    lab.service.orders = some_orders(random, 900, hours=3)
    budget_of = budgets_of(pool, lab.service.clock, speed=SPEED)
    journal, leases = PostgresJournal(pool, lab.service.clock), PostgresLeases(pool, SystemClock())
    for _process in range(5):
        lab.service.answers.extend(random.choice([None, lab.service.slow, *FAULTS]) for _ in range(12))
        async with reading(
            lab.aggregator(budget_of, live=True, interval="1h", history_hours=4), journal, lab, leases
        ):
            for _ in range(3):
                await asyncio.sleep(random.random() / 2)
                now = to_millis(lab.service.clock.now())
                fresh = [
                    Order(now - random.randrange(2 * SECOND), usd=10_000.0 + now % 977) for _ in range(9)
                ]
                await lab.service.happen(
                    *fresh, *some_orders(random, 6, exchange="Gate"), told=random.random() < 0.8
                )
                if random.random() < 0.3:
                    await lab.service.cut()
    lab.service.answers.clear()

    expected = happened(lab.service, exchange="Binance")
    async with reading(lab.aggregator(budget_of, interval="1h", history_hours=4), journal, lab, leases):
        found = await stored_claims(pool)
        for _attempt in range(60):
            if found == expected:
                break
            await asyncio.sleep(0.3)
            found = await stored_claims(pool)
        assert (found - expected, expected - found) == (Counter(), Counter())
    assert lab.service.exceeded == 0
    assert (await stored_in(pool)).liquidations == {}


async def test_two_processes_with_one_key_never_ask_more_than_its_plan_allows(lab: Lab, pool: Pool) -> None:
    """Each asks as fast as it may; the account in the database holds both back."""
    lab.service.plan = "hobbyist"
    names = " ".join(f"E{number}" for number in range(8))
    settings = {"plan": "hobbyist", "exchanges": names, "assets": "BTC ETH SOL HYPE", "interval": "4h"}
    budget_of = budgets_of(pool, lab.service.clock, speed=SPEED)
    both = [lab.aggregator(budget_of, **settings) for _ in range(2)]
    async with hearing(both[0]) as one, hearing(both[1]) as other:
        await soon(lambda: len(one.raws) + len(other.raws) >= 62)
    assert lab.service.exceeded == 0
    assert 25 <= lab.service.most_in_a_minute <= 30


async def test_a_lower_limit_than_the_plan_s_is_obeyed(lab: Lab, pool: Pool) -> None:
    """The service names it in every answer; it is known after the first."""
    lab.service.per_minute = 6
    budget_of = budgets_of(pool, lab.service.clock, speed=SPEED)
    async with hearing(lab.aggregator(budget_of)) as heard:
        await heard.until(lambda: len(heard.raws) >= 13)
    assert lab.service.exceeded == 0
    assert lab.service.most_in_a_minute <= 6


async def test_nobody_asks_before_the_time_a_refusal_names(lab: Lab, pool: Pool) -> None:
    """Neither this question nor another one, of this process or of another one."""
    clock = lab.service.clock
    budget_of = budgets_of(pool, clock, speed=SPEED)
    lab.service.answers.append(fail(HTTPStatus.TOO_MANY_REQUESTS, retry_after="90"))
    told_at = clock.now()
    asked: list[timedelta] = []
    plain = lab.service._answer

    def answer(request: Request) -> Reply:
        asked.append(clock.now() - told_at)
        return plain(request)

    lab.service._answer = answer  # type: ignore[method-assign]
    async with hearing(lab.aggregator(budget_of)) as heard, hearing(lab.aggregator(budget_of)):
        await heard.until(lambda: len(heard.raws) >= 3)
    late = [each for each in asked if each > timedelta(seconds=20)]
    assert len(asked) - len(late) <= 4  # asked by either while the refusal was on its way
    assert late[0] >= timedelta(seconds=85)


async def test_what_the_plan_lacks_is_switched_off_and_the_others_go_on(lab: Lab) -> None:
    """It is asked once, said why, and the source is live without it."""
    lab.service.without = {"/api/futures/liquidation/order", "/api/hyperliquid/whale-alert"}
    lab.service.exchanges = [{"exchange": "All", "liquidation_usd": 1}]
    journal = MemoryJournal()
    async with reading(lab.aggregator(assets="BTC ETH SOL"), journal, lab):
        await soon(lambda: len(lab.asked("exchange-list")) >= 7)
        await soon(lambda: any("Upgrade" in detail for _n, _s, detail in journal.states))
    assert len(lab.asked("order")) == len(lab.asked("whale-alert")) == 1
    _name, state, detail = journal.states[-1]
    assert state is SourceState.LIVE
    assert "order is not in the plan of the key: Upgrade plan" in detail
    assert "whale-alert is not in the plan" in detail


async def test_a_plan_asks_only_for_what_it_includes(lab: Lab) -> None:
    """Nobody asks for what the operator said he does not pay for."""
    lab.service.plan = "hobbyist"
    heard = await drained(lab.aggregator(plan="hobbyist"))
    assert {path.rpartition("/")[2] for path in lab.server.paths()} == {"exchange-list", "aggregated-history"}
    assert {each.query["interval"] for each in lab.asked("aggregated-history")} == {"4h"}
    assert (heard.details, lacking(heard)) == ([], "")


async def test_a_question_that_is_refused_is_not_asked_again(lab: Lab) -> None:
    """An exchange without this asset; the other pairs go on."""
    lab.service.orders = [Order(START - SECOND * 30)]
    refused = fail(HTTPStatus.OK, b'{"code":"400","msg":"no such pair"}')
    lab.service.answers.extend([None] * 5 + [refused])
    aggregator = lab.aggregator(assets="SOL ETH")
    async with hearing(aggregator) as heard:
        await heard.until(lambda: len(lab.asked("order")) >= 4)
    assert Counter(each.query["symbol"] for each in lab.asked("order"))["SOL"] == 1
    assert lacking(heard) == "order answered 200/400 no such pair"
    assert claims(events(aggregator, heard)) == happened(lab.service)


async def test_a_refused_key_is_said_and_shown_nowhere(lab: Lab) -> None:
    """The service repeats it in its refusals, and garbage and frames may hold it, too."""
    lab.service.key = "another"
    journal = MemoryJournal()
    async with logged() as lines, reading(lab.aggregator(live=True), journal, lab):
        await soon(lambda: bool(journal.states_of("coinglass")))
    assert journal.states_of("coinglass") == [SourceState.UNREACHABLE]
    assert (
        "the key is refused: exchange-list answered 200/401 Invalid API key ********" in journal.states[0][2]
    )
    assert len(lab.server.requests) == 1

    lab.service.key = KEY
    lab.service.answers.extend(
        [
            fail(HTTPStatus.OK, KEY.encode() + b"\xff"),
            fail(HTTPStatus.OK, b'{"code":"400","msg":"bad ' + KEY.encode() + b'"}'),
            fail(HTTPStatus.OK, b'{"code":"0","data":["' + KEY.encode() + b'"]}'),
        ]
    )
    async with logged() as more, reading(lab.aggregator(live=True), journal, lab):
        await soon(lambda: lab.service.listeners > 0)
        await lab.service.say(f'{{"channel":"liquidationOrders","data":["{KEY}"]}} ')
        lab.service.socket_refuses = HTTPStatus.FORBIDDEN  # before what makes it open another
        await lab.service.say(f'{{"code":"400","msg":"{KEY}"}}')
        await soon(lambda: len(journal.tables.rejects) >= 3)
        await soon(lambda: any("answered 403" in each for _n, _s, each in journal.states))
    stored = journal.stored()
    for place in (journal.states, journal.batches, stored.rejects, stored.cursors, lines, more):
        assert KEY not in repr(place)
    assert KEY not in repr(lab.aggregator()._settings)
    assert any(b"********" in each.payload for batch in journal.batches for each in batch.rejects)


async def test_live_orders_come_at_once_and_are_those_that_are_asked_for(lab: Lab) -> None:
    """What both tell of is stored once; smaller ones than asked for are counted and not kept."""
    journal = MemoryJournal()
    async with reading(lab.aggregator(live=True), journal, lab):
        await soon(lambda: lab.service.listeners == 1)
        now = to_millis(lab.service.clock.now())
        await lab.service.happen(Order(now), Order(now), Order(now, exchange="Gate"), Order(now, usd=9_999.0))
        await soon(lambda: len(journal.stored().claims) >= 3)
        asked = len(lab.asked("order"))
        await soon(lambda: len(lab.asked("order")) >= asked + 2)
    found = [each for batch in journal.batches for each in batch.events if isinstance(each, Claim)]
    assert claims(found) == Counter({(now, "ETHUSDT", "20000.25"): 3})
    assert len(found) == 3
    assert {each.side for each in found} == {Direction.LONG}
    spans = journal.stored().spans
    assert sum(counts.get("small_claims", 0) for _ranges, counts in spans.values()) == 1  # type: ignore[call-overload]


async def test_a_socket_that_is_refused_leaves_polling_as_it_was(lab: Lab) -> None:
    """The source is live, says why it hears no live orders, and tries again ever more slowly."""
    lab.service.socket_refuses = HTTPStatus.FORBIDDEN
    aggregator = lab.aggregator(live=True)
    async with hearing(aggregator) as heard:
        await heard.until(lambda: "answered 403" in lacking(heard))
        await lab.service.happen(Order(to_millis(lab.service.clock.now())), told=False)
        await heard.until(lambda: claims(events(aggregator, heard)) == happened(lab.service))
        lab.service.socket_refuses = None
        await heard.until(lambda: lab.service.listeners == 1)
        await heard.until(lambda: lacking(heard) == "")
    assert gaps(heard) == []
    assert not any(isinstance(each, Waiting) for each in heard.items)


async def test_what_a_lost_socket_did_not_tell_is_a_gap(lab: Lab) -> None:
    """From when it was last heard until it is heard again; after a restart, too."""
    aggregator = lab.aggregator(live=True)
    async with hearing(aggregator) as heard:
        await soon(lambda: lab.service.listeners == 1)
        before = to_millis(lab.service.clock.now())
        await lab.service.happen(Order(before))
        await heard.until(lambda: bool(claims(events(aggregator, heard))))
        await lab.service.cut()
        await heard.until(lambda: bool(gaps(heard)))
        marked = heard.cursor
        await heard.until(lambda: heard.cursor != marked)
    async with hearing(aggregator, heard):
        await heard.until(lambda: len(gaps(heard)) == 2)
    first, second = gaps(heard)
    assert {first.scope, second.scope} == {"liquidationOrders"}
    assert before <= first.first < first.after_last <= second.first < second.after_last


async def test_a_silent_socket_is_given_up_and_garbage_is_refused(lab: Lab) -> None:
    """Pings go out all the time; who answers none of them is not heard."""
    lab.service.socket_answers = False
    aggregator = lab.aggregator(live=True)
    async with hearing(aggregator) as heard:
        await soon(lambda: lab.service.listeners == 1)
        await lab.service.say("garbage")
        await heard.until(lambda: "liquidationOrders: silent" in lacking(heard))
        lab.service.socket_answers = True
        await heard.until(lambda: lacking(heard) == "")
    assert lab.service.pings >= 4
    frames = [each for each in heard.raws if each.stream == "liquidationOrders"]
    assert [each.rule for raw in frames for each in normalize(aggregator.normalize, raw).rejects] == [
        "malformed"
    ]


async def test_a_row_that_cannot_be_read_takes_no_other_with_it(lab: Lab) -> None:
    """Each is refused with its rule."""
    good = Order(START - SECOND).row()
    rows: list[Any] = [
        good, "text", good | {"side": 3}, good | {"price": "NaN"}, good | {"time": None},
        good | {"time": 1e30}, good | {"usd_value": "1" * 30},
    ]  # fmt: skip
    body = msgspec.json.encode({"code": "0", "data": rows})
    lab.service.answers.extend([None] * 5 + [lambda _request: Reply(200, body)])
    aggregator = lab.aggregator()
    heard = await drained(aggregator)
    [orders] = [each for each in heard.raws if each.stream == "order"]
    normalized = normalize(aggregator.normalize, orders)
    assert len(normalized.events) == 1
    assert [each.rule for each in normalized.rejects] == [
        "not_a_claim", "unknown_order_side", "not_a_number", "not_a_claim", "not_milliseconds",
        "not_a_number",
    ]  # fmt: skip


async def test_a_service_that_is_gone_is_unreachable_and_comes_back(lab: Lab) -> None:
    """By its state, with the host as all that is said of where it is."""
    journal = MemoryJournal()
    lab.service.answers.extend([fail(HTTPStatus.BAD_GATEWAY)] * 60)
    async with reading(lab.aggregator(), journal, lab):
        await soon(lambda: journal.states_of("coinglass") == [SourceState.UNREACHABLE])
        lab.service.answers.clear()
        await soon(lambda: journal.states_of("coinglass")[-1] is SourceState.LIVE)
    assert "exchange-list answered 502" in journal.states[0][2]
