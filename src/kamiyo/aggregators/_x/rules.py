"""The rules of the filtered stream: they outlive every connection, and others may keep theirs beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from kamiyo.aggregators._x.client import RULES, Client
from kamiyo.aggregators._x.troubles import Kind, Trouble

_TAG: Final = "kamiyo:"


class _Rule(msgspec.Struct, frozen=True):
    id: str
    value: str
    tag: str = ""


class _Rules(msgspec.Struct, frozen=True):
    data: tuple[_Rule, ...] = ()


async def reconcile(client: Client, queries: Mapping[str, str]) -> Mapping[str, str]:
    """Have one rule for each author's query; which author each rule's id stands for.

    Rules without our tag are somebody else's and stay. Where one of them asks the same as ours would, it does
    for both: X takes no rule twice.
    """
    authors = {query: author for author, query in queries.items()}
    known = await _ask(client)
    kept = {rule.value: rule for rule in reversed(known) if rule.value in authors}
    stale = [rule.id for rule in known if rule.tag.startswith(_TAG) and rule not in kept.values()]
    if stale:
        await _change(client, {"delete": {"ids": stale}})
    missing = [query for query in authors if query not in kept]
    if missing:
        added = [{"value": query, "tag": _TAG + authors[query]} for query in missing]
        await _change(client, {"add": added})
        kept = {rule.value: rule for rule in await _ask(client) if rule.value in authors}
    refused = sorted(author for query, author in authors.items() if query not in kept)
    if refused:
        raise Trouble(f"no rule was taken for {', '.join(refused)}: look at sources.x.filter", Kind.STANDING)
    return {rule.id: authors[query] for query, rule in kept.items()}


async def _ask(client: Client) -> tuple[_Rule, ...]:
    body = await client.ask("GET", RULES)
    try:
        return msgspec.json.decode(body, type=_Rules).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Trouble("the answer about rules cannot be read", Kind.HTTP) from error


async def _change(client: Client, change: Mapping[str, object]) -> None:
    await client.ask("POST", RULES, body=msgspec.json.encode(change))
