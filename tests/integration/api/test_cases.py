"""The casebook over HTTP, on a real database: what is shown of reports and cases, and what people change."""

from typing import Any

import httpx
import msgspec
import pytest

from kamiyo.api.case_schemas import (
    CaseEventShape,
    ChangedShape,
    ExploitDetailShape,
    ReportRowShape,
    ReviewShape,
)
from kamiyo.api.schemas import DataShape, ListShape
from kamiyo.core.exploits import exploit_id
from kamiyo.core.ids import ExploitId, SourceName
from kamiyo.core.reports import Report, ReportId, ReportKind
from kamiyo.storage.journal import PostgresJournal
from tests.builders import HASH, NOW, OTHER_HASH, VICTIM, a_batch, a_record, a_report, an_exploit
from tests.fake_casebook import SameTransaction

BY = {"author": "ada", "reason": "looked at the chain"}
SOLANA = "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW"


def said(number: int, **changes: Any) -> Report:
    own = {"report_id": ReportId(f"feeds:{number}"), "origin": f"o{number}", "text": f"Report {number}."}
    return a_report(**own | {"transactions": (HASH,)} | changes)


@pytest.fixture
async def file(pool, clock):
    """Give what files reports of a press that is matched by transactions."""
    journal = PostgresJournal(pool, clock, matching=SameTransaction())

    async def filed(*reports: Report) -> None:
        await journal.write(a_batch(events=reports))

    return filed


@pytest.fixture
async def two_cases(file) -> None:
    """Store a case of two reports and one of one."""
    await file(said(1), said(2, published_at=NOW.replace(second=59)), said(3, transactions=(OTHER_HASH,)))


async def change(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    return await client.post(path, json=BY | body)


async def rows(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_one_exploit_shows_where_each_field_comes_from(client, two_cases) -> None:
    """With its reports whole, and the rule that decided each field."""
    body = (await client.get(f"/exploits/{HASH}")).json()
    DataShape[ExploitDetailShape].model_validate(body)
    data = body["data"]
    assert data["provenance"]["amount_usd"] == {"report_id": "feeds:2", "rule": "agreed"}
    assert [each["report"]["report_id"] for each in data["evidence"]] == ["feeds:1", "feeds:2"]
    assert data["evidence"][0]["report"]["text"] == "Report 1."
    assert data["version"] == 1
    assert "provenance" not in (await rows(client, "/exploits"))[0]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [3, 2, 1]),
        ("order=asc", [1, 3, 2]),
        (f"case={HASH}", [2, 1]),
        (f"case={OTHER_HASH}", [3]),
        ("origin=o2", [2]),
        ("source=feeds", [3, 2, 1]),
        ("source=other", []),
        ("kind=denial", []),
        ("end=2025-10-10T21:16:30Z", [3, 1]),
        ("start=2025-10-10T21:16:30Z", [2]),
    ],
)
async def test_reports_are_found(client, two_cases, query, expected) -> None:
    """By source, origin, case, kind and time; each whole, and with its case."""
    if "order" not in query:
        expected = sorted(expected, key=lambda number: (number != 2, -number))
    found = await rows(client, f"/reports?{query}")
    assert [each["report"]["report_id"] for each in found] == [f"feeds:{number}" for number in expected]
    ListShape[ReportRowShape].model_validate((await client.get("/reports")).json())


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_numbered_lists_join(client, file, order) -> None:
    """History, reviews and reports in pages of two are the whole lists."""
    await file(*(said(number, addresses=(VICTIM,), transactions=()) for number in range(6)))
    for path in ("/reports", "/reviews", f"/exploits/{exploit_id('feeds:1')}/history"):
        whole = await rows(client, f"{path}?order={order}")
        found, cursor = [], ""
        while True:
            body = (await client.get(f"{path}?limit=2&order={order}{cursor}")).json()
            found += body["data"]
            if not body["meta"]["has_more"]:
                break
            cursor = f"&cursor={body['meta']['next_cursor']}"
        assert found == whole
        assert len(whole) >= 2


async def test_a_merge_leads_readers_on(client, two_cases, clock) -> None:
    """The id that went away is answered with 308, the detail and the history alike, and undone with 200."""
    before = (await client.get(f"/exploits/{OTHER_HASH}")).json()["data"]
    merged = await change(client, f"/exploits/{HASH}/merge", other=OTHER_HASH)
    assert merged.status_code == 200, merged.text
    DataShape[ChangedShape].model_validate(merged.json())
    clock.advance(seconds=2)
    for suffix in ("", "/history"):
        moved = await client.get(f"/exploits/{OTHER_HASH}{suffix}")
        assert (moved.status_code, moved.headers["location"]) == (308, f"/exploits/{HASH}{suffix}")
    history = await rows(client, f"/exploits/{HASH}/history")
    assert [each["kind"] for each in history] == ["merged", "opened", "joined", "opened"]
    assert (history[0]["author"], history[0]["reason"], history[0]["other"]) == (*BY.values(), OTHER_HASH)
    ListShape[CaseEventShape].model_validate((await client.get(f"/exploits/{HASH}/history")).json())

    event = merged.json()["data"]["event_id"]
    undone = await change(client, f"/exploits/{HASH}/history/{event}/undo")
    assert undone.status_code == 200, undone.text
    clock.advance(seconds=2)
    after = (await client.get(f"/exploits/{OTHER_HASH}")).json()["data"]
    changing = {"version": None, "updated_at": None}
    assert msgspec.json.encode(after | changing) == msgspec.json.encode(before | changing)
    again = await change(client, f"/exploits/{HASH}/history/{event}/undo")
    assert (again.status_code, again.json()["code"]) == (409, "case_conflict")


