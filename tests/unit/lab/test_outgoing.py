"""What goes out to one connection under any faults, and that the account of it is exact."""

import random
from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from kamiyo.lab.faults import FaultKind
from kamiyo.lab.outgoing import Delivery, Outgoing
from kamiyo.lab.ports import Publication
from tests.builders import NOW

SPOILING = [FaultKind.MALFORMED, FaultKind.DUPLICATE, FaultKind.REORDER]
STEPS = st.lists(st.sampled_from([*SPOILING, FaultKind.SILENCE, *["publish"] * 4]), max_size=60)


def an_outgoing(*, keep: bool = True) -> Outgoing:
    account = Delivery(number=0, address="127.0.0.1", opened_at=NOW)
    return Outgoing(account, random.Random(1), keep=keep)


def a_publication(number: int) -> Publication:
    return Publication(NOW + timedelta(seconds=number), ("trades", "BTC"), b'{"number":%d}' % number)


@given(STEPS)
def test_every_frame_is_delivered_or_lost(steps: list[str]) -> None:
    """After any faults each frame that was due is in exactly one of the two lists, and none is invented."""
    outgoing, sent, published = an_outgoing(), [], []
    for number, step in enumerate(steps):
        if step == "publish":
            published.append(a_publication(number))
            sent += outgoing.publish(published[-1])
        elif step is FaultKind.SILENCE:
            outgoing.silence(NOW + timedelta(seconds=number + 3))
        else:
            outgoing.spoil(FaultKind(step))
    outgoing.end(NOW + timedelta(hours=1), "client")
    account = outgoing.account
    delivered = {each.frame for each in account.delivered}
    lost = [each.publication.frame for each in account.lost]
    assert Counter([*delivered, *lost]) == Counter(each.frame for each in published)
    assert [frame for frame in sent if frame in delivered] == [each.frame for each in account.delivered]


def test_the_account_may_keep_numbers_only() -> None:
    """Where frames are not kept they are still counted by type."""
    outgoing = an_outgoing(keep=False)
    outgoing.publish(a_publication(1))
    assert outgoing.account.delivered == []
    assert outgoing.account.sent == {"trades": 1}


def test_silence_is_over_at_its_end() -> None:
    """What is due at the very end of a silence goes out, and so do controls."""
    outgoing = an_outgoing()
    outgoing.silence(NOW + timedelta(seconds=5))
    assert outgoing.publish(a_publication(4)) == []
    assert not outgoing.control(NOW + timedelta(seconds=4))
    assert outgoing.publish(a_publication(5)) == [b'{"number":5}']
    assert outgoing.control(NOW + timedelta(seconds=5))


def test_what_is_said_counts_as_speaking_and_silence_does_not() -> None:
    """The moment anything last went out is known, for the rule of sixty seconds."""
    outgoing = an_outgoing()
    outgoing.publish(a_publication(3))
    outgoing.silence(NOW + timedelta(seconds=9))
    outgoing.publish(a_publication(4))
    assert outgoing.last_sent_at == NOW + timedelta(seconds=3)


def test_the_first_end_is_the_one_that_counts() -> None:
    """A connection that was dropped is not called ended by its client when the client notices."""
    outgoing = an_outgoing()
    outgoing.end(NOW, "1006")
    outgoing.end(NOW + timedelta(seconds=1), "client")
    assert (outgoing.account.end, outgoing.account.closed_at) == ("1006", NOW)
