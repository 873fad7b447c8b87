"""The questions the venue's ``/info`` answers, what each costs, and what its answers mean.

A question encodes with its defaults left out and decodes too, for whoever plays the venue. Prices are
EXTERNAL-APIS 2.2, errors 2.3.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias, cast

import msgspec
from msgspec.structs import force_setattr

from kamiyo.core.errors import MalformedPayload, NoSuchThing, QuestionRefused, RateLimited, SourceUnavailable
from kamiyo.hyperliquid.reading import UNREADABLE

# The documentation says 500 of some, which may be blocks of several rows each; more have been recorded.
_MOST_ROWS = 2_000
# What the venue itself refuses with; any other 4xx is somebody's between us and the venue.
_REFUSALS = (400, 405, 415, 422)


class _Question(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    tag=lambda name: name[0].lower() + name[1:],
    omit_defaults=True,
    rename="camel",
):
    """``weight`` is the price without rows; each ``rows_per_weight`` rows, or part of them, cost one more."""

    weight: ClassVar[int] = 20
    rows_per_weight: ClassVar[int] = 0
    most_rows: ClassVar[int] = 0


class _OfUser(_Question, frozen=True):
    user: str

    def __post_init__(self) -> None:
        force_setattr(self, "user", self.user.lower())


# --- markets ----------------------------------------------------------------------------------------------


class Meta(_Question, frozen=True):
    dex: str = ""


class MetaAndAssetCtxs(_Question, frozen=True):
    dex: str = ""


class AllPerpMetas(_Question, frozen=True):
    pass


class PerpDexs(_Question, frozen=True):
    pass


class PerpDexLimits(_Question, frozen=True):
    dex: str


class PerpDexStatus(_Question, frozen=True):
    dex: str


class PerpsAtOpenInterestCap(_Question, frozen=True):
    dex: str = ""


class MarginTable(_Question, frozen=True):
    id: int
    dex: str = ""


class MaxMarketOrderNtls(_Question, frozen=True):
    pass


class AllMids(_Question, frozen=True):
    weight: ClassVar[int] = 2
    dex: str = ""


class L2Book(_Question, frozen=True):
    weight: ClassVar[int] = 2
    asset: str = msgspec.field(name="coin")
    n_sig_figs: int | None = None
    mantissa: int | None = None


class CandleWindow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Which candles: times in milliseconds, both included."""

    asset: str = msgspec.field(name="coin")
    interval: str
    start_time: int
    end_time: int | None = None


class CandleSnapshot(_Question, frozen=True):
    rows_per_weight: ClassVar[int] = 60
    most_rows: ClassVar[int] = 5_000
    req: CandleWindow


class FundingHistory(_Question, frozen=True):
    rows_per_weight: ClassVar[int] = 20
    most_rows: ClassVar[int] = _MOST_ROWS
    asset: str = msgspec.field(name="coin")
    start_time: int
    end_time: int | None = None


class PredictedFundings(_Question, frozen=True):
    pass


class RecentTrades(_Question, frozen=True):
    rows_per_weight: ClassVar[int] = 20
    most_rows: ClassVar[int] = _MOST_ROWS
    asset: str = msgspec.field(name="coin")


class ExchangeStatus(_Question, frozen=True):
    weight: ClassVar[int] = 2


class SpotMeta(_Question, frozen=True):
    pass


class SpotMetaAndAssetCtxs(_Question, frozen=True):
    pass


class OutcomeMeta(_Question, frozen=True):
    pass


class Liquidatable(_Question, frozen=True):
    pass


# --- accounts ---------------------------------------------------------------------------------------------


class ClearinghouseState(_OfUser, frozen=True):
    weight: ClassVar[int] = 2
    dex: str = ""


class SpotClearinghouseState(_OfUser, frozen=True):
    weight: ClassVar[int] = 2


class OrderStatus(_OfUser, frozen=True):
    weight: ClassVar[int] = 2
    oid: int | str


class UserRole(_OfUser, frozen=True):
    weight: ClassVar[int] = 60


class UserAbstraction(_OfUser, frozen=True):
    pass


class UserRateLimit(_OfUser, frozen=True):
    pass


class UserVaultEquities(_OfUser, frozen=True):
    pass


class Portfolio(_OfUser, frozen=True):
    pass


class SubAccounts(_OfUser, frozen=True):
    pass


class ExtraAgents(_OfUser, frozen=True):
    pass


class OpenOrders(_OfUser, frozen=True):
    dex: str = ""


class FrontendOpenOrders(_OfUser, frozen=True):
    dex: str = ""


class _RowsOfUser(_OfUser, frozen=True):
    rows_per_weight: ClassVar[int] = 20
    most_rows: ClassVar[int] = _MOST_ROWS


class UserFills(_RowsOfUser, frozen=True):
    aggregate_by_time: bool = False


class UserFillsByTime(_RowsOfUser, frozen=True):
    start_time: int
    end_time: int | None = None
    aggregate_by_time: bool = False
    reversed: bool = False


class UserTwapSliceFills(_RowsOfUser, frozen=True):
    pass


class UserTwapSliceFillsByTime(_RowsOfUser, frozen=True):
    start_time: int
    end_time: int | None = None
    aggregate_by_time: bool = False


class TwapHistory(_RowsOfUser, frozen=True):
    pass


class UserNonFundingLedgerUpdates(_RowsOfUser, frozen=True):
    start_time: int | None = None
    end_time: int | None = None


