"""Frames of trades from one server: received, decoded and validated, against those who do the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from benchmarks.frame_server import FRAMES, trade_frames
from benchmarks.measure import ROUNDS, Rates, Report, claim, medians

_FEW_FRAMES = 4_000  # for those who take a tenth of a millisecond for each
_PATIENCE_SECONDS = 120
_RECEIVERS = {
    "thrown away": FRAMES,
    "decoded": FRAMES,
    "validated": FRAMES,
    "ccxt.pro": _FEW_FRAMES,
    "SDK": _FEW_FRAMES,
}


def run() -> Report:
    """Each receiver is a process of its own; its CPU seconds from the first frame to the last count."""
    trades = [frame.count(b'"tid"') for frame in trade_frames()]
    rates: Rates = {name: [] for name in _RECEIVERS}
    with _server(FRAMES) as all_frames, _server(_FEW_FRAMES) as few_frames:
        for number in range(ROUNDS + 1):
            for name, frames in _RECEIVERS.items():
                url = all_frames if frames == FRAMES else few_frames
                seconds = _receive(name, url, frames if name == "thrown away" else sum(trades[:frames]))
                if number:
                    rates[name].append(frames / seconds)
    claims = [
        claim("receive and decode, by ccxt pro", rates, "decoded", "ccxt.pro", 10),
        claim("receive and decode, by the official SDK's bare callbacks", rates, "decoded", "SDK", 20),
        claim("receive to validated, by the official SDK's bare callbacks", rates, "validated", "SDK", 10),
        claim("receive to validated, by our own receive and decode", rates, "validated", "decoded", 0.4),
        claim(
            "receive and decode, by a receiver that throws frames away", rates, "decoded", "thrown away", None
        ),
    ]
    share = {"unit": "frames", "trades a frame": round(sum(trades) / len(trades), 2)}
    return Report(claims, medians(rates) | share)


@contextmanager
def _server(frames: int) -> Generator[str]:
    command = [sys.executable, "-m", "benchmarks.frame_server", str(frames)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = server.stdout.readline().strip() if server.stdout else ""
            yield f"ws://127.0.0.1:{port}/ws"
        finally:
            server.terminate()


def _receive(name: str, url: str, expected: int) -> float:
    command = [sys.executable, "-m", "benchmarks.receivers", name, url, str(expected)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    if told["told"] != expected:
        raise AssertionError(f"{name} was told of {told['told']} of {expected}")
    return float(told["seconds"])
