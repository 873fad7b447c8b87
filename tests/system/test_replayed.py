"""Recordings shown by the whole system, in a process of its own, without any network."""

import csv
import itertools
import time
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from kamiyo.core.events import LiquidationMethod
from kamiyo.core.ids import Chain, SourceName
from kamiyo.hyperliquid.fills import FillClass, classify, liquidated_fill
from kamiyo.hyperliquid.wire import decode_fill_block
from kamiyo.lab.recording import find_recording
from kamiyo.lab.simulated import WATCHED, cascade_lines
from tests.system.harness import Ground, Kamiyo, Listener, ask_database, listening, needs_engines, wait_for

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow, needs_engines]

Key = tuple[str, str, str, str]  # method, asset, user, hash
_LOST = {FillClass.MARKET_VICTIM, FillClass.BACKSTOP_VICTIM, FillClass.ADL_DELEVERAGED}
MINUTE = timedelta(minutes=1)


def happened() -> dict[Key, Decimal]:
    """Everything that was liquidated in the made-up cascade, and how much of the asset."""
    origin = find_recording("simulated-cascade").origin
    assert origin.seed is not None
    assert origin.starts_at is not None
    sizes: dict[Key, Decimal] = defaultdict(Decimal)
    for line in cascade_lines(origin.seed, origin.starts_at):
        for user, fill in decode_fill_block(line).events:
            kind = classify(user, fill)
            if kind in _LOST:
                lost = liquidated_fill(
                    user, fill, kind, source=SourceName("test"), chain=Chain("hyperliquid")
                )
                sizes[lost.method.value, lost.asset, lost.user, lost.hash or ""] += Decimal(lost.size)
    return sizes


def seen(kamiyo: Kamiyo) -> dict[Key, Decimal]:
    """Every liquidation it lists, page by page."""
    found: dict[Key, Decimal] = {}
    cursor: dict[str, str] = {}
    while True:
        page = kamiyo.get("/liquidations", limit=100, order="asc", **cursor)
        for row in page["data"]:
            key = row["method"], row["asset"], row["user"], row["metadata"]["hash"]
            found[key] = Decimal(row["size"])
        if not page["meta"]["has_more"]:
            return found
        cursor = {"cursor": page["meta"]["next_cursor"]}


def next_liquidations(listener: Listener) -> dict[str, Any] | None:
    frame: dict[str, Any] = msgspec.json.decode(listener.connection.recv(30))
    return frame if frame["channel"] == "liquidations" else None


def test_the_cascade_is_seen_as_far_as_the_public_api_goes(ground: Ground) -> None:
    """Nothing that did not happen, each backstop, some of the others; marked SIMULATED wherever one looks."""
    kamiyo = ground.start("--replay", "simulated-cascade", "--speed", "30")
    kamiyo.wait_until_serving()
    wait_for(lambda: kamiyo.health()[1]["status"] != "down", told="the source is not heard")
    for path in ("/liquidations", "/markets"):
        meta = kamiyo.get(path)["meta"]
        assert (meta["mode"], meta["recording"]) == ("SIMULATED", "simulated-cascade")
    with listening(kamiyo) as listener:
        told = wait_for(lambda: next_liquidations(listener), told="the stream tells of no liquidation")
    assert told["as_of"].startswith("2024-01-01T12:")
    wait_for(lambda: "the recording has ended" in kamiyo.log(), told="it does not end")
    _code, health = kamiyo.health()
    assert (health["mode"], health["recording"]) == ("SIMULATED", "simulated-cascade")
    assert [each["name"] for each in health["sources"]] == ["catalogue", "hyperliquid_api"]
    assert health["sources"][1]["label"] == "sample"
    truth, known = happened(), seen(kamiyo)
    assert known.keys() <= truth.keys()
    for key, size in known.items():
        assert size <= truth[key]
    methods = {method.value: {key for key in truth if key[0] == method} for method in LiquidationMethod}
    assert known.keys() >= methods["backstop"], "the liquidator is followed, so nothing it took is missing"
    followed = {key for key in methods["adl"] if key[2] in WATCHED}
    assert followed
    assert known.keys() >= followed, "these accounts are followed, so nothing they lost is missing"
    assert known.keys() & methods["market"]
    assert len(known) < len(truth), "a sample never is everything"


