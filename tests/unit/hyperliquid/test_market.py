"""Answers about markets, and the states that follow from contexts."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import asdict

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Chain, SourceName
from kamiyo.core.states import MarketState
from kamiyo.hyperliquid.contexts import WireContext, decode_context
from kamiyo.hyperliquid.market import (
    WireLevel,
    WireSpotContext,
    decode_all_mids,
    decode_all_perp_metas,
    decode_candles,
    decode_exchange_status,
    decode_funding_history,
    decode_l2_book,
    decode_margin_table,
    decode_meta,
    decode_meta_and_contexts,
    decode_open_interest_caps,
    decode_perp_dexs,
    decode_predicted_fundings,
    decode_spot_meta,
    decode_spot_meta_and_contexts,
    market_state,
    market_states,
)
from tests.answers import (
    MILLIS,
    book,
    candle,
    context,
    delisted_context,
    funding,
    meta,
    meta_and_contexts,
    predicted_fundings,
    spot_context,
    spot_meta,
)

AT = datetime(2026, 9, 25, 18, 1, tzinfo=UTC)
API, CHAIN = SourceName("hyperliquid_api"), Chain("hyperliquid")
UNIVERSES = {"": ["BTC", "MATIC"], "xyz": ["xyz:TSLA"]}

encode = msgspec.json.encode


def wire(**changes) -> WireContext:
    return decode_context(encode(context(**changes)))


def state(name: str = "BTC", **changes) -> MarketState | None:
    return market_state(name, wire(**changes), at=AT, source=API, chain=CHAIN)


def states(contexts, universes=UNIVERSES) -> list[MarketState]:
    return market_states(universes, contexts, at=AT, source=API, chain=CHAIN)


# --- universes ------------------------------------------------------------------------------------------


def test_a_universe_keeps_its_delisted_markets_in_their_places() -> None:
    """Positions are names elsewhere, so nothing may be left out before numbering."""
    read = decode_meta(encode(meta()))
    assert (read.names, read.live_names) == (["BTC", "MATIC"], ["BTC"])
    assert [asset.live for asset in read.universe] == [True, False]
    btc, matic = read.universe
    assert (btc.sz_decimals, btc.max_leverage, btc.margin_table_id) == (5, 40, 56)
    assert (btc.margin_mode, matic.margin_mode, matic.only_isolated) == (None, "noCross", None)
    assert read.collateral_token == 0
    (number, tiers), *_ = read.margin_tables
    assert (number, tiers.description) == (56, "tiered 40x")
    assert [(tier.lower_bound, tier.max_leverage) for tier in tiers.margin_tiers] == [
        ("0.0", 40),
        ("150000000.0", 20),
    ]


def test_a_universe_of_2023_is_one_too() -> None:
    """Without margin tables and collateral."""
    read = decode_meta(b'{"universe":[{"name":"BTC","szDecimals":5,"maxLeverage":50}]}')
    assert (read.names, read.margin_tables, read.collateral_token) == (["BTC"], [], None)


def test_the_universes_of_all_dexes_come_as_a_list() -> None:
    """In the order of the dexes."""
    assert [one.names for one in decode_all_perp_metas(encode([meta(), meta()]))] == [["BTC", "MATIC"]] * 2


def test_contexts_come_with_their_universe() -> None:
    """One for each market."""
    read, contexts = decode_meta_and_contexts(encode(meta_and_contexts()))
    assert read.names == ["BTC", "MATIC"]
    assert [one.mid_price for one in contexts] == ["80639.5", None]


@pytest.mark.parametrize("contexts", [[], [context()], [context()] * 3])
def test_contexts_that_do_not_fit_their_universe_are_refused(contexts) -> None:
    """Named by their places, all of them would be suspect."""
    with pytest.raises(MalformedPayload) as caught:
        decode_meta_and_contexts(encode([meta(), contexts]))
    assert caught.value.rule == "contexts_do_not_fit"


def test_the_first_dex_has_no_name() -> None:
    """The venue writes null in its place."""
    answer = [None, {"name": "xyz", "fullName": "XYZ", "deployer": "0x88", "oracleUpdater": None}]
    assert decode_perp_dexs(encode(answer)) == ["", "xyz"]


def test_a_margin_table_and_the_capped_markets_are_read() -> None:
    """One as in a universe, the other a list of names."""
    assert decode_margin_table(encode(meta()["marginTables"][0][1])).margin_tiers[1].max_leverage == 20
    assert decode_open_interest_caps(b'["CANTO","FTM"]') == ["CANTO", "FTM"]


# --- states ---------------------------------------------------------------------------------------------


def test_a_context_becomes_a_state() -> None:
    """Every number exact, with its source and the moment it was heard."""
    found = state()
    assert found is not None
    assert asdict(found) == {
        "source": API,
        "chain": CHAIN,
        "asset": "BTC",
        "timestamp": AT,
        "mark_price": Decimal("80639.0"),
        "oracle_price": Decimal("80684.7"),
        "mid_price": Decimal("80639.5"),
        "open_interest": Decimal("36295.80812"),
        "funding_rate": Decimal("0.0000125"),
        "premium": Decimal("-0.0005540084"),
        "day_volume_usd": Decimal("4490636711.4322738647"),
    }


def test_what_a_context_leaves_out_is_unknown() -> None:
    """A market with prices only is a market, and None is not zero."""
    sparse = market_state(
        "BTC", WireContext(mark_price="1", oracle_price="2"), at=AT, source=API, chain=CHAIN
    )
    assert sparse is not None
    assert [sparse.mid_price, sparse.open_interest, sparse.funding_rate] == [None] * 3
    assert [sparse.premium, sparse.day_volume_usd] == [None] * 2


@pytest.mark.parametrize(
    "changes", [{"midPx": None}, {"openInterest": "0.0"}, {"midPx": None, "premium": None}]
)
def test_a_market_that_somebody_holds_or_quotes_is_alive(changes) -> None:
    """An empty book alone, or no position alone, does not make it a delisted one."""
    assert state(**changes) is not None


@pytest.mark.parametrize(
    "changes", [{"midPx": None, "openInterest": "0.0"}, {"markPx": None}, {"oraclePx": None}]
)
def test_a_delisted_market_has_no_state(changes) -> None:
    """Its last prices stand for ever and are nobody's."""
    assert state(**changes) is None


