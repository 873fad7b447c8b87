"""DeFiHackLabs against a local GitHub: every section once, again when it changes, within its limit."""

from datetime import timedelta
from pathlib import Path

import pytest

from kamiyo.aggregators.base import Alive
from kamiyo.core.errors import RateLimited, SourceUnavailable
from kamiyo.core.time import EPOCH
from tests.fakes import ManualClock
from tests.services.built import built, rejects_of, reports_of
from tests.services.github import HOURLY, REPOSITORY, open_github
from tests.services.hearing import drained, logged
from tests.services.lists import INCIDENTS, pages, rows_of
from tests.services.server import Reply

CANARY = "canary_ghp_1234567890abcdef"
PAGE = """\
# DeFi Hacks

## List of Past DeFi Incidents

[20250410 Sushi](#20250410-sushi---bad-approval)

### List of DeFi Hacks & POCs

### 20250410 Sushi - Bad approval

### Lost: ~$3M

```sh
forge test -vvv
```

### Link reference

https://x.com/peckshield/status/1

https://bscscan.com/tx/0x69272d8c84d67d1da2f6425b339192fa472898dce936f24818fda415c1c1ff3f
"""


async def test_every_shared_incident_becomes_one_report(shared_data: Path):
    """Each of the shared incidents is a report of its own, with its day, its name and its transactions."""
    rows = rows_of(shared_data, INCIDENTS)
    async with open_github(pages(shared_data)) as service, built("defihacklabs", service.settings) as source:
        heard = await drained(source)
        reports = reports_of(source, heard)
        assert rejects_of(source, heard) == []
        assert [path for path in service.server.paths() if not path.startswith("/raw/")] == [
            f"/repos/{REPOSITORY}/commits"
        ]
    assert len({each.report_id for each in reports}) == len(reports) == len(rows) == 855
    told = sorted((f"{each.facts.occurred_at:%Y-%m-%d}", each.facts.name) for each in reports)
    assert told == sorted((row["date"], row["name"].removeprefix("- ")) for row in rows)
    hashes = {each for report in reports for each in report.facts.transactions}
    linked = {link[-66:] for row in rows for link in row["tx_links"].split("|") if link[-66:-64] == "0x"}
    assert {each.lower() for each in linked} <= hashes


async def test_pages_are_read_only_after_a_commit(shared_data: Path):
    """While nobody commits one question is asked each poll; a commit brings what it changed."""
    async with open_github(pages(shared_data)) as service, built("defihacklabs", service.settings) as source:
        first = await drained(source)
        asked = len(service.server.requests)
        second = await drained(source, first.cursor)
        assert [type(each) for each in second.items] == [Alive]
        assert len(service.server.requests) == asked + 1
        service.pages = dict(service.pages) | {
            "README.md": f"{service.pages['README.md']}\n{PAGE}",
            "past/2023/README.md": service.pages["past/2023/README.md"].replace(
                "### Lost: ~$48M", "Lost: 49M"
            ),
        }
        third = await drained(source, second.cursor)
        edited = {each.title: each.edited_at is not None for each in reports_of(source, third)}
        assert edited == {"Sushi - Bad approval": False, "KyberSwap - precision loss": True}


async def test_a_commit_without_an_incident_is_no_news():
    """A commit that changes no section moves the cursor and gives no payload."""
    async with open_github({"README.md": PAGE}) as service, built("defihacklabs", service.settings) as source:
        first = await drained(source)
        service.pages = {"README.md": PAGE.replace("# DeFi Hacks", "# DeFi Hacks, again")}
        second = await drained(source, first.cursor)
        assert [type(each) for each in second.items] == [Alive]
        asked = len(service.server.requests)
        await drained(source, second.cursor)
        assert len(service.server.requests) == asked + 1


