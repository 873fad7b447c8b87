"""One payload of a live source as one line of a recording, and back."""

from __future__ import annotations

import base64

import msgspec

from kamiyo.core.errors import MalformedPayload

BEGINNING = b'{"received_at":'  # of every such line: it tells them from a node's
GAP = "gap"  # the stream of what the recorder says it missed


class RecordedPayload(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A payload as it came: when, in milliseconds, and from which stream. Base64 where it is no UTF-8."""

    received_at: int
    stream: str
    payload: str | None = None
    payload_base64: str | None = None

    @property
    def content(self) -> bytes:
        """The payload's own bytes; MalformedPayload where the line holds none."""
        if self.payload is not None:
            return self.payload.encode()
        if self.payload_base64 is None:
            raise MalformedPayload("a recorded line without a payload")
        try:
            return base64.b64decode(self.payload_base64, validate=True)
        except ValueError as error:
            raise MalformedPayload(f"a recorded payload that is no base64: {error}") from error


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(RecordedPayload)


def encode_payload(*, received_at: int, stream: str, payload: bytes) -> bytes:
    """The line, without its newline."""
    try:
        return _encode(RecordedPayload(received_at, stream, payload.decode()))
    except UnicodeDecodeError:
        packed = base64.b64encode(payload).decode()
        return _encode(RecordedPayload(received_at, stream, payload_base64=packed))


def decode_payload(line: bytes) -> RecordedPayload:
    """What a line says; MalformedPayload if it is no recorded payload."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayload(str(error)) from error
