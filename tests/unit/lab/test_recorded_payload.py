"""One payload as one line of a recording."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.errors import MalformedPayload
from kamiyo.lab.recorded_payload import BEGINNING, decode_payload, encode_payload


def test_the_line_is_what_is_documented() -> None:
    """Three keys in this order; bytes that are no text are packed under a key of their own."""
    line = encode_payload(received_at=5, stream="ws/trades", payload=b'{"a":1}')
    assert line == b'{"received_at":5,"stream":"ws/trades","payload":"{\\"a\\":1}"}'
    line = encode_payload(received_at=5, stream="ws/trades", payload=b"\xff")
    assert line == b'{"received_at":5,"stream":"ws/trades","payload_base64":"/w=="}'


@given(st.integers(0, 2**45), st.text(max_size=20), st.binary() | st.text().map(str.encode))
def test_what_was_written_is_read(received_at: int, stream: str, payload: bytes) -> None:
    """Every payload comes back byte for byte, on one line that is known by its beginning."""
    line = encode_payload(received_at=received_at, stream=stream, payload=payload)
    assert line.startswith(BEGINNING)
    assert b"\n" not in line
    found = decode_payload(line)
    assert (found.received_at, found.stream, found.content) == (received_at, stream, payload)


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"\xff", b'{"received_at":1}', b'{"received_at":"x","stream":""}']
)
def test_another_line_is_refused(line: bytes) -> None:
    """It is malformed, as a payload of a source would be."""
    with pytest.raises(MalformedPayload):
        decode_payload(line)


@pytest.mark.parametrize("extra", [{}, {"payload_base64": "no base64"}, {"payload_base64": "ü"}])
def test_a_line_without_its_payload_is_refused(extra: dict[str, str]) -> None:
    """Nothing stands in for what is not there."""
    found = decode_payload(msgspec.json.encode({"received_at": 1, "stream": "x", **extra}))
    with pytest.raises(MalformedPayload):
        _ = found.content
