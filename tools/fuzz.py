"""Sends mutated payloads through the pipeline: each must end as events or rejects, in time, and storable.

    python -m tools.fuzz [--count N] [--seed S] [--processes P]

Every payload starts as a valid one of some stream, is mutated, and goes through normalize, deduplicate and
validate; what survives is written as COPY text. Nothing may raise, and nothing may take longer than a bound
per byte. The same seed sends the same payloads, whatever the number of processes.
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final, TypeAlias

import msgspec

from kamiyo.aggregators.base import Response, Toolbox
from kamiyo.aggregators.hyperliquid_node import (
    HyperliquidNodeAggregator,
    HyperliquidNodeSettings,
    stream_of,
)
from kamiyo.core.codec import to_json
from kamiyo.core.events import AccountLiquidation, LedgerMovement, LiquidatedFill
from kamiyo.core.ids import SourceName
from kamiyo.core.liquidations import fold, liquidation_id, observe
from kamiyo.core.money import install_context
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.kit.clock import SystemClock
from kamiyo.processing.deduplicator import Deduplicator
from kamiyo.processing.normalizer import normalize
from kamiyo.processing.validator import validate
from kamiyo.storage import copy_text

Json: TypeAlias = Any  # plain data, which mutations make of any shape

CHUNK: Final = 20_000
NOW: Final = datetime(2025, 10, 10, 21, 16, 1, tzinfo=UTC)
STREAMS: Final = (
    "node_fills_by_block",
    "node_fills",
    "misc_events_by_block",
    "misc_events",
    "user_fills",
)
# A slow machine and a full collection of garbage are no stall; what grows faster than its length is one.
SLOWEST_START: Final = timedelta(milliseconds=250)
SLOWEST_PER_MEGABYTE: Final = timedelta(seconds=1)
REMEMBER_EVERY: Final = 100

USERS: Final = tuple("0x" + digit * 40 for digit in "1234")
HASHES: Final = tuple("0x" + pair * 32 for pair in ("ab", "cd", "00"))
MILLIS: Final = 1_760_130_960_250

NUMBERS: Final[tuple[Json, ...]] = (
    "NaN", "Infinity", "-Infinity", "-0", "0", "-1.5", "1e999999", "1E400000", "9" * 200,
    "0." + "0" * 200 + "1", "\uff11\uff12", "1_000", " 1", "", "+1", ".5", "5.", 0, -1, 1.5, 1e308, 5e-324,
    2**63, -(2**63), msgspec.Raw(b"1" + b"0" * 400),
)  # fmt: skip
TIMES: Final[tuple[Json, ...]] = (
    "9999-12-31T23:59:59.999999999", "0001-01-01T00:00:00", "2025-02-30T00:00:00", "2025-10-10T24:00:00",
    "2025-W41-5", 253_402_300_799_999, -1, 0, 2**63, 1e18,
)  # fmt: skip
TEXTS: Final[tuple[Json, ...]] = (
    "", "\0", "a\0b", "\x1b[2J", "\\", "\\N", "\\.", "\t\n\r", '"', "{", "\u202e", "\ufeff",
    "é" * 100, "\U0001f4a5", "x" * 70, "x" * 5_000, "Auto-Deleveraging", "Liquidated Cross Long",
    "Close Short", "backstop", "market",
)  # fmt: skip
OTHERS: Final[tuple[Json, ...]] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"": None},
    [None] * 3,
    {"a": {"b": {"c": []}}},
)
# What no encoder of ours writes, put in as bytes.
TOKENS: Final = (
    b"NaN", b"Infinity", b"-Infinity", b"-", b"1e", b"1e99999999", b"00", b"\xff", b"\xc0\x80", b"\x00",
    b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b"[" * 2_000, b'{"a":' * 2_000,
    b"/**/",
    b"'", b",", b"]", b"}",
)  # fmt: skip


@dataclass
class Summary:
    """What came of the payloads."""

    payloads: int = 0
    size: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    rules: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])
    slowest: timedelta = timedelta()

    def add(self, other: "Summary") -> None:
        self.payloads += other.payloads
        self.size += other.size
        self.outcomes.update(other.outcomes)
        self.rules.update(other.rules)
        self.faults += other.faults
        self.slowest = max(self.slowest, other.slowest)


# --- valid payloads ---------------------------------------------------------------------------------------


def seed_payload(random: Random, stream: str) -> Json:
    """A valid payload of a stream, as plain data."""
    match stream:
        case "node_fills_by_block":
            return _block(random, [_row(random) for _ in range(random.randint(0, 6))])
        case "node_fills":
            return _row(random)
        case "misc_events_by_block":
            return _block(random, [_misc(random) for _ in range(random.randint(0, 4))])
        case "misc_events":
            return _misc(random)
        case _:
            user = random.choice(USERS)
            return [{**_fill(random), **_named(user), "crossed": True} for _ in range(random.randint(1, 4))]


def _block(random: Random, events: list[Json]) -> dict[str, Json]:
    return {
        "local_time": "2025-10-10T21:16:00.7",
        "block_time": "2025-10-10T21:16:00.250123456",
        "block_number": random.randint(1, 10**9),
        "events": events,
    }


def _row(random: Random) -> list[Json]:
    user, fill = random.choice(USERS), _fill(random)
    if random.choice([True, True, False]):
        fill |= _named(random.choice(USERS), random.choice(["market", "market", "backstop"]))
    return [user, fill]


def _named(user: str, method: str = "market") -> dict[str, Json]:
    told = "Liquidated Cross Long" if method == "backstop" else "Close Long"
    return {"liquidation": {"liquidatedUser": user, "markPx": "3000.5", "method": method}, "dir": told}


def _fill(random: Random) -> dict[str, Json]:
    return {
        "coin": random.choice(["ETH", "BTC", "xyz:TSLA", "@107", "PURR/USDC"]),
        "px": f"{random.randint(1, 99_999)}.{random.randint(0, 9)}",
        "sz": f"{random.randint(1, 999)}.5",
        "side": random.choice("AB"),
        "time": MILLIS - random.randint(0, 10**9),
        "startPosition": "2.0",
        "dir": random.choice(["Open Long", "Close Long", "Close Short", "Buy", "Auto-Deleveraging"]),
        "closedPnl": "-150.5",
        "hash": random.choice(HASHES),
        "oid": 7001,
        "crossed": random.choice([True, False]),
        "fee": "2.7",
        "tid": random.randint(0, 10**6),
        "feeToken": "USDC",
    }


def _misc(random: Random) -> dict[str, Json]:
    deltas: list[Json] = [
        {"type": "deposit", "usdc": "100.0"},
        {"type": "spotTransfer", "token": "HYPE", "amount": "1.5", "user": USERS[1], "destination": USERS[2]},
        {
            "type": "liquidation",
            "liquidatedNtlPos": "6000.0",
            "accountValue": "58.5",
            "leverageType": random.choice(["Cross", "Isolated"]),
            "liquidatedPositions": [{"coin": "ETH", "szi": "2.0"}],
        },
    ]
    update = {"users": [random.choice(USERS)], "delta": random.choice(deltas)}
    inner: Json = (
        {"LedgerUpdate": update} if random.choice([True, True, True, False]) else {"Funding": {"deltas": []}}
    )
    return {"time": "2025-10-10T21:16:00.25", "hash": random.choice(HASHES), "inner": inner}


# --- mutations --------------------------------------------------------------------------------------------


def mutated(random: Random, payload: Json) -> bytes:
    """The payload with some values exchanged, and the bytes of it damaged in turn."""
    for _ in range(random.choice([0, 1, 1, 2, 3])):
        _exchange(random, payload)
    line = msgspec.json.encode(payload)
    for _ in range(random.choice([0, 0, 1, 1, 2, 4])):
        line = random.choice(DAMAGES)(random, line)
    return line


def _places(value: Json) -> Iterator[tuple[Json, Json]]:
    keys: Sequence[Json] = [*value] if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _exchange(random: Random, payload: Json) -> None:
    places = list(_places(payload))
    if not places:
        return
    container, key = random.choice(places)
    match random.randrange(5):
        case 0:
            container[key] = deepcopy(random.choice(OTHERS))
        case 1 if isinstance(container, dict):
            del container[key]
        case 2 if isinstance(container, dict):
            container[random.choice(TEXTS)] = container[key]
            del container[key]
        case _:
            container[key] = _similar(random, key)


def _similar(random: Random, key: Json) -> Json:
    name = str(key).lower()
    if "time" in name:
        return random.choice(TIMES)
    if name in {"px", "sz", "markpx", "startposition", "closedpnl", "fee", "tid", "szi", "block_number"}:
        return random.choice(NUMBERS)
    return deepcopy(random.choice([*TEXTS, *NUMBERS, *OTHERS]))


def _flip(random: Random, line: bytes) -> bytes:
    changed = bytearray(line or b"x")
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(random: Random, line: bytes) -> bytes:
    return line[: random.randint(0, len(line))]


def _insert(random: Random, line: bytes) -> bytes:
    at = random.randint(0, len(line))
    return line[:at] + random.choice(TOKENS) + line[at:]


def _replace_number(random: Random, line: bytes) -> bytes:
    start = line.rfind(b":", 0, random.randint(0, len(line))) + 1
    end = min((at for at in (line.find(b",", start), line.find(b"}", start)) if at >= 0), default=len(line))
    return line[:start] + random.choice(TOKENS) + line[end:]


def _repeat(random: Random, line: bytes) -> bytes:
    start = random.randint(0, len(line))
    return line[:start] + line[start : start + random.randint(1, 200)] * 2 + line[start:]


def _swap(random: Random, line: bytes) -> bytes:
    at = random.randint(0, len(line))
    return line[at:] + line[:at]


DAMAGES: Final[tuple[Callable[[Random, bytes], bytes], ...]] = (
    _flip, _flip, _cut, _insert, _replace_number, _replace_number, _repeat, _swap,
)  # fmt: skip


def _huge(random: Random) -> bytes:
    """A line of ten million bytes: many rows, one long text, or one deep nest."""
    size = 10_000_000
    match random.randrange(4):
        case 0:
            return msgspec.json.encode(_block(random, [_row(random)] * (size // 400)))
        case 1:
            return msgspec.json.encode(_block(random, [[USERS[0], {**_fill(random), "coin": "x" * size}]]))
        case 2:
            return msgspec.json.encode(_block(random, []))[:-2] + b"[" * size
        case _:
            return msgspec.json.encode([USERS[0], {**_fill(random), "px": "9" * size}])


def payloads(seed: int, count: int, *, huge: bool = True) -> Iterator[tuple[str, bytes]]:
    """Mutated payloads, each with the stream it is said to be of; one in a chunk is ten megabytes long."""
    random = Random(seed)  # noqa: S311  (made-up load needs no cryptography)
    for number in range(count):
        stream = random.choice(STREAMS)
        line = mutated(random, seed_payload(random, stream))
        if huge and number == CHUNK // 2:
            line = _huge(random)
        yield random.choice([stream] * 19 + [random.choice(STREAMS)]), line


# --- the way of a payload ---------------------------------------------------------------------------------


class NoNetwork:
    """A session nothing may use."""

    async def request(self, method: str, url: str, *, body: bytes | None = None) -> Response:
        raise AssertionError(f"the network was asked: {method} {url} {body!r}")


class Pipeline:
    """The stages between a line and the database, without either."""

    def __init__(self) -> None:
        tools = Toolbox(clock=SystemClock(), session=NoNetwork())
        self._node = HyperliquidNodeAggregator(HyperliquidNodeSettings(), tools)
        self._deduplicator = Deduplicator(1 << 12)
        self._heard = 0

    def run(self, stream: str, line: bytes) -> Normalized:
        raw = Raw(source=SourceName("fuzz"), stream=stream, payload=line, received_at=NOW)
        normalized = self._deduplicator.fresh(normalize(self._node.normalize, raw))
        self._heard += 1
        if self._heard % REMEMBER_EVERY == 0:
            self._deduplicator.remember_batch()
        return validate(normalized, raw, NOW)


def judge(found: Normalized) -> str | None:
    """What is wrong with what became of a payload, if anything."""
    counts = Counter(found.counts)
    kinds = [name for name in Counted if name.endswith("_fills")]
    if counts[Counted.FILLS] != sum(counts[name] for name in kinds):
        return f"the fills do not add up: {dict(found.counts)}"
    if counts[Counted.REJECTS] != len(found.rejects):
        return f"{len(found.rejects)} rejects, {counts[Counted.REJECTS]} counted"
    if not any(found.counts.values()):
        return "neither events nor rejects"
    wrong = [repr(event) for event in found.events if not _is_sane(event)]
    wrong += [
        repr(fill) for _user, fill in found.fills if not all(_is_positive(n) for n in (fill.price, fill.size))
    ]
    return f"a wrong number: {wrong[0]:.300}" if wrong else None


def _is_positive(text: str) -> bool:
    number = Decimal(text)
    return number.is_finite() and number > 0


def _is_sane(event: object) -> bool:
    match event:
        case LiquidatedFill():
            numbers = (event.price, event.size, event.mark_price)
            return all(n.is_finite() and n > 0 for n in numbers) and event.timestamp <= NOW + timedelta(
                minutes=1
            )
        case AccountLiquidation():
            return event.amount_usd.is_finite() and event.amount_usd >= 0 and event.account_value.is_finite()
        case _:
            return True


def store(found: Normalized) -> None:
    """Write the survivors as the database would get them, and fold them."""
    for event in found.events:
        if isinstance(event, LiquidatedFill):
            _check_row(event)
            to_json(fold(liquidation_id(event), [observe(event)]))
        elif isinstance(event, LedgerMovement):
            msgspec.json.decode(event.delta)
        to_json(event)
    for reject in found.rejects:
        reject.detail.encode()


def _check_row(event: LiquidatedFill) -> None:
    texts = (event.asset, event.user, event.liquidated_user, event.direction_text, event.hash or "")
    numbers = (event.price, event.size, event.mark_price, event.closed_pnl, event.fee)
    fields = [
        *map(copy_text.escaped, texts),
        *map(copy_text.number_or_null, numbers),
        copy_text.array(sorted(observe(event).observations)),
        copy_text.moment(event.timestamp),
    ]
    written = copy_text.lines([copy_text.row(*fields)]).getvalue()
    if written.count(b"\n") != 1 or written.count(b"\t") != len(fields) - 1 or b"\0" in written:
        raise ValueError(f"not one row: {written[:300]!r}")


def fuzz_chunk(task: tuple[int, int]) -> Summary:
    """Send one chunk of payloads, as its own seed makes them."""
    install_context()
    seed, count = task
    summary, pipeline = Summary(), Pipeline()
    for stream, line in payloads(seed, count):
        _send(summary, pipeline, stream, line)
    return summary


def _send(summary: Summary, pipeline: Pipeline, stream: str, line: bytes) -> None:
    started = time.perf_counter()
    try:
        stream_of(line)
        found = pipeline.run(stream, line)
        store(found)
        fault = judge(found)
    except Exception as error:  # noqa: BLE001  (any exception at all is what is looked for)
        found, fault = Normalized(), f"{type(error).__name__}: {error!s:.300}"
    taken = timedelta(seconds=time.perf_counter() - started)
    if taken > _bound(line) and _is_slow(stream, line):
        fault = fault or f"took {taken} for {len(line)} bytes"
    summary.payloads += 1
    summary.size += len(line)
    summary.slowest = max(summary.slowest, taken)
    summary.outcomes["rejected" if found.rejects else "accepted"] += 1
    summary.outcomes.update(type(event).__name__ for event in found.events)
    summary.rules.update(each.rule for each in found.rejects)
    if fault is not None:
        summary.faults.append(f"{fault}\n    {stream}: {line[:400]!r}")


def _bound(line: bytes) -> timedelta:
    return SLOWEST_START + SLOWEST_PER_MEGABYTE * (len(line) / 1e6)


def _is_slow(stream: str, line: bytes) -> bool:
    """Whether it was the line: sent again, and by the processor's time, as a busy machine is no stall."""
    pipeline = Pipeline()
    started = time.thread_time()
    pipeline.run(stream, line)
    return timedelta(seconds=time.thread_time() - started) > _bound(line)


