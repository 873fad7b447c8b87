"""Exports: what is asked for, how far each is, and where its file is."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from kamiyo.api.claim_queries import ClaimedPositionQuery, ClaimedTotalQuery, ClaimQuery
from kamiyo.api.dependencies import (
    ExploitQuery,
    HonestCaseQuery,
    LiquidationQuery,
    MarketQuery,
    NumberedQuery,
    PositionQuery,
    ReportQuery,
    VaultQuery,
    refuse,
)
from kamiyo.api.pages import Order, PageOf, encode_data, encode_page, read_rank
from kamiyo.api.problems import FieldError, Refused
from kamiyo.api.services.sources import SOURCES, read_freshness
from kamiyo.api.state import ApiState
from kamiyo.core.errors import SchemaMismatch, StorageUnavailable
from kamiyo.core.exports import LONGEST_KEY, ExportDataset, ExportFormat, ExportRequest
from kamiyo.kit import metrics
from kamiyo.storage.export_sets import SETS
from kamiyo.storage.exports import ExportsFullError, KeyReusedError, PostgresExports, TooManyExportsError
from kamiyo.storage.read_exports import (
    ExportText,
    StoredFile,
    find_file,
    read_export,
    read_exports,
    sum_exports,
)
from kamiyo.storage.read_rows import reading

EXPORTS = "exports"

QUERIES: Mapping[ExportDataset, type[BaseModel]] = {
    ExportDataset.LIQUIDATIONS: LiquidationQuery,
    ExportDataset.EXPLOITS: ExploitQuery,
    ExportDataset.HONEST_CASES: HonestCaseQuery,
    ExportDataset.REPORTS: ReportQuery,
    ExportDataset.MARKETS: MarketQuery,
    ExportDataset.VAULTS: VaultQuery,
    ExportDataset.POSITIONS: PositionQuery,
    ExportDataset.CLAIMS: ClaimQuery,
    ExportDataset.CLAIMED_TOTALS: ClaimedTotalQuery,
    ExportDataset.CLAIMED_POSITIONS: ClaimedPositionQuery,
}


class ExportOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to write: ``filters`` are those of the list, by the names it has for them."""

    dataset: ExportDataset
    format: ExportFormat
    filters: dict[str, str | int | bool] = {}


async def request_export(state: ApiState, order: ExportOrder, key: str | None) -> tuple[int, bytes]:
    """Ask for an export; its number and what is known of it."""
    exports = _exports(state)
    if key is not None and not (key.isascii() and key.isprintable() and 0 < len(key) <= LONGEST_KEY):
        refuse([FieldError("Idempotency-Key", "malformed")])
    wanted = ExportRequest(dataset=order.dataset, format=order.format, filters=_filters(order), key=key)
    try:
        number = await exports.request(wanted)
    except TooManyExportsError as error:
        raise Refused(429, "too_many_exports", str(error)) from error
    except ExportsFullError as error:
        raise Refused(507, "exports_full", str(error)) from error
    except KeyReusedError as error:
        raise Refused(422, "idempotency_key_reused", str(error)) from error
    return number, await show_export(state, number)


async def list_exports(state: ApiState, query: NumberedQuery) -> bytes:
    """One page of exports, the latest first."""
    past = None if query.cursor is None else read_rank(query.cursor, EXPORTS, query.order, keys=0)
    now, descending = state.clock.now(), query.order is Order.DESCENDING
    async with reading(state.pool) as connection:
        rows = await read_exports(connection, past=past, limit=query.limit + 1, descending=descending)
        known = await read_freshness(connection, SOURCES, now)
    return encode_page(rows, PageOf(EXPORTS, query.order, query.limit), known, state.showing)


async def show_export(state: ApiState, export_id: int) -> bytes:
    """One export."""
    now = state.clock.now()
    async with reading(state.pool) as connection:
        found = await _find(state, export_id)
        known = await read_freshness(connection, SOURCES, now)
    return encode_data(found, known, state.showing)


async def locate_file(state: ApiState, export_id: int) -> tuple[Path, StoredFile]:
    """Where the file of an export is on this machine; a problem where it is not there."""
    exports = _exports(state)
    async with reading(state.pool) as connection:
        found = await find_file(connection, export_id)
    if found is None:
        waiting = await _find(state, export_id)
        raise Refused(
            409, "export_not_done", f"the export is {waiting.state}: {waiting.detail or 'wait for it'}"
        )
    path = exports.policy.folder / found.folder / found.name
    if not await asyncio.to_thread(path.is_file):
        raise Refused(
            409, "export_elsewhere", "the file is not on this machine: servers and workers must share a home"
        )
    return path, found


async def delete_export(state: ApiState, export_id: int) -> None:
    """Delete an export with its file, also while it is written."""
    exports = _exports(state)
    folder = await exports.forget(export_id)
    if folder is None:
        raise _unknown(export_id)
    with suppress(FileNotFoundError):
        await asyncio.to_thread(shutil.rmtree, exports.policy.folder / folder)


async def measure_exports(state: ApiState) -> None:
    """Set the metrics of exports, which only the database knows; what is not known is absent."""
    metrics.EXPORTS.clear()
    metrics.EXPORT_BYTES.clear()
    with suppress(StorageUnavailable, SchemaMismatch):
        async with reading(state.pool) as connection:
            sums = await sum_exports(connection)
        for name, count, size in sums:
            metrics.EXPORTS.labels(name).set(count)
            metrics.EXPORT_BYTES.labels(name).set(size)


def filters_of(dataset: ExportDataset) -> list[str]:
    """What may be asked of a list that is written."""
    return sorted(set(SETS[dataset].wanted.__struct_fields__) & set(QUERIES[dataset].model_fields))


def _filters(order: ExportOrder) -> bytes:
    names = filters_of(order.dataset)
    refuse(FieldError(name[:64], "unknown_parameter") for name in order.filters if name not in names)
    try:
        query = QUERIES[order.dataset].model_validate(order.filters)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    return msgspec.json.encode({name: value for name in names if (value := getattr(query, name)) is not None})


async def _find(state: ApiState, export_id: int) -> ExportText:
    async with reading(state.pool) as connection:
        found = await read_export(connection, export_id)
    if found is None:
        raise _unknown(export_id)
    return found


def _unknown(export_id: int) -> Refused:
    return Refused(404, "not_found", f"there is no export {export_id}")


def _exports(state: ApiState) -> PostgresExports:
    if state.exports is None:
        raise Refused(409, "no_exports_here", "what is played here cannot be written to files")
    return state.exports
