"""Exports over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from kamiyo.api.dependencies import NumberedQuery, State, only
from kamiyo.api.export_schemas import ExportShape
from kamiyo.api.files import Download, file_answer
from kamiyo.api.gateway.changes import CHANGE_STATUSES, body_of, described_body, refuse_other_sites
from kamiyo.api.routes.answers import json_answer
from kamiyo.api.schemas import DataShape, ListShape, Responses, responses
from kamiyo.api.services import exports
from kamiyo.api.services.exports import ExportOrder
from kamiyo.core.exports import ExportFormat

router = APIRouter(tags=["exports"], default_response_class=Response)

_MEDIA_TYPES = {
    ExportFormat.CSV: "text/csv; charset=utf-8; header=present",
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}
_CONTENT = {
    kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
    for kind in _MEDIA_TYPES.values()
}
_FILE: Responses = {
    200: {"description": "The file", "content": _CONTENT},
    206: {"description": "The range of it that was asked for", "content": _CONTENT},
    304: {"description": "It is the one whose ETag was named"},
}
_ACCEPTED: Responses = {
    202: {"description": "It will be written; Location is where it is found", "model": DataShape[ExportShape]}
}
_GONE: Responses = {204: {"description": "It is gone"}}
_OK = 200

Number = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="Yours: asked again with it, the same export is answered"),
]


def _problems(*statuses: int) -> Responses:
    found = responses(None, *statuses)
    found.pop(_OK)
    return found


@router.post(
    "/exports",
    status_code=202,
    responses=_ACCEPTED | _problems(409, 429, 507, *CHANGE_STATUSES),
    dependencies=[only()],
    openapi_extra=described_body(ExportOrder),
)
async def request_export(
    state: State, order: Annotated[ExportOrder, body_of(ExportOrder)], key: Key = None
) -> Response:
    """Ask for a list, whole, as a file: it is written by a worker, part by part, and kept for some days."""
    number, content = await exports.request_export(state, order, key)
    answer = json_answer(content, 202)
    answer.headers["Location"] = f"/exports/{number}"
    return answer


@router.get(
    "/exports",
    responses=responses(ListShape[ExportShape], 400, 422, 503),
    dependencies=[only(NumberedQuery)],
)
async def get_exports(state: State, query: Annotated[NumberedQuery, Query()]) -> Response:
    """Every export that is kept, with how far it is, the latest first."""
    return json_answer(await exports.list_exports(state, query))


@router.get(
    "/exports/{export_id}",
    responses=responses(DataShape[ExportShape], 404, 422, 503),
    dependencies=[only()],
)
async def get_export(state: State, export_id: Number) -> Response:
    """One export: how far it is, and what is said of its file."""
    return json_answer(await exports.show_export(state, export_id))


@router.get(
    "/exports/{export_id}/file",
    responses=responses(None, 404, 409, 416, 422, 503) | _FILE,
    dependencies=[only()],
)
async def get_file(state: State, request: Request, export_id: Number) -> Response:
    """The file of an export. A range may be asked for: a broken download goes on where it ended."""
    path, stored = await exports.locate_file(state, export_id)
    name = f"kamiyo-{stored.dataset}-{export_id}.{stored.format}"
    download = Download(path, stored.bytes, stored.sha256, name, _MEDIA_TYPES[stored.format])
    return file_answer(request, download)


@router.delete(
    "/exports/{export_id}",
    status_code=204,
    responses=_GONE | _problems(403, 404, 409, 422, 503),
    dependencies=[only()],
)
async def delete_export(state: State, request: Request, export_id: Number) -> Response:
    """Delete an export with its file, also while it is written."""
    refuse_other_sites(request)
    await exports.delete_export(state, export_id)
    return Response(status_code=204)
