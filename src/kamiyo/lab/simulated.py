"""A cascade that never happened, as a node would have written it: the same from the same seed."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from io import BufferedReader, BytesIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import zstandard

from kamiyo.core.events import Side
from kamiyo.core.time import to_millis
from kamiyo.hyperliquid.wire import WireLiquidation
from kamiyo.lab.recording import Kind, RecordedFile, Recording
from kamiyo.lab.simulated_rows import (
    ZERO_HASH,
    Block,
    Deal,
    Ledger,
    Market,
    SimulatedFill,
    deleveraged,
    price_text,
    taken_over,
)

FILE = "node_fills_by_block.jsonl.zst"
_BUFFER = 1 << 20
BLOCK = timedelta(milliseconds=100)
_FIRST_BLOCK = 1_000_000
_LATENCY = timedelta(milliseconds=340)
_PPM = 1_000_000
_PARTIAL_FROM_USD = 100_000
_PARTIAL_PPM = 200_000
_COOLDOWN_MILLIS = 30_000
_TWAP_PPM, _WATCHED_PPM = 280_000, 250_000  # as seen: 28 % of trades have no hash

MARKETS = (
    Market(asset="BTC", price=64_000, price_decimals=0, size_decimals=5, fall_ppm=110_000, weight=30,
           depth_usd=900_000, maintenance_ppm=12_500),
    Market(asset="ETH", price=31_500, price_decimals=1, size_decimals=4, fall_ppm=150_000, weight=24,
           depth_usd=600_000, maintenance_ppm=20_000),
    Market(asset="SOL", price=142_500, price_decimals=3, size_decimals=2, fall_ppm=180_000, weight=14,
           depth_usd=250_000, maintenance_ppm=25_000),
    Market(asset="HYPE", price=38_250, price_decimals=3, size_decimals=2, fall_ppm=220_000, weight=12,
           depth_usd=150_000, maintenance_ppm=50_000),
    Market(asset="FARTCOIN", price=61_230, price_decimals=5, size_decimals=1, fall_ppm=420_000, weight=6,
           depth_usd=40_000, maintenance_ppm=50_000),
    Market(asset="XPL", price=52_110, price_decimals=5, size_decimals=0, fall_ppm=-120_000, weight=4,
           depth_usd=40_000, maintenance_ppm=50_000),
    Market(asset="xyz:TSLA", price=34_120, price_decimals=2, size_decimals=3, fall_ppm=40_000, weight=4,
           depth_usd=60_000, maintenance_ppm=25_000),
    Market(asset="@107", price=38_240, price_decimals=3, size_decimals=2, fall_ppm=220_000, weight=6),
)  # fmt: skip
# How much of its worst moment, in millionths, a market has seen by a block of ten a second: two of the steps
# come within one block.
Story = tuple[tuple[int, int], ...]
_STORY: Story = (
    (0, 0), (1_500, 20_000), (1_950, 60_000), (2_250, 200_000), (2_400, 260_000), (2_401, 330_000),
    (2_700, 400_000), (3_000, 640_000), (3_100, 700_000), (3_101, 930_000), (3_250, 1_000_000),
    (3_500, 820_000), (4_300, 620_000), (6_000, 540_000),
)  # fmt: skip
_TRADES_PER_BLOCK = (2, 9)  # when nothing happens, and in the worst of it


def account(kind: int, number: int) -> str:
    """An address nobody has: it says so by its beginning."""
    return f"0xfeed{kind:02x}{number:034x}"


MAKERS = [account(1, number) for number in range(1, 10)]
LIQUIDATOR = account(0x11, 1)
WATCHED = (LIQUIDATOR, *MAKERS)  # in the order a public source should give its ten slots to them
_OTHER_MAKERS = [account(2, number) for number in range(1, 41)]
_TRADERS = [account(3, number) for number in range(1, 401)]
_WINNERS = [*MAKERS[:3], *(account(4, number) for number in range(1, 9))]  # who is deleveraged


@dataclass(slots=True)
class Victim:
    """An account that will not survive: ``margin`` in ticks times lots, but for what its position gained."""

    user: str
    market: Market
    margin: int
    whole_until: int = 0  # while below this time all of the position is sent to the book


@lru_cache(maxsize=1)
def packed_cascade(seed: int, starts_at: datetime) -> bytes:
    """The recording's one file; making it takes a few seconds, so the last one is kept."""
    packed = BytesIO()
    encode = msgspec.json.Encoder().encode
    with zstandard.ZstdCompressor(level=1).stream_writer(packed, closefd=False) as lines:
        for block in Cascade(seed, starts_at).blocks():
            lines.write(encode(block) + b"\n")
    return packed.getvalue()


def cascade_lines(seed: int, starts_at: datetime) -> Iterator[bytes]:
    """The lines of that file, as often as they are asked for."""
    with zstandard.ZstdDecompressor().stream_reader(packed_cascade(seed, starts_at)) as unpacked:
        for line in BufferedReader(unpacked, _BUFFER):
            yield line.rstrip(b"\n")


