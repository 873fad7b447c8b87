"""Real recordings through the node aggregator: everything in them is accounted for."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from kamiyo.aggregators.base import Toolbox
from kamiyo.aggregators.hyperliquid_node import AGGREGATOR, HyperliquidNodeSettings, stream_of
from kamiyo.core.events import AccountLiquidation, LiquidatedFill
from kamiyo.core.liquidations import Liquidation, fill_key, fold, liquidation_id, merge_all, observe
from kamiyo.core.ports import Counted, Normalized, Raw
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.recordings import read_lines

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BLOCKS = "hl-node-fills-2025-10-27/node_fills_by_block_20251027_1700.jsonl.zst"
SAMPLES = "hl-liquidation-fill-samples/liquidation_fills.jsonl"
USER_FILLS = "hl-liquidation-fill-samples/userFills_0x109a42c3_2025-10.json"
OWNER = "0x109a42c3ead059b041560cb6da71058516e7ba3e"


NODE = AGGREGATOR.build(HyperliquidNodeSettings(), Toolbox(SystemClock()))


def read(line: bytes) -> Normalized:
    stream = stream_of(line)
    assert stream is not None
    return NODE.normalize(Raw(source=NODE.name, stream=stream, payload=line, received_at=NOW))


def total(several: list[Normalized]) -> Counter[Counted]:
    counts: Counter[Counted] = Counter()
    for one in several:
        counts.update(one.counts)
    return counts


def folded(several: list[Normalized]) -> list[Liquidation]:
    fills = [event for one in several for event in one.events if isinstance(event, LiquidatedFill)]
    merged = merge_all((fill_key(liquidation_id(fill), fill), observe(fill)) for fill in fills)
    by_id: dict = {}
    for (identity, _asset, _tid), observed in merged.items():
        by_id.setdefault(identity, []).append(observed)
    return [fold(identity, observed) for identity, observed in by_id.items()]


@pytest.fixture(scope="module")
def blocks(shared_data: Path) -> list[Normalized]:
    return [read(line) for _offset, line in read_lines(shared_data / BLOCKS)]


def test_every_fill_of_the_recorded_blocks_is_accounted_for(blocks: list[Normalized]) -> None:
    """4,924 fills in 700 consecutive blocks: two of a liquidation, the others ordinary, none refused."""
    counts = total(blocks)
    assert (counts[Counted.PAYLOADS], counts[Counted.FILLS]) == (700, 4924)
    assert (counts[Counted.ORDINARY_FILLS], counts[Counted.LIQUIDATED_FILLS]) == (4922, 2)
    assert counts[Counted.UNDERWATER_FILLS] == counts[Counted.REFUSED_FILLS] == counts[Counted.REJECTS] == 0
    assert sum(len(block.fills) for block in blocks) == 4922
    assert [block.block for block in blocks] == list(range(777010829, 777011529))


def test_the_recorded_blocks_hold_exactly_one_liquidation(blocks: list[Normalized]) -> None:
    """Both sides of one trade fold into one lost short."""
    [liquidation] = folded(blocks)
    assert (liquidation.asset, liquidation.side, liquidation.method) == (
        "WLFI",
        "short",
        "market",
    )
    assert (liquidation.size, liquidation.liquidation_price) == ("890", "0.15327")
    assert liquidation.user == "0xa59f55114ccb120487c4fb5766cb89b123c13563"
    assert liquidation.amount_usd == "136.4103"
    assert (liquidation.fill_count, liquidation.version) == (1, 2)


def test_the_sample_fills_classify_as_counted_by_hand(shared_data: Path) -> None:
    """Of 25 fills 18 are facts; seven rows that the file gives incompletely are refused by name.

    Lines 16, 17, 21, 22, 24 and 25 do not say whose row it is; 22 and 24 also lack fields, which is
    noticed first. Line 23 has a hash that is cut short. That leaves 1 to 15, 18, 19 and 20.
    """
    sample = msgspec.json.Decoder(dict[str, msgspec.Raw])
    rows = [sample.decode(line) for _offset, line in read_lines(shared_data / SAMPLES)]
    lines = [b"[" + bytes(row["fill_owner"]) + b"," + bytes(row["fill"]) + b"]" for row in rows]
    several = [read(line) for line in lines]
    refused = {number: one.rejects[0].rule for number, one in enumerate(several, start=1) if one.rejects}
    assert refused == {
        16: "not_an_address",
        17: "not_an_address",
        21: "not_an_address",
        22: "incomplete_fill",
        23: "not_a_transaction_hash",
        24: "incomplete_fill",
        25: "not_an_address",
    }
    assert all(
        one.rejects[0].payload == line for one, line in zip(several, lines, strict=True) if one.rejects
    )
    counts = total(several)
    assert (counts[Counted.FILLS], counts[Counted.LIQUIDATED_FILLS], counts[Counted.REFUSED_FILLS]) == (
        25,
        18,
        7,
    )
    methods = Counter(
        event.method.value for one in several for event in one.events if isinstance(event, LiquidatedFill)
    )
    assert methods == {"market": 17, "adl": 1}
    # WLFI (both sides), XPL, BTC, HYPE, HYPE, xyz:SILVER, AVAX (ADL), SOL
    assert len(folded(several)) == 8


def test_the_recorded_account_was_liquidated_five_times(shared_data: Path) -> None:
    """19 fills in four sweeps, one of which took two assets under one hash: five liquidations.

    HYPE 2025-10-21 and 2025-10-14 and 2025-10-10, one fill each; XPL one and BTC 15 fills on 2025-10-08.
    """
    [(_offset, answer)] = read_lines(shared_data / USER_FILLS)
    one = read(answer)
    counts = one.counts
    assert (counts[Counted.FILLS], counts[Counted.ORDINARY_FILLS], counts[Counted.LIQUIDATED_FILLS]) == (
        50,
        31,
        19,
    )
    liquidations = sorted(folded([one]), key=lambda found: (found.timestamp, found.asset))
    assert [(found.asset, found.fill_count, found.size) for found in liquidations] == [
        ("BTC", 15, "0.0118"),
        ("XPL", 1, "22214"),
        ("HYPE", 1, "95.88"),
        ("HYPE", 1, "108.22"),
        ("HYPE", 1, "50"),
    ]
    assert {(found.user, found.side, found.method) for found in liquidations} == {(OWNER, "long", "market")}
    assert round(sum((Decimal(found.amount_usd) for found in liquidations), Decimal(0))) == 30178
    assert not any(isinstance(event, AccountLiquidation) for event in one.events)
