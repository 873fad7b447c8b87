"""Makes valid frames of the socket's channels and damages them: made-up data, the same for the same seed."""

import base64
import zlib
from collections.abc import Callable, Iterator
from itertools import cycle
from random import Random
from typing import Final

import msgspec

from tools.mutations import CHUNK, HASHES, MILLIS, USERS, Json, damaged, exchanged, fill

ASSETS: Final = ("BTC", "ETH", "kPEPE", "xyz:TSLA", "@107", "PURR/USDC", "#14880")
GREETING: Final = b"Websocket connection established."
_RAW_DEFLATE: Final = -15


def _number(random: Random) -> str:
    return f"{random.randint(0, 99_999)}.{random.randint(0, 99_999)}"


def _time(random: Random) -> int:
    return MILLIS - random.randint(0, 10**9)


def _trade(random: Random) -> Json:
    return {
        "coin": random.choice(ASSETS),
        "side": random.choice("AB"),
        "px": _number(random),
        "sz": _number(random),
        "time": _time(random),
        "hash": random.choice(HASHES),
        "tid": random.randint(0, 2**50),
        "users": random.sample(USERS, 2),
    }


def _trades(random: Random) -> Json:
    return [_trade(random) for _ in range(random.randint(0, 4))]


def _level(random: Random) -> Json:
    return {"px": _number(random), "sz": _number(random), "n": random.randint(1, 40)}


def _quote(random: Random) -> Json:
    sides = [random.choice([None, _level(random)]) for _ in range(2)]
    return {"coin": random.choice(ASSETS), "time": _time(random), "bbo": sides}


def _book(random: Random) -> Json:
    levels = [[_level(random) for _ in range(random.randint(0, 3))] for _ in range(2)]
    return {"coin": random.choice(ASSETS), "time": _time(random), "levels": levels}


def _mids(random: Random) -> Json:
    mids = {asset: _number(random) for asset in random.sample(ASSETS, 3)}
    return random.choice([{"mids": mids}, {"dex": "xyz", "mids": mids}])


def _context(random: Random) -> Json:
    return {
        "funding": "0.0000125",
        "openInterest": _number(random),
        "prevDayPx": _number(random),
        "dayNtlVlm": _number(random),
        "premium": random.choice([None, "-0.0006"]),
        "oraclePx": _number(random),
        "markPx": _number(random),
        "midPx": random.choice([None, _number(random)]),
        "impactPxs": random.choice([None, ["1.0", "2.0"]]),
    }


def _active(random: Random) -> Json:
    return {"coin": random.choice(ASSETS), "ctx": _context(random)}


def _active_spot(_random: Random) -> Json:
    context = {"coin": "@107", "prevDayPx": "93.1", "dayNtlVlm": "6.5", "markPx": "92.9", "midPx": None}
    return {
        "coin": "@107",
        "ctx": context | {"circulatingSupply": "298462370.4", "totalSupply": "998882916.6"},
    }


def _all_contexts(random: Random) -> Json:
    return {"ctxs": [[dex, [_context(random) for _ in range(random.randint(0, 2))]] for dex in ("", "xyz")]}


def _fast_contexts(random: Random) -> Json:
    prices = [{"markPx": _number(random)}, {"midPx": None}, {"markPx": "1.5", "midPx": _number(random)}]
    return {asset: random.choice(prices) for asset in random.sample(ASSETS, 3)}


def _candle(random: Random) -> Json:
    prices = {name: _number(random) for name in "ochlv"}
    return {"t": MILLIS, "T": MILLIS + 59_999, "s": random.choice(ASSETS), "i": "1m", "n": 114} | prices


def _snapshot(random: Random, **data: Json) -> Json:
    return {"user": random.choice(USERS)} | random.choice([{}, {"isSnapshot": True}]) | data


def _user_fills(random: Random) -> Json:
    return _snapshot(random, fills=[fill(random) for _ in range(random.randint(0, 3))])


def _ledger(random: Random) -> Json:
    deltas = [{"type": "deposit", "usdc": "1.5"}, {"type": "liquidation", "accountValue": "2.9"}]
    row = {"time": _time(random), "hash": random.choice(HASHES), "delta": random.choice(deltas)}
    return _snapshot(random, nonFundingLedgerUpdates=[row])


def _funding(random: Random) -> Json:
    rate = {"fundingRate": "0.0000125", "nSamples": random.choice([None, 24])}
    return {"time": _time(random), "coin": "BTC", "usdc": "-0.6", "szi": "-1.5"} | rate


def _fundings(random: Random) -> Json:
    return _snapshot(random, fundings=[_funding(random) for _ in range(random.randint(0, 3))])


def _user_event(random: Random) -> Json:
    liquidation = {"lid": 1, "liquidator": USERS[0], "liquidated_user": USERS[1]}
    values = {"liquidated_ntl_pos": "356.8", "liquidated_account_value": "2.9"}
    return random.choice(
        [
            {"fills": [fill(random)]},
            {"funding": _funding(random)},
            {"liquidation": liquidation | values},
            {"nonUserCancel": [{"coin": "PNUT", "oid": 566_615_769_247}]},
            {},
        ]
    )


def _order_updates(random: Random) -> Json:
    order: Json = {
        "coin": "@107",
        "side": random.choice("AB"),
        "limitPx": "93.2",
        "sz": "1.5",
        "origSz": "3.28",
    }
    order |= {"oid": 566_617_964_508, "timestamp": _time(random)} | random.choice([{}, {"cloid": "0x00"}])
    return [{"order": order, "status": "open", "statusTimestamp": _time(random)}]