@contextmanager
def complete(recording: Recording) -> Generator[Recording]:
    """The recording with all its files: one made from a seed is written into a folder dropped afterwards."""
    origin = recording.origin
    if origin.seed is None or origin.starts_at is None:
        yield recording
        return
    with TemporaryDirectory(prefix="kamiyo-") as folder:
        (Path(folder) / FILE).write_bytes(packed_cascade(origin.seed, origin.starts_at))
        file = RecordedFile(path=FILE, kind=Kind.NODE_FILLS)
        yield Recording(Path(folder), msgspec.structs.replace(origin, files=(file,)))


class Cascade:
    """Ten minutes, block by block; longer with longer blocks or another ``story``.

    Everything random comes from the one seed.
    """

    def __init__(
        self, seed: int, starts_at: datetime, *, every: timedelta = BLOCK, story: Story = _STORY
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311  # a story, not a secret
        self._starts_at = starts_at
        self._every = every
        self._story = story
        self._ledger = Ledger()
        self._prices = {each.asset: each.price for each in MARKETS}
        self._last_prices = dict(self._prices)
        self._victims = [victim for market in MARKETS if market.depth_usd for victim in self._doomed(market)]
        self._time = to_millis(starts_at)
        self._hashes = 0

    def blocks(self) -> Iterator[Block]:
        """Every block with its fills."""
        for number in range(self._story[-1][0]):
            moment = self._starts_at + number * self._every
            self._time = to_millis(moment)
            pace = self._move(number)
            events = self._liquidations()
            low, high = _TRADES_PER_BLOCK
            for _each in range(self._random.randint(0, 2 * (low + (high - low) * pace // _PPM))):
                events += self._trade()
            yield Block(
                local_time=_node_time(moment + _LATENCY),
                block_time=_node_time(moment),
                block_number=_FIRST_BLOCK + number,
                events=events,
            )

    # --- the story ---

    def _move(self, number: int) -> int:
        """Move every price to where the story has it; how fast it goes, of a million."""
        seen, before = _seen(self._story, number), _seen(self._story, number - 1)
        self._last_prices = dict(self._prices)
        for market in MARKETS:
            goal = market.price - market.price * market.fall_ppm * seen // _PPM**2
            noise = max(1, market.price // 4_000)
            self._prices[market.asset] = goal + self._random.randint(-noise, noise)
        return min(_PPM, abs(seen - before) * 800)

    def _doomed(self, market: Market) -> Iterator[Victim]:
        """Who will be liquidated in this market: many small ones, some whales, and three at one price."""
        kind = 5
        levels = [self._random.randint(60_000, 990_000) for _each in range(14)]
        levels += [500_000] * 3 + [self._random.randint(*span) for span in _JUMPS for _each in range(3)]
        for number, level in enumerate(levels):
            whale = number % 4 == 0
            usd = self._random.randint(150_000, 2_500_000) if whale else self._random.randint(800, 60_000)
            user = account(kind + whale, MARKETS.index(market) * 100 + number)
            yield self._victim(market, user, level, usd)
        for user in _WINNERS:
            self._hold(market, user, -_sign(market) * market.lots_for(700_000, market.price), market.price)

    def _victim(self, market: Market, user: str, level: int, usd: int) -> Victim:
        """A position whose margin runs out just where the story is at ``level``."""
        end = market.price - market.price * market.fall_ppm * level // _PPM**2
        entry = market.price + market.price * self._random.randint(-5_000, 15_000) // _PPM
        lots = _sign(market) * market.lots_for(usd, market.price)
        self._hold(market, user, lots, entry)
        margin = market.maintenance_ppm * abs(lots) * end // _PPM - lots * (end - entry)
        return Victim(user, market, margin)

    def _hold(self, market: Market, user: str, lots: int, price: int) -> None:
        self._ledger.holdings[user, market.asset].trade(lots, price)

    # --- what happens in a block ---

    def _trade(self) -> list[tuple[str, SimulatedFill]]:
        """One ordinary trade."""
        chance = self._random
        [market] = chance.choices(MARKETS, [each.weight for each in MARKETS])
        side = chance.choice((Side.BUY, Side.SELL))
        price = self._prices[market.asset] + (1 if side is Side.BUY else -1)
        twap = chance.randrange(_PPM) < _TWAP_PPM
        deal = Deal(
            market=market,
            taker=chance.choice(_TRADERS),
            maker=self._maker(),
            side=side,
            price=price,
            lots=market.lots_for(10 ** chance.randint(1, 4) * chance.randint(1, 9), price),
            hash=ZERO_HASH if twap else self._next_hash(),
            twap=chance.randrange(10**6) if twap else None,
        )
        return self._write(deal)

    def _liquidations(self) -> list[tuple[str, SimulatedFill]]:
        """What the prices of this block do to who cannot bear them; accounts of one market share a hash."""
        rows: list[tuple[str, SimulatedFill]] = []
        hashes: dict[tuple[str, str], str] = {}
        for victim in self._victims:
            holding = self._ledger.holdings[victim.user, victim.market.asset]
            price = self._prices[victim.market.asset]
            equity = victim.margin + holding.lots * (price - holding.entry)
            required = victim.market.maintenance_ppm * abs(holding.lots) * price
            if equity * _PPM >= required:
                continue
            kind = self._sell
            if equity < 0:
                kind = self._deleverage
            elif 3 * equity * _PPM < 2 * required:
                kind = self._take_over
            shared = hashes.setdefault((victim.market.asset, kind.__name__), self._next_hash())
            rows += kind(victim, holding.lots, shared)
        self._victims = [
            each for each in self._victims if self._ledger.holdings[each.user, each.market.asset].lots
        ]
        return rows

    def _sell(self, victim: Victim, lots: int, tx: str) -> list[tuple[str, SimulatedFill]]:
        """Into the book: a fifth of a large position first, and never more than the book takes."""
        market, price = victim.market, self._prices[victim.market.asset]
        holding = self._ledger.holdings[victim.user, market.asset]
        wanted = abs(lots)
        if market.usd(price, wanted) > _PARTIAL_FROM_USD and self._time >= victim.whole_until:
            wanted = max(1, wanted * _PARTIAL_PPM // _PPM)
            victim.whole_until = self._time + _COOLDOWN_MILLIS
        wanted = min(wanted, market.lots_for(market.depth_usd, price))
        rows: list[tuple[str, SimulatedFill]] = []
        maker, order = self._maker(), self._ledger.next_order()
        for step, part in enumerate(_parts(self._random, wanted)):
            if step:
                maker, order = self._maker(), self._ledger.next_order()
            deal = Deal(
                market=market,
                taker=victim.user,
                maker=maker,
                maker_order=order,
                side=_closing(lots),
                price=price - step - 1 if lots > 0 else price + step + 1,
                lots=part,
                hash=tx,
                liquidation=self._named(victim, "market"),
            )
            victim.margin += (part if lots > 0 else -part) * (deal.price - holding.entry)
            rows += self._write(deal)
        return rows

    def _take_over(self, victim: Victim, lots: int, tx: str) -> list[tuple[str, SimulatedFill]]:
        """The liquidator takes the whole position at the mark price."""
        deal = Deal(
            market=victim.market,
            taker=LIQUIDATOR,
            maker=victim.user,
            side=Side.BUY if lots > 0 else Side.SELL,
            price=self._prices[victim.market.asset],
            lots=abs(lots),
            hash=tx,
            direction=taken_over(lots=lots),
            liquidation=self._named(victim, "backstop"),
        )
        return self._write(deal)

    def _deleverage(self, victim: Victim, lots: int, tx: str) -> list[tuple[str, SimulatedFill]]:
        """Profitable accounts of the other side are closed at the mark price before this one."""
        rows: list[tuple[str, SimulatedFill]] = []
        asset, left = victim.market.asset, abs(lots)
        for winner in _WINNERS:
            held = self._ledger.holdings[winner, asset].lots
            part = min(left, abs(held) if held * lots < 0 else 0)
            if part:
                left -= part
                deal = Deal(
                    market=victim.market,
                    taker=winner,
                    maker=victim.user,
                    side=Side.BUY if lots > 0 else Side.SELL,
                    price=self._last_prices[asset],
                    lots=part,
                    hash=tx,
                    direction=deleveraged(),
                    liquidation=self._named(victim, "backstop"),
                )
                rows += self._write(deal)
        return rows

    # --- small things ---

    def _write(self, deal: Deal) -> list[tuple[str, SimulatedFill]]:
        return self._ledger.rows(deal, time=self._time, tid=self._random.getrandbits(50) | 1)

    def _maker(self) -> str:
        watched = self._random.randrange(_PPM) < _WATCHED_PPM
        return self._random.choice(MAKERS if watched else _OTHER_MAKERS)

    def _next_hash(self) -> str:
        self._hashes += 1
        return f"0xfeed{self._hashes:060x}"

    def _named(self, victim: Victim, method: str) -> WireLiquidation:
        mark = price_text(victim.market, self._prices[victim.market.asset])
        return WireLiquidation(liquidated_user=victim.user, mark_price=mark, method=method)


_JUMPS = ((262_000, 328_000), (705_000, 925_000))


def _seen(story: Story, number: int) -> int:
    """How much of the story has happened by a block, of a million."""
    for (start, low), (end, high) in pairwise(story):
        if number <= end:
            return low + (high - low) * (max(number, 0) - start) // (end - start)
    return story[-1][1]


def _sign(market: Market) -> int:
    """On which side of this market accounts are lost."""
    return 1 if market.fall_ppm > 0 else -1


def _closing(lots: int) -> Side:
    return Side.SELL if lots > 0 else Side.BUY


def _parts(chance: random.Random, lots: int) -> Sequence[int]:
    """What one order met: up to four orders of the book."""
    count = min(lots, chance.randint(1, 4))
    cuts = sorted({chance.randint(1, lots - 1) for _each in range(count - 1)}) if lots > 1 else []
    return [after - before for before, after in pairwise([0, *cuts, lots])]


def _node_time(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "000"
