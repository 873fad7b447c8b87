"""HTTP and WebSocket on real sockets of this machine: what is refused, bounded, and whom one speaks to."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kamiyo.core.errors import SourceUnavailable
from kamiyo.kit import transport
from kamiyo.kit.fast_socket import FastSocket, open_fast
from kamiyo.kit.transport import HttpSession, WebSocket, _open_plain, open_session, open_websocket
from tests.frames import CLOSE, TEXT, Peer, frame, listening, serving


@asynccontextmanager
async def serving_once(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer whoever asks with these bytes; give the address and what was asked."""
    heard: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()

    async with listening(handle) as port:
        yield f"http://127.0.0.1:{port}/info", heard


async def test_an_answer_comes_whole() -> None:
    """Status, headers and body are handed on, whatever the status."""
    said = b"HTTP/1.1 429 Too Many\r\nx-limit: 7\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"
    async with serving_once(said) as (url, heard), open_session() as session:
        answer = await session.request("POST", url, body=b"{}")
    assert (answer.status, answer.headers["x-limit"], answer.body) == (429, "7", b"no")
    assert heard[0].startswith(b"POST /info")


async def test_lines_are_handed_on_as_they_come() -> None:
    """Whatever pieces they came in, empty ones too, and not the one that has no end yet."""
    parts = [b"one\r\ntw", b"o\n\r", b"\n\nleft over"]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert b"x-key: open" in asked.lower()
        writer.write(b"HTTP/1.1 200 OK\r\nx-limit: 7\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with listening(handle) as port, open_session() as session:
        url = f"http://127.0.0.1:{port}/stream"
        async with session.open_lines(url, headers={"x-key": "open"}, silence=timedelta(seconds=5)) as stream:
            assert (stream.answer.status, stream.answer.headers["x-limit"]) == (200, "7")
            assert [line async for line in stream.lines] == [b"one", b"two", b"", b""]


async def test_a_refusal_of_lines_is_an_answer_with_a_body() -> None:
    """Why it was refused stands in it, and no line does."""
    said = b"HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"
    async with (
        serving_once(said) as (url, _heard),
        open_session() as session,
        session.open_lines(url, silence=timedelta(seconds=5)) as stream,
    ):
        assert (stream.answer.status, stream.answer.body) == (429, b"no")
        assert [line async for line in stream.lines] == []


@pytest.mark.parametrize(
    ("said", "detail"), [(b"\n", "ReadTimeout"), (b"x" * 5_000_000, "a line of more than 4 MiB")]
)
async def test_a_stream_that_falls_silent_or_never_ends_a_line_is_given_up(said: bytes, detail: str) -> None:
    """Silence longer than was agreed is an end, and memory is bounded."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + said)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            await reader.read()

    async with listening(handle) as port, open_session() as session:
        with pytest.raises(SourceUnavailable, match=rf"^127\.0\.0\.1: {detail}"):
            await _read_all(session, f"http://127.0.0.1:{port}/?key=x")


async def _read_all(session: HttpSession, url: str) -> None:
    async with session.open_lines(url, silence=timedelta(seconds=0.3)) as stream:
        async for _line in stream.lines:
            pass


@pytest.mark.parametrize(
    "answer", [b"", b"not http\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nno"]
)
async def test_no_whole_answer_is_an_unavailable_source(answer: bytes) -> None:
    """A connection that ends early is told by the host's name, without the address's secrets."""
    async with serving_once(answer) as (url, _heard), open_session() as session:
        with pytest.raises(SourceUnavailable, match=r"^127\.0\.0\.1: \w+Error$"):
            await session.request("GET", f"{url}?key=secret")


async def test_a_body_is_said_to_be_json() -> None:
    """The venue refuses a question that does not say what it is written in."""
    said = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    async with serving_once(said) as (url, heard), open_session() as session:
        await session.request("POST", url, body=b"{}")
    assert b"\r\ncontent-type: application/json\r\n" in heard[0].lower()


async def test_a_redirect_is_an_answer() -> None:
    """Nobody is sent elsewhere."""
    said = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n"
    async with serving_once(said) as (url, heard), open_session() as session:
        assert (await session.request("GET", url)).status == 302
    assert len(heard) == 1


@pytest.mark.parametrize("length", [b"content-length: 67108865\r\n", b"transfer-encoding: chunked\r\n"])
async def test_an_answer_without_end_is_given_up(length: bytes) -> None:
    """What is longer than 64 MiB is not read to its end."""
    sent = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        part = b"x" * (1 << 20)
        if b"chunked" in length:
            part = b"100000\r\n" + part + b"\r\n"
        while sent < 200 << 20:
            writer.write(part)
            await writer.drain()
            sent += len(part)

    async with listening(handle) as port, open_session() as session:
        url = f"http://127.0.0.1:{port}/"
        with pytest.raises(SourceUnavailable, match=r"^127\.0\.0\.1: an answer of more than 64 MiB$"):
            await session.request("GET", url)
    assert sent < 100 << 20


async def test_an_answer_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends a byte now and then does not hold a request for ever."""
    monkeypatch.setattr(transport, "_LONGEST_REQUEST_SECONDS", 0.1)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with listening(handle) as port, open_session() as session:
        url = f"http://127.0.0.1:{port}/"
        with pytest.raises(SourceUnavailable, match="TimeoutError"):
            await session.request("GET", url)


# --- WebSocket: whom one speaks to --------------------------------------------------------------------------


async def hello(peer: Peer) -> None:
    await peer.write(frame(TEXT, b"hello"))
    while (await peer.read())[0] != CLOSE:
        pass


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """An authority of our own, and what a server of this name shows."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    address = name.replace(".", "").isdigit()
    names = [x509.IPAddress(ipaddress.ip_address(name)) if address else x509.DNSName(name)]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown, secret = folder / "shown.pem", folder / "secret.pem"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, secret)
    return shown, context


@pytest.fixture(params=["picows", "websockets"])
def opened(request: pytest.FixtureRequest) -> Callable[[str], AbstractAsyncContextManager[WebSocket]]:
    """Give both ways to open a WebSocket."""
    if request.param == "picows":
        return lambda url: open_fast(url, "127.0.0.1")
    return lambda url: _open_plain(url, "127.0.0.1", None)


@pytest.mark.parametrize(
    ("named", "trusted", "welcome"),
    [("127.0.0.1", True, True), ("127.0.0.1", False, False), ("venue.example", True, False)],
)
async def test_a_server_proves_who_it_is(
    opened: Callable[[str], AbstractAsyncContextManager[WebSocket]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    named: str,
    trusted: bool,
    welcome: bool,
) -> None:
    """A certificate must be of a known authority and of the name that was asked for."""
    authority, context = certificate(tmp_path, named)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with asyncio.timeout(10), serving(hello, tls=context) as port:
        url = f"wss://127.0.0.1:{port}/ws"
        if welcome:
            async with opened(url) as socket:
                assert await socket.receive() == [b"hello"]
        else:
            with pytest.raises(SourceUnavailable, match=r"^127\.0\.0\.1: SSLCert"):
                async with opened(url):
                    raise AssertionError("who is this?")


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host beyond this machine is reached through the proxy that the environment names."""
    asked: list[bytes] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        peer = Peer(reader, writer)
        peer.request = await reader.readuntil(b"\r\n\r\n")
        await peer.accept()
        await hello(peer)

    monkeypatch.delenv("no_proxy", raising=False)
    async with asyncio.timeout(10), listening(relay) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        async with open_websocket("ws://venue.example/ws") as socket:
            assert await socket.receive() == [b"hello"]
    assert asked[0].startswith(b"CONNECT venue.example:80 ")


@pytest.mark.parametrize("variable", ["https_proxy", "http_proxy", "all_proxy"])
async def test_this_machine_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A proxy of the environment never hears of what happens on this machine."""
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving(hello) as port, open_websocket(f"ws://127.0.0.1:{port}/ws") as socket:
        assert isinstance(socket, FastSocket)
        assert await socket.receive() == [b"hello"]
    said = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    async with serving_once(said) as (url, _heard), open_session() as session:
        assert (await session.request("GET", url)).status == 200


async def test_nobody_there_is_an_unavailable_source() -> None:
    """A port without a server is told by the host's name."""
    with pytest.raises(SourceUnavailable, match=r"^127\.0\.0\.1: ConnectionRefusedError$"):
        async with open_websocket("ws://127.0.0.1:1/ws?key=secret"):
            raise AssertionError("who is this?")
