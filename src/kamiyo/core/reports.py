"""A report: one source's claim that something happened, kept whole beside what was read out of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NewType

import msgspec

from kamiyo.core.exploits import CaseKind, Confidence, ExploitStatus, TimelineEntry
from kamiyo.core.ids import ExploitId, SourceName
from kamiyo.core.money import Usd
from kamiyo.core.time import Utc

ReportId = NewType("ReportId", str)

LONGEST_TITLE: Final = 300
LONGEST_TEXT: Final = 20_000


class ReportKind(enum.StrEnum):
    """What a report does to a case."""

    NEW = "new"  # tells that it happened
    UPDATE = "update"  # tells more of what was told before: another figure, a cause, who did it
    DENIAL = "denial"  # says that it did not happen
    RECOVERY = "recovery"  # what was lost came back, in part or whole


class Medium(enum.StrEnum):
    """What sort of source it comes through. What only social media say is never confirmed by that."""

    CURATED = "curated"
    DATABASE = "database"
    REPOSITORY = "repository"
    PRESS = "press"
    SOCIAL = "social"
    OBSERVATION = "observation"  # what we found in the venue's own data


class Grade(enum.StrEnum):
    """How near to what happened its author is."""

    PRIMARY = "primary"  # those it happened to, or the code and transactions themselves
    ONCHAIN_DERIVED = "onchain_derived"
    REPOSITORY = "repository"
    PRESS = "press"
    PRESS_LOW = "press_low"
    CLAIM = "claim"


class Precision(enum.StrEnum):
    """To which unit a moment is known."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class AssetAmount(msgspec.Struct, frozen=True):
    """So many units of an asset, as told: ``752 ETH``. No price was applied."""

    amount: str
    asset: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says happened. What it does not say is None or empty, never 0.

    ``protocol`` and ``chains`` are identifiers (``euler_finance``, ``arbitrum``), ``addresses`` and
    ``transactions`` stand as their chain writes them, hexadecimal ones in lower case. ``confidence`` says of
    a field how sure it is, from 0 to 1, that it was read rightly; a field without an entry was not read but
    stated as such.
    """

    name: str | None = None
    protocol: str | None = None
    chains: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    amount_usd: Usd | None = None
    amount_usd_low: Usd | None = None
    amount_usd_high: Usd | None = None
    amounts: tuple[AssetAmount, ...] = ()
    returned_usd: Usd | None = None
    addresses: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()
    occurred_at: datetime | None = None
    precision: Precision | None = None
    ended_at: datetime | None = None
    category: str | None = None
    confidence: Mapping[str, float] = {}


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """What a report rests on, as it names it. An empty ``source_url`` says that none was recorded."""

    title: str
    source_url: str
    grade: Grade


class Curated(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided when the report was written: the case it is the record of, and its name."""

    tx_hash: ExploitId
    kind: CaseKind
    status: ExploitStatus
    confidence: Confidence
    description: str
    amount_note: str
    recovery_status: str
    timeline: tuple[TimelineEntry, ...]
    conflicts: tuple[str, ...]
    aliases: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One claim. ``report_id`` begins with the source's name and stays the same when the report is edited.

    ``origin`` names who speaks (``x:peckshieldalert``, ``rekt.news``): however often and through however many
    sources, it is one voice. ``text`` is empty once its author deleted it. ``repost_of`` is the origin whose
    words it repeats, where the source itself says so.
    """

    report_id: ReportId
    source: SourceName
    medium: Medium
    origin: str
    source_url: str
    title: str
    text: str
    grade: Grade
    kind: ReportKind
    published_at: Utc
    received_at: Utc
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    repost_of: str | None = None
    facts: Facts = Facts()
    curated: Curated | None = None
    citations: tuple[Citation, ...] = ()


class ReportDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A report's author took it back. That it was said stays known, its words do not."""

    report_id: ReportId
    source: SourceName
    deleted_at: Utc