async def test_the_hourly_limit_is_never_exceeded():
    """When the last question is spent nothing is asked until the limit is renewed."""
    clock = ManualClock()
    async with (
        open_github({"README.md": PAGE}) as service,
        built("defihacklabs", service.settings, clock) as source,
    ):
        service.now = (clock.moment - EPOCH) // timedelta(seconds=1)
        service.asked = HOURLY - 3
        heard = await drained(source)
        for _poll in range(2):
            heard = await drained(source, heard.cursor)
        for _poll in range(5):
            with pytest.raises(RateLimited, match=r"127.0.0.1 wants to be left alone until"):
                await drained(source, heard.cursor)
        assert (service.asked, service.refused) == (HOURLY, 0)
        clock.moment += timedelta(seconds=3601)
        service.asked = 0
        assert [type(each) for each in (await drained(source, heard.cursor)).items] == [Alive]


async def test_a_limit_another_program_used_up_is_waited_for():
    """A 403 with no questions left is waited out until the moment its headers name."""
    clock = ManualClock()
    async with (
        open_github({"README.md": PAGE}) as service,
        built("defihacklabs", service.settings, clock) as source,
    ):
        service.now = (clock.moment - EPOCH) // timedelta(seconds=1)
        service.asked = HOURLY
        for _poll in range(4):
            with pytest.raises(RateLimited):
                await drained(source)
        assert service.refused == 1


@pytest.mark.parametrize(
    "fault",
    [
        Reply(500),
        Reply(403, b"forbidden"),
        Reply(200, b"[]"),
        Reply(200, b'[{"sha":"../../etc"}]'),
        Reply(200, b'[{"sha":"69272d8c84d67d1da2f6425b339192f'),
        Reply(200, b"x" * 100, cut_after=5),
    ],
)
async def test_a_failed_question_loses_nothing(fault: Reply):
    """After an answer that is no commit the next poll gives all there is."""
    async with open_github({"README.md": PAGE}) as service, built("defihacklabs", service.settings) as source:
        service.faults = [fault]
        with pytest.raises(SourceUnavailable, match=r"127.0.0.1"):
            await drained(source)
        assert len((await drained(source)).raws) == 1


@pytest.mark.parametrize(
    "fault", [Reply(502), Reply(429), Reply(200, b"x" * 100, cut_after=5), Reply(200, b"no list")]
)
async def test_a_failed_page_loses_nothing(fault: Reply):
    """Where one of the pages cannot be read none is believed, and the next poll reads them all."""
    clock = ManualClock()
    linked = {"README.md": "[2024](past/2024/README.md)\n" + PAGE, "past/2024/README.md": PAGE}
    async with open_github(linked) as service, built("defihacklabs", service.settings, clock) as source:
        service.page_faults = [fault, fault]
        with pytest.raises(SourceUnavailable, match=r"127.0.0.1"):
            await drained(source)
        service.page_faults = []
        clock.moment += timedelta(minutes=2)
        assert len((await drained(source)).raws) == 1  # one section, in the same words on two pages


async def test_a_page_that_is_not_there_is_refused_by_name():
    """A page of a past year that is linked and missing is one reject, and stops no other page."""
    linked = {"README.md": "[2024](past/2024/README.md) [2023](past/2023/README.md)\n" + PAGE}
    linked["past/2023/README.md"] = PAGE.replace("20250410", "20230410")
    async with open_github(linked) as service, built("defihacklabs", service.settings) as source:
        heard = await drained(source)
        assert [each.rule for each in rejects_of(source, heard)] == ["page_missing"]
        assert len(reports_of(source, heard)) == 2
        assert [type(each) for each in (await drained(source, heard.cursor)).items] == [Alive]


async def test_the_token_is_shown_to_github_alone():
    """A token is sent to the API, not to where pages are, and never logged, told or kept."""
    async with open_github({"README.md": PAGE}) as service:
        service.token = CANARY
        table = service.settings | {"token": CANARY}
        async with logged() as lines, built("defihacklabs", table) as source:
            heard = await drained(source)
            service.token = "another"
            with pytest.raises(SourceUnavailable) as failure:
                await drained(source, heard.cursor)
        api, *rest = service.server.requests
        assert api.headers["authorization"] == f"Bearer {CANARY}"
        assert all("authorization" not in each.headers for each in rest if each.path.startswith("/raw/"))
    seen = [str(failure.value), repr(heard), repr(source.description), *lines, repr(vars(source))]
    assert not [text for text in seen if CANARY in text]
