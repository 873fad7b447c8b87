"""Exports over HTTP, on a real database: what may be asked for, and the file whole or in ranges."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from kamiyo.api.app import build_app
from kamiyo.api.export_schemas import ExportShape
from kamiyo.api.schemas import DataShape, ListShape
from kamiyo.api.services.exports import QUERIES, filters_of
from kamiyo.api.state import ApiState
from kamiyo.core.exports import ExportDataset
from kamiyo.kit import metrics
from kamiyo.storage.export_sets import SETS
from kamiyo.storage.exports import PostgresExports
from tests.exporting import policy, store_everything, store_fills, write


@pytest.fixture
def exports(pool, clock, tmp_path: Path) -> PostgresExports:
    """Give exports with files below the test's folder."""
    return PostgresExports(pool, clock, policy(tmp_path / "exports"))


@pytest.fixture
async def client(state: ApiState, exports) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an application that can be asked for exports."""
    able = ApiState(
        pool=state.pool,
        cache=state.cache,
        clock=state.clock,
        version=state.version,
        started_at=state.started_at,
        exports=exports,
    )
    transport = httpx.ASGITransport(app=build_app(able))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as opened:
        yield opened


async def ask(client: httpx.AsyncClient, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    order = {"dataset": "liquidations", "format": "ndjson"} | body
    return await client.post("/exports", json=order, headers=headers)


async def test_what_is_asked_for_is_found_at_its_location(client, pool, exports, clock) -> None:
    """202 says where; there is how far it is, and, once it is written, what is said of its file."""
    await store_fills(pool, 5)
    answer = await ask(client, filters={"asset": "ETH", "min_usd": "0.01", "start": 0})
    assert answer.status_code == 202
    DataShape[ExportShape].model_validate(answer.json())
    where = answer.headers["location"]
    data = answer.json()["data"]
    assert where == f"/exports/{data['export_id']}"
    assert (data["state"], data["rows"], data["sha256"]) == ("queued", 0, None)
    assert data["filters"] == {"asset": "ETH", "min_usd": "0.01", "start": "1970-01-01T00:00:00Z"}
    assert (await client.get(f"{where}/file")).json()["code"] == "export_not_done"
    written = await write(pool, exports, clock, data["export_id"])
    body = (await client.get(where)).json()
    DataShape[ExportShape].model_validate(body)
    assert (body["data"]["state"], body["data"]["rows"]) == ("done", written.file.rows)
    assert body["data"]["metadata"] == written.metadata
    listed = (await client.get("/exports")).json()
    ListShape[ExportShape].model_validate(listed)
    assert listed["data"] == [body["data"]]
    file = await client.get(f"{where}/file")
    assert file.content == written.path.read_bytes()
    assert file.headers["content-type"] == "application/x-ndjson"
    assert file.headers["content-disposition"] == f'attachment; filename="kamiyo-{where[9:]}.ndjson"'.replace(
        "kamiyo-", "kamiyo-liquidations-"
    )


@pytest.mark.parametrize("dataset", ExportDataset)
async def test_every_list_takes_its_own_filters(client, dataset) -> None:
    """Exactly those of the list over HTTP, without its pages; another's are refused by name."""
    own = set(QUERIES[dataset].model_fields) - {"order", "limit", "cursor", "sort"}
    assert set(filters_of(dataset)) == own <= set(SETS[dataset].wanted.__struct_fields__)
    answer = await ask(client, dataset=dataset, filters={"nonsense": "x"})
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [{"field": "nonsense", "code": "unknown_parameter"}],
    )
    assert (await ask(client, dataset=dataset)).status_code == 202


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"dataset": "users"}, "invalid_body"),
        ({"dataset": "../../etc/passwd"}, "invalid_body"),
        ({"format": "xlsx"}, "invalid_body"),
        ({"surplus": 1}, "invalid_body"),
        ({"filters": {"asset": "no such name"}}, "invalid_parameters"),
        ({"filters": {"min_usd": "-1"}}, "invalid_parameters"),
        ({"filters": {"start": "yesterday"}}, "invalid_parameters"),
        ({"filters": {"limit": 5}}, "invalid_parameters"),
        ({"filters": {"cursor": "x"}}, "invalid_parameters"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(client, body, code) -> None:
    """With the usual problem, before anything is begun."""
    answer = await ask(client, **body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await client.get("/exports")).json()["data"] == []


async def test_a_key_asks_once(client) -> None:
    """Asked again with it nothing new begins; for something else it cannot be used."""
    first = await ask(client, key="mine")
    again = await ask(client, key="mine")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.headers["location"] == again.headers["location"]
    other = await ask(client, key="mine", format="csv")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len((await client.get("/exports")).json()["data"]) == 1
    assert (await ask(client, key="theirs")).headers["location"] != first.headers["location"]
    assert (await ask(client, key="x" * 256)).json()["code"] == "invalid_parameters"


async def test_so_many_may_be_open(client) -> None:
    """The ninth is refused until one of them is over or deleted."""
    asked = [await ask(client) for _ in range(8)]
    refused = await ask(client)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_exports")
    assert (await client.delete(asked[0].headers["location"])).status_code == 204
    assert (await ask(client)).status_code == 202


async def test_no_export_begins_without_room(client, pool, exports, clock) -> None:
    """What is there takes it all: 507 until some is deleted."""
    await store_fills(pool, 3)
    number = (await ask(client)).json()["data"]["export_id"]
    await write(pool, exports, clock, number)
    exports.policy = policy(exports.policy.folder, most_bytes=10)
    refused = await ask(client)
    assert (refused.status_code, refused.json()["code"]) == (507, "exports_full")


@pytest.fixture
async def download(client, pool, exports, clock) -> tuple[str, bytes]:
    """Give the address of a file and what is in it."""
    await store_fills(pool, 5)
    number = (await ask(client)).json()["data"]["export_id"]
    written = await write(pool, exports, clock, number)
    return f"/exports/{number}/file", written.path.read_bytes()


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-", 10, None),
        ("bytes=-7", -7, None),
        ("bytes=5-9", 5, 10),
        ("bytes=3-999999999", 3, None),
    ],
)
async def test_a_range_of_a_file_is_that_range(client, download, asked, first, last) -> None:
    """206 with the very bytes and where they belong."""
    where, content = download
    answer = await client.get(where, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, content[first:last])
    start = first % len(content)
    assert (
        answer.headers["content-range"] == f"bytes {start}-{start + len(answer.content) - 1}/{len(content)}"
    )


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes=1-2,4-5", "bytes=-", "bytes=x-", "bytes=5-4"])
async def test_a_range_that_is_none_gives_the_whole_file(client, download, asked) -> None:
    """As HTTP has it: what is not understood is passed by."""
    where, content = download
    answer = await client.get(where, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, content)


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=-0"])
async def test_a_range_beyond_the_end_is_refused(client, download, asked) -> None:
    """416 with how long the file is."""
    where, content = download
    answer = await client.get(where, headers={"Range": asked})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(content)}"