async def test_a_split_makes_a_case(client, two_cases, clock) -> None:
    """Its id stands in the history; reports of no such case are not found."""
    split = await change(client, f"/exploits/{HASH}/split", report_ids=["feeds:2"])
    assert split.json()["data"]["tx_hash"] == HASH
    [event] = [each for each in await rows(client, f"/exploits/{HASH}/history") if each["kind"] == "split"]
    new = await rows(client, f"/reports?case={event['other']}")
    assert [each["report"]["report_id"] for each in new] == ["feeds:2"]
    wrong = await change(client, f"/exploits/{HASH}/split", report_ids=["feeds:3"])
    assert (wrong.status_code, wrong.json()["code"]) == (404, "not_found")


async def test_a_status_is_set(client, two_cases, clock) -> None:
    """By a person, with a reason, and shown as that."""
    answer = await change(client, f"/exploits/{HASH}/status", status="refuted")
    assert answer.status_code == 200
    data = (await client.get(f"/exploits/{HASH}")).json()["data"]
    assert (data["status"], data["provenance"]["status"]["rule"]) == ("refuted", "person")


async def test_a_review_is_answered(client, file, clock) -> None:
    """It waits with its reasons until somebody decides; answered, it is listed among the answered."""
    await file(said(1, addresses=(VICTIM,)), said(2, addresses=(VICTIM,), transactions=()))
    ListShape[ReviewShape].model_validate((await client.get("/reviews")).json())
    [review] = await rows(client, "/reviews")
    assert (review["report_id"], review["other"], review["answer"]) == ("feeds:2", HASH, None)
    assert review["report"]["text"] == "Report 2."
    path = f"/reviews/{review['review_id']}/answer"
    assert (await change(client, path, answer="same")).status_code == 200
    assert await rows(client, "/reviews") == []
    [answered] = await rows(client, "/reviews?answered=true")
    assert (answered["answer"], answered["author"], answered["tx_hash"]) == ("same", "ada", HASH)
    assert (await change(client, path, answer="same")).status_code == 409
    assert (await change(client, "/reviews/999/answer", answer="same")).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("merge", {"other": OTHER_HASH, "author": "rules"}),
        ("merge", {"other": "a b"}),
        ("merge", {}),
        ("merge", {"other": OTHER_HASH, "force": True}),
        ("split", {"report_ids": []}),
        ("split", {"report_ids": ["x"] * 201}),
        ("status", {"status": "certain"}),
        ("status", {"status": "refuted", "author": ""}),
        ("status", {"status": "refuted", "author": "a\nb"}),
        ("status", {"status": "refuted", "reason": "x" * 1_001}),
        ("status", {"status": "refuted", "reason": "nul \0"}),
    ],
)
async def test_a_change_without_its_form_is_refused(client, two_cases, path, body) -> None:
    """Every change says who makes it and why, in bounded words; nothing else changes anything."""
    answer = await change(client, f"/exploits/{HASH}/{path}", **body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert len(await rows(client, f"/exploits/{HASH}/history")) == 2


@pytest.mark.parametrize("path", ["merge", "split", "status", "history/1/undo"])
async def test_pages_of_others_change_nothing(client, two_cases, path) -> None:
    """A browser on another site cannot post here, nor can a form: before the body is looked at."""
    foreign = {"origin": "https://evil.example", "content-type": "application/json"}
    for headers, status in (
        (foreign, 403),
        ({"sec-fetch-site": "cross-site", "content-type": "application/json"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ):
        answer = await client.post(f"/exploits/{HASH}/{path}", content=b"{}", headers=headers)
        assert answer.status_code == status
    large = await client.post(f"/exploits/{HASH}/{path}", json={"reason": "x" * 70_000})
    assert large.status_code == 413


@pytest.mark.parametrize("identity", ["0xnothing", "%00", "a%20b"])
async def test_an_unknown_case(client, two_cases, identity) -> None:
    """It has no history and cannot be changed."""
    assert (await client.get(f"/exploits/{identity}/history")).status_code == 404
    assert (await change(client, f"/exploits/{identity}/status", status="refuted")).status_code == 404
    assert (await change(client, f"/exploits/{HASH}/merge", other="kamiyo:nothing")).status_code == 404


async def test_a_transaction_is_a_name_as_its_chain_writes_it(client, file) -> None:
    """Letters of other chains' hashes keep their case."""
    await file(a_record(an_exploit(tx_hash=ExploitId("kamiyo:1"), reports=(), aliases=(SOLANA,))))
    moved = await client.get(f"/exploits/{SOLANA}")
    assert (moved.status_code, moved.headers["location"]) == (308, "/exploits/kamiyo:1")


async def test_two_cases_that_name_one_transaction(client, pool, clock) -> None:
    """Until somebody merges them, the one known for longer answers to it."""
    journal = PostgresJournal(pool, clock)
    named = {"transactions": ("0x" + "aa" * 32, HASH)}
    await journal.write(
        a_batch(events=(said(1, **named), said(2, **named, received_at=NOW.replace(year=2026))))
    )
    moved = await client.get(f"/exploits/{HASH}")
    assert moved.headers["location"] == "/exploits/0x" + "aa" * 32


async def test_denials_are_found_and_shown(client, file) -> None:
    """In the list of reports by their kind, and in words among the conflicts of the case."""
    await file(said(1), said(2, kind=ReportKind.DENIAL, title="All is well", source=SourceName("x")))
    [denial] = await rows(client, "/reports?kind=denial")
    assert denial["report"]["source"] == "x"
    assert (await rows(client, "/exploits"))[0]["conflicts"] == ["o2 denies it: All is well"]
