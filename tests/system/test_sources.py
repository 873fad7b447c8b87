"""What a user sees of a node that is not there, comes, falls silent and goes on."""

import time

import pytest

from tests.system.harness import Ground, Kamiyo, a_user, listening, needs_engines, wait_for

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow, needs_engines]
SILENCE_LIMIT = 10.0
LISTS = ("/liquidations", "/sources")
MARGIN = 5.0


def names(kamiyo: Kamiyo, path: str, *, limit: int) -> list[str]:
    """Give the names of all rows of a list, page by page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = kamiyo.get(path, limit=limit, **cursor)
        found += [row["name"] for row in page["data"]]
        if not page["meta"]["has_more"]:
            return found
        cursor = {"cursor": page["meta"]["next_cursor"]}


def told(kamiyo: Kamiyo, word: str) -> int:
    """Give how many lines of the log hold this word."""
    return sum(word in line for line in kamiyo.log().splitlines())


def test_without_a_node_everything_says_so_and_the_catalogue_is_served(ground: Ground) -> None:
    """Health is down with the reason, each list warns, the log tells it once, and the cases are there."""
    kamiyo = ground.serve()
    assert len(names(kamiyo, "/exploits", limit=9)) == 41  # from the first answer on
    assert len(set(names(kamiyo, "/exploits", limit=10))) == 41
    assert len(set(names(kamiyo, "/honest-cases", limit=5))) == 16
    watched = time.monotonic()
    code, health = kamiyo.health()
    assert (code, health["status"]) == (503, "down")
    [reason] = [each for each in health["reasons"] if "hyperliquid_node" in each]
    assert str(ground.node.root) in reason
    for path in LISTS:
        meta = kamiyo.get(path)["meta"]
        assert meta["stale"] is True
        assert any(str(ground.node.root) in warning for warning in meta["warnings"]), meta
    assert kamiyo.get("/liquidations")["data"] == []
    time.sleep(max(0.0, watched + 5 - time.monotonic()))
    assert told(kamiyo, str(ground.node.root)) == 1, kamiyo.log()
    assert told(kamiyo, "state=unreachable") == 1, kamiyo.log()
    assert told(kamiyo, "[error") == 0, kamiyo.log()


def test_a_node_that_comes_falls_silent_and_goes_on_is_shown_as_that(ground: Ground) -> None:
    """Health follows the node both ways by itself, and what it writes arrives in the list and the stream."""
    kamiyo = ground.serve()
    assert kamiyo.health()[0] == 503
    with listening(kamiyo) as listener:
        ground.node.write(a_user(1))
        last_word = time.monotonic()
        listener.listen_until(a_user(1))
        wait_for(kamiyo.is_green, seconds=MARGIN)
        wait_for(lambda: kamiyo.users() == [a_user(1)])  # lists are cached for a moment
        wait_for(lambda: kamiyo.get("/liquidations")["meta"]["stale"] is False)

        def is_down() -> bool:
            code, health = kamiyo.health()
            if code == 503:
                return True
            assert health["status"] == "ok", health["reasons"]
            assert time.monotonic() - last_word < SILENCE_LIMIT + MARGIN, "green for longer than its limit"
            return False

        wait_for(is_down)
        wait_for(lambda: kamiyo.get("/liquidations")["meta"]["stale"])
        meta = kamiyo.get("/liquidations")["meta"]
        assert any("hyperliquid_node is stale" in warning for warning in meta["warnings"]), meta

        ground.node.write(a_user(2))
        listener.listen_until(a_user(2))
        wait_for(kamiyo.is_green, seconds=MARGIN)
        assert listener.users == [a_user(1), a_user(2)]
        wait_for(lambda: kamiyo.users() == listener.users)
    assert told(kamiyo, "state=unreachable") == 1, kamiyo.log()
