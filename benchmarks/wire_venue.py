"""The lab venue in a process of its own, which tells when it wrote what it told of liquidations.

``python -m benchmarks.wire_venue PATH USER…`` plays a recording whose time is still to come, by the machine's
clock. Its lines: where it is, ``followed`` once the fills of all users are wanted, and, once it is told to
stop, the account of what it wrote.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from benchmarks.data import assets
from kamiyo.core.money import install_context
from kamiyo.kit.clock import SystemClock
from kamiyo.lab.ports import Playing, Publication, Topic, Wanted
from kamiyo.lab.tape import open_tape
from kamiyo.lab.tape_prepared import PlayedFramesOnly, PreparedTape
from kamiyo.lab.venue import open_lab_venue


class _Witnessed(PlayedFramesOnly):
    """Notes the moment at which each frame of fills is taken to be written, a moment before it is."""

    def __init__(self, tape: _WitnessedTape, answering: Playing, due: Iterator[Publication]) -> None:
        super().__init__(answering, due)
        self._tape = tape
        self._followed = False

    def advance(self, until: datetime, wanted: Wanted) -> Iterator[Publication]:
        followed = wanted.get("userFills", ())
        if not self._followed and all(topic in followed for topic in self._tape.users):
            self._followed = True
            print("followed", flush=True)
        for publication in super().advance(until, wanted):
            if publication.topic in followed:
                self._tape.written.append((time.monotonic(), publication))
            yield publication


class _WitnessedTape(PreparedTape):
    """Frames that lie ready, so that the venue's own work is not measured, and when each was written."""

    def __init__(self, path: str, users: Sequence[str]) -> None:
        self.users: list[Topic] = [("userFills", user, False) for user in users]
        self.written: list[tuple[float, Publication]] = []
        of_assets = [(kind, asset) for asset in assets() for kind in ("trades", "bbo")]
        super().__init__(
            open_tape(path), [*of_assets, *self.users, ("fastAssetCtxs",), ("allDexsAssetCtxs",)]
        )

    def play(self, since: datetime) -> PlayedFramesOnly:
        due = (each for each in self.publications if each.at >= since)
        return _Witnessed(self, self._tape.play(self._tape.ends_at), due)


def name_of(user: str, fill: dict[str, Any]) -> str:
    """What a liquidation is known by, in a fill of a counterparty: who lost, the asset, and the hash.

    In an auto-deleveraging the counterparty is who lost his position. Those without a hash are one
    liquidation of an account and asset.
    """
    lost = user if fill["dir"] == "Auto-Deleveraging" else fill["liquidation"]["liquidatedUser"]
    return f"{lost} {fill['coin']} {fill['hash']}"


async def _serve(path: str, users: Sequence[str]) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    tape = _WitnessedTape(path, users)
    async with open_lab_venue(tape, clock=SystemClock(), keep=False) as venue:
        print(venue.url, flush=True)
        await stopping.wait()
        account = {
            "written": _written(tape.written),
            "late": max((at - due for at, due in _dues(tape.written)), default=0.0),
            "ended": [each.end for each in venue.delivered if each.end],
            "lost": sum(len(each.lost) for each in venue.delivered),
        }
    print(json.dumps(account), flush=True)


def _written(frames: Sequence[tuple[float, Publication]]) -> dict[str, float]:
    """When each liquidation was told first."""
    first: dict[str, float] = {}
    for at, publication in frames:
        told = json.loads(publication.frame)["data"]
        for fill in told["fills"]:
            if told["user"] != fill.get("liquidation", {}).get("liquidatedUser", told["user"]):
                first.setdefault(name_of(told["user"], fill), at)
    return first


def _dues(frames: Sequence[tuple[float, Publication]]) -> Iterator[tuple[float, float]]:
    """When each frame was written and when it was due."""
    behind = time.time() - time.monotonic()
    return ((at, publication.at.timestamp() - behind) for at, publication in frames)


if __name__ == "__main__":
    install_context()
    asyncio.run(_serve(sys.argv[1], sys.argv[2:]))
