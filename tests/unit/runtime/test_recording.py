"""Recording a source: what is written, when it ends and what it says meanwhile."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kamiyo.aggregators.base import Waiting
from kamiyo.core.errors import InvalidQuery, SourceUnavailable
from kamiyo.kit.recordings import read_lines
from kamiyo.lab.recorded_payload import decode_payload
from kamiyo.lab.recording import Kind, read_recording
from kamiyo.runtime.recording import Ended, Limits, Recorded, _chain_of, check_source, record
from kamiyo.runtime.settings import load
from tests.builders import a_gap, a_raw
from tests.fakes import ManualClock, ScriptedAggregator, tools

FOREVER = Limits()
MINUTE = Limits(lasting=timedelta(minutes=1))


async def recorded(
    folder: Path,
    script: Sequence[Any],
    *,
    limits: Limits = MINUTE,
    stopping: asyncio.Event | None = None,
    **description: Any,
) -> tuple[Recorded, list[Recorded], ScriptedAggregator]:
    """Record a script; the end, what was told meanwhile, and the source."""
    clock, heard = ManualClock(), list[Recorded]()
    source = ScriptedAggregator(script, ends=False, clock=clock, **description)
    end = await record(
        source,
        folder,
        tools=tools(clock),
        limits=limits,
        stopping=stopping or asyncio.Event(),
        told=heard.append,
    )
    return end, heard, source


def payloads(folder: Path) -> list[tuple[str, bytes]]:
    [(path, file)] = read_recording(folder).files
    assert file.kind is Kind.FRAMES
    lines = (decode_payload(line) for _offset, line in read_lines(path))
    return [(each.stream, each.content) for each in lines]


async def test_what_comes_is_written_until_the_time_is_over(tmp_path: Path) -> None:
    """Payloads and gaps in their order; the end says how much, and that it was the time."""
    script = [a_raw(payload=b"1"), a_gap(), a_raw(payload=b"2", stream="ws/bbo")]
    end, heard, _source = await recorded(tmp_path / "mine", script, name="hyperliquid_api")
    assert (end.payloads, end.gaps, end.ended) == (2, 1, Ended.TIME)
    assert timedelta(minutes=1) <= end.duration < timedelta(seconds=61)
    assert [each.duration for each in heard[:2]] == [timedelta(seconds=2), timedelta(seconds=4)]
    assert heard[-1] == end
    streams = payloads(tmp_path / "mine")
    assert [stream for stream, _content in streams] == [a_raw().stream, "gap", "ws/bbo"]
    assert [content for stream, content in streams if stream != "gap"] == [b"1", b"2"]
    assert end.packed_bytes == sum(
        path.stat().st_size for path, _file in read_recording(tmp_path / "mine").files
    )


async def test_the_origin_says_where_it_comes_from(tmp_path: Path) -> None:
    """Its name is the folder's, its source the program and the address."""
    await recorded(tmp_path / "An Incident", [a_raw()], name="hyperliquid_api", url="https://there")
    origin = read_recording(tmp_path / "An Incident").origin
    assert (origin.name, origin.mode, origin.source_url) == ("an-incident", "replay", "https://there")
    assert origin.source.startswith("recorded by KAMIYO ")
    assert origin.starts_at == a_raw().received_at


async def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """Whatever was heard is written."""
    stopping = asyncio.Event()

    async def stop() -> None:
        stopping.set()

    end, _heard, _source = await recorded(
        tmp_path, [a_raw(payload=b"1"), stop], limits=FOREVER, stopping=stopping, name="hyperliquid_api"
    )
    assert end.ended is Ended.STOPPED
    assert [content for _stream, content in payloads(tmp_path)] == [b"1"]


async def test_it_ends_when_it_has_become_too_large(tmp_path: Path) -> None:
    """The bound is of packed bytes, looked at with every write."""
    limits = Limits(max_bytes=100)
    end, _heard, _source = await recorded(
        tmp_path, [a_raw(payload=bytes(range(256)))], limits=limits, name="hyperliquid_api"
    )
    assert end.ended is Ended.FULL
    assert end.packed_bytes >= 100
    assert end.duration == timedelta(seconds=2)


async def test_a_source_that_fails_is_listened_to_again(tmp_path: Path) -> None:
    """It goes on behind what was recorded, and says meanwhile why nothing comes."""
    script = [a_raw(payload=b"1", cursor="1"), SourceUnavailable("gone"), a_raw(payload=b"2", cursor="2")]
    end, heard, source = await recorded(tmp_path, script, name="hyperliquid_api")
    assert source.read == [None, "1"]
    assert [content for _stream, content in payloads(tmp_path)] == [b"1", b"2"]
    assert end.waiting is None
    assert {each.waiting for each in heard} <= {None, "SourceUnavailable: gone"}


async def test_a_source_that_waits_says_why(tmp_path: Path) -> None:
    """Nothing is written of it."""
    end, heard, _source = await recorded(tmp_path, [Waiting("no node")], name="hyperliquid_node")
    assert (end.payloads, end.waiting) == (0, "no node")
    assert heard[0].waiting == "no node"


async def test_the_lines_of_a_node_stay_lines(tmp_path: Path) -> None:
    """A recording of node files is one that a node could have written."""
    line = b'{"block_number":1,"events":[]}'
    await recorded(tmp_path, [a_raw(payload=line, stream="node_fills_by_block")], name="hyperliquid_node")
    [(path, file)] = read_recording(tmp_path).files
    assert file.kind is Kind.NODE_FILLS
    assert [content for _offset, content in read_lines(path)] == [line]


@pytest.mark.parametrize(
    ("table", "chain"),
    [
        ({}, "hyperliquid"),
        ({"network": "testnet"}, "hyperliquid_testnet"),
        ({"network": "mainnet"}, "hyperliquid"),
        ({"chain": "hyperliquid_testnet"}, "hyperliquid_testnet"),
    ],
)
def test_the_origin_names_the_chain_of_the_settings(table: dict[str, object], chain: str) -> None:
    """A recording of the test network must not pass for one of the real."""
    assert _chain_of(table) == chain


@pytest.mark.parametrize("source", ["catalogue", "nothing"])
def test_only_a_live_source_can_be_recorded(source: str) -> None:
    """The sentence lists those there are."""
    assert check_source(load({}), "hyperliquid_node", tools()).name == "hyperliquid_node"
    with pytest.raises(InvalidQuery, match=f"{source} cannot be recorded: live sources are .*hyperliquid"):
        check_source(load({}), source, tools())
