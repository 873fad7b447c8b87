"""Makes valid payloads of every stream and damages them: made-up data, the same for the same seed."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any, Final, TypeAlias

import msgspec

Json: TypeAlias = Any  # plain data, which mutations make of any shape

CHUNK: Final = 20_000
STREAMS: Final = (
    "node_fills_by_block",
    "node_fills",
    "misc_events_by_block",
    "misc_events",
    "user_fills",
)
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
            return [{**fill(random), **_named(user), "crossed": True} for _ in range(random.randint(1, 4))]


def _block(random: Random, events: list[Json]) -> dict[str, Json]:
    return {
        "local_time": "2025-10-10T21:16:00.7",
        "block_time": "2025-10-10T21:16:00.250123456",
        "block_number": random.randint(1, 10**9),
        "events": events,
    }


def _row(random: Random) -> list[Json]:
    user, row = random.choice(USERS), fill(random)
    if random.choice([True, True, False]):
        row |= _named(random.choice(USERS), random.choice(["market", "market", "backstop"]))
    return [user, row]


def _named(user: str, method: str = "market") -> dict[str, Json]:
    told = "Liquidated Cross Long" if method == "backstop" else "Close Long"
    return {"liquidation": {"liquidatedUser": user, "markPx": "3000.5", "method": method}, "dir": told}


def fill(random: Random) -> dict[str, Json]:
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
    line = exchanged(random, payload)
    return damaged(random, line, random.choice([0, 0, 1, 1, 2, 4]))


def exchanged(random: Random, payload: Json) -> bytes:
    """The payload with some values exchanged, or none."""
    for _ in range(random.choice([0, 1, 1, 2, 3])):
        _exchange(random, payload)
    return msgspec.json.encode(payload)


def damaged(random: Random, line: bytes, times: int) -> bytes:
    """The bytes damaged so many times in turn."""
    for _ in range(times):
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


# In rows and blocks, then in the socket's frames.
NUMERIC: Final = frozenset({
    "px", "sz", "markpx", "startposition", "closedpnl", "fee", "tid", "szi", "block_number",
    "midpx", "oraclepx", "limitpx", "origsz", "premium", "funding", "fundingrate", "openinterest", "usdc",
    *"ochlvn", "oid", "id",
})  # fmt: skip


def _similar(random: Random, key: Json) -> Json:
    name = str(key).lower()
    if "time" in name or name == "t":
        return random.choice(TIMES)
    if name in NUMERIC:
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


def huge_payload(random: Random) -> bytes:
    """A line of ten million bytes: many rows, one long text, or one deep nest."""
    size = 10_000_000
    match random.randrange(4):
        case 0:
            return msgspec.json.encode(_block(random, [_row(random)] * (size // 400)))
        case 1:
            return msgspec.json.encode(_block(random, [[USERS[0], {**fill(random), "coin": "x" * size}]]))
        case 2:
            return msgspec.json.encode(_block(random, []))[:-2] + b"[" * size
        case _:
            return msgspec.json.encode([USERS[0], {**fill(random), "px": "9" * size}])


def payloads(seed: int, count: int, *, huge: bool = True) -> Iterator[tuple[str, bytes]]:
    """Mutated payloads, each with the stream it is said to be of; one in a chunk is ten megabytes long."""
    random = Random(seed)  # noqa: S311  (made-up load needs no cryptography)
    for number in range(count):
        stream = random.choice(STREAMS)
        line = mutated(random, seed_payload(random, stream))
        if huge and number == CHUNK // 2:
            line = huge_payload(random)
        yield random.choice([stream] * 19 + [random.choice(STREAMS)]), line
