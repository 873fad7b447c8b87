"""Markets, vaults and positions over HTTP, on a real database."""

from datetime import timedelta
from decimal import Decimal

import pytest

from kamiyo.api.schemas import ListShape
from kamiyo.api.state_schemas import (
    MarketShape,
    MarketWithMinutesShape,
    PositionListShape,
    VaultShape,
    VaultWithMinutesShape,
)
from kamiyo.core.ids import Protocol
from kamiyo.core.margin import Direction
from kamiyo.core.sources import CoverageLabel
from kamiyo.storage.read_rows import Rank
from kamiyo.storage.read_states import PositionFilter, positions_page
from tests.builders import (
    API,
    MAKER,
    NODE,
    NOW,
    OTHER_VICTIM,
    VAULT,
    VICTIM,
    a_batch,
    a_market_state,
    a_position,
    a_source_description,
    a_vault_state,
    an_account_state,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def api(journal):
    """Make the public API a known source that has never been heard."""
    await journal.register(
        a_source_description(name=API, label=CoverageLabel.SAMPLE, url="https://api.example")
    )
    return journal


async def heard(api, clock, *events):
    """Store these as what the public API just said."""
    now = clock.now()
    batch = a_batch(source=API, events=events, heard_at=now, first_event_at=now, last_event_at=now)
    await api.write(batch)


async def pages(client, path, name):
    """Follow the cursors of a list to its end."""
    found, cursor, mark = [], "", "&" if "?" in path else "?"
    while True:
        body = (await client.get(f"{path}{cursor}")).json()
        found += [each[name] for each in body["data"]]
        if not body["meta"]["has_more"]:
            return found
        cursor = f"{mark}cursor={body['meta']['next_cursor']}"


def three_markets():
    return (
        a_market_state(asset="BTC", open_interest=Decimal(10), mark_price=Decimal(100_000)),
        a_market_state(
            asset="ETH", open_interest=Decimal(900), mark_price=Decimal(3000), day_volume_usd=None
        ),
        a_market_state(asset="xyz:TSLA", open_interest=None, day_volume_usd=Decimal(7)),
    )


async def test_a_market_says_what_is_known_and_how_old_it_is(client, api, clock):
    """Numbers are digits, what nobody said is null and not 0, and the row has its own time and age."""
    unknown = dict.fromkeys(("mid_price", "open_interest", "funding_rate", "premium", "day_volume_usd"))
    await heard(api, clock, a_market_state(), a_market_state(asset="BTC", **unknown))
    body = (await client.get("/markets")).json()
    ListShape[MarketShape].model_validate(body)
    ether, bitcoin = body["data"]
    assert ether == {
        "chain": "hyperliquid",
        "protocol": "hyperliquid",
        "asset": "ETH",
        "mark_price": "3000.5",
        "oracle_price": "3000",
        "mid_price": "3000.25",
        "oracle_deviation": "0.000167",
        "open_interest": "250000.5",
        "open_interest_usd": "750126500.25",
        "funding_rate": "0.0000125",
        "premium": "-0.0003",
        "day_volume_usd": "1500000000",
        "source": API,
        "timestamp": "2025-10-10T21:16:00.250Z",
        "age_seconds": 4,
        "stale": False,
    }
    assert [bitcoin[name] for name in (*unknown, "open_interest_usd")] == [None] * 6


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["ETH", "BTC", "xyz:TSLA"]),
        ("?order=asc", ["BTC", "ETH", "xyz:TSLA"]),
        ("?sort=volume", ["BTC", "xyz:TSLA", "ETH"]),
        ("?sort=volume&order=asc", ["xyz:TSLA", "BTC", "ETH"]),
        ("?sort=asset", ["BTC", "ETH", "xyz:TSLA"]),
        ("?sort=asset&order=desc", ["xyz:TSLA", "ETH", "BTC"]),
        ("?protocol=xyz", ["xyz:TSLA"]),
        ("?asset=BTC", ["BTC"]),
        ("?chain=elsewhere", []),
    ],
)
async def test_markets_in_any_order(client, api, clock, query, expected):
    """Whatever the order, the unknown comes last; one row a page gives the same list."""
    await heard(api, clock, *three_markets())
    assert await pages(client, f"/markets{query}", "asset") == expected
    limit = f"{query}&limit=1" if query else "?limit=1"
    assert await pages(client, f"/markets{limit}", "asset") == expected