def _account(random: Random) -> Json:
    state = {"marginSummary": {"accountValue": "1.0"}, "time": _time(random)}
    states: Json = [["", state], ["xyz", {}]]
    return {"user": random.choice(USERS), "clearinghouseStates": states}


def _dex_account(random: Random) -> Json:
    return {"user": random.choice(USERS), "dex": "xyz", "clearinghouseState": {"time": _time(random)}}


def _post(random: Random) -> Json:
    answered = {"type": "info", "payload": {"type": "l2Book", "data": _book(random)}}
    refused = {"type": "error", "payload": "429 Too Many Requests"}
    return {"id": random.randint(0, 10**6), "response": random.choice([answered, refused])}


def _outcomes(random: Random) -> Json:
    question = {"question": 400, "name": "q", "fallbackOutcome": 9068, "namedOutcomes": [9069, 9070]}
    updates: list[Json] = [
        {"outcomeCreated": {"outcome": 9115, "name": "n", "sideSpecs": [{"name": "Yes"}]}},
        {"outcomeSettled": 9112},
        {"questionUpdated": question},
        {"questionSettled": 400},
    ]
    return random.sample(updates, 2)


def _subscription(random: Random) -> Json:
    asset, user = random.choice(ASSETS), random.choice(USERS)
    return random.choice(
        [
            {"type": "trades", "coin": asset},
            {"type": "l2Book", "coin": asset, "nSigFigs": None, "mantissa": None, "fast": False},
            {"type": "userFills", "user": user, "aggregateByTime": False},
            {"type": "allMids", "dex": ""},
        ]
    )


def _acknowledgement(random: Random) -> Json:
    return {"method": random.choice(["subscribe", "unsubscribe"]), "subscription": _subscription(random)}


def _complaint(random: Random) -> Json:
    quoted = msgspec.json.encode(_subscription(random)).decode()
    return random.choice(
        [
            f"Already subscribed: {quoted}",
            f"Already unsubscribed: {quoted}",
            f"Invalid subscription {quoted}",
            'Error parsing JSON into valid websocket request: {"method":"subscribe","subscription":'
            + quoted
            + "}",
            "Cannot track more than 15 total users.",
            "Cannot subscribe to more than 1000 channels.",
            "too many pending post requests id=7",
        ]
    )


def _notification(_random: Random) -> Json:
    return {"notification": "something happened"}


# What each channel's data is made of.
CHANNELS: Final[dict[str, Callable[[Random], Json]]] = {
    "trades": _trades,
    "bbo": _quote,
    "l2Book": _book,
    "allMids": _mids,
    "activeAssetCtx": _active,
    "activeSpotAssetCtx": _active_spot,
    "allDexsAssetCtxs": _all_contexts,
    "fastAssetCtxs": _fast_contexts,
    "candle": _candle,
    "userFills": _user_fills,
    "user": _user_event,
    "userNonFundingLedgerUpdates": _ledger,
    "userFundings": _fundings,
    "orderUpdates": _order_updates,
    "clearinghouseState": _dex_account,
    "allDexsClearinghouseState": _account,
    "notification": _notification,
    "post": _post,
    "outcomeMetaUpdates": _outcomes,
    "subscriptionResponse": _acknowledgement,
    "error": _complaint,
}


def packed(content: bytes) -> str:
    """Content as the venue packs prices: a raw DEFLATE stream in base64."""
    deflating = zlib.compressobj(1, wbits=_RAW_DEFLATE)
    return base64.b64encode(deflating.compress(content) + deflating.flush()).decode()


def mutated_frames(random: Random, channel: str) -> Iterator[bytes]:
    """A frame of a channel: damaged in several ways, with some values exchanged, and both."""
    data = CHANNELS[channel](random)
    if channel == "fastAssetCtxs":  # damage to what is packed would rarely survive from outside
        content = msgspec.json.encode(data)
        yield _framed(channel, packed(damaged(random, content, 1)))
        yield _framed(channel, packed(exchanged(random, data)))
        data = packed(content)
    line = _framed(channel, data)
    for times in (1, 1, 2):
        yield damaged(random, line, times)
    line = exchanged(random, {"channel": channel, "data": data})
    yield line
    yield damaged(random, line, 1)


def _framed(channel: str, data: Json) -> bytes:
    return msgspec.json.encode({"channel": channel, "data": data})


def huge_frame(random: Random) -> bytes:
    """A frame of megabytes: many trades, one long text, one deep nest, or little that becomes much."""
    match random.randrange(4):
        case 0:
            return msgspec.json.encode({"channel": "trades", "data": [_trade(random)] * 10_000})
        case 1:
            return msgspec.json.encode({"channel": "error", "data": "{" * 5_000_000})
        case 2:
            return b'{"channel":"trades","data":' + b"[" * 5_000_000
        case _:
            content = b"{" + b",".join([b'"BTC":{"markPx":1}'] * 300_000) + b"}"
            return msgspec.json.encode({"channel": "fastAssetCtxs", "data": packed(content)})


def frames_of(channel: str, seed: int) -> Iterator[bytes]:
    """Mutated frames of one channel without end."""
    random = Random(f"{channel} {seed}")  # noqa: S311  (made-up load needs no cryptography)
    while True:
        yield from mutated_frames(random, channel)


def frames(seed: int, count: int) -> Iterator[bytes]:
    """Mutated frames of every channel in turn; one in a chunk is of megabytes, and some are greetings."""
    random = Random(seed)  # noqa: S311
    streams = cycle([frames_of(channel, seed) for channel in CHANNELS])
    for number in range(count):
        if number == CHUNK // 2:
            yield huge_frame(random)
        elif number % 1_000 == 0:
            yield GREETING
        else:
            yield next(next(streams))
