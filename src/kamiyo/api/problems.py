"""Every error as RFC 9457 problem+json: stable codes, no internals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, cast

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from kamiyo.core.errors import CursorExpired, KamiyoError, SchemaMismatch, StorageRefused, StorageUnavailable

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"Retry-After": "1"}

_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_CODES_OF_STATUS = {404: "not_found", 405: "method_not_allowed"}
_CODES_OF_VALIDATION = {
    "enum": "not_one_of_the_allowed",
    "literal_error": "not_one_of_the_allowed",
    "int_parsing": "not_an_integer",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "missing": "missing",
}


class FieldError(msgspec.Struct, frozen=True):
    """One parameter that cannot be accepted."""

    field: str
    code: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an error."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    code: str
    errors: Sequence[FieldError] = ()


class Refused(Exception):
    """A request that gets this problem for an answer."""

    def __init__(self, status: int, code: str, detail: str, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.errors = errors


def problem_response(
    scope: Scope,
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that failed."""
    problem = Problem(
        type=f"urn:kamiyo:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=scope["path"],
        request_id=scope.get("state", {}).get("request_id", ""),
        code=code,
        errors=errors,
    )
    return Response(msgspec.json.encode(problem), status, headers, MEDIA_TYPE)


def install_handlers(app: FastAPI) -> None:
    """Answer everything the application raises on purpose with a problem."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def _refused(request: Request, error: Refused) -> Response:
    return problem_response(request.scope, error.status, error.code, str(error), errors=error.errors)


async def _http_error(request: Request, error: HTTPException) -> Response:
    code = _CODES_OF_STATUS.get(error.status_code, "http_error")
    detail = {
        404: f"there is nothing at {request.scope['path']}",
        405: f"{request.method} is not possible here",
    }.get(error.status_code, HTTPStatus(error.status_code).description)
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_methods_at(request))}
    return problem_response(request.scope, error.status_code, code, detail, headers=headers)


def _methods_at(request: Request) -> list[str]:
    """How the path may be asked, by all of its routes: whoever refuses knows only the first."""
    routes = cast("Sequence[BaseRoute]", request.app.routes)
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    found = [
        (
            str(each["loc"][-1]),
            _CODES_OF_VALIDATION.get(each["type"], "malformed"),
            str(each["msg"]).removeprefix("Value error, "),
        )
        for each in error.errors()
    ]
    detail = "; ".join(f"{field}: {message}" for field, _code, message in found)
    errors = [FieldError(field, code) for field, code, _message in found]
    return problem_response(request.scope, 422, "invalid_parameters", detail, errors=errors)


async def _own_error(request: Request, error: KamiyoError) -> Response:
    for kind, status, code, detail in _OWN:
        if isinstance(error, kind):
            headers = RETRY_AFTER if status == HTTPStatus.SERVICE_UNAVAILABLE else None
            return problem_response(request.scope, status, code, detail, headers=headers)
    raise error


_OWN: Final[tuple[tuple[type[KamiyoError], int, str, str], ...]] = (
    (StorageUnavailable, 503, "storage_unavailable", "the database does not answer; nothing stored is lost"),
    (SchemaMismatch, 503, "schema_mismatch", "the database is not of this version of KAMIYO: see its log"),
    (StorageRefused, 422, "invalid_parameters", "a parameter holds what nothing stored can equal"),
    (CursorExpired, 410, "cursor_expired", "the stream no longer holds what follows this cursor"),
)
_Handler = Callable[[Request, Exception], Awaitable[Response]]
_HANDLERS: Final[Mapping[type[Exception], _Handler]] = {
    Refused: cast("_Handler", _refused),
    HTTPException: cast("_Handler", _http_error),
    RequestValidationError: cast("_Handler", _invalid),
    KamiyoError: cast("_Handler", _own_error),
}