async def test_an_etag_says_whether_it_is_the_same_file(client, download) -> None:
    """A range of another file is not given; one that is there already is not given again."""
    where, content = download
    head = await client.head(where)
    assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", len(content))
    tag = head.headers["etag"]
    going_on = {"Range": "bytes=5-"}
    assert (await client.get(where, headers=going_on | {"If-Range": tag})).content == content[5:]
    assert (await client.get(where, headers=going_on | {"If-Range": '"another"'})).content == content
    assert (await client.get(where, headers={"If-None-Match": f'"x", {tag}'})).status_code == 304


async def test_what_is_deleted_is_gone(client, download, exports) -> None:
    """With its file; twice is not possible, and not from a page of somebody else."""
    where, _content = download
    export = where.removesuffix("/file")
    foreign = await client.delete(export, headers={"Origin": "https://evil.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_site")
    assert (await client.delete(export)).status_code == 204
    assert list(exports.policy.folder.iterdir()) == []
    assert [(await client.get(each)).status_code for each in (export, where)] == [404, 404]
    assert (await client.delete(export)).status_code == 404


@pytest.mark.parametrize("name", ["..", "../../etc/passwd", "%2e%2e%2f%2e%2e", "1/../../x", "0", "-1", "x"])
async def test_no_path_leads_out_of_the_exports(client, download, name) -> None:
    """Exports have numbers, and nothing a caller sends becomes a part of a path."""
    for answer in (await client.get(f"/exports/{name}/file"), await client.delete(f"/exports/{name}")):
        assert answer.status_code in {404, 405, 422}


async def test_a_file_of_another_machine_is_said_to_be_there(client, download, exports) -> None:
    """Not found would be untrue: the export is whole."""
    where, _content = download
    for folder in exports.policy.folder.iterdir():
        for file in folder.iterdir():
            file.unlink()
    answer = await client.get(where)
    assert (answer.status_code, answer.json()["code"]) == (409, "export_elsewhere")


async def test_every_method_of_a_path_is_named(client, download) -> None:
    """Whoever asks by another one is told of all of them, not of the first alone."""
    where, _content = download
    for path, allowed in (
        ("/exports", "GET, POST"),
        (where.removesuffix("/file"), "DELETE, GET"),
        (where, "GET"),
    ):
        answer = await client.request("PUT", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_metrics_count_exports(client, download) -> None:
    """By their state, with the bytes they take."""
    _where, content = download
    text = (await client.get("/metrics")).text
    assert 'kamiyo_exports{state="done"} 1.0' in text
    assert f'kamiyo_export_bytes{{state="done"}} {float(len(content))}' in text
    metrics.EXPORTS.clear()


async def test_what_is_played_is_not_exported(state) -> None:
    """A replay's database is gone before its file would be."""
    transport = httpx.ASGITransport(app=build_app(state))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await ask(client)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_exports_here")


async def test_a_change_is_only_taken_from_programs_and_our_own_page(client) -> None:
    """As every change is guarded."""
    order = msgspec.json.encode({"dataset": "markets", "format": "csv"})
    foreign = await client.post(
        "/exports",
        content=order,
        headers={"Content-Type": "application/json", "Origin": "https://evil.example"},
    )
    assert foreign.status_code == 403
    assert (await client.post("/exports", content=order)).status_code == 415


async def test_rows_are_those_of_the_list(client, pool, exports, clock) -> None:
    """The file of the catalogue's cases is what the list answers, oldest first."""
    await store_everything(pool)
    number = (await ask(client, dataset="liquidations")).json()["data"]["export_id"]
    written = await write(pool, exports, clock, number)
    listed = (await client.get("/liquidations?order=asc")).json()["data"]
    assert [msgspec.json.decode(line) for line in written.path.read_bytes().splitlines()] == listed
