"""Answers of the venue for tests: one valid example of each kind, as plain data to be changed."""

from typing import Any, Final

USER: Final = "0x" + "1" * 40
CHILD: Final = "0x" + "c" * 40
VAULT: Final = "0x" + "e" * 40
HASH: Final = "0x" + "ab" * 32
MILLIS: Final = 1_790_358_575_700

Json = Any


def meta() -> Json:
    tiers = [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "150000000.0", "maxLeverage": 20}]
    return {
        "universe": [
            {"szDecimals": 5, "name": "BTC", "maxLeverage": 40, "marginTableId": 56},
            {
                "szDecimals": 1,
                "name": "MATIC",
                "maxLeverage": 20,
                "marginTableId": 20,
                "isDelisted": True,
                "onlyIsolated": None,
                "marginMode": "noCross",
            },
        ],
        "marginTables": [[56, {"description": "tiered 40x", "marginTiers": tiers}]],
        "collateralToken": 0,
    }


def context(**changes: Json) -> Json:
    return {
        "funding": "0.0000125",
        "openInterest": "36295.80812",
        "prevDayPx": "77759.0",
        "dayNtlVlm": "4490636711.4322738647",
        "premium": "-0.0005540084",
        "oraclePx": "80684.7",
        "markPx": "80639.0",
        "midPx": "80639.5",
        "impactPxs": ["80635.5", "80640.0"],
        "dayBaseVlm": "56265.69083",
    } | changes


def delisted_context() -> Json:
    nothing = dict.fromkeys(["premium", "midPx", "impactPxs"])
    return context(openInterest="0.0", dayNtlVlm="0.0", dayBaseVlm="0.0", funding="0.0", **nothing)


def meta_and_contexts() -> Json:
    return [meta(), [context(), delisted_context()]]


def book() -> Json:
    bids = [{"px": "83767.0", "sz": "6.87634", "n": 45}, {"px": "83766.0", "sz": "1.85737", "n": 8}]
    return {"coin": "BTC", "time": MILLIS, "levels": [bids, [{"px": "83768.0", "sz": "0.30543"}]]}


def candle() -> Json:
    prices = {"o": "83912.0", "c": "84010.0", "h": "84039.0", "l": "83133.0", "v": "3997.94344", "n": 35095}
    return {"t": 1_790_344_800_000, "T": 1_790_348_399_999, "s": "BTC", "i": "1h", **prices}


def funding() -> Json:
    return {"coin": "BTC", "fundingRate": "0.0000125", "premium": "-0.0001875303", "time": MILLIS}


def predicted_fundings() -> Json:
    next_one = {"fundingRate": "0.0000125", "nextFundingTime": MILLIS, "fundingIntervalHours": 1}
    return [["BTC", [["HlPerp", next_one], ["BinPerp", None]]]]


def spot_meta() -> Json:
    usdc = {
        "name": "USDC",
        "szDecimals": 8,
        "weiDecimals": 8,
        "index": 0,
        "tokenId": "0x6d",
        "fullName": None,
    }
    purr = {"name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1}
    pair = {"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True}
    return {"tokens": [usdc, purr], "universe": [pair]}


def spot_context() -> Json:
    prices = {"markPx": "92.949", "midPx": None, "prevDayPx": "93.124", "dayNtlVlm": "1.5", "dayBaseVlm": "2"}
    return {"coin": "@107", "circulatingSupply": "298462370.4", "totalSupply": "998882916.6", **prices}


def position(**changes: Json) -> Json:
    return {
        "coin": "BTC",
        "szi": "-0.00705",
        "leverage": {"type": "cross", "value": 20},
        "entryPx": "74661.5",
        "positionValue": "436.20465",
        "unrealizedPnl": "90.159492",
        "liquidationPx": "7071249.3736100169",
        "marginUsed": "21.810232",
        "maxLeverage": 40,
    } | changes


def account(*positions: Json, **changes: Json) -> Json:
    return {
        "marginSummary": {"accountValue": "50041.813241", "totalNtlPos": "564.00245"},
        "crossMaintenanceMarginUsed": "8.008514",
        "withdrawable": "49985.412996",
        "assetPositions": [{"type": "oneWay", "position": each} for each in positions or (position(),)],
        "time": MILLIS,
    } | changes


def portfolio() -> Json:
    day = {
        "accountValueHistory": [[MILLIS, "337.5"], [MILLIS + 1, "337.25"]],
        "pnlHistory": [[MILLIS, "0.0"]],
    }
    ever = {"accountValueHistory": [[MILLIS, "1.0"]], "pnlHistory": [[MILLIS, "3.0"], [MILLIS, "-2.5"]]}
    return [["day", {**day, "vlm": "0.0"}], ["allTime", {**ever, "vlm": "0.0"}]]


def vault(**changes: Json) -> Json:
    return {
        "name": "Hyperliquidity Provider (HLP)",
        "vaultAddress": VAULT,
        "leader": USER,
        "portfolio": portfolio(),
        "apr": 0.36387129259090006,
        "followerState": None,
        "followers": [{"user": "Leader", "vaultEquity": "714491.71026243", "daysFollowing": 388}],
        "maxDistributable": 94856870.164485,
        "relationship": {"type": "parent", "data": {"childAddresses": [CHILD]}},
    } | changes


def fill(**changes: Json) -> Json:
    return {
        "coin": "ETH",
        "px": "3000.0",
        "sz": "2.0",
        "side": "A",
        "time": MILLIS,
        "startPosition": "2.0",
        "dir": "Close Long",
        "closedPnl": "-150.5",
        "hash": HASH,
        "oid": 461291888494,
        "crossed": True,
        "fee": "2.7",
        "tid": 450054518611160,
        "feeToken": "USDC",
        "twapId": None,
        "liquidation": {"liquidatedUser": USER, "markPx": "3000.5", "method": "market"},
    } | changes


def spot_account() -> Json:
    return {"balances": [{"coin": "USDC", "token": 0, "total": "13.5", "hold": "-5.9", "entryNtl": "0.0"}]}


def account_update() -> Json:
    return {"time": MILLIS, "hash": HASH, "delta": {"type": "deposit", "usdc": "1000.0"}}


def vault_equity() -> Json:
    return {"vaultAddress": VAULT, "equity": "688536.0314879999", "lockedUntilTimestamp": MILLIS}


def leaderboard() -> Json:
    performance = [["day", {"pnl": "1.5", "roi": "0.1", "vlm": "10.0"}]]
    row = {"ethAddress": USER, "accountValue": "62426218.3606450111", "windowPerformances": performance}
    return {"leaderboardRows": [{**row, "prize": 0, "displayName": None}, {**row, "accountValue": "7.5"}]}


def largest_liquidated() -> Json:
    return {"table_data": [{"name": USER, "value": 331975245.91053}, {"name": CHILD, "value": 1.5}]}


def daily_liquidated() -> Json:
    row = {"time": "2023-06-13T00:00:00", "coin": "RNDR", "daily_notional_liquidated": 6772.535123000001}
    return {"chart_data": [row, {**row, "time": "2023-06-14T00:00:00", "coin": "ARB"}]}
