"""A bucket over real sockets: what is found, what comes after a fault, and what never leaves this machine."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from kamiyo.core.errors import RateLimited, SourceUnavailable
from kamiyo.kit.object_store import (
    AccessRefused,
    BucketAccess,
    ObjectChanged,
    ObjectMissing,
    ObjectStore,
    StoredObject,
    buckets_of,
)
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import Answer, open_session
from tests.fakes import NoNetwork
from tests.services.s3 import (
    DENIED,
    REGION,
    SLOW_DOWN,
    Buckets,
    FaultyBuckets,
    Meddling,
    cut_after,
    open_buckets,
    open_faulty,
    refused,
)
from tests.services.server import Reply, Request, open_server

BUCKET = "recorded-data"
KEY_ID, SECRET, TOKEN = "CANARY-KEY-ID", "CANARY-SECRET-KEY", "CANARY-SESSION-TOKEN"
CONTENT = bytes(range(256)) * 4_000


@pytest.fixture(scope="module")
def all_buckets() -> Iterator[Buckets]:
    with open_buckets() as buckets:
        yield buckets


@pytest.fixture
async def faulty(all_buckets: Buckets) -> AsyncIterator[FaultyBuckets]:
    """Run the buckets anew, with one of three objects."""
    all_buckets.empty()
    all_buckets.create(BUCKET)
    for key in ("a/1", "a/2", "b/1"):
        all_buckets.put(BUCKET, key, CONTENT)
    async with open_faulty(all_buckets) as made:
        yield made


def access(url: str, **changes: Any) -> BucketAccess:
    values: dict[str, Any] = {
        "bucket": BUCKET,
        "access_key_id": Secret(KEY_ID),
        "secret_access_key": Secret(SECRET),
        "endpoint": url,
    }
    return BucketAccess(**(values | changes))


@asynccontextmanager
async def opened(faulty: FaultyBuckets, **changes: Any) -> AsyncIterator[ObjectStore]:
    async with open_session() as session:
        yield buckets_of(session)(access(faulty.url, **changes))


async def content_of(store: ObjectStore, found: StoredObject, start: int = 0) -> bytes:
    content = b""
    async with aclosing(store.read(found, start=start)) as pieces:
        async for piece in pieces:
            content += piece
    return content


async def test_objects_are_listed_in_order_between_two_keys(faulty: FaultyBuckets) -> None:
    """The first key is left out and the last one is not."""
    async with opened(faulty) as store:
        everything = await store.list_objects("", after="", up_to="z")
        some = await store.list_objects("a/", after="a/1", up_to="a/2")
    assert [each.key for each in everything] == ["a/1", "a/2", "b/1"]
    assert [each.key for each in some] == ["a/2"]
    assert {each.size for each in everything} == {len(CONTENT)}


async def test_a_listing_of_many_pages_ends_where_it_was_told_to(faulty: FaultyBuckets) -> None:
    """No page is asked for that holds nothing wanted."""
    faulty.page_size = 50
    for number in range(51):
        faulty.buckets.put(BUCKET, f"many/{number:02}", b"x")
    async with opened(faulty) as store:
        assert len(await store.list_objects("many/", after="many/", up_to="many/99")) == 51
        assert sum("list-type" in each.query for each in faulty.requests) == 2
        found = await store.list_objects("many/", after="many/", up_to="many/00")
    assert [each.key for each in found] == ["many/00"]
    assert sum("list-type" in each.query for each in faulty.requests) == 3


async def test_an_object_is_read_from_anywhere(faulty: FaultyBuckets) -> None:
    """Its size and its tag are known without its bytes, and any end of it is asked for by its range."""
    async with opened(faulty) as store:
        found = await store.head("a/1")
        assert (found.key, found.size) == ("a/1", len(CONTENT))
        assert await content_of(store, found) == CONTENT
        assert await content_of(store, found, start=1_000_000) == CONTENT[1_000_000:]
    first, second = faulty.reads()
    assert "range" not in first.headers
    assert second.headers["range"] == "bytes=1000000-"
    assert first.headers["if-match"] == second.headers["if-match"] == found.etag


async def test_whoever_asks_says_that_he_pays_and_signs_for_the_buckets_own_region(
    faulty: FaultyBuckets,
) -> None:
    """The region is asked for once, unsigned, as anybody may."""
    async with opened(faulty, session_token=Secret(TOKEN)) as store:
        await store.head("a/1")
        await store.list_objects("a/", after="", up_to="z")
    look, *others = faulty.requests
    assert (look.method, look.path, "authorization" in look.headers) == ("HEAD", f"/{BUCKET}", False)
    assert len(others) == 2
    for each in others:
        assert each.headers["x-amz-request-payer"] == "requester"
        assert f"/{REGION}/s3/aws4_request" in each.headers["authorization"]
        assert each.headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/")
        assert each.headers["x-amz-security-token"] == TOKEN


async def test_a_region_that_is_set_is_not_asked_for(faulty: FaultyBuckets) -> None:
    """The operator knows best."""
    async with opened(faulty, region="eu-west-3") as store:
        await store.head("a/1")
    [only] = faulty.requests
    assert "/eu-west-3/s3/" in only.headers["authorization"]


async def test_a_server_without_regions_is_asked_as_the_first_one(faulty: FaultyBuckets) -> None:
    """Not every server that speaks S3 is Amazon's."""
    faulty.meddle = lambda _request, reply: Reply(
        reply.status,
        reply.body,
        {name: value for name, value in reply.headers.items() if "region" not in name},
    )
    async with opened(faulty) as store:
        await store.head("a/1")
    assert "/us-east-1/s3/" in faulty.requests[-1].headers["authorization"]


