"""The page of rules: what a fact must satisfy, and every reason something is refused for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Final

from kamiyo.core.claim_rules import (
    CLAIM_RULES,
    CLAIMED_POSITION_RULES,
    EARLIEST_CLAIM,
    MAX_CLAIMED_USD,
    TOTAL_RULES,
    not_before_exchanges,
)
from kamiyo.core.report_rules import (
    MAX_REPORT_LEAD,
    MAX_REPORTED_USD,
    REPORT_RULES,
    report_is_not_from_the_future,
)
from kamiyo.core.state_rules import ACCOUNT_RULES, MARKET_RULES, MAX_FUNDING_RATE, VAULT_RULES
from kamiyo.core.trade_rules import TRADE_RULES
from kamiyo.core.validation import (
    LIQUIDATED_FILL_RULES,
    MAX_CLOCK_SKEW,
    MAX_FILL_USD,
    ROW_RULES,
    VENUE_OPENED,
    not_before_the_venue,
    not_from_the_future,
)
from tools.reference.markdown import code, codes, one_line, page, section, table
from tools.reference.source import calls, literal, modules, name_of, tree_of

WHERE: Final = ("core", "kit", "hyperliquid", "aggregators", "processing")
INTRODUCTION: Final = """\
For whoever looks into `rejects`, the `rule` label of `kamiyo_rejects_total`, or the rejects of a replay.
What breaks a rule is kept with its bytes, the name of the first rule it broke and where it came from; the
rest of its payload is accepted. A rule's name is stable: it is stored."""

# What each reason means; a name used in the code without a sentence here is an error of `./dev docs`.
MEANINGS: Final = {
    "adl_without_liquidated_user": "an `Auto-Deleveraging` row does not say whose position was under water, "
    "so which of the two accounts was deleveraged is unknown",
    "amounts_out_of_order": "a case's loss lies outside its own lowest and highest amount",
    "another_question": "an answer stands beside a question of another kind",
    "block_out_of_range": "a block number is negative or beyond what the venue can reach in two centuries",
    "cells_do_not_fit": "a row of a table has more or fewer cells than there are columns, or is none at all",
    "contexts_do_not_fit": "the contexts of a dex are more or fewer than its markets, so no place names one",
    "damaged_recording": "a packed recording does not unpack, or ends in the middle",
    "direction_contradicts_side": "the venue's phrase names one side and the traded side another",
    "document_too_large": "a statistics file is larger than 128 MiB",
    "ends_before_start": "a case ends before it starts",
    "incomplete_fill": "a row lacks a field that every fill has",
    "inflates_too_large": "packed prices become more than 16 MiB",
    "columns_missing": "a table lacks a column that its rows cannot be understood without, or has one twice",
    "no_live_asset": "the venue lists no asset that trades; it is not believed, as nothing would be followed",
    "ledger_update_too_large": "a ledger update is larger than 64 KiB",
    "line_too_long": "a line, or a document, is longer than 64 MiB, or than 16 MiB in an archive; its "
    "beginning is kept",
    "malformed": "the bytes are not JSON, or not of the documented shape",
    "negative_amount": "an account's notional is below zero",
    "not_a_claim": "a row of another party is no object, lacks what it is known by, or holds no text there",
    "not_a_case": "a case file is not TOML, or a field of it is not as documented",
    "not_a_ledger_type": "a ledger update's type is no name",
    "not_a_liquidation": "a row was taken for a liquidation and is none: a mistake of ours",
    "not_a_number": "a number is not a plain finite decimal of a sane length",
    "not_a_time": "a time is not of the form its source writes, or does not say its zone",
    "not_a_flag": "what should be true or false is neither",
    "not_a_total": "a row of daily statistics is no object, or says no day, no number or no asset",
    "not_a_transaction_hash": "a hash is not 32 bytes in hexadecimal",
    "not_a_preview": "a page is no preview of the channel it was asked for: there is none, or its form has "
    "changed",
    "not_an_address": "an account is not 20 bytes in hexadecimal",
    "not_an_id": "what should be an id of Discord is no number of 64 bits",
    "not_an_asset": "a market's name cannot be one",
    "not_confirmed": "a public trade stands beside a fill of another liquidation",
    "not_milliseconds": "a time is no number of milliseconds since 1970, or beyond the calendar",
    "not_one_user": "the ledger tells of a liquidation of no account, or of several",
    "repeated_row": "a row is of the same thing as one before it in the same file or day: the first stands",
    "storage_refused": "the database will never take what the payload says; the payload is kept instead",
    "tid_out_of_range": "a trade id is negative or larger than 63 bits",
    "time_out_of_range": "a time is before 2023 or too late for the calendar",
    "unknown_channel": "a frame is of a channel that was not asked for",
    "unknown_dex": "a dex is named whose markets are not known, or none has that number",
    "unknown_fill_direction": "a backstop's phrase names no side we know, or it is not printable",
    "unknown_leverage_type": "a margin mode is neither cross nor isolated",
    "unknown_liquidation_method": "the `liquidation` object names neither market nor backstop",
    "unknown_misc_event": "a miscellaneous event is of a kind we do not know, or of several at once",
    "unknown_order_side": "an order is neither to buy nor to sell, so that nobody knows which side was lost",
    "unknown_position_action": "a position was neither opened nor closed",
    "unknown_question": "what was asked of `/info` is JSON and no question",
    "unknown_stream": "a recorded line has the shape of no stream, or a payload is of no known file",
    "unreadable_delta": "a ledger update is no JSON that can be read back, such as a number nobody can hold",
    "unknown_user": "an answer about one account does not say which, or shows several",
    "feed_too_large": "a feed is larger than 8 MiB",
    "feed_with_entities": "a feed declares entities: no feed needs any, and they can fill a reader's memory",
    "hack_without_date": "a row of a list of hacks has no date",
    "hack_without_name": "a row of a list of hacks has no name",
    "incident_without_date": "a heading of a list of incidents does not begin with a day that exists",
    "incident_without_name": "a heading of a list of incidents has no name",
    "not_a_feed": "a document is neither RSS nor Atom",
    "not_a_hack": "a row of a list of hacks is no JSON object",
    "not_a_post": "what a service of posts sent holds no post as it is documented",
    "not_a_row": "a payload is no row of a list as we keep them",
    "page_missing": "a page of a list is linked and not there",
    "unreadable_cell": "a cell of a row cannot be read; its row is reported without it",
}


