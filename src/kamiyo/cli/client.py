"""A running server, asked as any of its callers would ask it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
import typer

from kamiyo.core.errors import InvalidQuery, SourceUnavailable
from kamiyo.core.modes import Mode, Showing
from kamiyo.kit.transport import Answer, open_session

DEFAULT_SERVER = "http://127.0.0.1:8000"
_LARGEST_PAGE = 1_000
_OK, _MOVED = 200, 308
_SERVER_ERROR = 500

ServerOption = Annotated[str, typer.Option("--server", help="Where KAMIYO runs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines: JSON on standard output.")]


class SourceLine(msgspec.Struct, frozen=True):
    """What an answer says of one source of its rows."""

    name: str
    label: str
    health: str
    heard_at: str | None = None

    @property
    def live(self) -> bool:
        """Whether it was just heard; content that ships with the product need not be."""
        return self.health in {"live", "loaded"}


class Coverage(msgspec.Struct, frozen=True):
    """What share of reality an answer shows, as far as the server knows."""

    label: str
    sources: tuple[SourceLine, ...]
    measured_pct: str | None = None


class Meta(msgspec.Struct, frozen=True):
    """What an answer says of itself; one that is no list has no next page."""

    mode: Mode
    recording: str | None
    as_of: str
    stale: bool
    coverage: Coverage
    warnings: tuple[str, ...]
    has_more: bool = False
    next_cursor: str | None = None

    @property
    def notice(self) -> str | None:
        """What must be said before anything of an answer that does not show what happens now."""
        return Showing(self.mode, self.recording).notice


class Listing(msgspec.Struct, frozen=True):
    """Rows of one or more pages, and what is known of them, also in the server's own words."""

    rows: list[msgspec.Raw]
    meta: Meta
    raw_meta: dict[str, object]


class Statement(msgspec.Struct, frozen=True):
    """An answer that is no list, and what is known of it, also in the server's own words."""

    data: msgspec.Raw
    meta: Meta
    raw_meta: dict[str, object]


class _Envelope(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]
    meta: msgspec.Raw


class _Stated(msgspec.Struct, frozen=True):
    data: msgspec.Raw
    meta: msgspec.Raw


class _Changed(msgspec.Struct, frozen=True):
    data: msgspec.Raw


class _Problem(msgspec.Struct, frozen=True):
    type: str
    detail: str
    code: str


R = TypeVar("R")

_envelope = msgspec.json.Decoder(_Envelope)
_stated = msgspec.json.Decoder(_Stated)
_changed = msgspec.json.Decoder(_Changed)
_problem = msgspec.json.Decoder(_Problem)
_meta = msgspec.json.Decoder(Meta)
_raw_meta = msgspec.json.Decoder(dict[str, object])


class Session(Protocol):
    """The network, as far as a client needs it."""

    async def request(self, method: str, url: str, *, body: bytes | None = None) -> Answer:
        """Send one request; SourceUnavailable where no answer came."""
        ...


