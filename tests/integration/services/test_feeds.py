"""Feeds against local hosts: every entry once, none lost for another, nothing fetched."""

from datetime import timedelta

import pytest

from kamiyo.aggregators.base import Alive
from kamiyo.core.errors import InvalidSettings, SourceUnavailable
from kamiyo.core.ports import Counted
from kamiyo.core.reports import Grade, Medium
from tests.fakes import ManualClock
from tests.services.built import built, reports_of
from tests.services.feeds import Item, atom, open_feeds, rss
from tests.services.hearing import drained
from tests.services.server import Reply

OTHER = Item(
    title="Other Swap loses $1.2M in exploit",
    text="Attacker stole $1.2 million from Other Swap on Base.",
    guid="2",
    link="https://news.example/2",
)
DULL = Item(title="Bitcoin rises 2% on Monday", text="Traders are happy.", guid="3", link="")


async def test_entries_of_rss_and_atom_are_reported():
    """An entry that tells of a case is a report of the press; one that does not is counted."""
    stamped = Item(date="2025-03-26T14:00:00Z")
    documents = {"one": rss([Item(), DULL]), "two": atom([stamped])}
    async with open_feeds(**documents) as host, built("feeds", host.settings) as source:
        heard = await drained(source)
        first, second = reports_of(source, heard)
        counts = [source.normalize(raw).counts for raw in heard.raws]
    assert (first.medium, first.grade, first.origin) == (Medium.PRESS, Grade.PRESS, "127.0.0.1")
    assert first.source_url == "https://news.example/1"
    assert first.text.splitlines() == [
        "Example Lend exploited for $4.9M",
        "The attacker drained $4.9 million from Example Lend on Arbitrum.",
    ]
    assert (
        f"{first.published_at:%Y-%m-%d %H:%M}"
        == f"{second.published_at:%Y-%m-%d %H:%M}"
        == "2025-03-26 14:00"
    )
    assert first.facts.amount_usd == 4_900_000
    assert first.report_id != second.report_id
    assert counts[1] == {Counted.PAYLOADS: 1, Counted.UNRELATED_POSTS: 1}


@pytest.mark.parametrize("dated", [False, True])
async def test_an_unchanged_feed_is_not_read_again(dated: bool):
    """The tag or the date of the last answer is shown, and only a changed entry comes again."""
    async with open_feeds(one=rss([Item(), OTHER])) as host, built("feeds", host.settings) as source:
        host.dated = dated
        first = await drained(source)
        second = await drained(source, first.cursor)
        assert [type(each) for each in second.items] == [Alive]
        asked = host.server.requests[-1].headers
        assert ("if-modified-since" if dated else "if-none-match") in asked
        host.dated = False
        host.documents["/one"] = rss([OTHER, Item(title="Example Lend exploited for $5.1M")])
        (edited,) = reports_of(source, await drained(source, second.cursor))
    assert edited.edited_at is not None
    assert edited.report_id == reports_of(source, first)[0].report_id


async def test_one_feed_that_fails_stops_no_other():
    """What cannot be read is named while others are heard; without any the source is unreachable."""
    bomb = b'<!DOCTYPE r [<!ENTITY a "ha">]>' + rss([Item()])
    async with open_feeds(
        bad=b"<html>no</html>", bomb=bomb, good=rss([Item()]), slow=b"", gone=b"", large=b" " * (9 << 20)
    ) as host:
        host.faults = {
            "/slow": [Reply(200, b"x" * 50, cut_after=5)],
            "/gone": [Reply(301, headers={"location": "https://moved.example/canary"})],
        }
        async with built("feeds", host.settings) as source:
            heard = await drained(source)
            assert len(reports_of(source, heard)) == 1
            last = heard.items[-1]
            assert isinstance(last, Alive)
            assert last.lacking == (
                "5 of 6 feeds cannot be read: bad: neither RSS nor Atom; bomb: it declares entities; "
                "slow: 127.0.0.1: RemoteProtocolError; gone: 127.0.0.1 answered 301: moved to moved.example; "
                "large: larger than 8 MiB"
            )
            host.faults = {"/good": [Reply(500)], "/slow": [Reply(500)], "/gone": [Reply(500)]}
            with pytest.raises(SourceUnavailable, match="6 of 6 feeds cannot be read"):
                await drained(source, heard.cursor)
            healed = rss([OTHER])
            host.documents = dict.fromkeys(host.documents, healed)
            again = await drained(source, heard.cursor)
            assert len(again.raws) == 6


