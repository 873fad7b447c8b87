"""Frames as they go over the wire."""

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from kamiyo.lab.sockets import wire_form


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20])
def test_every_length_is_read_back(size: int) -> None:
    """A client reads from the wire exactly the text that was to be sent, whatever its length."""
    client = ClientProtocol(parse_uri("ws://localhost/ws"), state=State.OPEN, max_size=None)
    text = b"x" * size
    client.receive_data(wire_form(text) + wire_form(b"next"))
    frames = [event for event in client.events_received() if isinstance(event, Frame)]
    assert [bytes(frame.data) for frame in frames] == [text, b"next"]
