"""Following real files as a node writes, rolls, truncates and replaces them."""

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from kamiyo.aggregators.base import NotConfigured, StreamItem, Toolbox, Waiting
from kamiyo.aggregators.hyperliquid_node import AGGREGATOR, HyperliquidNodeSettings
from kamiyo.core.errors import CursorExpired, MalformedPayload
from kamiyo.core.events import Gap
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Raw

FIRST = 490_001  # 2025-11-24T17 in hours since the epoch
Step = Callable[[], object]


class ScriptedClock:
    """Time that passes only while somebody sleeps, with one step of the test for each sleep."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self.moment = datetime.now(UTC)
        self.slept: list[timedelta] = []
        self.steps = list(steps)

    def now(self) -> datetime:
        return self.moment

    async def sleep(self, duration: timedelta) -> None:
        self.slept.append(duration)
        self.moment += duration
        await asyncio.sleep(0)
        if self.steps:
            self.steps.pop(0)()


class Node:
    """What a node's folder looks like, as far as its owner changes it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, hour: int, stream: str = "node_fills_by_block") -> Path:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        return self.root / stream / "hourly" / f"{moment:%Y%m%d}" / str(moment.hour)

    def write(self, hour: int, content: bytes, stream: str = "node_fills_by_block") -> Path:
        path = self.file(hour, stream)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as writer:
            writer.write(content)
        return path

    def aggregator(self, clock: ScriptedClock | None = None):
        settings = HyperliquidNodeSettings(path=str(self.root))
        return AGGREGATOR.build(settings, Toolbox(clock or ScriptedClock()))

    async def drain(self, cursor: Cursor | None = None) -> list[StreamItem]:
        """All there is now."""
        async with aclosing(self.aggregator().stream(cursor, follow=False)) as items:
            return [item async for item in items]

    async def follow(
        self,
        *steps: Step,
        until: int | bytes,
        cursor: Cursor | None = None,
        clock: ScriptedClock | None = None,
    ) -> list[StreamItem]:
        """The first ``until`` items, or those up to that line, while one step happens with each sleep."""
        clock = clock or ScriptedClock()
        clock.steps += steps
        found: list[StreamItem] = []
        async with asyncio.timeout(10), aclosing(self.aggregator(clock).stream(cursor)) as items:
            async for item in items:
                found.append(item)
                if until in {len(found), item.payload if isinstance(item, Raw) else None}:
                    break
        return found


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "data")


def payloads(items: Iterable[StreamItem]) -> list[bytes]:
    return [item.payload for item in items if isinstance(item, Raw)]


def gaps(items: Iterable[StreamItem]) -> list[Gap]:
    return [item for item in items if isinstance(item, Gap)]


def nothing() -> None:
    """Let a poll pass."""


async def test_every_line_is_given_with_its_place(node: Node) -> None:
    """Spans touch each other, and the scope names the stream, the file and its beginning."""
    node.write(FIRST, b"one\ntwo\n")
    first, second = await node.drain()
    assert isinstance(first, Raw)
    assert isinstance(second, Raw)
    assert (first.payload, first.stream, first.source) == (b"one", "node_fills_by_block", "hyperliquid_node")
    assert first.span is not None
    assert second.span is not None
    assert (first.span.start, first.span.end, second.span.start, second.span.end) == (0, 4, 4, 8)
    assert first.span.scope == second.span.scope
    place, _hash, fingerprint = first.span.scope.partition("#")
    assert place == f"node_fills_by_block/{node.file(FIRST).parent.name}/{node.file(FIRST).name}"
    assert len(fingerprint) == 16


async def test_hours_are_read_in_order_across_midnight(node: Node) -> None:
    """Hours have no leading zero, so their names do not sort as they follow each other."""
    hours = [FIRST, FIRST + 1, FIRST + 6, FIRST + 7, FIRST + 16]
    for hour in hours:
        node.write(hour, f"{hour}\n".encode())
    items = await node.drain()
    assert payloads(items) == [str(hour).encode() for hour in hours]


async def test_missing_hours_are_a_gap(node: Node) -> None:
    """An hour without a file, with later ones there, was not heard."""
    for hour in (FIRST, FIRST + 3):
        node.write(hour, b"line\n")
    _first, gap, _last = await node.drain()
    assert isinstance(gap, Gap)
    assert (gap.scale, gap.scope, gap.first, gap.after_last) == (
        "hour",
        "node_fills_by_block",
        FIRST + 1,
        FIRST + 3,
    )
    assert gap.started_at is not None
    assert gap.ended_at == gap.started_at + timedelta(hours=2)


