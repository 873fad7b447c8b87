"""``kamiyo reviews``: reports the rules could not place, and a person's answers."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
import typer

from kamiyo.cli.client import DEFAULT_SERVER, JsonOption, ServerOption, read_row
from kamiyo.cli.exploit import AuthorOption, ReasonOption, change
from kamiyo.cli.query import LimitOption, ListTable, show_list
from kamiyo.core.cases import Answer

reviews = typer.Typer(help="Reports that may or may not tell of a case that is known: list and answer them.")

_COLUMNS = (
    "review#",
    "asked",
    "report",
    "title",
    "its case",
    "perhaps of",
    "probability#",
    "because",
    "answer",
)


class _Reported(msgspec.Struct, frozen=True):
    title: str


class _Reason(msgspec.Struct, frozen=True):
    feature: str
    detail: str
    weight: float

    def __str__(self) -> str:
        return f"{self.feature} {self.weight:+.1f}"


class ReviewRow(msgspec.Struct, frozen=True):
    """What is shown of one review."""

    review_id: int
    report_id: str
    tx_hash: str
    other: str
    probability: float
    reasons: list[_Reason]
    asked_at: str
    answer: str | None
    report: _Reported

    def cells(self) -> list[str]:
        """The row of the table; the weights say what spoke for and against."""
        return [
            str(self.review_id), self.asked_at, self.report_id, self.report.title, self.tx_hash, self.other,
            f"{self.probability:.3f}", ", ".join(map(str, self.reasons)), self.answer or "open",
        ]  # fmt: skip


_REVIEWS = ListTable(
    "/reviews", _COLUMNS, partial(read_row, msgspec.json.Decoder(ReviewRow)), "nothing waits for an answer"
)


@reviews.callback(invoke_without_command=True)
def list_reviews(
    context: typer.Context,
    *,
    answered: Annotated[bool, typer.Option("--answered", help="Those answered instead.")] = False,
    limit: LimitOption = 20,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """List what waits for an answer, the latest first."""
    if context.invoked_subcommand is None:
        show_list(_REVIEWS, {"answered": "true" if answered else None}, limit, json=json, server=server)


@reviews.command("answer")
def answer(
    review: Annotated[int, typer.Argument(help="Its number, as the list shows it.", min=1)],
    said: Annotated[
        Answer, typer.Argument(metavar="ANSWER", help="same merges the cases; different leaves them.")
    ],
    *,
    author: AuthorOption,
    reason: ReasonOption,
    json: JsonOption = False,
    server: ServerOption = DEFAULT_SERVER,
) -> None:
    """Say whether a report tells of the case it was asked about."""
    body = {"author": author, "reason": reason, "answer": said.value}
    change(server, f"/reviews/{review}/answer", body, json=json)
