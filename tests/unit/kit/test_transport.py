import asyncio

import pytest

from kamiyo.core.errors import SourceUnavailable
from kamiyo.kit.transport import open_session


async def serve_once(answer: bytes) -> tuple[asyncio.Server, str, list[bytes]]:
    heard: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return server, f"http://127.0.0.1:{port}/info", heard


async def test_an_answer_comes_whole() -> None:
    """Status, headers and body are handed on, whatever the status."""
    server, url, heard = await serve_once(
        b"HTTP/1.1 429 Too Many\r\nx-limit: 7\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"
    )
    async with server, open_session() as session:
        answer = await session.request("POST", url, body=b"{}")
    assert (answer.status, answer.headers["x-limit"], answer.body) == (429, "7", b"no")
    assert heard[0].startswith(b"POST /info")


@pytest.mark.parametrize(
    "answer", [b"", b"not http\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nno"]
)
async def test_no_whole_answer_is_an_unavailable_source(answer: bytes) -> None:
    """A connection that ends early is told by the host's name, without the address's secrets."""
    server, url, _heard = await serve_once(answer)
    async with server, open_session() as session:
        with pytest.raises(SourceUnavailable, match=r"^127\.0\.0\.1: \w+Error$"):
            await session.request("GET", f"{url}?key=secret")
