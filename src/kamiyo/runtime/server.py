"""The HTTP server: uvicorn, told to stop by us."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import structlog
import uvicorn
from starlette.types import ASGIApp

from kamiyo.core.errors import InvalidSettings

_GRACE_SECONDS = 5
_LARGEST_FRAME = 4096
_log = structlog.get_logger()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # The process has roles beside this one: runtime.processes hears the signals for all of them.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        _log.info("serving", url=f"http://{self.config.host}:{self.config.port}")


async def serve(app: ASGIApp, host: str, port: int, stopping: asyncio.Event) -> None:
    """Answer until ``stopping`` is set, then finish what is open; InvalidSettings if the port is taken."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        ws_per_message_deflate=False,
        ws_max_size=_LARGEST_FRAME,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        lifespan="off",
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(_serve(server, host, port), name="http")
        waiting = tasks.create_task(stopping.wait(), name="stop")
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        waiting.cancel()


async def _serve(server: uvicorn.Server, host: str, port: int) -> None:
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's answer to a port it cannot have
        raise InvalidSettings(
            f"cannot listen on {host}:{port}: is it taken? choose another with --port"
        ) from error
