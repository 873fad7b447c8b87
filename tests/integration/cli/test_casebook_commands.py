"""``exploit`` and ``reviews`` against an application on a real database."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import uvicorn
from typer.testing import CliRunner

from kamiyo.api.app import build_app
from kamiyo.api.state import ApiState
from kamiyo.cache.responses import open_cache
from kamiyo.cli.main import build
from kamiyo.core.errors import InvalidQuery
from kamiyo.core.reports import ReportId
from kamiyo.kit.clock import SystemClock
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import open_pool
from tests.builders import HASH, OTHER_HASH, VICTIM, a_batch, a_report
from tests.fake_casebook import SameTransaction
from tests.integration.cli.server import a_free_port

BY = ("--author", "ada", "--reason", "looked at the chain")


@pytest.fixture
def server(database_url: str) -> Iterator[str]:
    """Serve two cases, and a question about a third report, from a thread of its own."""
    port, serving, stop = a_free_port(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(database_url, port, serving, stop)))
    thread.start()
    try:
        assert serving.wait(30)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        thread.join()


async def _serve(database_url: str, port: int, ready: threading.Event, stop: threading.Event) -> None:
    clock = SystemClock()
    async with open_pool(database_url, size=4) as pool, open_cache(None, clock=clock) as cache:
        reports = (
            a_report(report_id=ReportId("feeds:1"), transactions=(HASH,), addresses=(VICTIM,)),
            a_report(report_id=ReportId("feeds:2"), transactions=(OTHER_HASH,), title="Another \x1b[31mred"),
            a_report(report_id=ReportId("feeds:3"), addresses=(VICTIM,), title="Hacked?", origin="o3"),
        )
        await PostgresJournal(pool, clock, matching=SameTransaction()).write(a_batch(events=reports))
        started = datetime(2025, 10, 10, tzinfo=UTC)
        state = ApiState(pool=pool, cache=cache, clock=clock, version="1", started_at=started)
        config = uvicorn.Config(build_app(state), port=port, log_level="critical", lifespan="off", ws="none")
        serving = uvicorn.Server(config)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serving.serve())
            while not serving.started:
                await asyncio.sleep(0.01)
            ready.set()
            await asyncio.to_thread(stop.wait)
            serving.should_exit = True


@pytest.fixture
def ask(server: str) -> Callable[..., str]:
    """Give what runs a command to its end; its errors are raised."""

    def asked(*arguments: str) -> str:
        result = CliRunner().invoke(build(arguments[:1]), [*arguments, "--server", server])
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return asked


def parsed(text: str) -> Any:
    return msgspec.json.decode(text)


def test_an_exploit_is_shown_with_its_evidence(ask) -> None:
    """Each field says where it comes from; for machines it is what the server answers."""
    shown = ask("exploit", "show", HASH)
    for words in ("A vault was drained", "1,000,000.00", "only: feeds:1", "example.org", "suspected"):
        assert words in shown
    assert parsed(ask("exploit", "show", HASH, "--json"))["tx_hash"] == HASH
    assert "\x1b[31m" not in ask("exploit", "show", OTHER_HASH)


def test_a_case_is_merged_split_and_given_back(ask) -> None:
    """Every change is an event with author and reason, and can be undone by its number."""
    assert f"of {HASH}" in ask("exploit", "merge", HASH, OTHER_HASH, *BY)
    assert "merged" in ask("exploit", "history", OTHER_HASH)
    split = parsed(ask("exploit", "split", HASH, "feeds:2", *BY, "--json"))
    ask("exploit", "undo", HASH, str(split["event_id"]), *BY)
    history = parsed(ask("exploit", "history", HASH, "--json"))["data"]
    assert [each["kind"] for each in history][:3] == ["undone", "split", "merged"]
    assert {each["author"] for each in history} == {"ada", "rules"}
    ask("exploit", "status", HASH, "refuted", *BY)
    with pytest.raises(InvalidQuery, match="undone already"):
        ask("exploit", "undo", HASH, str(split["event_id"]), *BY)
    with pytest.raises(InvalidQuery, match="no exploit"):
        ask("exploit", "show", "nothing")


def test_reviews_are_listed_and_answered(ask) -> None:
    """What waits is listed with its reasons; answered, it is gone from the list."""
    [review] = parsed(ask("reviews", "--json"))["data"]
    assert "Hacked?" in ask("reviews")
    ask("reviews", "answer", str(review["review_id"]), "same", *BY)
    assert "nothing waits" in ask("reviews")
    assert parsed(ask("reviews", "--answered", "--json"))["data"][0]["answer"] == "same"