async def test_what_is_no_hour_is_not_read(node: Node) -> None:
    """Owners leave things lying about."""
    path = node.write(FIRST, b"line\n")
    for name in ("24", "07", "1.lz4", "x"):
        (path.parent / name).write_bytes(b"no\n")
    (path.parent.parent / "notes").write_bytes(b"no\n")
    (path.parent.parent / "20251399").mkdir()
    assert payloads(await node.drain()) == [b"line"]


@pytest.mark.parametrize("seen", range(7))
async def test_a_restart_after_any_line_goes_on_with_the_next(node: Node, seen: int) -> None:
    """The cursor of each line, over two streams and three files, gives exactly what followed it."""
    for number, hour in enumerate((FIRST, FIRST + 1, FIRST + 2)):
        node.write(hour, f"fill {number}a\nfill {number}b\n".encode())
    node.write(FIRST + 1, b"event\n", "misc_events")
    everything = payloads(await node.drain())
    assert len(everything) == 7
    before = await node.follow(until=seen + 1)
    last = before[-1]
    assert isinstance(last, Raw)
    after = await node.drain(last.cursor)
    assert sorted(payloads(before) + payloads(after)) == sorted(everything)
    assert gaps(after) == []


async def test_a_restart_with_nothing_new_gives_nothing(node: Node) -> None:
    """Reading again from the last cursor changes nothing."""
    node.write(FIRST, b"one\ntwo\n")
    last = (await node.drain())[-1]
    assert isinstance(last, Raw)
    assert await node.drain(last.cursor) == []


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"node_fills":[["x","y",1]]}', '{"node_fills":[[1]]}'])
async def test_a_cursor_of_something_else_is_refused(node: Node, cursor: str) -> None:
    """Guessing where to resume would lose or repeat."""
    with pytest.raises(CursorExpired):
        await node.drain(Cursor(cursor))


async def test_an_unfinished_line_waits_until_it_is_finished(node: Node) -> None:
    """Even where it would already be readable."""
    node.write(FIRST, b'one\n{"a":1}')
    assert payloads(await node.drain()) == [b"one"]
    items = await node.follow(nothing, lambda: node.write(FIRST, b"23\n"), until=2)
    assert payloads(items) == [b"one", b'{"a":1}23']


