"""The liquidity provider's vaults and positions, and the venue's pulse."""

import msgspec
from structlog.testing import capture_logs

from kamiyo.core.ports import Counted
from kamiyo.hyperliquid.addresses import Network, known_children, liquidity_provider
from tests.fake_venue import Live, a_venue, living

PARENT = liquidity_provider(Network.MAINNET).address
KNOWN = [each.address for each in known_children(Network.MAINNET)]


async def alive(live: Live, seconds: int) -> None:
    """Let time pass on sockets that speak."""
    for _ in range(seconds):
        await live.clock.advance(1)
        for socket in live.venue.sockets:
            socket.say(b'{"channel":"pong"}')


async def test_parent_and_children_are_asked_about_one_after_the_other() -> None:
    """The parent first, as it names the children; positions only of these, as it has none itself."""
    venue = a_venue()
    children = [f"0x{number:040x}" for number in (1, 2)]

    def vault(question) -> bytes:
        told = {"childAddresses": children} if question.vault_address == PARENT else {}
        relationship = {"type": "parent" if told else "child", "data": told}
        return msgspec.json.encode(
            {"name": "HLP", "vaultAddress": question.vault_address, "relationship": relationship}
        )

    venue.answers["vaultDetails"] = vault
    venue.answers["clearinghouseState"] = msgspec.json.encode(
        {"assetPositions": [], "time": 1_760_130_960_250}
    )
    async with living(venue) as live:
        await alive(live, 62)
        assert [each.vault_address for each in venue.asked_of("vaultDetails")] == [
            PARENT,
            *children,
            PARENT,
            children[0],
        ]
        positions = [each.user for each in venue.asked_of("clearinghouseState")]
        assert positions[-4:] in ([*children, *children], [*children[::-1], *children[::-1]])
        assert PARENT not in positions
        states = [live.source.normalize(raw) for raw in live.raws("info/vaultDetails")]
        assert all(state.counts[Counted.VAULT_STATES] == 1 for state in states)


async def test_the_children_we_know_serve_until_the_venue_names_them() -> None:
    """Also where its answer names none."""
    venue = a_venue()
    venue.answers["vaultDetails"] = msgspec.json.encode({"name": "HLP", "vaultAddress": PARENT})
    async with living(venue) as live:
        await alive(live, 125)
        assert [each.vault_address for each in venue.asked_of("vaultDetails")][:8] == [PARENT, *KNOWN]


async def test_a_venue_that_stands_still_while_it_answers_is_told_once() -> None:
    """Its time stops for more than five seconds; that it goes on is told too."""
    venue = a_venue()
    times = [1_760_130_960_000]
    venue.answers["exchangeStatus"] = lambda _question: b'{"time":%d}' % times[0]
    with capture_logs() as logs:
        async with living(venue) as live:
            for _ in range(5):
                times[0] += 5_000
                await alive(live, 5)
            await alive(live, 30)
            times[0] += 1
            await alive(live, 10)
            assert len(live.raws("info/exchangeStatus")) > 12
    told = [log["event"] for log in logs if log["event"].startswith("venue_")]
    assert told[:2] == ["venue_stands_still", "venue_goes_on"]
