"""Loading the lists of hacks: all of it accounted for, twice is once, and what fails is said."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest

from kamiyo.core.errors import InvalidQuery
from kamiyo.runtime.seeding import SEEDED, Position, Seeded, seed_sources
from kamiyo.runtime.settings import Settings
from tests.services.defillama import a_hack, open_defillama
from tests.services.github import open_github
from tests.services.lists import HACKS, INCIDENTS, hacks, pages
from tests.services.server import Reply

pytestmark = pytest.mark.timeout(240)  # whole histories, on a machine that may be busy with other tests


def _sums(each: Seeded) -> int:
    return each.new + each.changed + each.known + each.unrelated


async def _stored(database_url: str) -> dict[str, int]:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT source, count(*) AS reports FROM reports GROUP BY source")
    await connection.close()
    return {row["source"]: row["reports"] for row in rows}


async def _cases(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    cases: int = await connection.fetchval("SELECT count(DISTINCT tx_hash) FROM reports")
    await connection.close()
    return cases


def _ignore(_position: Position) -> None:
    """Nobody looks."""


async def test_both_histories_are_loaded_and_loading_again_changes_nothing(
    shared_data: Path, database_url: str
):
    """Every shared row is stored as a report; a second load says that nothing is new."""
    told: list[Position] = []
    async with open_defillama(hacks(shared_data)) as llama, open_github(pages(shared_data)) as github:
        settings = Settings(sources={"defillama": llama.settings, "defihacklabs": github.settings})
        first = await seed_sources(settings, database_url, SEEDED, (), told.append)
        second = await seed_sources(settings, database_url, SEEDED, (), _ignore)
        llama.rows = [dict(llama.rows[0]) | {"amount": 77}, *llama.rows[1:], a_hack()]
        third = await seed_sources(settings, database_url, ["defillama"], (), _ignore)
    assert [(each.source, each.rows, each.new) for each in first] == [
        ("defillama", 449, 449),
        ("defihacklabs", 855, 855),
    ]
    assert [each.rows for each in second] == [0, 0]
    assert [(each.rows, each.new, each.changed) for each in third] == [(2, 1, 1)]
    assert await _stored(database_url) == {"defillama": 450, "defihacklabs": 855}
    assert told[-1] == Position("defihacklabs", 855, 855)
    assert await _cases(database_url) < 1_304  # what both lists tell of is one case
    assert [each.done for each in told[:5]] == [100, 200, 300, 400, 449]


async def test_what_is_known_without_a_cursor_is_not_new(database_url: str):
    """Rows that are stored already are counted as known, whatever became of the cursor."""
    async with open_defillama([a_hack("One"), a_hack("Two")]) as llama:
        settings = Settings(sources={"defillama": llama.settings})
        await seed_sources(settings, database_url, ["defillama"], (), _ignore)
        connection = await asyncpg.connect(database_url)
        await connection.execute("UPDATE sources SET cursor = NULL")
        await connection.close()
        llama.rows = [a_hack("One"), a_hack("Two", amount=5), a_hack("Three"), a_hack("", date=1)]
        (again,) = await seed_sources(settings, database_url, ["defillama"], (), _ignore)
    assert (again.rows, again.new, again.changed, again.known) == (4, 1, 1, 1)
    assert again.refused == {"hack_without_name": 1}


async def test_a_source_that_is_not_reached_stops_no_other(database_url: str):
    """One that fails is named with the reason, and the other is loaded."""
    async with (
        open_defillama([a_hack()]) as llama,
        open_github({"README.md": "### 20240101 A - b"}) as github,
    ):
        llama.faults = [Reply(500)]
        settings = Settings(sources={"defillama": llama.settings, "defihacklabs": github.settings})
        first, second = await seed_sources(settings, database_url, SEEDED, (), _ignore)
    assert first.unreachable == "127.0.0.1 answered 500"
    assert (second.new, second.unreachable) == (1, "")


async def test_one_that_is_switched_off_is_not_loaded(database_url: str):
    """A source switched off by its settings is not asked, and that is said."""
    async with open_defillama([a_hack()]) as llama:
        settings = Settings(sources={"defillama": llama.settings | {"active": False}})
        (only,) = await seed_sources(settings, database_url, ["defillama"], (), _ignore)
        assert (only.unreachable, llama.server.requests) == ("switched off by its settings", [])


def _json(folder: Path, shared: Path) -> Path:
    (folder / "hacks.json").write_bytes(msgspec.json.encode(hacks(shared)))
    return folder / "hacks.json"


def _markdown(folder: Path, shared: Path) -> Path:
    (folder / "README.md").write_text("\n\n".join(pages(shared).values()))
    return folder / "README.md"


def _clone(folder: Path, shared: Path) -> Path:
    for path, text in pages(shared).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def _table(name: str) -> Callable[[Path, Path], Path]:
    return lambda _folder, shared: shared / "exploits" / name


@pytest.mark.parametrize(
    "form",
    [
        (_json, "defillama", 449),
        (_table(HACKS), "defillama", 449),
        (_markdown, "defihacklabs", 855),
        (_clone, "defihacklabs", 855),
        (_table(INCIDENTS), "defihacklabs", 855),
    ],
)
async def test_downloaded_copies_are_loaded_without_a_network(
    form: tuple[Callable[[Path, Path], Path], str, int], shared_data: Path, tmp_path: Path, database_url: str
):
    """A copy of any form gives every row once; a second load of it changes nothing."""
    make, source, rows = form
    copy = make(tmp_path, shared_data)
    (first,) = await seed_sources(Settings(), database_url, (), [copy], _ignore)
    assert (first.source, first.rows, first.new, first.refused) == (source, rows, rows, {})
    assert _sums(first) == rows
    (second,) = await seed_sources(Settings(), database_url, (), [copy], _ignore)
    assert second.rows == 0
    assert await _stored(database_url) == {source: rows}


async def test_a_copy_is_heard_when_it_was_written(tmp_path: Path, database_url: str, shared_data: Path):
    """What a copy tells counts as heard at the moment the file was written, so that it never looks fresh."""
    copy = _json(tmp_path, shared_data)
    written = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    os.utime(copy, (written.timestamp(), written.timestamp()))
    await seed_sources(Settings(), database_url, (), [copy], _ignore)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT heard_at FROM sources WHERE name = 'defillama'") == written
    await connection.close()


async def test_both_forms_of_a_list_are_the_same_reports(
    shared_data: Path, tmp_path: Path, database_url: str
):
    """The table after the JSON of the same list adds nothing: both give a row the same id."""
    (first,) = await seed_sources(Settings(), database_url, (), [_json(tmp_path, shared_data)], _ignore)
    await seed_sources(Settings(), database_url, (), [shared_data / "exploits" / HACKS], _ignore)
    assert await _stored(database_url) == {"defillama": first.new}


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.txt", "no"), ("x.csv", "a,b\n1,2\n"), ("x.csv", ""), ("x.csv", 'date,"name\n')],
)
async def test_a_file_of_another_kind_is_refused(name: str, content: str, tmp_path: Path):
    """What is none of the lists is wrong usage, before any database is asked."""
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidQuery):
        await seed_sources(Settings(), "postgresql://nobody@127.0.0.1:1/none", (), [tmp_path / name], _ignore)