async def test_a_quiet_node_is_polled_less_often(node: Node) -> None:
    """20 ms after something new, never more than 100 ms."""
    node.write(FIRST, b"one\n")
    clock = ScriptedClock()
    steps = [nothing] * 7 + [lambda: node.write(FIRST, b"two\n"), nothing]
    await node.follow(*steps, lambda: node.write(FIRST, b"three\n"), until=3, clock=clock)
    milliseconds = [slept // timedelta(milliseconds=1) for slept in clock.slept]
    assert milliseconds == [20, 40, 80, 100, 100, 100, 100, 100, 20, 40]


async def test_the_next_hour_begins_when_the_old_one_has_been_quiet(node: Node) -> None:
    """Late lines of the old hour that come before it was left keep their place before the new hour."""
    node.write(FIRST, b"old 1\n")
    clock = ScriptedClock()
    items = await node.follow(
        lambda: node.write(FIRST + 1, b"new 1\n"),
        nothing,
        lambda: node.write(FIRST, b"old 2\n"),
        until=3,
        clock=clock,
    )
    assert payloads(items) == [b"old 1", b"old 2", b"new 1"]
    assert gaps(items) == []
    assert timedelta(seconds=2) <= sum(clock.slept, timedelta(0)) < timedelta(seconds=4)


async def test_a_file_from_the_future_does_not_stop_the_next_hour(node: Node) -> None:
    """The clock that dates the file may be ahead of ours."""
    tomorrow = datetime.now(UTC).timestamp() + 86_400
    os.utime(node.write(FIRST, b"old\n"), (tomorrow, tomorrow))
    node.write(FIRST + 1, b"new\n")
    clock = ScriptedClock()
    assert payloads(await node.follow(until=2, clock=clock)) == [b"old", b"new"]
    assert timedelta(seconds=2) <= sum(clock.slept, timedelta(0)) < timedelta(seconds=4)


async def test_files_of_past_hours_are_not_waited_for(node: Node) -> None:
    """Catching up over many hours costs no two seconds each."""
    for hour in range(FIRST, FIRST + 5):
        os.utime(node.write(hour, b"line\n"), (1, 1))
    clock = ScriptedClock()
    await node.follow(until=5, clock=clock)
    assert sum(clock.slept, timedelta(0)) < timedelta(seconds=1)


async def test_a_line_added_to_the_hour_just_left_is_still_read(node: Node) -> None:
    """Under its own scope, and a restart between the two finds it as well."""
    os.utime(node.write(FIRST, b"old 1\n"), (1, 1))
    node.write(FIRST + 1, b"new 1\n")
    items = await node.follow(nothing, nothing, nothing, lambda: node.write(FIRST, b"old 2\n"), until=3)
    assert payloads(items) == [b"old 1", b"new 1", b"old 2"]
    first, second, third = (item for item in items if isinstance(item, Raw))
    assert first.span is not None
    assert third.span is not None
    assert first.span.scope == third.span.scope
    assert payloads(await node.drain(second.cursor)) == [b"old 2"]
    assert payloads(await node.drain(third.cursor)) == []


async def test_an_hour_left_with_an_unfinished_line_has_a_gap(node: Node) -> None:
    """And if its writer finishes the line after all, it is read."""
    os.utime(node.write(FIRST, b"one\nbrok"), (1, 1))
    node.write(FIRST + 1, b"new\n")
    items = await node.follow(nothing, nothing, nothing, lambda: node.write(FIRST, b"en\n"), until=4)
    assert payloads(items) == [b"one", b"new", b"broken"]
    [gap] = gaps(items)
    assert (gap.scale, gap.first, gap.after_last) == ("byte", 4, 8)


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def replace(path: Path, content: bytes) -> Path:
    path.with_name("new").write_bytes(content)
    return path.with_name("new").replace(path)


@pytest.mark.parametrize("content", [b"one\n", b"other\nmore\nand more\n"], ids=["cut off", "another"])
async def test_a_file_written_over_is_read_anew_with_a_gap(node: Node, content: bytes) -> None:
    """Under another scope, as what stood behind our place may have been lost."""
    path = node.write(FIRST, b"one\ntwo\n")
    lines = content.splitlines()
    items = await node.follow(lambda: overwrite(path, content), until=3 + len(lines))
    assert payloads(items) == [b"one", b"two", *lines]
    [gap] = gaps(items)
    old, new = items[0], items[-1]
    assert isinstance(old, Raw)
    assert isinstance(new, Raw)
    assert old.span is not None
    assert new.span is not None
    assert gap.scope == old.span.scope != new.span.scope
    assert (gap.scale, gap.first, gap.after_last) == ("byte", 8, 9)
    assert payloads(await node.drain(new.cursor)) == []


async def test_the_part_of_a_file_that_was_seen_and_not_read_is_the_gap(node: Node) -> None:
    """The unfinished line was there, and is gone."""
    path = node.write(FIRST, b"one\nunfinished")
    items = await node.follow(lambda: overwrite(path, b"other\n"), until=3)
    [gap] = gaps(items)
    assert (gap.first, gap.after_last) == (4, 14)


async def test_a_file_replaced_after_it_was_read_to_its_end_loses_nothing(node: Node) -> None:
    """The old one was still in our hands."""
    path = node.write(FIRST, b"one\n")
    items = await node.follow(lambda: (node.write(FIRST, b"two\n"), replace(path, b"other\n")), until=3)
    assert payloads(items) == [b"one", b"two", b"other"]
    assert gaps(items) == []


async def test_a_file_replaced_with_an_unfinished_line_has_a_gap(node: Node) -> None:
    """Nobody will finish that line."""
    path = node.write(FIRST, b"one\nunfin")
    items = await node.follow(lambda: replace(path, b"other\n"), until=3)
    assert payloads(items) == [b"one", b"other"]
    [gap] = gaps(items)
    assert (gap.first, gap.after_last) == (4, 9)


async def test_a_copied_file_is_read_on(node: Node) -> None:
    """A mirror replaces the whole file to add to it."""
    path = node.write(FIRST, b"one\n")
    items = await node.follow(lambda: replace(path, b"one\ntwo\n"), until=2)
    assert payloads(items) == [b"one", b"two"]


async def test_a_file_written_over_between_two_runs_is_a_gap(node: Node) -> None:
    """What the old one had held behind our place is unknown."""
    path = node.write(FIRST, b"one\ntwo\n")
    first = (await node.drain())[0]
    assert isinstance(first, Raw)
    overwrite(path, b"other\n")
    gap, line = await node.drain(first.cursor)
    assert isinstance(gap, Gap)
    assert isinstance(line, Raw)
    assert first.span is not None
    assert (gap.scope, gap.first, gap.after_last) == (first.span.scope, 4, 5)
    assert line.payload == b"other"


async def test_a_file_deleted_between_two_runs_is_a_gap(node: Node) -> None:
    """The hour that was being read, and those up to the next file, were not heard to their end."""
    path = node.write(FIRST, b"one\n")
    first = (await node.drain())[0]
    assert isinstance(first, Raw)
    path.unlink()
    assert [type(item) for item in await node.drain(first.cursor)] == [Waiting]
    node.write(FIRST + 2, b"later\n")
    gap, line = await node.drain(first.cursor)
    assert isinstance(gap, Gap)
    assert (gap.scale, gap.first, gap.after_last) == ("hour", FIRST, FIRST + 2)
    assert payloads([line]) == [b"later"]


async def test_both_kinds_of_fills_are_never_read_together(node: Node) -> None:
    """Each fill stands in both, so the one by block is taken, and the log says so once."""
    node.write(FIRST, b"by block\n")
    node.write(FIRST, b"row\n", "node_fills")
    node.write(FIRST, b"event\n", "misc_events")
    with structlog.testing.capture_logs() as logs:
        items = await node.follow(*[nothing] * 40, lambda: node.write(FIRST, b"last\n"), until=3)
    assert sorted(payloads(items)) == [b"by block", b"event", b"last"]
    assert [entry["streams"] for entry in logs] == [("node_fills",)]


async def test_a_node_told_to_write_by_block_is_followed_there(node: Node) -> None:
    """After a restart with another option the old folder stays, and stands still."""
    node.write(FIRST, b"row\n", "node_fills")
    items = await node.follow(
        nothing,
        lambda: (node.write(FIRST, b"last row\n", "node_fills"), node.write(FIRST, b"block\n")),
        until=3,
    )
    assert payloads(items) == [b"row", b"last row", b"block"]
    last = items[-1]
    assert isinstance(last, Raw)
    assert '"node_fills":' in (last.cursor or "")  # should the node be told to go back


async def test_streams_stay_within_the_same_hour(node: Node) -> None:
    """A detector that sees fills of noon with the deposits of midnight would be misled."""
    for hour in (FIRST, FIRST + 1, FIRST + 2):
        node.write(hour, f"fill {'x' * (1 << 20)} {hour}\n".encode() * 20)
        node.write(hour, f"event {hour}\n".encode(), "misc_events")
    hours = [int(payload.split()[-1]) for payload in payloads(await node.drain())]
    assert len(hours) == 63
    assert hours == sorted(hours)


async def test_a_missing_folder_is_waited_for(node: Node) -> None:
    """Saying which path and which setting, once a second, until it is there."""
    clock = ScriptedClock()
    items = await node.follow(nothing, nothing, lambda: node.write(FIRST, b"one\n"), until=4, clock=clock)
    assert [type(item) for item in items] == [Waiting, Waiting, Waiting, Raw]
    [waiting, *_others] = items
    assert isinstance(waiting, Waiting)
    assert str(node.root) in waiting.detail
    assert "[sources.hyperliquid_node]" in waiting.detail
    assert clock.slept == [timedelta(seconds=1)] * 3


@pytest.mark.parametrize(
    ("path", "made", "kind"),
    [("~/hl/data", False, NotConfigured), ("~/hl/data", True, Waiting), ("~/hl/data/", False, Waiting)],
)
async def test_who_never_spoke_of_a_node_is_not_told_that_it_is_missing(
    path, made, kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a setting and without the usual folder there is no node; with either there should be one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    if made:
        (tmp_path / "hl" / "data").mkdir(parents=True)
    tools = Toolbox(clock=ScriptedClock())
    source = AGGREGATOR.build(HyperliquidNodeSettings(path=path), tools)
    async with aclosing(source.stream(None)) as items:
        assert type(await anext(items)) is kind


class EarlyClock(ScriptedClock):
    """A clock whose sleep ends a little early, as timers do."""

    async def sleep(self, duration: timedelta) -> None:
        await super().sleep(duration - min(duration, timedelta(milliseconds=1)))


async def test_the_reason_to_wait_stays_the_same_while_nothing_changes(node: Node) -> None:
    """Whatever the timer does, a missing directory is not called a silent node in between."""
    items = await node.follow(until=5, clock=EarlyClock())
    assert len({item.detail for item in items if isinstance(item, Waiting)}) == 1


async def test_a_folder_without_fills_is_waited_for(node: Node) -> None:
    """Ledger events alone are not what the source promises."""
    node.write(FIRST, b"event\n", "misc_events")
    [waiting] = await node.drain()
    assert isinstance(waiting, Waiting)
    assert "--write-fills" in waiting.detail


async def test_a_folder_that_vanishes_and_returns_is_read_on(node: Node) -> None:
    """A disk that was away loses nothing of what it held."""
    node.write(FIRST, b"one\n")
    away = node.root.with_name("away")
    items = await node.follow(
        lambda: node.root.rename(away),
        *[nothing] * 20,
        lambda: (away.rename(node.root), node.write(FIRST, b"two\n")),
        until=b"two",
    )
    assert payloads(items) == [b"one", b"two"]
    assert Waiting in [type(item) for item in items]
    assert gaps(items) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_we_may_not_read_is_waited_for(node: Node) -> None:
    """With its name; the node goes on writing as another user."""
    path = node.write(FIRST, b"one\n")
    path.chmod(0)
    items = await node.follow(lambda: path.chmod(0o600), until=2)
    [waiting, line] = items
    assert isinstance(waiting, Waiting)
    assert str(path) in waiting.detail
    assert payloads([line]) == [b"one"]


async def test_an_unreadable_hour_is_waited_for(node: Node) -> None:
    """A folder in a file's place is as unreadable to root as to anybody."""
    path = node.file(FIRST)
    path.mkdir(parents=True)

    def repair() -> None:
        path.rmdir()
        node.write(FIRST, b"one\n")

    [waiting, line] = await node.follow(repair, until=2)
    assert isinstance(waiting, Waiting)
    assert str(node.root) in waiting.detail
    assert payloads([line]) == [b"one"]


async def test_a_file_that_cannot_be_opened_when_resuming_is_waited_for(node: Node) -> None:
    """Nothing is skipped and no handle is left behind while it cannot be read."""
    os.utime(node.write(FIRST, b"one\n"), (1, 1))
    path = node.write(FIRST + 1, b"two\n")
    last = (await node.drain())[-1]
    assert isinstance(last, Raw)
    path.unlink()
    path.mkdir()
    handles = len(list(Path("/proc/self/fd").iterdir()))

    def repair() -> None:
        assert len(list(Path("/proc/self/fd").iterdir())) == handles
        path.rmdir()
        node.write(FIRST + 1, b"two\nthree\n")

    items = await node.follow(nothing, nothing, repair, until=b"three", cursor=last.cursor)
    assert [type(item) for item in items] == [Waiting, Waiting, Waiting, Raw]


async def test_a_very_long_line_is_whole(node: Node) -> None:
    """The block of 10 October 2025 at 21:16:04 was 10.7 MB."""
    line = b"x" * 10_700_000
    node.write(FIRST, b"one\n" + line + b"\nlast\n")
    assert payloads(await node.drain()) == [b"one", line, b"last"]


async def test_a_line_beyond_all_bounds_is_refused_and_passed(node: Node) -> None:
    """Its beginning is kept for whoever looks, and the next line is read."""
    node.write(FIRST, b" " * (65 << 20) + b"\nlast\n")
    long, last = await node.drain()
    assert isinstance(long, Raw)
    assert len(long.payload) == 1 << 20
    with pytest.raises(MalformedPayload) as refused:
        node.aggregator().normalize(long)
    assert refused.value.rule == "line_too_long"
    assert payloads([last]) == [b"last"]


async def test_other_work_goes_on_while_much_is_read(node: Node) -> None:
    """Reading pauses every few MiB, so a long history does not stop the event loop."""
    node.write(FIRST, (b"x" * 99_999 + b"\n") * 200)
    clock = ScriptedClock()
    await node.follow(until=200, clock=clock)
    assert clock.slept == [timedelta(0)] * 4


async def test_no_file_stays_open(node: Node) -> None:
    """A stream that ends lets go of its files."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for hour in range(FIRST, FIRST + 5):
        os.utime(node.write(hour, b"line\n"), (1, 1))
    await node.follow(until=5)
    await node.drain()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