class Client:
    """The lists of one server."""

    def __init__(self, session: Session, server: str) -> None:
        self._session = session
        self.server = server

    async def listing(self, path: str, filters: Mapping[str, str | None], limit: int) -> Listing:
        """The newest rows that pass the filters, ``limit`` at most, over as many pages as that takes."""
        wanted = {name: value for name, value in filters.items() if value is not None}
        listing = await self._page(path, wanted, limit)
        while listing.meta.next_cursor is not None and len(listing.rows) < limit:
            following = wanted | {"cursor": listing.meta.next_cursor}
            page = await self._page(path, following, limit - len(listing.rows))
            listing = _joined(listing, page)
        return listing

    async def whole(self, path: str) -> Listing:
        """A list that comes in one piece and takes no filters."""
        return self._listing(await self._ask("GET", path))

    async def statement(self, path: str, filters: Mapping[str, str | None]) -> Statement:
        """What the server says where it does not list, of what passes the filters."""
        wanted = urlencode({name: value for name, value in filters.items() if value is not None})
        body = await self._ask("GET", f"{path}?{wanted}" if wanted else path)
        try:
            stated = _stated.decode(body)
            return Statement(stated.data, _meta.decode(stated.meta), _raw_meta.decode(stated.meta))
        except msgspec.DecodeError as error:
            raise self._stranger(error) from error

    async def change(self, path: str, body: bytes, *, method: str = "PATCH") -> msgspec.Raw:
        """Change a thing of the server; what it is afterwards. InvalidQuery where the server refuses."""
        return self._data(await self._ask(method, path, body))

    async def one(self, path: str) -> msgspec.Raw:
        """One thing of the server, also where it is asked for by a name it had before."""
        return self._data(await self._ask("GET", path))

    async def _page(self, path: str, parameters: Mapping[str, str], limit: int) -> Listing:
        query = urlencode({**parameters, "limit": min(limit, _LARGEST_PAGE)})
        return self._listing(await self._ask("GET", f"{path}?{query}"))

    async def _ask(self, method: str, target: str, body: bytes | None = None, *, hops: int = 1) -> bytes:
        try:
            answer = await self._session.request(method, f"{self.server}{target}", body=body)
        except SourceUnavailable as error:
            raise no_answer(self.server) from error
        if answer.status == _MOVED and hops:
            query = target.partition("?")[2]
            moved = answer.headers.get("location", "")
            return await self._ask(method, f"{moved}?{query}" if query else moved, body, hops=hops - 1)
        if answer.status != _OK:
            raise refusal(self.server, answer.status, answer.body)
        return answer.body

    def _data(self, body: bytes) -> msgspec.Raw:
        try:
            return _changed.decode(body).data
        except msgspec.DecodeError as error:
            raise self._stranger(error) from error

    def _listing(self, body: bytes) -> Listing:
        try:
            envelope = _envelope.decode(body)
            return Listing(envelope.data, _meta.decode(envelope.meta), _raw_meta.decode(envelope.meta))
        except msgspec.DecodeError as error:
            raise self._stranger(error) from error

    def _stranger(self, error: msgspec.DecodeError) -> SourceUnavailable:
        return SourceUnavailable(f"{self.server} does not answer as KAMIYO does: {error}")


@asynccontextmanager
async def open_client(server: str) -> AsyncGenerator[Client]:
    """A client of the server at this address, closed on the way out; InvalidQuery if it is no address."""
    checked = check_server(server)
    async with open_session() as session:
        yield Client(session, checked)


def check_server(server: str) -> str:
    """The address without a slash at its end; InvalidQuery if it is none."""
    try:
        parts = urlsplit(server)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidQuery(f"--server must look like {DEFAULT_SERVER}, not {server!r}")
    return server.rstrip("/")


def read_row(decoder: msgspec.json.Decoder[R], content: msgspec.Raw) -> R:
    """One row of an answer; SourceUnavailable if it is not what this version of KAMIYO understands."""
    try:
        return decoder.decode(content)
    except msgspec.DecodeError as error:
        raise SourceUnavailable(f"the server does not answer as this KAMIYO does: {error}") from error


def no_answer(server: str) -> SourceUnavailable:
    """What to say, and to do, when nobody is there."""
    return SourceUnavailable(
        f"no answer from {server}: start it with: ./dev run (or name another with --server)"
    )


def refusal(server: str, status: int, body: bytes) -> InvalidQuery | SourceUnavailable:
    """What an answer that is no success means to the one who asked."""
    try:
        problem = _problem.decode(body)
    except msgspec.DecodeError:
        return SourceUnavailable(f"{server} does not answer as KAMIYO does: status {status}")
    if status >= _SERVER_ERROR:
        return SourceUnavailable(f"{server} cannot answer now: {problem.detail}")
    return InvalidQuery(problem.detail)


def _joined(one: Listing, other: Listing) -> Listing:
    """Both as one answer that claims no more than either does."""
    rows = one.rows + other.rows
    warnings = tuple(dict.fromkeys(one.meta.warnings + other.meta.warnings))
    stale = one.meta.stale or other.meta.stale
    known = {"count": len(rows), "as_of": one.meta.as_of, "stale": stale, "warnings": warnings}
    meta = msgspec.structs.replace(other.meta, as_of=one.meta.as_of, stale=stale, warnings=warnings)
    return Listing(rows, meta, other.raw_meta | known)
