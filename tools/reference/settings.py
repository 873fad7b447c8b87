"""The page of settings: the program's own, and each source's table."""

from __future__ import annotations

from typing import Final

import msgspec

from kamiyo.core.retention import BY_MONTH, Dataset, policies_of
from kamiyo.runtime.settings import DESCRIPTIONS, Settings
from kamiyo.runtime.wiring import known_aggregators
from tools.reference.markdown import code, page, prose, section, table

INTRODUCTION: Final = """\
For whoever runs KAMIYO. A value is taken from the first of these places that has it: an option of the
command line, the environment, the file, the default. The file is `./kamiyo.toml`, or the one `--config`
names; a name in it that is not on this page stops the start. An environment variable that is empty counts
as not set.

The file has the names of the first column at its top level, and one table for each source:

```toml
port = 8000

[sources.hyperliquid_node]
path = "~/hl/data"

[retention.liquidations]
keep = "24 months"
export_to = "~/kamiyo-archive"
```"""

RETENTION: Final = """\
How long each dataset is kept: `ever`, or a number of months or days, such as `6 months`. A job lets go of
what is older, once an hour: of the datasets that go by months whole months, as soon as all of a month is
older; of the others row by row. Where `export_to` names a folder, each table of a month is first written
there as a Parquet file, numbers exact to the last digit, and dropped once the file is on disk and has every
row. All processes that work on one database need the same policies.

Facts older than what is kept are not stored any more, whoever tells of them, and are counted in
`kamiyo_expired_events_total`; a backfill of such a time is refused. Lists, `/stats` and `/meta` say from
when on there is anything. When a policy becomes longer, its time is stored again from the next round on, and
lists go on to say that what is older was dropped once. At least two months are kept of what goes by
months."""

# What a dataset is; one without a sentence here is an error of `./dev docs`.
DATASETS: Final = {
    Dataset.LIQUIDATIONS: "liquidations with their fills",
    Dataset.ACCOUNT_LIQUIDATIONS: "liquidations of whole accounts",
    Dataset.LEDGER_MOVEMENTS: "deposits, withdrawals and transfers",
    Dataset.MARKET_MINUTES: "the state of each market in each minute",
    Dataset.VAULT_MINUTES: "the state of each vault in each minute",
    Dataset.CLAIMS: "orders others claim were liquidated",
    Dataset.ROLLING_TOTALS: "claimed totals of rolling windows; those of fixed ones are kept",
    Dataset.REJECTS: "payloads and rows that were refused",
    Dataset.CLOSED_GAPS: "gaps that are closed; open ones are kept",
    Dataset.BACKFILLS: "backfills that are over, with their objects; what only they read may then be read, "
    "and paid for, again",
}

_ACTIVE: Final = "whether the source is read; one that is not stands in the list as inactive"

