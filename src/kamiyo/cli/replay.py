"""``kamiyo replay``: any recording through the production pipeline, and the account of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from kamiyo.cli.client import JsonOption
from kamiyo.cli.output import amount, build_table, file_progress, open_console, print_json
from kamiyo.cli.query import LIQUIDATION_COLUMNS, LiquidationRow
from kamiyo.cli.run import ConfigOption, HomeOption, engines_of, settings_of
from kamiyo.core.codec import jsonable
from kamiyo.core.events import LiquidationMethod
from kamiyo.core.ports import Counted
from kamiyo.kit.logging import configure
from kamiyo.processing.pipeline import MAX_BATCH_PAYLOADS
from kamiyo.processing.replay import ReplayAccount
from kamiyo.runtime.replay import ReplayResult, recorded_files, replay_files
from kamiyo.runtime.settings import Settings
from kamiyo.storage.read_rows import LiquidationText

_NEWEST = 20
_KINDS_OF_FILLS = {
    "ordinary": Counted.ORDINARY_FILLS,
    "liquidated": Counted.LIQUIDATED_FILLS,
    "underwater": Counted.UNDERWATER_FILLS,
    "refused": Counted.REFUSED_FILLS,
    "duplicate": Counted.DUPLICATE_FILLS,
}

_KINDS_OF_TRADES = {"duplicate": Counted.DUPLICATE_TRADES, "refused": Counted.REFUSED_TRADES}


def replay(
    paths: Annotated[list[Path], typer.Argument(help="Recordings: files, folders or names of shipped ones.")],
    json: JsonOption = False,
    batch: Annotated[
        int, typer.Option(help="Payloads stored in one transaction.", min=1)
    ] = MAX_BATCH_PAYLOADS,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Replay recordings into a database that is dropped afterwards, and account for all they held."""
    settings = settings_of(config, home=home)
    configure(json=settings.log_json)
    with (
        recorded_files(paths) as files,
        database_of(settings) as database_url,
        file_progress(files) as progress,
    ):
        result = uvloop.run(replay_files(database_url, files, progress=progress.tell, batch_payloads=batch))
    if json:
        print_json(account_of(result))
    else:
        _show(result, open_console())


@contextmanager
def database_of(settings: Settings) -> Generator[str]:
    """The database server these settings name, or the embedded one, running meanwhile."""
    if settings.database_url is not None:
        yield settings.database_url.reveal()
        return
    with engines_of(settings) as running:
        yield running.engines.database_url


def account_of(result: ReplayResult) -> dict[str, object]:
    """The result of a replay for machines."""
    account = result.account
    return {
        "payloads": account.payloads,
        "fills": fills_of(account),
        "trades": trades_of(account),
        "events": dict(account.events),
        "duplicates": account.counts[Counted.DUPLICATE_FILLS],
        "rejects": dict(account.rejects),
        "liquidations": jsonable(result.liquidations),
        "findings": [],
        "gaps": account.gaps,
        "seconds": result.duration.total_seconds(),
    }


def fills_of(account: ReplayAccount) -> dict[str, int]:
    """How many fills there were, and of which kinds."""
    kinds = {name: account.counts[kind] for name, kind in _KINDS_OF_FILLS.items()}
    return {"total": account.counts[Counted.FILLS], **kinds}


def trades_of(account: ReplayAccount) -> dict[str, int]:
    """How many public trades there were, and of which kinds."""
    kinds = {name: account.counts[kind] for name, kind in _KINDS_OF_TRADES.items()}
    return {"total": account.counts[Counted.TRADES], **kinds}


def totals_of(liquidations: Sequence[LiquidationText]) -> list[list[str]]:
    """For each method: how many and how much; methods are different harms and never added up."""
    counts, sums = Counter[str](), dict.fromkeys(LiquidationMethod, Decimal(0))
    for each in liquidations:
        counts[each.method] += 1
        sums[LiquidationMethod(each.method)] += Decimal(each.amount_usd)
    return [[method, str(counts[method]), amount(str(total))] for method, total in sums.items()]


def _show(result: ReplayResult, console: Console) -> None:
    account = result.account
    fills = fills_of(account)
    accounted = sum(fills[name] for name in _KINDS_OF_FILLS)
    console.print(
        f"{account.payloads:,} payloads in {result.duration.total_seconds():.1f} s, {account.gaps:,} gaps"
    )
    agreement = "all accounted for" if accounted == fills["total"] else f"ONLY {accounted:,} ACCOUNTED FOR"
    rows = [[name, f"{count:,}"] for name, count in fills.items()]
    console.print(f"\nFills, {agreement}:", build_table(("kind", "fills#"), rows))
    if trades := account.counts[Counted.TRADES]:
        console.print(f"\n{trades:,} public trades, {trades_of(account)['duplicate']:,} of them told again")
    if account.rejects:
        rejects = [[rule, f"{count:,}"] for rule, count in account.rejects.most_common()]
        console.print("\nRejects:", build_table(("rule", "payloads or rows#"), rejects))
    totals = build_table(("method", "liquidations#", "USD#"), totals_of(result.liquidations))
    console.print("\nLiquidations by method:", totals)
    _show_newest(result.liquidations, console)


def _show_newest(liquidations: Sequence[LiquidationText], console: Console) -> None:
    if not liquidations:
        return
    newest = [_row(each).cells() for each in reversed(liquidations[-_NEWEST:])]
    title = f"\nThe newest {len(newest)} of {len(liquidations):,} liquidations:"
    console.print(title, build_table(LIQUIDATION_COLUMNS, newest))


def _row(text: LiquidationText) -> LiquidationRow:
    return LiquidationRow(*(getattr(text, name) for name in LiquidationRow.__struct_fields__))
