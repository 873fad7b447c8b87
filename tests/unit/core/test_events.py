from decimal import Decimal

import pytest

from kamiyo.core.events import FillRole, LiquidationMethod, MarginMode, Side
from kamiyo.core.margin import Direction
from kamiyo.core.money import Usd
from tests.builders import (
    API,
    MAKER,
    OTHER_VICTIM,
    a_counterparty_fill,
    a_fill,
    a_gap,
    a_ledger_movement,
    a_liquidated_fill,
    an_account_liquidation,
)

OTHER_CONTENT = {
    "side": Direction.SHORT,
    "price": Decimal(2999),
    "size": Decimal(3),
    "mark_price": Decimal(3001),
    "liquidated_user": OTHER_VICTIM,
    "direction_text": "Liquidated Cross Long",
    "margin_mode": MarginMode.CROSS,
    "closed_pnl": Decimal(-1),
    "fee": None,
    "position_size_before": Decimal(7),
}


def test_the_words_of_the_venue_and_ours_stay_as_they_are() -> None:
    """These texts are stored and sent: changing one is changing every stored row."""
    assert {side.name: side.value for side in Side} == {"BUY": "B", "SELL": "A"}
    assert [*LiquidationMethod] == ["market", "backstop", "adl"]
    assert [*MarginMode] == ["cross", "isolated"]
    assert [*FillRole] == ["victim", "counterparty", "public"]


def test_a_fill_says_by_default_nothing_of_a_liquidation() -> None:
    """Only a row that names a liquidation has one."""
    assert a_fill().liquidation is None


def test_the_content_of_a_row_is_text_in_a_fixed_order() -> None:
    """What a row says is written in one way, unknown numbers as nothing and not as zero."""
    assert a_liquidated_fill().content == (
        *("long", "3000", "2", "3000.5", "0x" + "1" * 40, "Close Long", "", "-150.5", "2.7", "2"),
    )
    assert a_counterparty_fill(margin_mode=MarginMode.ISOLATED).content == (
        *("long", "3000", "2", "3000.5", "0x" + "1" * 40, "Open Long", "isolated", "", "", ""),
    )
    assert a_liquidated_fill(fee=Decimal(0)).content != a_liquidated_fill(fee=None).content


@pytest.mark.parametrize("build", [a_liquidated_fill, a_counterparty_fill])
def test_the_content_of_a_row_is_nothing_but_text(build) -> None:
    """An observation is stored, so it must not depend on how some Python shows an enumeration's member."""
    assert {type(word) for word in build(margin_mode=MarginMode.CROSS).content} == {str}


def test_an_observation_stays_what_it_was() -> None:
    """The checksum is CRC-32 of the content's texts joined by a unit separator, in every version."""
    assert a_liquidated_fill().observation == "hyperliquid_node/victim/ce1d21d9"


def test_an_observation_names_its_source_and_row() -> None:
    """Who saw it and from whose row can be read off an observation."""
    source, role, checksum = a_liquidated_fill().observation.split("/")
    assert (source, role, len(checksum)) == ("hyperliquid_node", "victim", 8)
    assert int(checksum, 16) >= 0


@pytest.mark.parametrize("fill", [a_liquidated_fill(price=Decimal("3000.00")), a_liquidated_fill()])
def test_the_same_knowledge_is_the_same_observation(fill) -> None:
    """Seeing a row again, or with more zeros in its numbers, is no further observation."""
    assert fill.observation == a_liquidated_fill().observation


@pytest.mark.parametrize("field", OTHER_CONTENT)
def test_a_row_that_says_something_else_is_another_observation(field) -> None:
    """A source that contradicts itself in any field shows up."""
    changed = a_liquidated_fill(**{field: OTHER_CONTENT[field]})
    assert changed.observation != a_liquidated_fill().observation
    assert changed.observation.startswith("hyperliquid_node/victim/")


def test_another_source_and_another_row_are_other_observations() -> None:
    """The same content from elsewhere adds to what is known."""
    seen = a_liquidated_fill()
    assert (
        len({seen.observation, a_liquidated_fill(source=API).observation, a_counterparty_fill().observation})
        == 3
    )


def test_who_took_the_other_side_is_no_new_observation() -> None:
    """What was stored before it was known keeps its checksums and versions."""
    seen = a_counterparty_fill(counterparty=None)
    assert a_counterparty_fill().counterparty == MAKER
    assert (seen.content, seen.observation) == (
        a_counterparty_fill().content,
        a_counterparty_fill().observation,
    )


def test_movements_under_one_hash_are_told_apart() -> None:
    """A digest differs with what moved and with whom it concerns, and with nothing else."""
    movement = a_ledger_movement()
    assert movement.digest == a_ledger_movement(source=API).digest
    assert movement.digest != a_ledger_movement(delta=b'{"type":"deposit","usdc":"100.1"}').digest
    assert movement.digest != a_ledger_movement(users=(MAKER,)).digest
    assert (len(movement.digest), int(movement.digest, 16) >= 0) == (8, True)


@pytest.mark.parametrize(
    "fact", [a_fill(), a_liquidated_fill(), an_account_liquidation(), a_ledger_movement(), a_gap()]
)
def test_a_fact_cannot_be_changed(fact) -> None:
    """What happened stays as it happened."""
    with pytest.raises(AttributeError):
        setattr(fact, fact.__struct_fields__[0], None)


def test_a_gap_whose_times_are_unknown_says_so() -> None:
    """The times of a gap are None until somebody knows them."""
    assert (a_gap().started_at, a_gap().ended_at) == (None, None)


def test_what_one_transaction_says_of_an_account_is_told_apart() -> None:
    """Equal notes have one digest; another amount, equity, mode or position is another note."""
    note = an_account_liquidation()
    assert note.digest == an_account_liquidation(source=API).digest
    others = (
        an_account_liquidation(amount_usd=Usd(Decimal(1))),
        an_account_liquidation(account_value=Usd(Decimal(2))),
        an_account_liquidation(positions=()),
    )
    assert len({note.digest, *(other.digest for other in others)}) == len(others) + 1