def fuzz(count: int, seed: int, processes: int) -> Summary:
    """Send ``count`` payloads and sum up; chunks have seeds of their own, derived from ``seed``."""
    tasks = [(seed + at, min(CHUNK, count - at)) for at in range(0, count, CHUNK)]
    total = Summary()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for done, part in enumerate(pool.imap_unordered(fuzz_chunk, tasks), start=1):
            total.add(part)
            print(
                f"\r{done}/{len(tasks)} chunks, {len(total.faults)} faults",
                end="",
                file=sys.stderr,
                flush=True,
            )
    print(file=sys.stderr)
    return total


def main(arguments: Sequence[str]) -> int:
    """Fuzz, print what came of it; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="./dev fuzz", description="Send mutated payloads through the pipeline."
    )
    parser.add_argument("--count", type=int, default=1_000_000, help="payloads to send (default: 1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="what makes the payloads (default: 1)")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    total = fuzz(given.count, given.seed, given.processes)
    print(
        f"{total.payloads:,} payloads, {total.size / 1e6:,.0f} MB in {time.perf_counter() - started:,.0f} s"
    )
    print("  " + ", ".join(f"{name} {number:,}" for name, number in total.outcomes.most_common()))
    print("  " + ", ".join(f"{name} {number:,}" for name, number in total.rules.most_common()))
    print(f"  slowest payload {total.slowest.total_seconds() * 1000:,.0f} ms, {len(total.faults)} faults")
    for fault in total.faults[:20]:
        print(f"FAULT {fault}")
    return 1 if total.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
