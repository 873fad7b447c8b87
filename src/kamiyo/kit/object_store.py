"""The one place that speaks S3: what a bucket holds, and one object's bytes from anywhere on.

Nothing of the environment is asked for keys, regions or endpoints: what is not handed over is not used. What
a server answers is never quoted, as it repeats who asked; only its error code is.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from kamiyo.core.errors import Permanent, RateLimited, SourceUnavailable
from kamiyo.kit.secret import Secret
from kamiyo.kit.transport import Answer

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta
    from obstore.store import ClientConfig, S3Credential

_AMAZON: Final = "https://s3.{region}.amazonaws.com"
_FIRST_REGION: Final = "us-east-1"  # answers for every bucket, at least where that one is
_PIECE: Final = 256 << 10
_REFUSED: Final = (401, 403)
_MISSING: Final = 404
_CHANGED: Final = (412, 416)
_TOO_MUCH: Final = (429, 503)
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_REGION: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_CLIENT: Final[ClientConfig] = {
    "allow_http": True,
    "allow_invalid_certificates": False,
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(seconds=30),
    "timeout": timedelta(days=1),  # of a whole object, however long it takes
    "user_agent": "kamiyo",
}


class AccessRefused(SourceUnavailable):
    """A bucket is not shown to who asks."""


class ObjectMissing(Permanent):
    """A bucket has no object, or there is no bucket, of that name."""


class ObjectChanged(Permanent):
    """An object is no longer what it was when it was found."""


class BucketAccess(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket, and who asks for it.

    Without an ``endpoint`` it is Amazon's, and without a ``region`` the bucket itself is asked for it.
    ``bucket_in_host`` is the virtual-hosted style, where the bucket's name is the first part of the host's.
    Whoever asks pays what a bucket's requests cost.
    """

    bucket: str
    access_key_id: Secret
    secret_access_key: Secret
    session_token: Secret | None = None
    endpoint: str = ""
    region: str = ""
    bucket_in_host: bool = False


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object as a listing or an answer shows it."""

    key: str
    size: int
    etag: str


class Asking(Protocol):
    """The network, as far as finding a bucket's region needs it."""

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and wait for the whole answer."""
        ...


class ObjectStore(Protocol):
    """A bucket that can be listed and read.

    SourceUnavailable for what may work later, of it AccessRefused and RateLimited; ObjectMissing and
    ObjectChanged for what cannot.
    """

    async def list_objects(self, prefix: str, *, after: str, up_to: str) -> list[StoredObject]:
        """Every object below ``prefix`` whose key is behind ``after`` and not behind ``up_to``, in order."""
        ...

    async def head(self, key: str) -> StoredObject:
        """One object without its bytes."""
        ...

    def read(self, found: StoredObject, *, start: int = 0) -> AsyncGenerator[bytes]:
        """The bytes of exactly this content from ``start`` on, piece by piece; SourceUnavailable at a cut."""
        ...


OpenStore = Callable[[BucketAccess], ObjectStore]


class S3Bucket:
    """A bucket behind the S3 protocol. It asks once: whoever calls decides whether to ask again."""

    def __init__(self, access: BucketAccess, asking: Asking) -> None:
        self._access = access
        self._asking = asking
        self._opened: S3Store | None = None

    async def list_objects(self, prefix: str, *, after: str, up_to: str) -> list[StoredObject]:
        """Every object below ``prefix`` whose key is behind ``after`` and not behind ``up_to``, in order."""
        found: list[StoredObject] = []
        store = await self._store()
        try:
            # The other answers it can give are untyped.
            pages = obstore.list(store, prefix, offset=after)  # pyright: ignore[reportUnknownMemberType]
            async for page in pages:
                found += (_stored(each) for each in page if each["path"] <= up_to)
                if page and page[-1]["path"] > up_to:
                    break
        except (BaseError, OSError) as error:
            raise self._failure(error, prefix) from None
        return found

    async def head(self, key: str) -> StoredObject:
        """One object without its bytes."""
        store = await self._store()
        try:
            return _stored(await obstore.head_async(store, key))
        except (BaseError, OSError) as error:
            raise self._failure(error, key) from None

    async def read(self, found: StoredObject, *, start: int = 0) -> AsyncGenerator[bytes]:
        """The bytes of exactly this content from ``start`` on, piece by piece; SourceUnavailable at a cut."""
        store = await self._store()
        options: GetOptions = {"if_match": found.etag} if found.etag else {}
        if start:
            options["range"] = {"offset": start}
        try:
            result = await obstore.get_async(store, found.key, options=options)
            self._demand_same(result, found, start)
            async for piece in result.stream(min_chunk_size=_PIECE):
                yield piece
        except (BaseError, OSError) as error:
            raise self._failure(error, found.key) from None

    def _demand_same(self, result: GetResult, found: StoredObject, start: int) -> None:
        """Not every server heeds If-Match."""
        same = result.meta["size"] == found.size and _bare(result.meta["e_tag"]) == _bare(found.etag)
        if not same or result.range != (start, found.size):
            raise ObjectChanged(f"{self._name(found.key)} is no longer what was listed")

    async def _store(self) -> S3Store:
        if self._opened is None:
            access = self._access
            region = access.region or await self._region()
            endpoint = access.endpoint.rstrip("/") or _endpoint(access, region)
            self._opened = _open(access, region=region, endpoint=endpoint)
        return self._opened

    async def _region(self) -> str:
        """Where the bucket is: told to everybody, with any status."""
        access = self._access
        base = access.endpoint.rstrip("/") or _AMAZON.format(region=_FIRST_REGION)
        url = f"{base}/" if access.endpoint and access.bucket_in_host else f"{base}/{access.bucket}"
        answer = await self._asking.request("HEAD", url)
        told = answer.headers.get("x-amz-bucket-region")
        if told is not None and _REGION.fullmatch(told):
            return told
        if answer.status == _MISSING:
            raise ObjectMissing(f"there is no bucket {access.bucket}")
        if access.endpoint:  # others need not have regions
            return _FIRST_REGION
        raise SourceUnavailable(f"nobody says in which region the bucket {access.bucket} is: set the region")

    def _name(self, key: str) -> str:
        return f"s3://{self._access.bucket}/{key}"

    def _failure(self, error: Exception, key: str) -> SourceUnavailable | Permanent:
        name, status, code = self._name(key), _status_of(error), _code_of(error)
        told = f"{name}: {status or 'no answer'}{code and f' {code}'}"
        if status in _REFUSED:
            return AccessRefused(told)
        if status == _MISSING:
            return ObjectMissing(f"{told}: there is no such thing")
        if status in _CHANGED:
            return ObjectChanged(f"{told}: it is no longer what was listed")
        if status in _TOO_MUCH:
            return RateLimited(told)
        return SourceUnavailable(told)


def buckets_of(asking: Asking) -> OpenStore:
    """What opens buckets; their regions are asked for through this."""
    return lambda access: S3Bucket(access, asking)


def _endpoint(access: BucketAccess, region: str) -> str:
    base = _AMAZON.format(region=region)
    return base.replace("://", f"://{access.bucket}.") if access.bucket_in_host else base


def _open(access: BucketAccess, *, region: str, endpoint: str) -> S3Store:
    credential: S3Credential = {
        "access_key_id": access.access_key_id.reveal(),
        "secret_access_key": access.secret_access_key.reveal(),
        "token": access.session_token.reveal() if access.session_token else None,
        "expires_at": None,
    }
    # All that the library would otherwise take from the environment is said here.
    return S3Store(
        access.bucket,
        client_options=_CLIENT,
        retry_config={"max_retries": 0},
        credential_provider=lambda: credential,
        endpoint=endpoint,
        aws_endpoint_url_s3=endpoint,
        region=region,
        default_region=region,
        virtual_hosted_style_request=access.bucket_in_host,
        request_payer=True,
        skip_signature=False,
        unsigned_payload=False,
        s3_express=False,
        server_side_encryption="AES256",
    )


def _stored(meta: ObjectMeta) -> StoredObject:
    return StoredObject(key=meta["path"], size=meta["size"], etag=meta["e_tag"] or "")


def _bare(etag: str | None) -> str:
    """Not every server quotes it everywhere."""
    return (etag or "").strip('"')


def _status_of(error: Exception) -> int | None:
    if isinstance(error, FileNotFoundError):
        return _MISSING
    found = _STATUS.search(str(error))
    return None if found is None else int(found[1])


def _code_of(error: Exception) -> str:
    found = _CODE.search(str(error))
    return "" if found is None else found[1]