async def test_a_cursor_is_good_for_its_own_list_only(client, api, clock):
    """A cursor of one order, sort or list is refused by another, not misread."""
    await heard(api, clock, *three_markets())
    cursor = (await client.get("/markets?limit=1")).json()["meta"]["next_cursor"]
    for path in ("/markets?order=asc", "/markets?sort=volume", "/vaults?limit=1", "/positions?limit=1"):
        answer = await client.get(f"{path}&cursor={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), path


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_minutes_of_a_market(client, api, clock, order, limit):
    """The newest state with the minutes of a window, page by page; no other market's and no other time's."""
    moments = [NOW - 40 * 24 * 60 * MINUTE, *(NOW - back * MINUTE for back in range(4))]
    await heard(api, clock, *(a_market_state(timestamp=each) for each in moments), *three_markets()[2:])
    path = f"/markets/ETH?start=2025-10-10T21:14:00Z&end=2025-10-10T21:16:00Z&order={order}&limit={limit}"
    found, cursor = [], ""
    while True:
        body = (await client.get(path + cursor)).json()
        MarketWithMinutesShape.model_validate(body)
        assert body["data"]["timestamp"] == "2025-10-10T21:16:00.250Z"
        assert body["meta"]["count"] == len(body["data"]["minutes"])
        found += [each["minute"] for each in body["data"]["minutes"]]
        if not body["meta"]["has_more"]:
            break
        cursor = f"&cursor={body['meta']['next_cursor']}"
    expected = ["2025-10-10T21:14:00.000Z", "2025-10-10T21:15:00.000Z"]
    assert found == (expected if order == "asc" else expected[::-1])
    everything = (await client.get("/markets/ETH")).json()["data"]["minutes"]
    assert len(everything) == 5


@pytest.mark.parametrize("path", ["/markets/SOL", "/markets/%00", "/markets/ETH?chain=x", "/vaults/x"])
async def test_what_nobody_told_of_is_not_found(client, api, clock, path):
    """A market or a vault without a state is a 404, not an empty one."""
    await heard(api, clock, a_market_state(), a_vault_state())
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_vaults_with_their_history(client, api, clock):
    """The largest first, the unknown last, children with their parent, minutes beside the newest state."""
    child = a_vault_state(vault=MAKER, parent=VAULT, children=(), account_value=None)
    await heard(api, clock, child, a_vault_state(), a_vault_state(timestamp=NOW - MINUTE, total_pnl=None))
    body = (await client.get("/vaults")).json()
    ListShape[VaultShape].model_validate(body)
    assert [(each["vault"], each["account_value"]) for each in body["data"]] == [
        (VAULT, "350000000.25"),
        (MAKER, None),
    ]
    assert await pages(client, "/vaults?limit=1&order=asc", "vault") == [VAULT, MAKER]
    assert await pages(client, f"/vaults?parent={VAULT}", "vault") == [MAKER]
    one = (await client.get(f"/vaults/{VAULT.upper().replace('X', 'x')}")).json()
    VaultWithMinutesShape.model_validate(one)
    assert [each["total_pnl"] for each in one["data"]["minutes"]] == ["-1000.5", None]


def some_accounts():
    return (
        an_account_state(
            a_position(),
            a_position(asset="BTC", side=Direction.SHORT, liquidation_price=Decimal(3030)),
            a_position(asset="SOL", liquidation_price=None),
        ),
        an_account_state(
            a_position(liquidation_price=Decimal(3001)), user=OTHER_VICTIM, timestamp=NOW - MINUTE
        ),
        an_account_state(a_position(asset="xyz:TSLA"), protocol=Protocol("xyz"), user=MAKER),
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["-0.000333", "0.01", "0.05", "0.05", None]),
        ("asset=ETH", ["-0.000333", "0.05"]),
        ("protocol=xyz", ["0.05"]),
        (f"user={VICTIM}", ["0.01", "0.05", None]),
        ("side=short", ["0.01"]),
        ("max_distance=0.01", ["-0.000333", "0.01"]),
        ("asset=ETH&max_distance=0", ["-0.000333"]),
        ("chain=hyperliquid&asset=SOL", [None]),
        (f"asset=ETH&user={MAKER}", []),
    ],
)
async def test_positions_nearest_to_liquidation_first(client, api, clock, query, expected):
    """Distance is a fraction of the mark; what no price liquidates is last, and within no distance."""
    await heard(api, clock, *some_accounts())
    assert await pages(client, f"/positions?{query}&limit=100", "distance") == expected
    assert await pages(client, f"/positions?{query}&limit=1", "distance") == expected


