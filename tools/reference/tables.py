"""The page of tables, read from the migrations, and what these cannot say of each table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kamiyo.core.retention import BY_MONTH, Dataset, policies_of
from kamiyo.storage.retention import PARENTS, ROWS
from tools.reference.markdown import code, page, section, table
from tools.reference.source import PACKAGE

INTRODUCTION: Final = """\
For whoever queries the database or plans its disk. The schema is made by the numbered files in
`src/kamiyo/storage/migrations`, applied in order and never changed afterwards. Facts are partitioned by
chain, then by protocol (the perp dex), then by month; the outbox by day. Partitions are made ahead of
need, and for older facts when they arrive. Text keys compare by bytes. Rows per day are derived, as [data
quality](../explanation/data-quality.md) says. What a policy says is its default: [settings](settings.md)
change it, and `kamiyo retention` shows the one in force and what goes next. A liquidation and its fills go
together."""

EVER: Final = "kept until you delete it"
BY_POLICY: Final = ""  # the policies of KAMIYO itself say it
# Retention, and rows on an ordinary day with one node; a table without an entry is an error of `./dev docs`.
NOTES: Final = {
    "sources": (EVER, "one row for each source in all"),
    "liquidation_fills": (
        BY_POLICY,
        "about 17,000 at most; 98,620 rows of both sides in twelve minutes of 2025-10-10",
    ),
    "liquidations": (
        BY_POLICY,
        "fewer than `liquidation_fills`: one for all fills of one position in one sweep",
    ),
    "account_liquidations": (BY_POLICY, "not measured"),
    "ledger_movements": (BY_POLICY, "not measured"),
    "exploits": (EVER, "41 as shipped; one more for each case that sources report"),
    "reports": (EVER, "41 as shipped; one for each report of your sources"),
    "report_versions": ("until its author takes the report back", "one for each edit of a report"),
    "report_keys": (EVER, "a few for each of `reports`"),
    "case_events": (EVER, "one for each report, and for each thing done to a case"),
    "reviews": (EVER, "one for each report the rules cannot place"),
    "exploit_aliases": (EVER, "one for each merge"),
    "honest_cases": (EVER, "16 in all; as `exploits`"),
    "rejects": (BY_POLICY, "none while the source keeps to its documented form; equal ones are kept once"),
    "gaps": (BY_POLICY, "none while nothing is missed"),
    "block_hours": (EVER, "24 for each source that counts blocks, each written again with every batch"),
    "heard_hours": (EVER, "24 for each source, each written again once a minute"),
    "fill_hours": (EVER, "24"),
    "coverage_hours": (EVER, "24 for each source of liquidations"),
    "coverage_shares": (EVER, "at most 360 for each source of liquidations: hours, methods and sizes"),
    "spans": (EVER, "one for each file read: 24 for each stream"),
    "outbox": (
        "seven days, then the day's partition is dropped",
        "one for each stored batch that changed anything",
    ),
    "stream_positions": ("seven days, as `outbox`", "as `outbox`"),
    "relay": ("one row", "one row"),
    "market_states": (EVER, "one row for each market in all; each is written again as often as it is heard"),
    "market_minutes": (
        BY_POLICY,
        "1,440 for each market that is heard all day: about 593,000 with 412 markets",
    ),
    "vault_states": (EVER, "one row for each vault in all"),
    "vault_minutes": (BY_POLICY, "1,440 at most for each vault, fewer where it is asked for less often"),
    "account_states": (EVER, "one row for each account and dex that was ever looked at"),
    "account_positions": (
        "until a newer look at the account",
        "one row for each open position of the accounts looked at, in all",
    ),
    "claims": (
        BY_POLICY,
        "not measured; about 10,000 with a CoinGlass plan that tells of orders, more with smaller ones",
    ),
    "claimed_totals": (
        BY_POLICY,
        "24 for each rolling window; 1,440 for each asset on each exchange where they are told by the minute",
    ),
    "claimed_positions": (
        EVER,
        "hundreds, one for each opening and closing that is told of; one for each observed position in all",
    ),
    "chosen_users": (
        "until another choice is made without the maker",
        "20 at most for each chain in all; each is written again with each choice",
    ),
    "user_slots": ("until the source tells other ones", "ten at most for each source in all"),
    "backfills": (BY_POLICY, "one for each time one is asked for, or gaps are queued"),
    "backfill_objects": ("as `backfills`", "24 for each day that is read of an archive with hourly objects"),
    "exports": ("`export_keep_hours`", "one for each time one is asked for"),
    "export_parts": ("as `exports`", "one for each 250,000 rows that are exported"),
    "retained": (EVER, "one row for each dataset that is not kept for ever, or was not"),
    "dropped_partitions": (EVER, "at most six in a month for each dataset that goes by months"),
    "weight_spendings": (
        "until it no longer counts: a minute after the answer, three without one",
        "at most one for each request of the last minutes: hundreds in all",
    ),
    "daily_spending": (EVER, "one row for each source that costs, and day"),
    "source_leases": (EVER, "one row for each source in all"),
    "source_polls": (EVER, "one row for each source that is asked now and then"),
    "source_errors": (EVER, "one row for each source that ever had trouble"),
    "pgqueuer": (
        "until a job is done",
        "one for each object of an archive until it is read, and for each export until it is written",
    ),
    "pgqueuer_log": ("seven days", "a few for each object of an archive that is read"),
    "pgqueuer_schedules": (
        "seven days after it was last used",
        "one row for each source that is asked now and then; each is written again several times a minute",
    ),
    "pgqueuer_statistics": ("seven days", "at most three for each second in which objects are read"),
    "weight_pauses": (EVER, "one row for each address in all"),
}
_PARTS: Final = re.compile("_(first_dex|builder_dexes|other_chains)$")
_DATASETS: Final = {
    _PARTS.sub("", parent): dataset for dataset, found in PARENTS.items() for parent in found
} | {rows: dataset for dataset, (rows, _) in ROWS.items()}
# Of these only some rows ever go.
_ONLY: Final = {
    Dataset.ROLLING_TOTALS: "totals of rolling windows",
    Dataset.CLOSED_GAPS: "gaps that are closed",
    Dataset.BACKFILLS: "backfills that are over",
}
_TABLE: Final = re.compile(
    r"(?P<comment>(?:^--[^\n]*\n)*)^CREATE TABLE (?P<name>\w+) \(\n(?P<body>.*?)\n\)(?P<rest>[^;]*);",
    re.MULTILINE | re.DOTALL,
)
_ADDED: Final = re.compile(r"^ALTER TABLE (\w+) ADD COLUMN ([^;]*);", re.MULTILINE)
_KEY: Final = re.compile(r"PRIMARY KEY \((.*?)\)")
_INDEX: Final = re.compile(r"^CREATE INDEX (\w+) ON (\w+) (.*?);", re.MULTILINE | re.DOTALL)
_COLUMN: Final = re.compile(r'"?(\w+)"?\s+(.*)')


@dataclass(frozen=True, slots=True)
class Table:
    """One table as a migration makes it."""

    name: str
    comment: str
    columns: tuple[tuple[str, str], ...]
    key: str
    partitioned_by: str
    indexes: tuple[str, ...]


def tables_page() -> str:
    return page("Tables", INTRODUCTION, *map(_section, migrated_tables()))


def migrated_tables() -> list[Table]:
    files = sorted((PACKAGE / "storage" / "migrations").glob("*.sql"))
    sql = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return [_table(found, sql) for found in _TABLE.finditer(sql)]


def _table(found: re.Match[str], sql: str) -> Table:
    name, body = found["name"], found["body"]
    key = _KEY.search(body)
    added = [column for on, column in _ADDED.findall(sql) if on == name]
    columns = tuple(_columns("\n".join((body, *added))))
    single = next((column for column, kind in columns if "PRIMARY KEY" in kind), "")
    return Table(
        name=name,
        comment=" ".join(line.lstrip("- ") for line in found["comment"].splitlines()),
        columns=columns,
        key=key[1] if key else single,
        partitioned_by=found["rest"].strip().removeprefix("PARTITION BY "),
        indexes=tuple(f"{index} {how}" for index, on, how in _INDEX.findall(sql) if on == name),
    )


def _columns(body: str) -> Iterator[tuple[str, str]]:
    for line in body.splitlines():
        found = _COLUMN.fullmatch(line.strip().rstrip(","))
        if found and not line.strip().startswith("PRIMARY KEY"):
            yield found[1], found[2]


def policy_of(table_name: str) -> str:
    """How long a table is kept as KAMIYO ships, and the setting that says otherwise."""
    dataset = _DATASETS[table_name]
    kept = next(each for each in policies_of({}) if each.dataset is dataset)
    which = f"{_ONLY[dataset]}: " if dataset in _ONLY else ""
    setting = f"`retention.{dataset}`"
    if dataset not in BY_MONTH:
        ends = f"{kept.keep}, then deleted" if kept.keep != "ever" else "for ever"
    else:
        ends = f"{kept.keep}, then its month is dropped" if kept.keep != "ever" else "for ever"
    return f"{which}{ends}; {setting} says otherwise"


def _section(each: Table) -> str:
    noted, rows = NOTES[each.name]
    retention = noted or policy_of(each.name)
    facts = [
        ("key", code(each.key.replace('"', ""))),
        ("partitioned by", code(each.partitioned_by)),
        ("indexes", "; ".join(map(code, each.indexes))),
        ("retention", retention),
        ("rows a day", rows),
    ]
    columns = table(("Column", "Type"), [(code(name), code(kind)) for name, kind in each.columns])
    summary = table(("", ""), [(what, said) for what, said in facts if said])
    return section(code(each.name), each.comment, summary, columns)