@pytest.mark.parametrize(
    "name", ["markPx", "oraclePx", "midPx", "openInterest", "funding", "premium", "dayNtlVlm"]
)
def test_a_number_that_is_none_is_refused(name: str) -> None:
    """NaN would compare as nothing does."""
    with pytest.raises(MalformedPayload) as caught:
        state(**{name: "NaN"})
    assert caught.value.rule == "not_a_number"


def test_a_name_that_is_none_is_refused() -> None:
    """It came from a universe, and goes into a database."""
    with pytest.raises(MalformedPayload) as caught:
        state("a\0b")
    assert caught.value.rule == "not_an_asset"


def test_contexts_of_all_dexes_are_named_by_their_places() -> None:
    """The delisted one is passed over and the next keeps its own place."""
    universes = {"": ["MATIC", "BTC"], "xyz": ["xyz:TSLA"]}
    delisted = decode_context(encode(delisted_context()))
    found = states([("", [delisted, wire()]), ("xyz", [wire(markPx="450.5")])], universes)
    assert [(one.asset, one.mark_price) for one in found] == [
        ("BTC", Decimal("80639.0")),
        ("xyz:TSLA", Decimal("450.5")),
    ]
    assert states([]) == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_universe_of_another_length_names_nothing(count: int) -> None:
    """A market was listed since it was read: each name behind it would be wrong."""
    with pytest.raises(MalformedPayload) as caught:
        states([("xyz", [wire()]), ("", [wire()] * count)])
    assert caught.value.rule == "contexts_do_not_fit"


