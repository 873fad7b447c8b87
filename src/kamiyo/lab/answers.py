"""What the modelled venue answers to each question of ``/info``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kamiyo.hyperliquid import info
from kamiyo.hyperliquid.addresses import Network, known_children, liquidity_provider
from kamiyo.hyperliquid.info import Question
from kamiyo.lab.model import Model
from kamiyo.lab.ports import Unanswerable
from kamiyo.lab.subscribing import INTERVALS, valid_rounding
from kamiyo.lab.telling import book_of, encode, listed, slice_rows
from kamiyo.lab.universe import margin_table_of, meta_of, outcome_meta_of, perp_dexs_of, spot_meta_of

_FOR_EVER = 1 << 62
_HLP = liquidity_provider(Network.MAINNET)
_CHILDREN = {child.address: child for child in known_children(Network.MAINNET)}
_PERIODS = ("day", "week", "month", "allTime", "perpDay", "perpWeek", "perpMonth", "perpAllTime")
_EMPTY_HISTORY: dict[str, object] = {"accountValueHistory": [], "pnlHistory": [], "vlm": "0.0"}
_NO_PORTFOLIO = [(period, _EMPTY_HISTORY) for period in _PERIODS]

# What no recording of fills or minutes knows anything of.
_EMPTY_LISTS = (
    info.PerpsAtOpenInterestCap,
    info.MaxMarketOrderNtls,
    info.PredictedFundings,
    info.Liquidatable,
    info.UserVaultEquities,
    info.SubAccounts,
    info.ExtraAgents,
    info.OpenOrders,
    info.FrontendOpenOrders,
    info.TwapHistory,
    info.UserNonFundingLedgerUpdates,
    info.UserFunding,
    info.HistoricalOrders,
    info.DelegatorHistory,
    info.DelegatorRewards,
    info.VaultSummaries,
)


class Answers:
    """The answers of a model, as JSON."""

    def __init__(self, model: Model) -> None:
        self._model = model
        universe = model.universe
        self._makers: dict[type, Callable[[Any, int], bytes]] = {
            info.Meta: lambda asked, _now: encode(self._meta(asked.dex)),
            info.MetaAndAssetCtxs: self._meta_and_contexts,
            info.AllPerpMetas: lambda _asked, _now: encode([self._meta(dex) for dex in universe.dexes]),
            info.PerpDexs: lambda _asked, _now: encode(perp_dexs_of(universe)),
            info.MarginTable: lambda asked, _now: encode(margin_table_of(asked.id)),
            info.AllMids: lambda asked, _now: encode(model.markets.mids(self._dex(asked.dex))),
            info.L2Book: self._book,
            info.CandleSnapshot: self._candles,
            info.FundingHistory: self._fundings,
            info.RecentTrades: self._recent_trades,
            info.SpotMeta: lambda _asked, _now: encode(spot_meta_of(universe)),
            info.SpotMetaAndAssetCtxs: self._spot_meta_and_contexts,
            info.OutcomeMeta: lambda _asked, _now: encode(outcome_meta_of(universe)),
            info.ClearinghouseState: self._account,
            info.SpotClearinghouseState: lambda _asked, _now: b'{"balances":[]}',
            info.OrderStatus: lambda _asked, _now: b'{"status":"unknownOid"}',
            info.UserRole: self._role,
            info.UserAbstraction: lambda _asked, _now: b'"disabled"',
            info.Portfolio: lambda _asked, _now: encode(_NO_PORTFOLIO),
            info.UserFills: lambda asked, _now: listed(model.accounts.newest_fills(asked.user)),
            info.UserFillsByTime: self._fills,
            info.UserTwapSliceFills: lambda asked, _now: slice_rows(model.accounts.newest_slices(asked.user)),
            info.UserTwapSliceFillsByTime: self._slices,
            info.VaultDetails: self._vault,
        }
        for kind in _EMPTY_LISTS:
            self._makers[kind] = _empty_list

    def answer(self, question: Question, now: int) -> bytes:
        """The answer's JSON at ``now`` in milliseconds."""
        make = self._makers.get(type(question))
        if make is None:
            raise Unanswerable(500)
        return make(question, now)

    def _dex(self, dex: str) -> str:
        if dex not in self._model.universe.dexes:
            raise Unanswerable(500)
        return dex

    def _asset(self, asset: str) -> str:
        if asset not in self._model.markets:
            raise Unanswerable(500)
        return asset

    def _meta(self, dex: str) -> dict[str, object]:
        return meta_of(self._model.universe, self._dex(dex))

    def _meta_and_contexts(self, asked: info.MetaAndAssetCtxs, _now: int) -> bytes:
        return encode((self._meta(asked.dex), self._model.markets.contexts(asked.dex)))

    def _spot_meta_and_contexts(self, _asked: object, _now: int) -> bytes:
        return encode((spot_meta_of(self._model.universe), self._model.markets.spot_contexts()))

    def _book(self, asked: info.L2Book, now: int) -> bytes:
        if asked.asset not in self._model.markets:
            return b"null"
        if not valid_rounding(asked.n_sig_figs, asked.mantissa):
            raise Unanswerable(500)
        return encode(book_of(self._model, asked.asset, now, asked.n_sig_figs, asked.mantissa))

    def _candles(self, asked: info.CandleSnapshot, now: int) -> bytes:
        window = asked.req
        if window.interval not in INTERVALS:
            raise Unanswerable(422, b"Failed to deserialize the JSON body into the target type")
        last = min(now, _FOR_EVER if window.end_time is None else window.end_time)
        asset = self._asset(window.asset)
        return encode(self._model.candles.between(asset, window.interval, window.start_time, last))

    def _fundings(self, asked: info.FundingHistory, _now: int) -> bytes:
        self._asset(asked.asset)
        return b"[]"

    def _recent_trades(self, asked: info.RecentTrades, _now: int) -> bytes:
        return listed(self._model.recent_trades(self._asset(asked.asset)))

    def _account(self, asked: info.ClearinghouseState, now: int) -> bytes:
        return encode(self._model.accounts.state(asked.user, self._dex(asked.dex), now))

    def _fills(self, asked: info.UserFillsByTime, _now: int) -> bytes:
        last = _FOR_EVER if asked.end_time is None else asked.end_time
        return listed(
            self._model.accounts.fills_between(
                asked.user, asked.start_time, last, newest_first=asked.reversed
            )
        )

    def _slices(self, asked: info.UserTwapSliceFillsByTime, _now: int) -> bytes:
        last = _FOR_EVER if asked.end_time is None else asked.end_time
        return slice_rows(self._model.accounts.slices_between(asked.user, asked.start_time, last))

    def _role(self, asked: info.UserRole, _now: int) -> bytes:
        if asked.user in {_HLP.address, *_CHILDREN}:
            return b'{"role":"vault"}'
        return b'{"role":"user"}' if asked.user in self._model.accounts else b'{"role":"missing"}'

    def _vault(self, asked: info.VaultDetails, _now: int) -> bytes:
        if asked.vault_address == _HLP.address:
            children = {"childAddresses": list(_CHILDREN)}
            return encode(_vault("Hyperliquidity Provider (HLP)", _HLP.address, "parent", children))
        child = next((each for each in _CHILDREN.values() if each.address == asked.vault_address), None)
        if child is None:
            return b"null"
        return encode(_vault(child.name, child.address, "child", {"parentAddress": _HLP.address}))


