"""The product itself, running beside a benchmark with a home and engines of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

_PATIENCE_SECONDS = 90
_STOPPED_WITHIN_SECONDS = 30


@asynccontextmanager
async def running_system(home: Path, settings: Mapping[str, str]) -> AsyncGenerator[int]:
    """``kamiyo run`` with these variables in its environment, once it is ready: the port it listens on.

    What it says is in ``home/log``.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    program = str(Path(sys.executable).parent / "kamiyo")
    command = [program, "run", "--home", str(home / "kamiyo"), "--port", str(port)]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log)  # noqa: ASYNC220  (once)
    try:
        await _ready(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=_STOPPED_WITHIN_SECONDS)


async def _ready(port: int) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/health/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)
