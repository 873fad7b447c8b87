"""DefiLlama against a local one: every row once, again when it changes, and nothing for nothing."""

import random
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from kamiyo.aggregators.base import Alive, Waiting
from kamiyo.core.errors import RateLimited, SourceUnavailable
from kamiyo.core.reports import Medium
from tests.fakes import ManualClock
from tests.services.built import built, rejects_of, report_ids, reports_of
from tests.services.defillama import a_hack, open_defillama
from tests.services.hearing import drained, hearing
from tests.services.lists import HACKS, hacks, rows_of
from tests.services.server import Reply


async def test_every_shared_row_becomes_one_report(shared_data: Path):
    """Each of the shared rows is a report of its own, with its amount and its day."""
    rows = rows_of(shared_data, HACKS)
    async with open_defillama(hacks(shared_data)) as service, built("defillama", service.settings) as source:
        heard = await drained(source)
        reports = reports_of(source, heard)
        assert rejects_of(source, heard) == []
    assert len({each.report_id for each in reports}) == len(reports) == len(rows) == 449
    assert {each.medium for each in reports} == {Medium.DATABASE}
    told = [(f"{each.facts.occurred_at:%Y-%m-%d}", each.facts.name) for each in reports]
    assert sorted(told) == sorted((row["date"], row["name"].strip()) for row in rows)
    assert all(each.facts.protocol for each in reports)
    lost = sum(each.facts.amount_usd or 0 for each in reports)
    assert lost == sum(Decimal(row["amount"]) for row in rows if row["amount"])


async def test_an_unchanged_list_is_asked_for_once(shared_data: Path):
    """The tag of the last answer is shown, and an answer without news is only a sign of life."""
    async with open_defillama(hacks(shared_data)) as service, built("defillama", service.settings) as source:
        first = await drained(source)
        again = await drained(source, first.cursor)
        assert [type(each) for each in again.items] == [Alive]
        assert "if-none-match" in service.server.requests[-1].headers
        service.tagged = False
        service.shuffle()
        untagged = await drained(source, first.cursor)
        assert [type(each) for each in untagged.items] == [Alive]


async def test_new_and_changed_rows_alone_come_again(shared_data: Path):
    """A row that is added is new, one whose amount is corrected is edited, one that is gone is kept."""
    rows = hacks(shared_data)
    async with open_defillama(rows) as service, built("defillama", service.settings) as source:
        first = await drained(source)
        service.rows = [rows[0] | {"amount": 77}, *rows[2:], a_hack("Newest")]
        second = await drained(source, first.cursor)
        reports = {each.title: each for each in reports_of(source, second)}
        assert set(reports) == {str(rows[0]["name"]), "Newest"}
        corrected = reports[str(rows[0]["name"])]
        assert corrected.facts.amount_usd == 77
        assert corrected.edited_at == corrected.received_at
        assert corrected.report_id == reports_of(source, first)[0].report_id
        assert reports["Newest"].edited_at is None
        service.rows = rows
        assert len((await drained(source, second.cursor)).raws) == 1  # only the amount, corrected back


async def test_a_load_cut_short_goes_on_where_it_was(shared_data: Path):
    """Whatever cursor a stopped process kept, going on from it gives every row that is missing."""
    async with open_defillama(hacks(shared_data)) as service, built("defillama", service.settings) as source:
        whole = await drained(source)
        names = set(report_ids(source, whole.raws))
        stops = [number for number, raw in enumerate(whole.raws, 1) if raw.cursor is not None]
        assert stops == [250, 449]
        rest = await drained(source, whole.raws[249].cursor)
        assert len(rest.raws) == 199
        assert set(report_ids(source, whole.raws[:250] + rest.raws)) == names


async def test_two_rows_of_one_name_stay_apart_whatever_their_order():
    """Rows of one day and name keep their ids when they are given in another order, or one is edited."""
    rows = [a_hack("Mirror", amount=1), a_hack("Mirror", amount=2), a_hack("Mirror", amount=2)]
    async with open_defillama(rows) as service, built("defillama", service.settings) as source:
        first = await drained(source)
        ids = {str(each.facts.amount_usd): each.report_id for each in reports_of(source, first)}
        assert set(ids.values()) == {"defillama:2026-08-30/mirror", "defillama:2026-08-30/mirror~2"}
        service.rows = [a_hack("Mirror", amount=2), a_hack("Mirror", amount=3)]
        (edited,) = reports_of(source, await drained(source, first.cursor))
        assert edited.report_id == ids["1"]
        assert edited.facts.amount_usd == 3