# What each setting of a source is for; a setting without a sentence here is an error of `./dev docs`.
SOURCE_SETTINGS: Final = {
    "catalogue.active": _ACTIVE,
    "catalogue.directory": "folder of case files of your own; one named like a shipped file replaces it",
    "defihacklabs.active": _ACTIVE,
    "defihacklabs.url": "GitHub's API",
    "defihacklabs.raw_url": "where the pages of a commit are read",
    "defihacklabs.repository": "owner and name of the repository",
    "defihacklabs.token": "a token of GitHub, which raises its limit of 60 questions an hour; none is needed",
    "defihacklabs.poll_minutes": "minutes between two polls",
    "defillama.active": _ACTIVE,
    "defillama.url": "DefiLlama's API",
    "defillama.scope": "`all`, or `hyperliquid` for what happened on the venue's chains, names it, or hit a "
    "bridge on Arbitrum",
    "defillama.poll_minutes": "minutes between two polls",
    "feeds.active": _ACTIVE,
    "feeds.shipped": "names of the shipped feeds that are read; nothing for none",
    "feeds.own": "feeds of your own, in the file only: `[sources.feeds.own.NAME]` with `url` and `grade`",
    "feeds.poll_minutes": "minutes between two polls",
    "discord.active": _ACTIVE,
    "discord.token": "the bot's token, from Discord's developer portal; unset: nothing is read",
    "discord.channels": "numbers of the channels that are read, each with how near its authors are to what "
    'happened: `123:primary, 456:press`, or a table `{123 = "primary"}`; without a grade it is a `claim`',
    "discord.url": "where Discord's API is asked",
    "coinglass.active": _ACTIVE,
    "coinglass.key": "the API key; without one the source is `not_configured`",
    "coinglass.plan": "what is paid for: `hobbyist`, `startup`, `standard` or `professional`; only what it "
    "includes is asked, and only as often as it allows",
    "coinglass.exchanges": "exchanges that are asked about, as CoinGlass writes them",
    "coinglass.assets": "assets that are asked about on each of them",
    "coinglass.min_usd": "smaller orders are counted and not kept",
    "coinglass.interval": "the length of the windows totals are kept of, such as `1h`; the plan's shortest "
    "unless set",
    "coinglass.history_hours": "how far back is asked at the very first start",
    "coinglass.live": "whether live orders are listened to as well, of all exchanges and assets",
    "coinglass.url": "where is asked instead of CoinGlass",
    "coinglass.websocket_url": "where the socket is opened, if it does not follow from the address",
    "github_historical.active": _ACTIVE,
    "github_historical.url": "folder of the files, if another than Hyperliquid's repository, such as a copy",
    "github_historical.suspicious_usd": "more than this, liquidated of all accounts together within the "
    "window, is reported as a suspicion; everything in the files of 2023 together is 206,974 USD",
    "github_historical.suspicious_minutes": "the length of that window",
    "github_historical.poll_minutes": "minutes between two polls; what did not change is not sent again",
    "hyperliquid_stats.active": _ACTIVE,
    "hyperliquid_stats.url": "folder of the files `daily_notional_liquidated_total` and "
    "`daily_notional_liquidated_by_coin`",
    "hyperliquid_stats.poll_minutes": "minutes between two polls; what did not change is not sent again",
    "hyperliquid_api.active": _ACTIVE,
    "hyperliquid_api.network": "`mainnet` or `testnet`",
    "hyperliquid_api.url": "where `/info` is asked instead of the venue, such as a lab venue's address",
    "hyperliquid_api.websocket_url": "where the socket is opened, if it does not follow from the address",
    "hyperliquid_api.statistics_url": "folder of the file `leaderboard`, if it does not follow from "
    "the address",
    "hyperliquid_api.liquidated_users_url": "file of the accounts of which most was liquidated; none where "
    "another address than the venue's is set",
    "hyperliquid_api.makers": "accounts whose fills are always followed, after those of the venue's "
    "liquidators; ten together at most",
    "hyperliquid_api.majors": "assets whose best quotes are followed, the most important first",
    "hyperliquid_api.scan_accounts": "how many large accounts are asked about in turn; 0 asks about none",
    "hyperliquid_api.scan_per_minute": "how many accounts are asked about in a minute, at a weight of 2 each",
    "hyperliquid_archive.active": _ACTIVE,
    "hyperliquid_archive.access_key_id": "an access key of the AWS account that pays; without one the source "
    "is `not_configured`",
    "hyperliquid_archive.secret_access_key": "the key's secret",
    "hyperliquid_archive.session_token": "the token that goes with a temporary key",
    "hyperliquid_archive.endpoint": "address of another server that speaks S3; unset: Amazon's",
    "hyperliquid_archive.region": "where both buckets are; unset: as each bucket says",
    "hyperliquid_archive.bucket_in_host": "whether the bucket's name is the first part of the host's, not of "
    "the path",
    "hyperliquid_archive.node_bucket": "the bucket of what nodes write",
    "hyperliquid_archive.archive_bucket": "the bucket of `asset_ctxs`",
    "hyperliquid_archive.streams": "what is listed and read: `node_fills_by_block`, `node_fills`, "
    "`node_trades`, `misc_events_by_block`, `asset_ctxs`",
    "hyperliquid_archive.chain": "what is stored as the chain of every fact",
    "hyperliquid_archive.decode": "`liquidations`: other fills are not decoded, and neither counted nor "
    "shown to detectors; `all`: every fill is",
    "hyperliquid_archive.nightly": "whether what is uploaded is read by itself, from yesterday on",
    "hyperliquid_archive.daily_limit_usd": "what may be spent in a day in UTC without anybody being asked: "
    "by nightly reading, and by gaps that are closed",
    "hyperliquid_archive.gigabyte_usd": "what 10⁹ bytes cost",
    "hyperliquid_archive.thousand_requests_usd": "what a thousand requests cost",
    "hyperliquid_node.active": _ACTIVE,
    "hyperliquid_node.path": "the node's data folder",
    "hyperliquid_node.chain": "what is stored as the chain of every fact",
    "hyperliquid_node.poll_milliseconds": "pause between two looks at a file that is being written",
    "hyperliquid_node.idle_poll_milliseconds": "pause the looks slow down to while nothing is written",
    "hyperliquid_node.settle_seconds": "how long an hour's file must have been at its end before a newer one "
    "is begun",
    "telegram.active": _ACTIVE,
    "telegram.token": "token of a bot, from @BotFather; unset: only previews are read",
    "telegram.channels": "channels the bot is an administrator of, by name or number, each with how near its "
    "authors are to what happened: `name:primary, -1001234567890:press`; without a grade it is a `claim`",
    "telegram.preview_channels": "channels whose public preview is read, by name, graded in the same way",
    "telegram.url": "where the Bot API is asked",
    "telegram.preview_url": "where previews are read",
    "x.active": _ACTIVE,
    "x.token": "bearer token (app only) of the X API, which is paid for by the post; unset: nothing is read",
    "x.authors": "accounts that are read, each with how near it is to what happened; without a grade it is "
    "a `claim`",
    "x.filter": "operators added to each account's rule, such as `-is:retweet (hack OR exploit)`",
    "x.mode": "`stream`: posts as they are posted; `search`: asked for every so often",
    "x.daily_usd": "what may be spent in a day in UTC; it is never exceeded",
    "x.post_usd": "what X charges for one post",
    "x.poll_seconds": "how often is searched, in the mode `search`",
    "x.silence_seconds": "how long the stream may be silent before it is opened again; X says something "
    "every 20 seconds",
    "x.url": "where the API of X is asked",
}


