"""A real S3-compatible server, and in front of it one that loses connections and refuses on demand."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote, urlencode

import httpx
from moto.server import ThreadedMotoServer

from tests.services.server import Reply, Request, Server, open_server

REGION = "ap-northeast-1"
_PASSED_ON = ("authorization", "range", "if-match", "host")
# Nobody looks at the signature, but without one a second content of a key is refused.
_SIGNED = (
    "AWS4-HMAC-SHA256 Credential=writer/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
)
_CONSTRAINT = (
    "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>"
)

Meddling = Callable[[Request, Reply], Reply]


@dataclass(frozen=True)
class Buckets:
    """The server: it keeps whatever is put there until it is emptied, or another one is opened."""

    url: str
    client: httpx.Client

    def create(self, bucket: str, region: str = REGION) -> None:
        """Make a bucket in that region."""
        self.client.put(f"{self.url}/{bucket}", content=_CONSTRAINT.format(region)).raise_for_status()

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Make an object, or another content of it."""
        self.client.put(f"{self.url}/{bucket}/{quote(key)}", content=content).raise_for_status()

    def empty(self) -> None:
        """Forget everything."""
        self.client.post(f"{self.url}/moto-api/reset").raise_for_status()


@contextmanager
def open_buckets() -> Iterator[Buckets]:
    """Serve on a free port of this machine."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with httpx.Client(headers={"authorization": _SIGNED}) as client:
            opened = Buckets(f"http://{host}:{port}", client)
            opened.empty()  # all servers of one process keep what they are given in the same place
            yield opened
    finally:
        server.stop()


@dataclass
class FaultyBuckets:
    """What stands in front of the buckets, and spoils answers.

    ``meddle`` sees every request with its answer; ``faults`` are used up, one for each read of an object.
    """

    buckets: Buckets
    client: httpx.AsyncClient
    page_size: int = 1_000
    server: Server | None = None
    meddle: Meddling | None = None
    faults: list[Meddling] = field(default_factory=list)

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url

    @property
    def requests(self) -> list[Request]:
        """Everything that was asked so far."""
        assert self.server is not None
        return self.server.requests

    def reads(self) -> list[Request]:
        """What was asked of objects: no listing, no look for a region."""
        return [each for each in self.requests if each.method == "GET" and "list-type" not in each.query]

    async def answer(self, request: Request) -> Reply:
        limit = {"max-keys": str(self.page_size)} if "list-type" in request.query else {}
        answer = await self.client.request(
            request.method,
            f"{self.buckets.url}{quote(request.path)}?{urlencode(dict(request.query) | limit)}",
            headers={name: request.headers[name] for name in _PASSED_ON if name in request.headers},
        )
        reply = Reply(answer.status_code, answer.content, _headers(request, answer.headers))
        if request.method == "GET" and "list-type" not in request.query and self.faults:
            return self.faults.pop(0)(request, reply)
        return self.meddle(request, reply) if self.meddle else reply


def _headers(request: Request, headers: Mapping[str, str]) -> dict[str, str]:
    size = {"content-length"} if request.method == "HEAD" else set()
    kept = {"etag", "last-modified", "content-range", "x-amz-bucket-region", "content-type"} | size
    return {name: value for name, value in headers.items() if name in kept}


@asynccontextmanager
async def open_faulty(buckets: Buckets) -> AsyncIterator[FaultyBuckets]:
    """The same buckets at another address, until told otherwise just as good."""
    async with httpx.AsyncClient() as client:
        faulty = FaultyBuckets(buckets, client)
        async with open_server(faulty.answer) as server:
            faulty.server = server
            yield faulty


def cut_after(size: int) -> Meddling:
    """The connection is lost after so many bytes."""
    return lambda _request, reply: Reply(reply.status, reply.body, reply.headers, cut_after=size)


def refused(status: int, code: str, detail: str = "") -> Meddling:
    """An error of the service, in its words; they repeat who asked."""

    def answer(request: Request, _reply: Reply) -> Reply:
        told = detail or request.headers.get("authorization", "")
        body = f"<Error><Code>{code}</Code><Message>{told}</Message></Error>".encode()
        return Reply(status, b"" if request.method == "HEAD" else body)

    return answer


SLOW_DOWN = refused(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown")
DENIED = refused(HTTPStatus.FORBIDDEN, "AccessDenied")
