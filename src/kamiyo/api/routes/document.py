"""The OpenAPI document, made once from the routes."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kamiyo.api.schemas import ProblemShape


def build_document(api: FastAPI) -> dict[str, Any]:
    """What the routes say of themselves, with the shape every error has."""
    document = get_openapi(
        title=api.title, version=api.version, description=api.description, routes=api.routes
    )
    template = "#/components/schemas/{model}"
    _, shapes = models_json_schema([(ProblemShape, "serialization")], ref_template=template)
    document["components"]["schemas"] |= shapes["$defs"]
    return document


def document_route(api: FastAPI) -> Route:
    """The document at ``/openapi.json``, made when it is first asked for: a start need not wait for it."""

    @cache
    def content() -> bytes:
        return msgspec.json.encode(build_document(api))

    async def show(_request: Request) -> Response:
        return Response(content(), media_type="application/json")

    return Route("/openapi.json", show, methods=["GET"], include_in_schema=False)