async def test_a_feed_that_wants_peace_is_left_alone():
    """A host that answers 429 is not asked before its time by any of its feeds."""
    clock = ManualClock()
    async with open_feeds(one=rss([Item()]), two=rss([OTHER])) as host:
        host.faults = {"/one": [Reply(429, headers={"retry-after": "900"})]}
        async with built("feeds", host.settings, clock) as source:
            with pytest.raises(SourceUnavailable, match="2 of 2 feeds cannot be read"):
                await drained(source)
            assert host.server.paths() == ["/one"]
            clock.moment += timedelta(seconds=900)
            assert len(reports_of(source, await drained(source))) == 2


async def test_odd_entries_are_read_as_far_as_they_go():
    """Entries without an id, with a date that cannot be, or twice, are each one payload."""
    nameless = Item(guid="", link="", date="", text="", title="Example Lend hacked for $2M")
    late = Item(guid="late", date="Tue, 14 Nov 2084 22:00:00 GMT")
    wrong = Item(guid="wrong", date="yesterday")
    scripted = Item(guid="s", text="<script>alert(1)</script><p>It lost&nbsp;$3M&#33;</p><style>p{}</style>")
    document = rss([nameless, nameless, late, wrong, scripted])
    async with open_feeds(one=document) as host, built("feeds", host.settings) as source:
        heard = await drained(source)
        reports = reports_of(source, heard)
        assert len(heard.raws) == 4
        assert [type(each) for each in (await drained(source, heard.cursor)).items] == [Alive]
    assert all(each.published_at == each.received_at for each in reports[:3])
    assert reports[3].text == "Example Lend exploited for $4.9M\nIt lost $3M!"


async def test_a_document_cut_short_gives_what_came():
    """Of a document that ends too early the whole entries are read; the rest comes with the next poll."""
    whole = rss([Item(), OTHER])
    cut = whole[: whole.index(b"Other Swap loses")]
    async with open_feeds(one=cut) as host, built("feeds", host.settings) as source:
        first = await drained(source)
        assert reports_of(source, first)[0].title == "Example Lend exploited for $4.9M"
        host.documents["/one"] = whole
        second = await drained(source, first.cursor)
        assert OTHER.title in {each.title for each in reports_of(source, second)}


async def test_nothing_a_document_names_is_fetched():
    """Neither an external entity nor a stylesheet or base of a document makes anybody ask for it."""
    async with open_feeds(one=b"", two=b"") as host:
        named = host.server.url.encode()
        host.documents["/one"] = b'<!DOCTYPE r SYSTEM "%s/dtd">' % named + rss([Item()]).partition(b"?>")[2]
        host.documents["/two"] = (
            b'<?xml-stylesheet href="%s/css"?><rss xml:base="%s/base" version="2.0">' % (named, named)
            + rss([Item(link="", guid="2")]).partition(b'version="2.0">')[2]
        )
        async with built("feeds", host.settings) as source:
            await drained(source)
        assert host.server.paths() == ["/one", "/two"]


@pytest.mark.parametrize(
    "table", [{"shipped": "nosuchfeed"}, {"own": {"mine": {"url": "file:///etc/passwd"}}}]
)
async def test_feeds_that_cannot_be_are_refused(table: dict[str, object]):
    """A name that is not shipped, or an address that is none, stops the start."""
    with pytest.raises(InvalidSettings, match=r"sources\.feeds"):
        async with built("feeds", table):
            pass
