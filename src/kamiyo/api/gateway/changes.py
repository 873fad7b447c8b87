"""Requests that change something: from our own page or a program, with a small body of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from fastapi import Request, params
from starlette.requests import ClientDisconnect

from kamiyo.api.problems import Refused

MAX_BODY_BYTES = 16_384

_OWN_SITES = {"", "same-origin", "none"}
_JSON = "application/json"

B = TypeVar("B", bound=msgspec.Struct)


def body_of(shape: type[B], *, max_bytes: int = MAX_BODY_BYTES) -> params.Depends:
    """The body of a request that changes something, read only once nothing speaks against it.

    Use it as ``change: Annotated[SourceChange, body_of(SourceChange)]``, with ``openapi_extra`` of
    ``described_body``, and ``CHANGE_STATUSES`` among the responses.
    """
    decoder = msgspec.json.Decoder(shape)

    async def read(request: Request) -> B:
        refuse_other_sites(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
            raise Refused(415, "not_json", f"the body must be sent as {_JSON}")
        try:
            return decoder.decode(await _bounded(request, max_bytes))
        except (msgspec.DecodeError, UnicodeError) as error:
            raise Refused(422, "invalid_body", str(error)) from error

    return params.Depends(read)


CHANGE_STATUSES = (403, 413, 415, 422, 503)  # what a route that takes a body may answer beside success


def refuse_other_sites(request: Request) -> None:
    """Refused if a page of another origin sent the request: browsers let any page send one anywhere.

    A program that is no browser says nothing of its origin, and is let in.
    """
    site = request.headers.get("sec-fetch-site", "").lower()
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    foreign = origin is not None and origin.partition("://")[2].lower() != host.lower()
    if foreign or site not in _OWN_SITES:
        raise Refused(403, "cross_site", "only pages of this server, and programs, may change anything")


@cache
def described_body(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """What a route says of its body in the OpenAPI document; FastAPI would read it whole before any check."""
    (schema,), components = msgspec.json.schema_components((shape,), ref_template="{name}")
    content = {_JSON: {"schema": _inlined(schema, components)}}
    return {"requestBody": {"required": True, "content": content}}


async def _bounded(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise Refused(413, "body_too_large", f"the body is larger than {max_bytes} bytes")
    except ClientDisconnect as error:
        raise Refused(400, "invalid_body", "the body ended before its end") from error
    return bytes(body)


def _inlined(schema: object, components: Mapping[str, Any]) -> object:
    """The schema with every reference replaced by what it stands for."""
    if isinstance(schema, list):
        return [_inlined(each, components) for each in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    known = cast("dict[str, object]", schema)
    if "$ref" in known:
        return _inlined(components[str(known["$ref"])], components)
    return {name: _inlined(value, components) for name, value in known.items()}
