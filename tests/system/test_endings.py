"""How KAMIYO ends, by order and by force, and what the next start finds."""

import signal
import time

import pytest

from tests.system.harness import Ground, a_user, ask_database, listening, needs_engines, wait_for

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow, needs_engines]
BOOKS = "SELECT sum(payloads), sum(liquidated_fills) FROM spans"
RESTARTING = 1012


def test_what_a_kill_interrupts_is_read_once(ground: Ground) -> None:
    """After kill -9 amid the stream the next start serves soon, with each payload counted once."""
    first = ground.serve()
    before = [a_user(number) for number in range(1, 31)]
    for user in before:
        ground.node.write(user)
    wait_for(first.users)
    first.kill()
    missed = [a_user(number) for number in range(31, 41)]
    for user in missed:
        ground.node.write(user)

    second = ground.start()
    assert second.wait_until_serving() < 30
    wait_for(lambda: len(second.users()) >= 40)
    ground.node.write(a_user(41))
    everybody = [*before, *missed, a_user(41)]
    wait_for(lambda: len(second.users()) >= 41)
    assert sorted(second.users()) == everybody
    assert [tuple(map(int, row)) for row in ask_database(ground.database_url(), BOOKS)] == [(41, 82)]
    assert ask_database(ground.database_url(), "SELECT count(*) FROM gaps") == [(0,)]


def test_an_orderly_end_sends_subscribers_away_with_a_cursor(ground: Ground) -> None:
    """SIGTERM ends everything with code 0, and resuming with the cursor given tells what was missed, once."""
    first = ground.serve()
    with listening(first) as listener:
        ground.node.write(a_user(1))
        ground.node.write(a_user(2), a_user(3))
        listener.listen_until(a_user(3))
        began = time.monotonic()
        first.process.terminate()
        code, reason = listener.listen_until_closed()
    assert first.ended() == 0
    assert time.monotonic() - began < 20
    assert not ground.engines_live()
    assert code == RESTARTING
    assert f"cursor {listener.cursor}" in reason
    ground.node.write(a_user(4))

    second = ground.serve()
    wait_for(lambda: len(second.users()) == 4)
    with listening(second, cursor=listener.cursor) as resumed:
        ground.node.write(a_user(5))
        resumed.listen_until(a_user(5))
    assert listener.users == [a_user(1), a_user(2), a_user(3)]
    assert resumed.users == [a_user(4), a_user(5)]


@pytest.mark.parametrize("made", ["engines.lock", "engines/data"])
def test_an_interrupted_start_leaves_nothing_that_hinders_the_next(ground: Ground, made: str) -> None:
    """Ctrl-C while the engines are being made ends with 130, and the next start serves."""
    kamiyo = ground.start()
    wait_for((ground.home / made).exists)
    kamiyo.process.send_signal(signal.SIGINT)
    assert kamiyo.ended() in {0, 130}
    wait_for(lambda: not ground.engines_live())
    ground.serve()
