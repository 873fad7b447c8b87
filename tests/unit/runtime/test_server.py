"""The HTTP server's end: told by us, with the open answers finished."""

import asyncio
import socket

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from kamiyo.core.errors import InvalidSettings
from kamiyo.runtime.server import serve


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(20):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)


async def test_an_answer_that_is_open_when_the_server_stops_is_finished() -> None:
    """Then the server is gone, and names neither itself nor its version on the way."""
    asked, stopping, port = asyncio.Event(), asyncio.Event(), a_port()

    async def slow(_request: Request) -> PlainTextResponse:
        asked.set()
        await stopping.wait()
        await asyncio.sleep(0.1)
        return PlainTextResponse("whole")

    serving = asyncio.create_task(serve(Starlette(routes=[Route("/", slow)]), "127.0.0.1", port, stopping))
    reader, writer = await connected(port)
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    await asked.wait()
    stopping.set()
    answer = await reader.read()
    writer.close()
    await serving
    assert answer.endswith(b"whole")
    assert b"server:" not in answer.lower()
    with pytest.raises(OSError, match=r"refused|failed"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_taken_port_is_refused_with_what_to_do() -> None:
    """Instead of ending the process from inside."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ExceptionGroup) as raised:
            await serve(Starlette(), "127.0.0.1", port, asyncio.Event())
    assert raised.group_contains(InvalidSettings, match=f"{port}.*--port")