def rules_page() -> str:
    moments = (not_before_the_venue, not_from_the_future)
    parts = (
        section("Every fact", _named(moments), _limits()),
        section("A liquidated fill, besides", _named(LIQUIDATED_FILL_RULES)),
        section(
            "An ordinary fill, besides", "Counted if it satisfies them, refused otherwise.", _named(ROW_RULES)
        ),
        section(
            "A public trade, besides", "Counted if it satisfies them, refused otherwise.", _named(TRADE_RULES)
        ),
        section(
            "A market's state, besides",
            _named(MARKET_RULES),
            f"The largest rate is {MAX_FUNDING_RATE} an hour.",
        ),
        section("A vault's state, besides", _named(VAULT_RULES)),
        section("An account's state, besides", _named(ACCOUNT_RULES)),
        section(
            "A claim of another party",
            "Instead of the venue's opening: what is told of other exchanges began before it.",
            _named((not_before_exchanges,)),
            f"Nothing is taken to have been told of before {EARLIEST_CLAIM:%Y-%m-%d}, nor of more than "
            f"{MAX_CLAIMED_USD:,} USD.",
        ),
        section("A claimed order, besides", _named(CLAIM_RULES)),
        section("A claimed total, besides", _named(TOTAL_RULES)),
        section("A claimed position, besides", _named(CLAIMED_POSITION_RULES)),
        section(
            "A report of an exploit",
            f"It may be of any time, and dated ahead by {MAX_REPORT_LEAD.total_seconds() / 3600:.0f} hours.",
            _named((report_is_not_from_the_future, *REPORT_RULES)),
            f"No amount exceeds {MAX_REPORTED_USD:,} USD.",
        ),
        section("Reasons named where payloads are read", _reasons()),
    )
    return page("Rules", INTRODUCTION, *parts)


def rule_functions() -> list[str]:
    facts = (not_before_the_venue, not_from_the_future, *LIQUIDATED_FILL_RULES, *ROW_RULES, *TRADE_RULES)
    states = (*MARKET_RULES, *VAULT_RULES, *ACCOUNT_RULES)
    claims = (not_before_exchanges, *CLAIM_RULES, *TOTAL_RULES, *CLAIMED_POSITION_RULES)
    reports = (report_is_not_from_the_future, *REPORT_RULES)
    return [rule.__name__ for rule in (*facts, *states, *claims, *reports)]


def reasons_in_code() -> dict[str, list[str]]:
    """Every rule name written in the code, with the modules that write it."""
    found: dict[str, list[str]] = {}
    for path in modules(*WHERE):
        for name in sorted(set(_reasons_of(tree_of(path)))):
            found.setdefault(name, []).append(name_of(path))
    return found


def _reasons_of(tree: ast.Module) -> Iterator[str]:
    for called, call in calls(tree):
        given = [each.value for each in call.keywords if each.arg == "rule"]
        given += call.args[1:2] if called == "_reject" else []
        yield from (value for each in given if isinstance(value := literal(each), str))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _returned(node) if "rule" in node.name else ()
            yield from _defaults(node)


def _returned(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return):
            chosen = node.value
            both = (chosen.body, chosen.orelse) if isinstance(chosen, ast.IfExp) else (chosen,)
            yield from (value for each in both if isinstance(value := literal(each), str))


def _defaults(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    arguments = function.args
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if argument.arg == "rule" and isinstance(value := literal(default), str):
            yield value


def _reasons() -> str:
    rows = [(code(name), MEANINGS[name], codes(where)) for name, where in sorted(reasons_in_code().items())]
    return table(("Rule", "Broken when", "Named in"), rows)


def _named(rules: tuple[Callable[..., bool], ...]) -> str:
    return table(("Rule", "Satisfied by"), [(code(rule.__name__), one_line(rule.__doc__)) for rule in rules])


def _limits() -> str:
    return (
        f"The venue is taken to have opened on {VENUE_OPENED:%Y-%m-%d}; clocks may disagree by "
        f"{MAX_CLOCK_SKEW.total_seconds():.0f} s; no single fill may exceed {MAX_FILL_USD:,} USD."
    )