def test_after_its_end_a_recording_grows_old_and_is_dropped(ground: Ground) -> None:
    """It goes on serving, with its source down, until it is told to stop; then no database of it is left."""
    kamiyo = ground.start("--replay", "simulated-cascade", "--speed", "1000")
    wait_for(lambda: "the recording has ended" in kamiyo.log(), told="it does not end")
    wait_for(lambda: kamiyo.health()[0] == 503, told="it still calls itself well")
    assert kamiyo.get("/liquidations")["meta"]["stale"]
    databases = "SELECT datname FROM pg_database WHERE datname LIKE 'kamiyo_throwaway%'"
    other = ground.serve()  # another process on the same home, which keeps the engines running
    assert len(ask_database(ground.database_url(), databases)) == 1
    assert other.get("/liquidations")["data"] == []
    assert other.get("/liquidations")["meta"]["mode"] == "LIVE"
    assert kamiyo.terminate() == 0
    wait_for(other.serves)
    assert ask_database(ground.database_url(), databases) == []


def test_it_can_end_by_itself(ground: Ground) -> None:
    """For scripts: the recording's end is the program's, and a good one."""
    kamiyo = ground.start("--replay", "simulated-cascade", "--speed", "600", "--exit-at-end")
    assert kamiyo.ended() == 0
    assert "-- SIMULATED 2024-01-01 12:10:00 UTC, 100 %" in kamiyo.log()


def known_rows() -> list[tuple[datetime, Decimal, Decimal]]:
    """The minutes of POPCAT: when each was known, its mark and its oracle price."""
    [(path, _file), _liquidations] = find_recording("popcat-2025-11-12").files
    with path.open(newline="") as lines:
        return [
            (
                datetime.fromisoformat("1970-01-01T00:00:00+00:00")
                + timedelta(milliseconds=int(row["t_ms"]))
                + MINUTE,
                Decimal(row["mark_price"]),
                Decimal(row["oracle_price"]),
            )
            for row in csv.DictReader(lines)
        ]


def market(kamiyo: Kamiyo) -> dict[str, Any] | None:
    answer = kamiyo.client.get("/markets/POPCAT")
    if answer.status_code == 404:
        return None
    assert answer.status_code == 200, answer.text
    assert answer.json()["meta"]["mode"] == "REPLAY"
    shown: dict[str, Any] = answer.json()["data"]
    return shown


def test_popcat_shows_each_minute_when_it_was_known(ground: Ground) -> None:
    """Mark and oracle of one row, the newest that was known at the state's own time: never a later one."""
    kamiyo = ground.start("--replay", "popcat-2025-11-12")
    kamiyo.wait_until_serving()
    rows, shown = known_rows(), dict[datetime, tuple[Decimal, Decimal]]()
    wait_for(lambda: market(kamiyo), told="POPCAT is never shown")
    until = time.monotonic() + 15
    while time.monotonic() < until:
        state = market(kamiyo)
        assert state is not None
        at = datetime.fromisoformat(state["timestamp"])
        shown[at] = Decimal(state["mark_price"]), Decimal(state["oracle_price"])
        time.sleep(0.1)
    assert len(set(shown.values())) >= 5
    indexes = []
    for at, prices in sorted(shown.items()):
        [*_, index] = [
            number for number, (known_at, *row) in enumerate(rows) if tuple(row) == prices and known_at <= at
        ]
        indexes.append(index)
        # A state is up to 14 s old when it is sent, and the machine may be busy at sixty times the speed.
        assert at - rows[index][0] < 5 * MINUTE
    assert indexes == sorted(indexes)
    assert all(later - earlier < 30 for earlier, later in itertools.pairwise(indexes))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--replay", "nothing-here"],
            "there is no recording nothing-here: give a file, a folder, or one of",
        ),
        (["--speed", "60"], "--speed and --exit-at-end belong to --replay"),
        (["--replay", "simulated-cascade", "--role", "serve"], "leave out --role"),
    ],
)
def test_what_cannot_be_played_is_one_line(ground: Ground, options: list[str], message: str) -> None:
    """It is wrong usage, and no engine is started for it."""
    kamiyo = ground.start(*options)
    assert kamiyo.ended() == 2
    assert message in kamiyo.log()
    assert not ground.home.exists()
