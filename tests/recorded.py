"""What others recorded of the venue's API: each message with what it is, told by where it lies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

# The recordings themselves name no question. Kinds are the venue's names; "leaderboard" and the two behind it
# are statistics files.
KINDS: Final = {
    "jkorf:Endpoints/Futures/Account/GetAccountInfo": "clearinghouseState",
    "jkorf:Endpoints/Futures/Account/GetFundingHistory": "userFunding",
    "jkorf:Endpoints/Futures/ExchangeData/GetExchangeInfo": "meta",
    "jkorf:Endpoints/Futures/ExchangeData/GetExchangeInfoAndTickers": "metaAndAssetCtxs",
    "jkorf:Endpoints/Futures/ExchangeData/GetFundingRateHistory": "fundingHistory",
    "jkorf:Endpoints/Futures/ExchangeData/GetSymbolsAtMaxOpenInterest": "perpsAtOpenInterestCap",
    "jkorf:Endpoints/Futures/Trading/SetLeverage": "exchange",
    "jkorf:Endpoints/Spot/Account/GetAccountLedger": "userNonFundingLedgerUpdates",
    "jkorf:Endpoints/Spot/Account/GetApprovedBuilderFee": "maxBuilderFee",
    "jkorf:Endpoints/Spot/Account/GetBalances": "spotClearinghouseState",
    "jkorf:Endpoints/Spot/Account/GetExtraAgents": "extraAgents",
    "jkorf:Endpoints/Spot/Account/GetRateLimits": "userRateLimit",
    "jkorf:Endpoints/Spot/Account/GetSubAccounts": "subAccounts",
    "jkorf:Endpoints/Spot/Account/GetSubAccounts2": "subAccounts",
    "jkorf:Endpoints/Spot/ExchangeData/GetAssetInfo": "tokenDetails",
    "jkorf:Endpoints/Spot/ExchangeData/GetExchangeInfo": "spotMeta",
    "jkorf:Endpoints/Spot/ExchangeData/GetExchangeInfoAndTickers": "spotMetaAndAssetCtxs",
    "jkorf:Endpoints/Spot/ExchangeData/GetKlines": "candleSnapshot",
    "jkorf:Endpoints/Spot/ExchangeData/GetOrderBook": "l2Book",
    "jkorf:Endpoints/Spot/ExchangeData/GetPrices": "allMids",
    "jkorf:Endpoints/Spot/Trading/GetOpenOrders": "openOrders",
    "jkorf:Endpoints/Spot/Trading/GetOpenOrdersExtended": "frontendOpenOrders",
    "jkorf:Endpoints/Spot/Trading/GetUserTrades": "userFills",
    "jkorf:Endpoints/Spot/Trading/PlaceOrder": "exchange",
    "manual:clearinghouseState_trimmed": "clearinghouseState",
    "manual:leaderboard_3rows": "leaderboard",
    "manual:predictedFundings_trimmed": "predictedFundings",
    "nautilus:http_all_perp_metas_non_usdc_collateral": "allPerpMetas",
    "nautilus:http_clearinghouse_state_negative_total_raw_usd": "clearinghouseState",
    "nautilus:http_funding_history": "fundingHistory",
    "nautilus:http_l2_book_btc": "l2Book",
    "nautilus:http_meta_perp_sample": "meta",
    "nautilus:http_spot_clearinghouse_state": "spotClearinghouseState",
    "nautilus:http_spot_meta_non_usdc_collateral": "spotMeta",
    "nautilus:http_user_fills_dust_conversion": "userFills",
    "sample:hl_stats_daily_notional_liquidated_by_coin": "daily_notional_liquidated_by_coin",
    "sample:hl_stats_largest_liquidated_notional_by_user": "largest_liquidated_notional_by_user",
    "sample:hl_stats_leaderboard": "leaderboard",
    "sample:hl_stats_vaults": "vaults",
}
_ROQ: Final = {
    "json_action_cancel.cpp": "exchange",
    "json_cancel_order_ack.cpp": "exchange",
    "json_create_order_ack.cpp": "exchange",
    "json_get_clearing_house_state_ack.cpp": "clearinghouseState",
    "json_get_meta_ack.cpp": "meta",
    "json_get_open_orders_ack.cpp": "openOrders",
    "json_get_perp_dexs_ack.cpp": "perpDexs",
    "json_get_spot_clearing_house_state_ack.cpp": "spotClearinghouseState",
    "json_get_spot_meta_ack.cpp": "spotMeta",
    "json_get_user_fills_ack.cpp": "userFills",
    "json_modify_order_ack.cpp": "exchange",
}


@dataclass(frozen=True)
class Message:
    """An answer to a question of this kind, or a frame of the socket where the kind is None."""

    name: str
    kind: str | None
    content: bytes


@dataclass(frozen=True)
class Exchange:
    """A question that was recorded with its answer."""

    name: str
    asked: bytes
    status: int
    answer: bytes


def exchanges(prefix: str, folder: Path, pattern: str) -> Iterator[Exchange]:
    for file in sorted(folder.glob(pattern)):
        recorded = msgspec.json.decode(file.read_bytes())
        for number, one in enumerate(recorded if isinstance(recorded, list) else [recorded]):
            if "response" in one:
                asked, answer = map(msgspec.json.encode, (one["request"], one["response"]))
                yield Exchange(
                    _numbered(f"{prefix}:{file.stem}", number), asked, one.get("status", 200), answer
                )


def messages(data: Path, samples: Path) -> Iterator[Message]:
    yield from _jkorf(data / "jkorf_fixtures")
    yield from _files("nautilus", data / "nautilus_test_data", "*.json")
    yield from _files("manual", data / "manual_2026-09", "*.json")
    yield from _files("sample", samples, "hl_stats_*.json")
    yield from _roq(data / "roq_messages.jsonl")
    yield from _sampled_frames(samples)


def _numbered(name: str, number: int) -> str:
    return f"{name}#{number}" if number else name


def _files(prefix: str, folder: Path, pattern: str) -> Iterator[Message]:
    for file in sorted(folder.glob(pattern)):
        name = f"{prefix}:{file.stem}"
        yield Message(name, KINDS.get(name), file.read_bytes())


def _jkorf(folder: Path) -> Iterator[Message]:
    """A method, a path and whether it is signed stand before each answer, a line each."""
    for file in sorted(folder.rglob("*.txt")):
        name = "jkorf:" + file.relative_to(folder).with_suffix("").as_posix()
        text = file.read_text("utf-8-sig")
        if "Subscriptions" in file.parts:
            for number, frame in enumerate(_frames(text)):
                yield Message(_numbered(name, number), None, frame)
        else:
            yield Message(name, KINDS[name], text.split("\n", 3)[3].encode())


def _frames(text: str) -> Iterator[bytes]:
    """The client's messages stand after ``>``, the venue's answers after ``<``, its frames after ``=``."""
    answers, _equals, frames = text.partition("\n=")
    lines = [line for line in answers.splitlines() if line.startswith("<")]
    for part in (*lines, *frames.split("\n=")):
        yield part[part.index("{") :].encode()


def _roq(file: Path) -> Iterator[Message]:
    for number, line in enumerate(file.read_bytes().splitlines()):
        recorded = msgspec.json.decode(line)
        message = recorded["message"]
        kind = None if "channel" in message else _ROQ[recorded["file"]]
        yield Message(f"roq:{number}", kind, msgspec.json.encode(message))


def _sampled_frames(samples: Path) -> Iterator[Message]:
    for file in sorted(samples.glob("hl_ws_*.json")):
        content = msgspec.json.decode(file.read_bytes())
        match file.stem:
            case "hl_ws_control_frames":
                frames = [each.get("frame") or each["text"] for each in content if each["dir"] == "in"]
            case "hl_ws_fastAssetCtxs_docs_vector":
                frames = [{"channel": "fastAssetCtxs", "data": content["payload"]}]
            case _:
                frames = [content]
        for number, frame in enumerate(frames):
            text = frame.encode() if isinstance(frame, str) else msgspec.json.encode(frame)
            yield Message(_numbered(f"sample:{file.stem}", number), None, text)
