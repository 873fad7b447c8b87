"""A file comes in pieces, whatever breaks off, and is what the server has or is not kept."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from kamiyo.cli import download
from kamiyo.cli.download import Patient, Wanted, fetch
from kamiyo.core.errors import InvalidQuery, SourceUnavailable
from kamiyo.kit.transport import Answer
from tests.fakes import ManualClock

CONTENT = bytes(range(256)) * 4
SHA = hashlib.sha256(CONTENT).hexdigest()
WANTED = Wanted("/exports/1/file", len(CONTENT), SHA)


class RangeServer:
    """A server of one file, which fails when told to."""

    def __init__(self, content: bytes = CONTENT, *, failures: int = 0, status: int = 206) -> None:
        self.content = content
        self.failures = failures
        self.status = status
        self.ranges: list[str] = []

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        assert (method, url, body) == ("GET", "http://s/exports/1/file", None)
        assert headers is not None
        assert headers["If-Range"] == f'"{SHA}"'
        if self.failures:
            self.failures -= 1
            raise SourceUnavailable("broken off")
        self.ranges.append(headers["Range"])
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", headers["Range"])
        assert match is not None
        return Answer(self.status, {}, self.content[int(match[1]) : int(match[2]) + 1])


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch) -> None:
    monkeypatch.setattr(download, "PIECE", 500)


async def fetched(server: RangeServer, partial: Path) -> list[int]:
    told: list[int] = []
    await fetch(Patient(server, "http://s", ManualClock()), WANTED, partial, told.append)
    return told


async def test_a_file_comes_in_pieces(tmp_path) -> None:
    """Each is asked for by its bytes, and it is told how much is there."""
    server = RangeServer()
    assert await fetched(server, tmp_path / "x.part") == [0, 500, 1000, 1024]
    assert server.ranges == ["bytes=0-499", "bytes=500-999", "bytes=1000-1023"]
    assert (tmp_path / "x.part").read_bytes() == CONTENT


async def test_what_is_here_is_not_fetched_again(tmp_path) -> None:
    """A download that broke off goes on at its end; one that is whole asks for nothing."""
    partial = tmp_path / "x.part"
    partial.write_bytes(CONTENT[:700])
    server = RangeServer()
    await fetched(server, partial)
    assert server.ranges == ["bytes=700-1023"]
    await fetched(server, partial)
    assert (len(server.ranges), partial.read_bytes()) == (1, CONTENT)


async def test_a_server_that_restarts_is_waited_for(tmp_path) -> None:
    """Longer each time, and not for ever."""
    clock = ManualClock()
    await fetch(
        Patient(RangeServer(failures=3), "http://s", clock), WANTED, tmp_path / "x", lambda _size: None
    )
    assert (tmp_path / "x").read_bytes() == CONTENT
    with pytest.raises(SourceUnavailable, match="no answer from http://s"):
        await fetched(RangeServer(failures=7), tmp_path / "y")


async def test_another_file_is_not_taken_for_the_rest_of_this_one(tmp_path) -> None:
    """A server that answers with all of another is not believed."""
    with pytest.raises(SourceUnavailable, match="another file"):
        await fetched(RangeServer(status=200), tmp_path / "x.part")
    with pytest.raises(SourceUnavailable, match="another file"):
        await fetched(RangeServer(b""), tmp_path / "x.part")


@pytest.mark.parametrize("begun", [b"?" * 700, b"?" * 5_000])
async def test_what_is_not_the_servers_file_is_not_kept(tmp_path, begun) -> None:
    """Something else was here: it is deleted, and the next time all of it comes."""
    partial = tmp_path / "x.part"
    partial.write_bytes(begun)
    if len(begun) < len(CONTENT):
        with pytest.raises(SourceUnavailable, match="was deleted"):
            await fetched(RangeServer(), partial)
        assert not partial.exists()
    await fetched(RangeServer(), partial)
    assert partial.read_bytes() == CONTENT


async def test_a_refusal_is_not_repeated(tmp_path) -> None:
    """Nobody waits for what will not change."""
    refusing = RangeServer(b'{"type":"x","detail":"it is queued","code":"export_not_done"}', status=409)
    clock = ManualClock()
    with pytest.raises(InvalidQuery, match="it is queued"):
        await fetch(Patient(refusing, "http://s", clock), WANTED, tmp_path / "x", lambda _size: None)
    assert (len(refusing.ranges), clock.slept) == (1, [])