async def test_positions_are_a_sample_and_say_so(client, api, clock):
    """How many accounts were looked at, and when, stands beside the rows; closed ones count too."""
    closed = an_account_state(positions=(), user=f"0x{9:040x}", timestamp=NOW - 5 * MINUTE)
    await heard(api, clock, *some_accounts(), closed)
    body = (await client.get("/positions")).json()
    PositionListShape.model_validate(body)
    assert body["meta"]["sample"] == {
        "accounts": 4,
        "oldest_look_at": "2025-10-10T21:11:00.250Z",
        "newest_look_at": "2025-10-10T21:16:00.250Z",
    }
    assert body["meta"]["coverage"]["label"] == "sample"
    assert body["meta"]["warnings"][-1].startswith(
        "a sample: the positions of 4 accounts that were looked at"
    )
    tesla = (await client.get("/positions?asset=xyz:TSLA")).json()["meta"]["sample"]
    assert tesla["accounts"] == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (f"user={VAULT}", "this account was never looked at: that no position is shown says nothing"),
        ("protocol=abc", "no account was ever looked at: that no position is shown says nothing"),
        (f"user={VICTIM}", "this account was last looked at 2025-10-10T21:16:00.250Z; distances are those"),
    ],
)
async def test_who_was_not_looked_at_is_not_said_to_have_nothing(client, api, clock, query, said):
    """An empty list of an account nobody looked at says that it says nothing."""
    await heard(api, clock, *some_accounts())
    assert (await client.get(f"/positions?{query}")).json()["meta"]["warnings"][-1].startswith(said)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/markets", (a_market_state(), 60)),
        ("/vaults", (a_vault_state(), 600)),
        ("/positions", (an_account_state(), 600)),
    ],
)
async def test_states_grow_stale_though_their_source_is_live(client, api, clock, path, told):
    """A source that goes on with other things keeps no states fresh; nor does another live source."""
    event, limit = told
    never = (await client.get(path)).json()["meta"]
    assert never["stale"]
    assert never["warnings"][0].startswith(
        f"no source has told of any {path[1:]}: hyperliquid_api is unknown"
    )
    await heard(api, clock, event)
    fresh = (await client.get(f"{path}?limit=2")).json()
    assert not fresh["meta"]["stale"]
    assert [each["name"] for each in fresh["meta"]["coverage"]["sources"]] == [API]
    clock.advance(seconds=limit)
    await heard(api, clock)
    old = (await client.get(f"{path}?limit=3")).json()
    assert old["meta"]["stale"]
    assert f"the newest of the {path[1:]} is of 2025-10-10T21:16:00.250Z" in old["meta"]["warnings"]
    clock.advance(seconds=120)
    await api.register(a_source_description(name=NODE))
    await api.write(a_batch(heard_at=clock.now(), last_event_at=clock.now(), first_event_at=clock.now()))
    gone = (await client.get(f"{path}?limit=4")).json()["meta"]
    assert gone["stale"]
    assert gone["warnings"][0].startswith(f"no source of {path[1:]} is live: hyperliquid_api is stale")


async def test_a_row_says_itself_that_it_is_old(client, api, clock):
    """Beside a market heard now, one that was not heard for longer than a minute is marked."""
    await heard(api, clock, a_market_state(timestamp=clock.now() - 2 * MINUTE), a_market_state(asset="BTC"))
    rows = {each["asset"]: each for each in (await client.get("/markets")).json()["data"]}
    assert (rows["BTC"]["stale"], rows["ETH"]["stale"], rows["ETH"]["age_seconds"]) == (False, True, 120)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (PositionFilter(), "account_positions_nearest"),
        (PositionFilter(max_distance=Decimal("0.05")), "account_positions_nearest"),
        (PositionFilter(asset="ETH"), "account_positions_by_asset"),
        (PositionFilter(asset="ETH", max_distance=Decimal("0.05")), "account_positions_by_asset"),
        (PositionFilter(user=VICTIM), "account_positions_pkey"),
    ],
)
async def test_pages_of_positions_come_from_an_index(pool, wanted, index):
    """A page in the order of distance is read from an index, unsorted unless it is one account's."""
    statement, values = positions_page(wanted, Rank("0.01", (VICTIM, "ETH", "hyperliquid")))
    async with pool.acquire() as connection:
        await connection.execute(
            """INSERT INTO account_positions
               SELECT 'hyperliquid', 'hyperliquid', 'user' || n, asset, now(), 'a', 'long', 1, 1, 100, 1, 90,
                   1, 'cross', n / 5000.0
               FROM generate_series(1, 5000) n, unnest(ARRAY['ETH', 'BTC', 'SOL']) asset;
               ANALYZE account_positions"""
        )
        plan = " ".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement} LIMIT 100", *values))
    assert index in plan, plan
    assert ("Sort  " in plan) is (wanted.user is not None), plan


async def test_the_newest_minute_of_a_market_is_read_from_an_index(pool, client, api, clock):
    """Minutes of one market touch no other market's rows, whatever the partition."""
    await heard(api, clock, *(a_market_state(timestamp=NOW - back * MINUTE) for back in range(50)))
    async with pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        rows = await connection.fetch(
            "EXPLAIN SELECT * FROM market_minutes WHERE asset = 'ETH' AND chain = 'hyperliquid' "
            "AND minute < now() ORDER BY minute DESC LIMIT 10"
        )
    plan = " ".join(row[0] for row in rows)
    assert "Index" in plan
    assert "Sort  " not in plan