def _empty_list(_asked: object, _now: int) -> bytes:
    return b"[]"


def _vault(name: str, address: str, kind: str, relatives: object) -> dict[str, object]:
    """A vault whose value nobody recorded: its histories are empty, not zero."""
    return {
        "name": name,
        "vaultAddress": address,
        "leader": _HLP.address,
        "description": "",
        "portfolio": _NO_PORTFOLIO,
        "apr": 0,
        "followerState": None,
        "leaderFraction": 0,
        "leaderCommission": 0,
        "followers": [],
        "maxDistributable": 0,
        "maxWithdrawable": 0,
        "isClosed": False,
        "relationship": {"type": kind, "data": relatives},
        "allowDeposits": True,
        "alwaysCloseOnWithdraw": False,
    }


def leaderboard(model: Model) -> bytes:
    """The accounts of the tape by the worth of what they hold, as the statistics file shows them."""
    nothing = {"pnl": "0.0", "roi": "0.0", "vlm": "0.0"}
    windows = [(name, nothing) for name in ("day", "week", "month", "allTime")]
    rows = [
        {
            "ethAddress": user,
            "accountValue": format(worth, "f"),
            "windowPerformances": windows,
            "prize": 0,
            "displayName": None,
        }
        for user, worth in model.accounts.values()
    ]
    return encode({"leaderboardRows": rows})


def vaults(_model: Model) -> bytes:
    """The venue's own vaults, as the statistics file shows them."""
    relatives = {"type": "parent", "data": {"childAddresses": list(_CHILDREN)}}
    summary = {
        "name": "Hyperliquidity Provider (HLP)",
        "vaultAddress": _HLP.address,
        "leader": _HLP.address,
        "tvl": "0.0",
        "isClosed": False,
        "relationship": relatives,
        "createTimeMillis": 0,
    }
    return encode([{"apr": 0, "pnls": [], "summary": summary}])


def most_liquidated(model: Model) -> bytes:
    """Who was liquidated most so far, in USD."""
    ranked = model.accounts.liquidated_usd.most_common(1_000)
    return encode({"table_data": [{"name": user, "value": amount} for user, amount in ranked]})


STATISTICS: dict[str, Callable[[Model], bytes]] = {
    "Mainnet/leaderboard": leaderboard,
    "Mainnet/vaults": vaults,
    "largest_liquidated_notional_by_user": most_liquidated,
}
