"""Who speaks at the other end of a link."""

import pytest

from kamiyo.aggregators._voices import citation_of, voice_of
from kamiyo.core.reports import Grade


@pytest.mark.parametrize(
    ("url", "voice"),
    [
        ("https://x.com/PeckShieldAlert/status/1?s=20", "x:peckshieldalert"),
        ("https://twitter.com/peckshield/status/1", "x:peckshield"),
        ("https://www.twitter.com/@peckshield", "x:peckshield"),
        ("https://x.com/i/status/1", "x.com"),
        ("https://x.com", "x.com"),
        ("https://t.me/s/investigations/12", "telegram:investigations"),
        ("https://t.me/defimon_alerts/1757", "telegram:defimon_alerts"),
        ("https://rekt.news/sss-rekt/", "rekt.news"),
        ("https://www.coindesk.com/a", "coindesk.com"),
        ("https://medium.com/@quillaudits/how", "medium.com/quillaudits"),
        ("https://medium.com/immunefi/hack", "medium.com/immunefi"),
        ("https://slowmist.medium.com/a", "slowmist.medium.com"),
        ("https://github.com/banteg/evil-jar", "github.com/banteg"),
        ("https://user:secret@news.example:8443/a", "news.example"),
        ("http://[2001:db8::1]:80/a", "2001:db8::1"),
        ("", None),
        ("no link", None),
        ("ftp://news.example/a", None),
        ("https:///a", None),
    ],
)
def test_a_voice_is_the_author_or_the_host(url: str, voice: str | None):
    """Where many write it is the author, else the host; a link shared in another form is the same voice."""
    assert voice_of(url) == voice


@pytest.mark.parametrize(
    ("url", "grade"),
    [
        ("https://x.com/a/status/1", Grade.CLAIM),
        ("https://t.me/a/1", Grade.CLAIM),
        ("https://github.com/a/b", Grade.REPOSITORY),
        ("https://bscscan.com/tx/0x1", Grade.ONCHAIN_DERIVED),
        ("https://etherscan.io/tx/0x1", Grade.ONCHAIN_DERIVED),
        ("https://rekt.news/a", Grade.PRESS),
    ],
)
def test_a_citation_is_worth_what_its_voice_is(url: str, grade: Grade):
    """A post is a claim, an explorer shows the chain itself, and the rest is press."""
    citation = citation_of(url)
    assert citation is not None
    assert (citation.grade, citation.source_url) == (grade, url)
