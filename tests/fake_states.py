"""What the newest word on everything is, found by looking at all words: what storage must come to as well."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from kamiyo.core.markets import protocol_of
from kamiyo.core.states import AccountState, MarketState, VaultState

State = MarketState | VaultState | AccountState
Row = tuple[object, ...]
_UNKNOWN = Decimal("-Infinity")


def newest(states: Iterable[State]) -> dict[Row, Row]:
    """The rows that storage keeps of these words: latest states, minutes and positions, by their keys."""
    words = [word for state in states for word in _words(state)]
    kept: dict[Row, tuple[Row, Row]] = {}
    for key, rank, row in words:
        if key not in kept or rank > kept[key][0]:
            kept[key] = (rank, row)
    return {key: row for key, (_rank, row) in kept.items()}


def changes(before: Mapping[Row, Row], after: Mapping[Row, Row]) -> int:
    """How many minutes and looks are others than before."""
    counted = {"market_minutes", "vault_minutes", "account_states"}
    return sum(row != before.get(key) for key, row in after.items() if key[0] in counted)


def _words(state: State) -> list[tuple[Row, Row, Row]]:
    match state:
        case MarketState():
            return _market(state)
        case VaultState():
            return _vault(state)
        case AccountState():
            return _account(state)


def _market(state: MarketState) -> list[tuple[Row, Row, Row]]:
    numbers = (
        state.mark_price, state.oracle_price, state.mid_price, state.open_interest, state.funding_rate,
        state.premium, state.day_volume_usd,
    )  # fmt: skip
    key = (state.asset, state.chain)
    row = (protocol_of(state.asset), state.timestamp, state.source, *numbers)
    return [_word("market_states", key, row, state, *numbers), _minute(key, row, state, *numbers)]


def _vault(state: VaultState) -> list[tuple[Row, Row, Row]]:
    numbers = (state.account_value, state.total_pnl)
    key = (state.vault, state.chain)
    row = (state.timestamp, state.source, *numbers)
    family = (state.name, state.parent, state.children)
    rank = (*numbers, state.name, state.parent or "", state.children)
    return [_word("vault_states", key, (*row, *family), state, *rank), _minute(key, row, state, *numbers)]


def _account(state: AccountState) -> list[tuple[Row, Row, Row]]:
    positions = tuple(sorted(map(repr, state.positions)))
    key = (state.user, state.protocol, state.chain)
    row = (state.timestamp, state.source, state.account_value, state.maintenance_margin, positions)
    return [_word("account_states", key, row, state, positions)]


def _minute(key: Row, row: Row, state: MarketState | VaultState, *rank: Any) -> tuple[Row, Row, Row]:
    table = "market_minutes" if isinstance(state, MarketState) else "vault_minutes"
    minute = state.timestamp.replace(second=0, microsecond=0)
    return _word(table, (*key, minute), row, state, *rank)


def _word(table: str, key: Row, row: Row, state: State, *rank: Any) -> tuple[Row, Row, Row]:
    known = tuple(_UNKNOWN if each is None else each for each in rank)
    return (table, *key), (state.timestamp, state.source, *known), row