def settings_page() -> str:
    own = table(
        ("Setting", "Environment", "Default", "Meaning"),
        [_row(field) for field in msgspec.structs.fields(Settings)],
    )
    return page("Settings", INTRODUCTION, section("KAMIYO's own", own), _retention(), *_sources())


def _row(field: msgspec.structs.FieldInfo) -> tuple[str, str, str, str]:
    tables = {"sources", "retention"}
    name = field.name.upper()
    variable = f"KAMIYO__{name}__NAME__KEY" if field.name in tables else f"KAMIYO_{name}"
    return code(field.name), code(variable), _default(field), DESCRIPTIONS[field.name]


def _retention() -> str:
    rows = [
        (
            code(f"retention.{each.dataset}.keep"),
            code(f"KAMIYO__RETENTION__{each.dataset}__KEEP".upper()),
            code(each.keep),
            DATASETS[each.dataset] + ("; also `export_to`" if each.dataset in BY_MONTH else ""),
        )
        for each in policies_of({})
    ]
    listed = table(("Setting", "Environment", "Default", "Of"), rows)
    return section("`[retention.DATASET]`", RETENTION, listed)


def _sources() -> list[str]:
    return [_source(name, spec.settings) for name, spec in sorted(known_aggregators().items())]


def _source(name: str, kind: type[msgspec.Struct]) -> str:
    rows = [
        (
            code(field.name),
            code(f"KAMIYO__SOURCES__{name}__{field.name}".upper()),
            _default(field),
            SOURCE_SETTINGS[f"{name}.{field.name}"] + _bounds(field),
        )
        for field in msgspec.structs.fields(kind)
    ]
    listed = table(("Setting", "Environment", "Default", "Meaning"), rows)
    about = prose(kind.__doc__).removeprefix(f"`[sources.{name}]`.")
    return section(f"`[sources.{name}]`", about.strip(), listed)


def _default(field: msgspec.structs.FieldInfo) -> str:
    default: object = field.default
    if default is msgspec.NODEFAULT or default is None:
        return "none"
    return code(str(default).lower() if isinstance(default, bool) else str(default))


def _bounds(field: msgspec.structs.FieldInfo) -> str:
    limits = [each for each in getattr(field.type, "__metadata__", ()) if isinstance(each, msgspec.Meta)]
    return "".join(f"; from {each.ge} to {each.le}" for each in limits if each.ge is not None)
