"""Who is compared with whom, and what is said where nobody can be."""

from decimal import Decimal

import pytest

from kamiyo.core.coverage import Comparison, HourFacts, NoFigure, Pair, Share, SizeBucket, SourceHour
from kamiyo.processing.coverage import measure, pairs_of, reference_of_day
from tests.builders import API, CHAIN, NODE
from tests.coverages import ARCHIVE, HOUR, a_block_hour, a_source_hour

WHOLE, HOLED = a_block_hour((10, 90)), a_block_hour((10, 50), (51, 90))
NO_BLOCKS = a_source_hour(ARCHIVE)


def facts(*sources: SourceHour) -> HourFacts:
    return HourFacts(chain=CHAIN, hour=HOUR, version=1, sources=sources)


def share(seen: int, of: int) -> Comparison:
    found = Share(
        method="market",
        size=SizeBucket.UNDER_1K,
        seen_usd=Decimal(seen),
        reference_usd=Decimal(of),
        seen_fills=1,
        reference_fills=1,
    )
    return Comparison(shares=(found,))


@pytest.mark.parametrize(
    ("sources", "pairs"),
    [
        ((a_source_hour(NODE, blocks=WHOLE), a_source_hour(API)), [(API, NODE)]),
        ((a_source_hour(NODE, blocks=WHOLE), a_source_hour(API, heard_minutes=0)), []),
        ((a_source_hour(NODE, blocks=HOLED), a_source_hour(API)), []),
        ((a_source_hour(NODE), a_source_hour(API)), []),
        (
            (a_source_hour(API), a_source_hour(ARCHIVE, blocks=WHOLE), a_source_hour(NODE, blocks=WHOLE)),
            [(API, NODE), (ARCHIVE, NODE), (NODE, ARCHIVE)],
        ),
        (
            (a_source_hour(NODE, blocks=HOLED), a_source_hour(ARCHIVE, blocks=WHOLE), a_source_hour(API)),
            [(NODE, ARCHIVE), (API, ARCHIVE)],
        ),
        ((a_source_hour(NODE, blocks=WHOLE), NO_BLOCKS), []),
    ],
)
def test_everybody_is_compared_with_the_best_other_who_missed_nothing(sources, pairs) -> None:
    """What is complete at once comes before what is so later; nobody is compared with a sample or itself."""
    assert pairs_of(facts(*sources)) == [Pair(*pair) for pair in pairs]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (a_source_hour(NODE, heard_minutes=0), [NoFigure.NOT_HEARD, NoFigure.NO_REFERENCE]),
        (a_source_hour(NODE), [NoFigure.NO_REFERENCE, NoFigure.NO_REFERENCE]),
        (a_source_hour(NODE, blocks=HOLED), [NoFigure.MISSING_BLOCKS, NoFigure.MISSING_BLOCKS]),
    ],
)
def test_without_a_reference_there_is_no_figure(node: SourceHour, expected: list[NoFigure]) -> None:
    """Neither none nor all: each source says why."""
    found = measure(facts(node, a_source_hour(API)), {})
    assert [each.reason for each in found] == expected
    assert all(each.compared is None and each.reference is None for each in found)


def test_a_missing_block_is_named() -> None:
    """The reason says who lacks how many of which blocks."""
    [_node, api] = measure(facts(a_source_hour(NODE, blocks=HOLED), a_source_hour(API, heard_minutes=7)), {})
    assert (api.detail, api.heard_minutes) == ("hyperliquid_node lacks 1 of the blocks 10 to 89", 7)


def test_the_reference_itself_is_compared_with_nobody() -> None:
    """Unless another source was as complete, there is nothing to hold it against."""
    pair = Pair(API, NODE)
    [node, api] = measure(facts(a_source_hour(NODE, blocks=WHOLE), a_source_hour(API)), {pair: share(3, 4)})
    assert (node.reason, node.compared) == (NoFigure.IS_REFERENCE, None)
    assert (api.reference, api.reason, api.compared) == (NODE, None, share(3, 4))


def test_there_is_no_share_of_nothing() -> None:
    """Of an hour without a liquidation nobody saw all, and nobody saw none."""
    nothing = Comparison(unknown_usd=Decimal(5), unknown_fills=1)
    sources = facts(a_source_hour(NODE, blocks=WHOLE), a_source_hour(API))
    [_node, api] = measure(sources, {Pair(API, NODE): nothing})
    assert (api.reason, api.reference, api.compared) == (NoFigure.NOTHING_TO_COMPARE, NODE, nothing)


def test_a_day_has_a_reference_where_one_source_read_every_block_of_it() -> None:
    """The best of those who did; otherwise it is said what is missing first."""
    both = facts(a_source_hour(ARCHIVE, blocks=WHOLE), a_source_hour(NODE, blocks=WHOLE), a_source_hour(API))
    archive_only = facts(a_source_hour(ARCHIVE, blocks=WHOLE), a_source_hour(NODE, blocks=HOLED))
    assert reference_of_day([both, both]) == (NODE, "")
    assert reference_of_day([both, archive_only]) == (ARCHIVE, "")
    gone = facts(a_source_hour(NODE, blocks=WHOLE))
    assert reference_of_day([archive_only, gone]) == (
        None,
        "2025-10-10T21:00:00.000Z: hyperliquid_archive read no block of it",
    )
    assert reference_of_day([archive_only, facts(a_source_hour(API))])[0] is None


def test_a_day_without_anybody_who_sees_everything_has_no_reference() -> None:
    """A sample says nothing of what there was."""
    reference, detail = reference_of_day([facts(a_source_hour(API))])
    assert (reference, detail) == (
        None,
        "no source that sees every fill was read block by block in this hour",
    )
