"""One WebSocket connection to the venue: bytes in and out, and nothing of what they mean."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

PATH = "/ws"
_LARGEST_MESSAGE = 1 << 20
_HIGH_WATER = 1 << 20
_SHORT, _MEDIUM = 126, 1 << 16
_FINAL_TEXT = 0x81


def wire_form(frame: bytes) -> bytes:
    """A text frame as it goes to every client: a server's frames are not masked, so it is made once."""
    size = len(frame)
    if size < _SHORT:
        return bytes((_FINAL_TEXT, size)) + frame
    if size < _MEDIUM:
        return bytes((_FINAL_TEXT, _SHORT)) + size.to_bytes(2, "big") + frame
    return bytes((_FINAL_TEXT, _SHORT + 1)) + size.to_bytes(8, "big") + frame


class Doors(Protocol):
    """Who decides about connections and hears what they say."""

    def admit(self, socket: VenueSocket, address: str) -> HTTPStatus | None:
        """None to let it in, otherwise why not."""
        ...

    def opened(self, socket: VenueSocket) -> None:
        """The connection is open."""
        ...

    def heard(self, socket: VenueSocket, text: bytes) -> None:
        """The client said something."""
        ...

    def gone(self, socket: VenueSocket) -> None:
        """The connection is no more, whoever ended it."""
        ...


class VenueSocket(asyncio.Protocol):
    """One connection after uvicorn handed it over.

    Frames are gathered and written together: a frame each would be a system call each.
    """

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._protocol = ServerProtocol(max_size=_LARGEST_MESSAGE)
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._gathered: list[bytes] = []
        self._open = False
        self.writable = asyncio.Event()
        self.writable.set()

    # --- what asyncio tells ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Frame):
                self._hear(event)
        self._write_protocol()

    def eof_received(self) -> None:
        """Notice that the client will send no more."""
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # how it ended is the client's affair
        """Notice that the connection is no more."""
        self._open = False
        self.writable.set()
        self._doors.gone(self)

    def pause_writing(self) -> None:
        """Notice that the client reads more slowly than it is written to."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Notice that it caught up."""
        self.writable.set()

    # --- what the venue does ---

    @property
    def waiting(self) -> int:
        """How many bytes the client has yet to read."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def send(self, wire: bytes) -> None:
        """Gather a frame, in its wire form."""
        if self._open:
            self._gathered.append(wire)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._gathered and self._transport is not None:
            self._transport.write(b"".join(self._gathered))
            self._gathered.clear()

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, after all that was sent."""
        if self._open:
            self.flush()
            self._open = False
            self._protocol.send_close(code, reason)
            self._write_protocol()

    def cut(self) -> None:
        """End the connection without a word, after all that was sent."""
        self._open = False
        if self._transport is not None:
            self.flush()
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once, whatever the client has yet to read."""
        self._open = False
        if self._transport is not None:
            self._transport.abort()

    def _answer(self, request: Request) -> None:
        response = self._protocol.accept(request)
        if request.path.partition("?")[0] != PATH:
            response = self._protocol.reject(HTTPStatus.NOT_FOUND, "")
        elif response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            refused = self._doors.admit(self, self._address())
            self._open = refused is None
            if refused is not None:
                response = self._protocol.reject(refused, "null")
        self._protocol.send_response(response)
        self._write_protocol()
        if self._open:
            self._doors.opened(self)

    def _address(self) -> str:
        peer = cast("tuple[str, int] | None", self._transport and self._transport.get_extra_info("peername"))
        return peer[0] if peer else ""

    def _hear(self, frame: Frame) -> None:
        if frame.opcode not in {Opcode.TEXT, Opcode.CONT}:
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            text, self._parts = b"".join(self._parts), []
            if self._open:
                self._doors.heard(self, text)

    def _write_protocol(self) -> None:
        for part in self._protocol.data_to_send():
            if self._transport is None:
                return
            if part:
                self.flush()
                self._transport.write(part)
            else:
                self._transport.close()


def socket_class(doors: Doors) -> type[asyncio.Protocol]:
    """What uvicorn makes of each upgraded connection."""

    class _Upgraded(VenueSocket):
        def __init__(self, config: object, server_state: object, app_state: object) -> None:  # noqa: ARG002  # as uvicorn calls it
            super().__init__(doors)

    return _Upgraded
