"""The HTTP application, built from opened resources."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from kamiyo.api.gateway.boundary import Boundary
from kamiyo.api.gateway.byte_cache import ByteCache
from kamiyo.api.problems import install_handlers
from kamiyo.api.routes import (
    backfills,
    cases,
    claims,
    coverage,
    exploits,
    exports,
    liquidations,
    slots,
    states,
    system,
)
from kamiyo.api.routes.document import document_route
from kamiyo.api.routes.page import page_routes
from kamiyo.api.state import ApiState

_DESCRIPTION = (
    "Liquidations and exploits on Hyperliquid, with how fresh and how complete every answer is. "
    "Numbers are decimal strings, times RFC 3339 in UTC. Errors are RFC 9457 problems."
)


def build_app(
    state: ApiState, *, stream_routes: Sequence[BaseRoute] = (), names: Collection[str] = ()
) -> ASGIApp:
    """Everything served over HTTP; ``names`` are those it answers under beside this machine's own."""
    app = ByteCache(build_api(state, stream_routes=stream_routes), state)
    return Boundary(app, names=names, mode=state.showing.mode)


def build_api(state: ApiState, *, stream_routes: Sequence[BaseRoute] = ()) -> FastAPI:
    """The routes alone, without the boundary and the cache around them."""
    api = FastAPI(
        title="KAMIYO",
        version=state.version,
        description=_DESCRIPTION,
        openapi_url=None,  # routes/document.py: with the shape of problems
        redirect_slashes=False,
    )
    api.state.api = state
    install_handlers(api)
    for module in (
        liquidations,
        exploits,
        cases,
        states,
        claims,
        backfills,
        coverage,
        slots,
        exports,
        system,
    ):
        api.include_router(module.router)
    api.router.routes.extend([document_route(api), *page_routes(), *stream_routes])
    return api
