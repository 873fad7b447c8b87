"""How answers of a server are read."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from kamiyo.cli.client import Client, check_server, read_row, refusal
from kamiyo.core.errors import InvalidQuery, SourceUnavailable
from kamiyo.kit.transport import Answer


class ScriptedSession:
    """Answers in the order of a script, and remembers what was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, list[str]]] = []
        self.sent: list[tuple[str, bytes | None]] = []

    async def request(self, method: str, url: str, *, body: bytes | None = None) -> Answer:
        assert method == "GET" if body is None else "PATCH"
        self.sent.append((url, body))
        self.asked.append(parse_qs(urlsplit(url).query))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(*rows: int, cursor: str | None = None, **changes: Any) -> Answer:
    meta: dict[str, Any] = {
        "mode": "LIVE",
        "recording": None,
        "count": len(rows),
        "as_of": "2025-10-10T21:16:05.000Z",
        "stale": False,
        "coverage": {"label": "complete", "measured_pct": None, "measured_at": None, "sources": []},
        "next_cursor": cursor,
        "has_more": cursor is not None,
        "warnings": [],
    }
    return Answer(200, {}, msgspec.json.encode({"data": list(rows), "meta": meta | changes}))


def problem(status: int, detail: str) -> Answer:
    return Answer(status, {}, msgspec.json.encode({"type": "t", "code": "c", "detail": detail}))


async def listed(session: ScriptedSession, limit: int) -> Any:
    return await Client(session, "http://localhost").listing("/x", {"asset": "BTC", "user": None}, limit)


async def test_pages_are_followed_until_the_limit() -> None:
    """The second page is asked for with the cursor of the first and for what is missing only."""
    session = ScriptedSession(page(1, 2, cursor="c1"), page(3, cursor="c2"))
    listing = await listed(session, 3)
    assert [bytes(row) for row in listing.rows] == [b"1", b"2", b"3"]
    assert session.asked == [
        {"asset": ["BTC"], "limit": ["3"]},
        {"asset": ["BTC"], "cursor": ["c1"], "limit": ["1"]},
    ]
    assert (listing.meta.has_more, listing.raw_meta["next_cursor"], listing.raw_meta["count"]) == (
        True,
        "c2",
        3,
    )


async def test_no_page_is_larger_than_the_server_gives() -> None:
    """A limit over a thousand takes several pages, and a list that ends earlier ends."""
    session = ScriptedSession(page(1, cursor="c1"), page(2))
    assert len((await listed(session, 5000)).rows) == 2
    assert [asked["limit"] for asked in session.asked] == [["1000"], ["1000"]]


async def test_several_pages_claim_no_more_than_the_worst_of_them() -> None:
    """As of the older page, stale if one is, with the warnings of all."""
    first = page(1, cursor="c", as_of="2025-10-10T21:00:00.000Z", stale=True, warnings=["a", "b"])
    listing = await listed(ScriptedSession(first, page(2, warnings=["b", "c"])), 9)
    assert (listing.meta.as_of, listing.meta.stale) == ("2025-10-10T21:00:00.000Z", True)
    assert listing.meta.warnings == ("a", "b", "c")
    assert (listing.raw_meta["as_of"], listing.raw_meta["stale"]) == ("2025-10-10T21:00:00.000Z", True)


async def test_nobody_there_is_said_with_what_to_do() -> None:
    """The message has the address and the command that starts a server."""
    with pytest.raises(SourceUnavailable, match=r"http://localhost: start it with: \./dev run"):
        await listed(ScriptedSession(SourceUnavailable("x")), 1)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"data":[],"meta":{}}'])
async def test_another_server_is_not_taken_for_kamiyo(body: bytes) -> None:
    """What does not have the shape of an answer is no empty list."""
    with pytest.raises(SourceUnavailable, match="does not answer as KAMIYO does"):
        await listed(ScriptedSession(Answer(200, {}, body)), 1)


def test_a_refused_question_is_the_callers_and_a_failure_the_servers() -> None:
    """Below 500 the question is wrong, from there on the server cannot answer."""
    wrong = problem(422, "min_usd: not a number")
    assert isinstance(refusal("s", wrong.status, wrong.body), InvalidQuery)
    away = problem(503, "the database does not answer")
    failure = refusal("s", away.status, away.body)
    assert isinstance(failure, SourceUnavailable)
    assert str(failure) == "s cannot answer now: the database does not answer"
    assert isinstance(refusal("s", 404, b"not found"), SourceUnavailable)


@pytest.mark.parametrize(
    "server", ["", "localhost:8000", "ftp://x", "http://", "http://x:port", "http://[::1", "http://x:0"]
)
def test_an_address_that_is_none_is_refused(server: str) -> None:
    """It says how an address looks."""
    with pytest.raises(InvalidQuery, match="must look like http"):
        check_server(server)


def test_an_address_loses_its_last_slash() -> None:
    """So that paths can be put behind it."""
    assert check_server("https://example.org/kamiyo/") == "https://example.org/kamiyo"


def test_a_row_of_another_shape_is_refused() -> None:
    """A number where a text is due is no row."""
    with pytest.raises(SourceUnavailable, match="does not answer as this KAMIYO does"):
        read_row(msgspec.json.Decoder(str), msgspec.Raw(b"1"))


async def test_a_list_in_one_piece_is_asked_without_parameters():
    """What takes no filters is given none."""
    session = ScriptedSession(page(1, 2))
    listing = await Client(session, "http://localhost").whole("/sources")
    assert [bytes(row) for row in listing.rows] == [b"1", b"2"]
    assert session.sent == [("http://localhost/sources", None)]


async def test_a_change_gives_what_the_thing_is_afterwards():
    """The answer's data, and nothing of what surrounds it."""
    session = ScriptedSession(Answer(200, {}, b'{"data": {"active": true}, "meta": {}}'))
    client = Client(session, "http://localhost")
    assert bytes(await client.change("/sources/a", b"{}")) == b'{"active": true}'
    assert session.sent == [("http://localhost/sources/a", b"{}")]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(404, "there is no source a"), InvalidQuery),
        (problem(503, "gone"), SourceUnavailable),
        (SourceUnavailable("x"), SourceUnavailable),
        (Answer(200, {}, b"hello"), SourceUnavailable),
    ],
)
async def test_a_change_that_fails_is_told(answer, error):
    """As questions are."""
    with pytest.raises(error):
        await Client(ScriptedSession(answer), "http://localhost").change("/sources/a", b"{}")