@pytest.mark.parametrize(
    "fault",
    [
        Reply(500),
        Reply(503, b"busy"),
        Reply(301, headers={"location": "https://elsewhere.example/hacks?key=canary"}),
        Reply(200, b"<html>not today</html>"),
        Reply(200, b'[{"date":1788048000,"name":"Bal'),
        Reply(200, b"\xff\xfe\x00"),
        Reply(200, b'{"hacks":[]}'),
        Reply(200, b"[" + b" " * 1000 + b"]", cut_after=10),
        Reply(raw=b"SSH-2.0-nothing\r\n\r\n"),
    ],
)
async def test_a_failed_poll_loses_nothing(fault: Reply):
    """After an answer that is none, the next poll gives all there is; the failure names the host alone."""
    async with open_defillama([a_hack()]) as service, built("defillama", service.settings) as source:
        service.faults = [fault]
        with pytest.raises(SourceUnavailable) as failure:
            await drained(source)
        assert "127.0.0.1" in str(failure.value)
        assert "canary" not in str(failure.value)
        assert "/hacks" not in str(failure.value)
        assert len((await drained(source)).raws) == 1


async def test_a_short_wait_is_waited_and_a_long_one_is_kept():
    """After 429 nobody is asked before the time it names: soon in the same poll, late in a later one."""
    clock = ManualClock()
    async with open_defillama([a_hack()]) as service, built("defillama", service.settings, clock) as source:
        service.faults = [Reply(429, headers={"retry-after": "7"})]
        assert len((await drained(source)).raws) == 1
        assert clock.slept == [timedelta(seconds=7)]
        service.faults = [Reply(429, headers={"retry-after": "3600"})]
        asked = len(service.server.requests)
        for _poll in range(3):
            with pytest.raises(RateLimited):
                await drained(source)
        assert len(service.server.requests) == asked + 1
        clock.moment += timedelta(seconds=3600)
        assert len((await drained(source)).raws) == 1


async def test_following_goes_on_after_a_failure():
    """A source that is followed says why a poll failed, waits, and asks again."""
    clock = ManualClock()
    async with open_defillama([a_hack()]) as service, built("defillama", service.settings, clock) as source:
        service.faults = [Reply(500)]
        async with hearing(source) as heard:
            await heard.until(lambda: len(heard.raws) == 1)
            service.rows = [a_hack(), a_hack("Newer")]
            await heard.until(lambda: len(heard.raws) == 2)
    assert isinstance(heard.items[0], Waiting)
    assert heard.items[0].detail == "127.0.0.1 answered 500"
    assert clock.slept[0] == timedelta(hours=1)


async def test_another_scope_reads_the_list_anew():
    """Rows left out under one scope come when the scope is widened."""
    rows = [a_hack("Elsewhere"), a_hack("There", chain=["Hyperliquid L1"])]
    async with open_defillama(rows) as service:
        async with built("defillama", service.settings | {"scope": "hyperliquid"}) as narrow:
            first = await drained(narrow)
            assert [each.title for each in reports_of(narrow, first)] == ["There"]
        async with built("defillama", service.settings) as wide:
            second = await drained(wide, first.cursor)
            assert [each.title for each in reports_of(wide, second)] == ["Elsewhere", "There"]


async def test_nothing_a_service_says_breaks_the_reading():
    """Rows of arbitrary JSON are a report or a named refusal, each payload exactly one of them or both."""
    chance = random.Random(5)
    odd: list[object] = [
        None,
        0,
        -3,
        1.5,
        1e300,
        "x",
        "",
        "7",
        [],
        ["a", None],
        {},
        True,
        "\0\ud7ff",
        "ё" * 5000,
    ]
    rows: list[object] = [
        {name: chance.choice(odd) for name in a_hack() if chance.random() < 0.9} | {"n": n}
        for n in range(500)
    ]
    rows += [None, 7, "row", [], [1]]
    async with open_defillama() as service, built("defillama", service.settings) as source:
        service.faults = [Reply(200, msgspec.json.encode(rows))]
        heard = await drained(source)
        for raw in heard.raws:
            assert reports_of(source, type(heard)(items=[raw])) or rejects_of(
                source, type(heard)(items=[raw])
            )
    rules = {each.rule for each in rejects_of(source, heard)}
    assert rules == {"hack_without_date", "hack_without_name", "not_a_hack", "unreadable_cell"}
