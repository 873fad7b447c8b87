"""What the server says of itself: totals, sources, health and metrics."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kamiyo.api.dependencies import State, StatsQuery, Word, only
from kamiyo.api.gateway.changes import CHANGE_STATUSES, body_of, described_body
from kamiyo.api.problems import Refused
from kamiyo.api.routes.answers import json_answer
from kamiyo.api.schemas import (
    AboutShape,
    AliveShape,
    DataShape,
    HealthShape,
    ListShape,
    Responses,
    SourceShape,
    StatsShape,
    responses,
)
from kamiyo.api.services.backfills import measure_backfills
from kamiyo.api.services.exports import measure_exports
from kamiyo.api.services.health import Status, check_health, is_ready, measure_sources
from kamiyo.api.services.meta import show_meta
from kamiyo.api.services.source_control import SourceChange, change_source, list_source_rows
from kamiyo.api.services.stats import show_stats
from kamiyo.kit import metrics

router = APIRouter(tags=["system"], default_response_class=Response)
_DOWN: Responses = {
    503: {"description": "No stream is live, or the database does not answer", "model": HealthShape}
}
_TEXT: Responses = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/stats", responses=responses(DataShape[StatsShape], 422, 503), dependencies=[only(StatsQuery)])
async def get_stats(state: State, query: Annotated[StatsQuery, Query()]) -> Response:
    """Totals of the last hour, day and week, and of a window asked for."""
    return json_answer(await show_stats(state, query))


@router.get("/meta", responses=responses(DataShape[AboutShape], 422, 503), dependencies=[only()])
async def get_meta(state: State) -> Response:
    """What this server is, what it holds, and what may be asked of it."""
    return json_answer(await show_meta(state))


@router.get("/sources", responses=responses(ListShape[SourceShape], 422, 503), dependencies=[only()])
async def get_sources(state: State) -> Response:
    """Every source with its health and age."""
    return json_answer(await list_source_rows(state))


@router.patch(
    "/sources/{name}",
    responses=responses(DataShape[SourceShape], 404, *CHANGE_STATUSES),
    dependencies=[only()],
    openapi_extra=described_body(SourceChange),
)
async def patch_source(
    request: Request, state: State, name: Word, change: Annotated[SourceChange, body_of(SourceChange)]
) -> Response:
    """Switch a source on or off, or change its priority, while everything runs."""
    return json_answer(await change_source(state, name, change, request.scope["state"]["request_id"]))


@router.get("/health", responses=responses(HealthShape, 422) | _DOWN, dependencies=[only()])
async def get_health(state: State) -> Response:
    """200 only while a stream is live and the database answers."""
    health = await check_health(state)
    return json_answer(msgspec.json.encode(health), 503 if health.status is Status.DOWN else 200)


@router.get("/health/live", responses=responses(AliveShape, 422), dependencies=[only()])
async def get_live() -> Response:
    """The process runs."""
    return json_answer(b'{"status":"alive"}')


@router.get("/health/ready", responses=responses(AliveShape, 422, 503), dependencies=[only()])
async def get_ready(state: State) -> Response:
    """The database answers and has the schema of this version."""
    if not await is_ready(state):
        raise Refused(503, "schema_mismatch", "the database is not of this version of KAMIYO")
    return json_answer(b'{"status":"ready"}')


@router.get("/metrics", responses=responses(None, 422) | _TEXT, dependencies=[only()])
async def get_metrics(state: State) -> Response:
    """Everything measured, for Prometheus."""
    await measure_sources(state)
    await measure_backfills(state)
    await measure_exports(state)
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)