def test_a_dex_without_a_universe_names_nothing() -> None:
    """It was deployed since the dexes were read."""
    with pytest.raises(MalformedPayload) as caught:
        states([("new", [wire()])])
    assert caught.value.rule == "unknown_dex"


# --- prices ---------------------------------------------------------------------------------------------


def test_mids_are_by_market() -> None:
    """As text, spot and outcomes among them."""
    assert decode_all_mids(b'{"BTC":"1.5","@1":2,"#20":"0.5"}') == {"BTC": "1.5", "@1": "2", "#20": "0.5"}


def test_a_book_has_two_sides() -> None:
    """Each from its best price on; the count of orders is not always told."""
    read = decode_l2_book(encode(book()))
    assert (read.asset, read.time) == ("BTC", MILLIS)
    bids, asks = read.levels
    assert bids[0] == WireLevel("83767.0", "6.87634", 45)
    assert asks == [WireLevel("83768.0", "0.30543", None)]
    assert decode_l2_book(encode(book() | {"levels": [[], []]})).levels == ([], [])


def test_a_candle_has_its_hours_prices() -> None:
    """And how much was traded in how many trades."""
    (read,) = decode_candles(encode([candle()]))
    assert (read.opens_at, read.closes_at, read.asset, read.interval) == (
        1_790_344_800_000,
        1_790_348_399_999,
        "BTC",
        "1h",
    )
    assert (read.open_price, read.high_price, read.low_price, read.close_price) == (
        "83912.0",
        "84039.0",
        "83133.0",
        "84010.0",
    )
    assert (read.volume, read.trades) == ("3997.94344", 35095)


def test_funding_is_read_with_and_without_its_premium() -> None:
    """Some rows have none."""
    without = {key: value for key, value in funding().items() if key != "premium"}
    told, silent = decode_funding_history(encode([funding(), without]))
    assert (told.asset, told.rate, told.premium, told.time) == ("BTC", "0.0000125", "-0.0001875303", MILLIS)
    assert silent.premium is None


def test_predicted_funding_is_by_market_and_venue() -> None:
    """A venue without the market has none."""
    ((asset, venues),) = decode_predicted_fundings(encode(predicted_fundings()))
    assert asset == "BTC"
    own, other = dict(venues)["HlPerp"], dict(venues)["BinPerp"]
    assert own is not None
    assert (own.funding_rate, own.next_funding_time, own.funding_interval_hours) == ("0.0000125", MILLIS, 1)
    assert other is None


@pytest.mark.parametrize("statuses", [None, "halted", ["a", "b"], {"a": 1}])
def test_the_venues_own_clock_is_read_whatever_is_the_matter(statuses) -> None:
    """Nobody has seen a special status, so any shape of one is kept."""
    read = decode_exchange_status(encode({"specialStatuses": statuses, "time": MILLIS}))
    assert (read.time, read.special_statuses) == (MILLIS, statuses)


# --- spot -----------------------------------------------------------------------------------------------


def test_spot_markets_are_pairs_of_tokens() -> None:
    """By index."""
    read = decode_spot_meta(encode(spot_meta()))
    assert [(token.name, token.index, token.sz_decimals, token.wei_decimals) for token in read.tokens] == [
        ("USDC", 0, 8, 8),
        ("PURR", 1, 0, 5),
    ]
    assert [(pair.name, pair.index, pair.tokens) for pair in read.universe] == [("PURR/USDC", 0, (1, 0))]


def test_spot_contexts_say_their_own_names() -> None:
    """There may be more or fewer of them than pairs."""
    _meta, contexts = decode_spot_meta_and_contexts(encode([spot_meta(), [spot_context()] * 2]))
    assert (
        contexts
        == [
            WireSpotContext(
                asset="@107",
                mark_price="92.949",
                mid_price=None,
                previous_day_price="93.124",
                day_volume_usd="1.5",
                day_base_volume="2",
                circulating_supply="298462370.4",
                total_supply="998882916.6",
            )
        ]
        * 2
    )
