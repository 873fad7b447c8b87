"""Whose fills are followed, over HTTP, on a real database."""

from datetime import UTC, date, datetime
from decimal import Decimal

from kamiyo.api.schemas import DataShape
from kamiyo.api.slot_schemas import SlotsShape
from kamiyo.core.ids import Address
from kamiyo.core.slots import HeldSlot, MakerYield, MeasuredDay, SlotReason
from kamiyo.storage.user_slots import PostgresUserSlots, store_choice
from tests.builders import API, CHAIN, MAKER, VAULT

DAY = datetime(2025, 10, 9, tzinfo=UTC)
API_LIQUIDATOR = Address("0x" + "5" * 40)


async def answer(client):
    body = (await client.get("/coverage/slots")).json()
    DataShape[SlotsShape].model_validate(body)
    return body["data"]


async def test_without_a_source_and_a_measurement_there_is_nothing_to_show(client):
    """Two empty lists, and what is wrong beside them."""
    assert await answer(client) == {"slots": [], "chosen": []}


async def test_slots_are_shown_with_their_reasons_and_what_was_measured(client, pool, clock):
    """A chosen maker that has no slot is shown, too; a share of nothing is none."""
    makers = [
        MakerYield(user=user, amount_usd=Decimal(usd), fills=3, assets=2)
        for user, usd in ((MAKER, "12.50"), (VAULT, "2.5"))
    ]
    measured = MeasuredDay(chain=CHAIN, day=date(2025, 10, 9), hours=20, total_usd=Decimal(40), makers=())
    async with pool.acquire() as connection:
        await store_choice(connection, measured, makers, DAY)
    held = [HeldSlot(API_LIQUIDATOR, SlotReason.LIQUIDATOR, DAY), HeldSlot(MAKER, SlotReason.MEASURED, DAY)]
    await PostgresUserSlots(pool, clock).tell(API, CHAIN, held)
    shown = await answer(client)
    best = {
        "day": "2025-10-09",
        "hours": 20,
        "amount_usd": "12.5",
        "total_usd": "40",
        "percent": "31.25",
        "fills": 3,
        "assets": 2,
        "chosen_at": "2025-10-09T00:00:00.000Z",
    }
    known = {"source": API, "chain": CHAIN, "held_since": "2025-10-09T00:00:00.000Z"}
    assert shown["slots"] == [
        known | {"user": API_LIQUIDATOR, "position": 1, "reason": "liquidator", "measured": None},
        known | {"user": MAKER, "position": 2, "reason": "measured", "measured": best},
    ]
    assert [(each["user"], each["position"], each["followed"]) for each in shown["chosen"]] == [
        (MAKER, 1, True),
        (VAULT, 2, False),
    ]
    assert shown["chosen"][1]["measured"]["percent"] == "6.25"