async def test_a_bucket_in_the_hosts_name_is_not_in_the_path(faulty: FaultyBuckets) -> None:
    """The virtual-hosted style leaves the bucket to the endpoint."""
    faulty.meddle = lambda _request, _reply: Reply(200, b"", {"etag": '"1"', "content-length": "5"})
    async with opened(faulty, bucket_in_host=True) as store:
        assert (await store.head("a/1")).size == 5
    assert [each.path for each in faulty.requests] == ["/", "/a/1"]


class Regions(NoNetwork):
    """A network on which only the regions of buckets can be asked for."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    async def request(self, method: str, url: str, **_rest: object) -> Answer:
        self.asked.append((method, url))
        return self.answer


async def test_amazon_is_asked_where_a_bucket_is() -> None:
    """Any status says it; whoever says nothing leaves the region to the operator."""
    regions = Regions(Answer(301, {}, b""))
    with pytest.raises(SourceUnavailable, match=f"in which region the bucket {BUCKET} is: set the region"):
        await buckets_of(regions)(access("")).head("a/1")
    assert regions.asked == [("HEAD", f"https://s3.us-east-1.amazonaws.com/{BUCKET}")]
    with pytest.raises(ObjectMissing, match=f"no bucket {BUCKET}"):
        await buckets_of(Regions(Answer(404, {}, b"")))(access("")).head("a/1")


@pytest.mark.parametrize(
    ("in_host", "host"),
    [(False, "s3.eu-west-3.amazonaws.com"), (True, f"{BUCKET}.s3.eu-west-3.amazonaws.com")],
)
async def test_amazon_is_asked_in_the_region_that_was_told(
    monkeypatch: pytest.MonkeyPatch, *, in_host: bool, host: str
) -> None:
    """Seen by a proxy: the name of the host says the region, and in one style the bucket."""
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    regions = Regions(Answer(403, {"x-amz-bucket-region": "eu-west-3"}, b""))
    async with open_server(lambda _request: Reply(403)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(SourceUnavailable):
            await buckets_of(regions)(access("", bucket_in_host=in_host)).head("a/1")
    assert [(each.method, each.headers["host"]) for each in proxy.requests] == [("CONNECT", f"{host}:443")]


@pytest.mark.parametrize(
    ("fault", "kind", "told"),
    [
        (DENIED, AccessRefused, "s3://recorded-data/a/1: 403 AccessDenied"),
        (refused(401, "InvalidToken"), AccessRefused, "401 InvalidToken"),
        (SLOW_DOWN, RateLimited, "503 SlowDown"),
        (refused(429, "TooManyRequests"), RateLimited, "429 TooManyRequests"),
        (refused(500, "InternalError"), SourceUnavailable, "500 InternalError"),
        (refused(404, "NoSuchKey"), ObjectMissing, "404 NoSuchKey: there is no such thing"),
        (refused(412, "PreconditionFailed"), ObjectChanged, "no longer what was listed"),
        (refused(416, "InvalidRange"), ObjectChanged, "no longer what was listed"),
        (cut_after(300_000), SourceUnavailable, "no answer"),
        (lambda _request, _reply: Reply(raw=b"garbage\r\n\r\n"), SourceUnavailable, "no answer"),
    ],
)
async def test_each_trouble_has_its_name(
    faulty: FaultyBuckets, fault: Any, kind: type[Exception], told: str
) -> None:
    """What it was and of which object, and never who asked: the service repeats that in its answers."""
    async with opened(faulty, session_token=Secret(TOKEN)) as store:
        found = await store.head("a/1")
        faulty.faults = [fault]
        with pytest.raises(kind) as caught:
            await content_of(store, found)
    error: BaseException | None = caught.value
    assert type(error) is kind
    assert told in str(error)
    assert error is not None
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert len(faulty.reads()) == 1, "whoever calls decides whether to ask again"


async def test_listings_and_looks_fail_by_the_same_names(faulty: FaultyBuckets) -> None:
    """A missing bucket, too, is told from one that is not shown."""
    faulty.meddle = DENIED
    async with opened(faulty, region=REGION) as store:
        with pytest.raises(AccessRefused):
            await store.list_objects("a/", after="", up_to="z")
        with pytest.raises(AccessRefused):
            await store.head("a/1")
    faulty.meddle = None
    async with opened(faulty, bucket="no-such-bucket") as store:
        with pytest.raises(ObjectMissing, match="there is no bucket no-such-bucket"):
            await store.list_objects("a/", after="", up_to="z")


async def test_another_content_is_noticed_even_where_nobody_heeds_the_condition(
    faulty: FaultyBuckets,
) -> None:
    """A server may ignore If-Match, and a whole answer where an end was asked for is none."""
    async with opened(faulty) as store:
        found = await store.head("a/1")
        for another, tag in ((CONTENT[::-1], '"another"'), (b"another", found.etag)):
            faulty.faults = [_answer(another, tag)]
            with pytest.raises(ObjectChanged):
                await content_of(store, found)
        faulty.faults = [_answer(CONTENT, found.etag)]
        with pytest.raises(SourceUnavailable):
            await content_of(store, found, start=10)


def _answer(content: bytes, tag: str) -> Meddling:
    return lambda _request, _reply: Reply(200, content, {"etag": tag})


async def test_a_server_without_tags_can_be_read(faulty: FaultyBuckets) -> None:
    """Then there is no condition, and the size is what is compared."""

    def untagged(request: Request, reply: Reply) -> Reply:
        headers = {name: value for name, value in reply.headers.items() if name != "etag"}
        return Reply(reply.status, reply.body, headers)

    faulty.meddle = untagged
    async with opened(faulty) as store:
        found = await store.head("a/1")
        assert found.etag == ""
        assert await content_of(store, found) == CONTENT
    assert "if-match" not in faulty.reads()[0].headers


async def test_nothing_is_taken_from_the_environment(
    faulty: FaultyBuckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, regions, endpoints and encryption that others left there are not used."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "ENVIRONMENT-KEY-ID",
        "AWS_SECRET_ACCESS_KEY": "ENVIRONMENT-SECRET",
        "AWS_SESSION_TOKEN": "ENVIRONMENT-TOKEN",
        "AWS_ENDPOINT": "http://127.0.0.1:1/environment",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1/environment",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1/environment",
        "AWS_REGION": "environment-1",
        "AWS_DEFAULT_REGION": "environment-1",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_UNSIGNED_PAYLOAD": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_SERVER_SIDE_ENCRYPTION": "sse-c",
        "AWS_SSE_CUSTOMER_KEY_BASE64": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        "AWS_ALLOW_HTTP": "false",
        "AWS_USER_AGENT": "environment",
        "AWS_S3_EXPRESS": "true",
    }.items():
        monkeypatch.setenv(name, value)
    async with opened(faulty) as store:
        found = await store.head("a/1")
        assert await content_of(store, found) == CONTENT
    told = repr(faulty.requests)
    assert KEY_ID in told
    assert REGION in told
    assert "nvironment" not in told.lower()
    assert "server-side-encryption" not in told
    assert "x-amz-security-token" not in told


async def test_no_key_is_shown(faulty: FaultyBuckets) -> None:
    """Neither by what is printed of an access nor by a bucket, and the secret itself is never sent."""
    async with opened(faulty, session_token=Secret(TOKEN)) as store:
        await store.head("a/1")
        shown = repr(access(faulty.url, session_token=Secret(TOKEN))) + repr(store) + repr(vars(store))
    assert not [each for each in (KEY_ID, SECRET, TOKEN) if each in shown]
    assert SECRET not in repr(faulty.requests)
