"""A server that sends everybody the same frames, as fast as they are taken.

``python -m benchmarks.frame_server`` prints its port. It speaks just enough of the venue's protocol: once a
client has subscribed to the trades of every asset it gets all frames, written in large pieces, so that
receiving is what is measured.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from datetime import datetime, timedelta
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from benchmarks.data import ORDINARY_DAY, SEED, Kind, Recorder, assets

FRAMES = 20_000
_PIECE = 1 << 18
_MOST_TRADES = 6


def trade_frames(count: int = FRAMES) -> list[bytes]:
    """Frames of one to six trades of one asset, in the venue's shape: about 283 bytes a trade."""
    recorder, draw, frames = Recorder(), random.Random(SEED), list[bytes]()
    at, held = ORDINARY_DAY, dict[str, list[str]]()
    while len(frames) < count:
        at += timedelta(milliseconds=3)
        asset, trade = _trade(recorder, at)
        trades = held.setdefault(asset, [])
        trades.append(trade)
        if len(trades) >= draw.randint(1, _MOST_TRADES):
            frames.append(f'{{"channel":"trades","data":[{",".join(held.pop(asset))}]}}'.encode())
    return frames


def _trade(recorder: Recorder, at: datetime) -> tuple[str, str]:
    rows = recorder.trade(int(at.timestamp() * 1000), Kind.ORDINARY)
    (taker, fill), (maker, _fill) = (json.loads(row) for row in rows)
    trade = {name: fill[name] for name in ("coin", "side", "px", "sz", "time", "hash", "tid")}
    users = [maker, taker] if fill["side"] == "A" else [taker, maker]
    return fill["coin"], json.dumps({**trade, "users": users}, separators=(",", ":"))


async def _serve(frames: list[bytes]) -> None:
    wire = b"".join(Frame(Opcode.TEXT, each).serialize(mask=False) for each in frames)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _speak(reader, writer, wire)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: bytes) -> None:
    protocol, wanted = ServerProtocol(), set(assets())
    while data := await reader.read(1 << 16):
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                _acknowledge(protocol, json.loads(event.data), wanted)
        for piece in protocol.data_to_send():
            writer.write(piece)
        if not wanted:
            wanted = {"sent"}
            for start in range(0, len(wire), _PIECE):
                writer.write(wire[start : start + _PIECE])
                await writer.drain()


def _acknowledge(protocol: ServerProtocol, message: dict[str, Any], wanted: set[str]) -> None:
    if message["method"] == "subscribe":
        wanted.discard(message["subscription"]["coin"])
        protocol.send_text(json.dumps({"channel": "subscriptionResponse", "data": message}).encode())


if __name__ == "__main__":
    asyncio.run(_serve(trade_frames(int(sys.argv[1]) if len(sys.argv) > 1 else FRAMES)))