class UserFunding(_RowsOfUser, frozen=True):
    start_time: int
    end_time: int | None = None


class HistoricalOrders(_RowsOfUser, frozen=True):
    pass


class DelegatorHistory(_RowsOfUser, frozen=True):
    pass


class DelegatorRewards(_RowsOfUser, frozen=True):
    pass


class VaultSummaries(_Question, frozen=True):
    pass


class VaultDetails(_Question, frozen=True):
    vault_address: str
    user: str | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "vault_address", self.vault_address.lower())
        force_setattr(self, "user", self.user and self.user.lower())


Question: TypeAlias = (
    Meta
    | MetaAndAssetCtxs
    | AllPerpMetas
    | PerpDexs
    | PerpDexLimits
    | PerpDexStatus
    | PerpsAtOpenInterestCap
    | MarginTable
    | MaxMarketOrderNtls
    | AllMids
    | L2Book
    | CandleSnapshot
    | FundingHistory
    | PredictedFundings
    | RecentTrades
    | ExchangeStatus
    | SpotMeta
    | SpotMetaAndAssetCtxs
    | OutcomeMeta
    | Liquidatable
    | ClearinghouseState
    | SpotClearinghouseState
    | OrderStatus
    | UserRole
    | UserAbstraction
    | UserRateLimit
    | UserVaultEquities
    | Portfolio
    | SubAccounts
    | ExtraAgents
    | OpenOrders
    | FrontendOpenOrders
    | UserFills
    | UserFillsByTime
    | UserTwapSliceFills
    | UserTwapSliceFillsByTime
    | TwapHistory
    | UserNonFundingLedgerUpdates
    | UserFunding
    | HistoricalOrders
    | DelegatorHistory
    | DelegatorRewards
    | VaultSummaries
    | VaultDetails
)


# --- bodies -----------------------------------------------------------------------------------------------

_untyped = msgspec.json.Decoder()
body_of = msgspec.json.Encoder().encode


def type_of(question: Question) -> str:
    """The venue's name for the kind of question."""
    return str(question.__struct_config__.tag)


def parse_question(body: bytes) -> Question:
    """The question in a request's body; MalformedPayload ``unknown_question`` for JSON that is none."""
    try:
        told = _untyped.decode(body)
    except UNREADABLE as error:
        raise MalformedPayload(f"not JSON: {error!s:.200}") from error
    try:
        present = {key: value for key, value in told.items() if value is not None}
        return cast("Question", msgspec.convert(present, Question))
    except (AttributeError, msgspec.ValidationError) as error:
        raise MalformedPayload(f"no question: {error!s:.200}", rule="unknown_question") from error


# --- prices -----------------------------------------------------------------------------------------------


def base_weight(question: Question) -> int:
    """What asking costs, without the rows of the answer."""
    return question.weight


def weight_of(question: Question, rows: int) -> int:
    """What asking costs with an answer of so many rows; a part of a unit of rows counts as a whole one."""
    each = question.rows_per_weight
    return question.weight + (-(-rows // each) if each else 0)


def largest_rows(question: Question) -> int:
    """How many priced rows an answer can have."""
    return question.most_rows


def largest_weight(question: Question) -> int:
    """What asking can cost at most."""
    return weight_of(question, question.most_rows)


def rows_in(question: Question, content: bytes) -> int:
    """How many rows of an answer are charged; all there can be where it is no list."""
    if not question.rows_per_weight:
        return 0
    try:
        return len(_rows.decode(content))
    except UNREADABLE:
        return question.most_rows


# --- answers ----------------------------------------------------------------------------------------------

_rows = msgspec.json.Decoder(list[msgspec.Raw])
_any = msgspec.json.Decoder(msgspec.Raw)


class _Refusal(msgspec.Struct, frozen=True):
    type: Literal["error"]
    message: str = ""


_refusal = msgspec.json.Decoder(_Refusal)


def interpret(question: Question, status: int, content: bytes) -> bytes:
    """The JSON of a usable answer.

    RateLimited where too much was asked, NoSuchThing where the venue knows nothing of the name,
    QuestionRefused where it would refuse the question again, SourceUnavailable where asking again may help.
    """
    kind = type_of(question)
    if status != 200:  # noqa: PLR2004  (HTTP's "OK")
        raise _failure(kind, status, content)
    try:
        answer = bytes(_any.decode(content)).strip()
    except UNREADABLE as error:
        raise SourceUnavailable(f"{kind}: the answer is no JSON: {content[:64]!r}") from error
    if answer == b"null":
        raise NoSuchThing(f"{kind}: nothing is known of what was asked for")
    if answer.startswith(b"{") and (refusal := _refused(answer)) is not None:
        raise QuestionRefused(f"{kind}: {refusal[:200]}")
    return answer


def _failure(kind: str, status: int, content: bytes) -> Exception:
    said = f"{kind}: HTTP {status} {content[:64]!r}"
    if status == 429:  # noqa: PLR2004  (HTTP's "too many requests")
        return RateLimited(said)
    # An unknown dex or market is a 500 that says null, and stays one.
    if status in _REFUSALS or (status == 500 and content.strip() == b"null"):  # noqa: PLR2004  (its own code)
        return QuestionRefused(said)
    return SourceUnavailable(said)


def _refused(answer: bytes) -> str | None:
    try:
        return _refusal.decode(answer).message
    except msgspec.ValidationError:
        return None
