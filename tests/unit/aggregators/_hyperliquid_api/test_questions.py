"""Asking the venue: what is spent, what is given back, and how long it is left alone."""

import asyncio
import random
from datetime import timedelta

import msgspec
import pytest

from kamiyo.aggregators._hyperliquid_api.questions import PAUSE, Inquirer
from kamiyo.aggregators._hyperliquid_api.weights import CONFIRMATION, ON_DEMAND, SCAN, STATUS, VAULTS
from kamiyo.aggregators.base import Response
from kamiyo.core.errors import NoSuchThing, QuestionRefused, RateLimited, SourceUnavailable
from kamiyo.hyperliquid.info import (
    ClearinghouseState,
    ExchangeStatus,
    Meta,
    UserFillsByTime,
    VaultDetails,
)
from tests.builders import NOW, VICTIM, fill_json
from tests.fake_venue import ScriptedVenue, SteppedClock, settle
from tests.fakes import MemoryAccount, MemoryBudget

FILLS = UserFillsByTime(user=VICTIM, start_time=1)


class Place:
    """An inquirer, its venue, its clock and the account of what it spends."""

    def __init__(self, clock: SteppedClock | None = None, **answers: object) -> None:
        self.venue = ScriptedVenue(answers)
        self.clock = clock or SteppedClock()
        self.account = MemoryAccount(self.clock)
        self.budget = MemoryBudget(self.clock, account=self.account)
        self.inquirer = Inquirer(
            "http://lab/info",
            session=self.venue,
            budget=self.budget,
            clock=self.clock,
            random=random.Random(1),
        )

    @property
    def spent(self) -> list[int]:
        return [each.weight for each in self.account.counting]


async def test_what_the_rows_cost_is_paid_and_the_rest_given_back() -> None:
    """The most an answer can weigh is taken before; afterwards what it did weigh."""
    place = Place(userFillsByTime=msgspec.json.encode([fill_json()] * 21))
    content = await place.inquirer.ask(CONFIRMATION, FILLS)
    assert len(msgspec.json.decode(content)) == 21
    assert place.budget.spent == [("confirmation", 120)]
    assert place.spent == [22]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, QuestionRefused),
        (b"null", NoSuchThing),
        (Response(502, {}, b""), SourceUnavailable),
        (SourceUnavailable("gone"), SourceUnavailable),
    ],
)
async def test_an_error_is_paid_in_full(answer, error) -> None:
    """Nobody knows what the venue charges for it."""
    place = Place(userFillsByTime=answer)
    with pytest.raises(error):
        await place.inquirer.ask(CONFIRMATION, FILLS)
    assert place.spent == [120]


async def test_too_much_is_answered_with_a_minute_of_silence() -> None:
    """And a little more, so that not all behind an address begin again at once."""
    place = Place(vaultDetails=Response(429, {}, b""), exchangeStatus=b'{"time":1}')
    with pytest.raises(RateLimited):
        await place.inquirer.ask(VAULTS, VaultDetails(vault_address="0x1"))
    pause = place.account.paused_until - NOW
    assert PAUSE < pause <= PAUSE + timedelta(seconds=10)
    asking = asyncio.ensure_future(place.inquirer.ask(STATUS, ExchangeStatus()))
    await place.clock.advance(PAUSE.total_seconds())
    assert not asking.done()
    await place.clock.advance(11)
    assert await asking == b'{"time":1}'


async def test_no_task_spends_more_than_its_row_says() -> None:
    """What its row has no room for waits, however much room the address has; others need not wait for it."""
    place = Place(userFillsByTime=msgspec.json.encode([fill_json()] * 2_000), clearinghouseState=b"{}")
    asking = [asyncio.ensure_future(place.inquirer.ask(CONFIRMATION, FILLS)) for _ in range(3)]
    await settle()
    assert [task.done() for task in asking] == [True, True, False]
    assert await place.inquirer.ask(SCAN, ClearinghouseState(user=VICTIM)) == b"{}"
    await place.clock.advance(59)
    assert not asking[2].done()
    await place.clock.advance(2)
    assert asking[2].done()


async def test_who_is_woken_a_little_early_waits_the_rest() -> None:
    """Timers of whole milliseconds may end before their time, and nothing is asked before it has room."""

    class HastyClock(SteppedClock):
        async def sleep(self, duration: timedelta) -> None:
            early = timedelta(milliseconds=0.4)
            await super().sleep(duration - early if duration > early else duration)

    place = Place(HastyClock(), exchangeStatus=b'{"time":1}')
    for _ in range(STATUS.weight * (timedelta(minutes=1) // STATUS.every) // 2):
        await asyncio.wait_for(place.inquirer.ask(STATUS, ExchangeStatus()), 5)
    asking = asyncio.ensure_future(place.inquirer.ask(STATUS, ExchangeStatus()))
    await place.clock.advance(59.9999)
    assert not asking.done()
    await place.clock.advance(1)
    assert await asking == b'{"time":1}'


async def test_short_answers_leave_room_for_more_of_them() -> None:
    """The row is a weight a minute, not a number of questions."""
    place = Place(userFillsByTime=b"[]")
    for _ in range(7):
        await asyncio.wait_for(place.inquirer.ask(CONFIRMATION, FILLS), 5)
    assert place.clock.now() == NOW
    assert len(place.venue.asked) == 7


async def test_a_row_that_asks_less_than_once_a_minute_still_may() -> None:
    """Its share is of its own time."""
    place = Place(meta=b"{}")
    for _ in range(2):
        await asyncio.wait_for(place.inquirer.ask(ON_DEMAND, Meta()), 5)
    third = asyncio.ensure_future(place.inquirer.ask(ON_DEMAND, Meta()))
    await place.clock.advance(61)
    assert third.done()
