"""Engines that are killed under a running KAMIYO, and homes that several processes share."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.system.harness import Ground, Kamiyo, a_user, free_port, listening, needs_engines, wait_for

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow, needs_engines]


def kill(ground: Ground, name: str) -> None:
    """Kill an engine of this home outright."""
    os.kill(ground.engine(name), signal.SIGKILL)


def answer(kamiyo: Kamiyo, path: str) -> httpx.Response:
    """Give an answer whatever it is, as long as it is one of HTTP."""
    return kamiyo.client.get(path)


def test_a_killed_database_is_answered_for_with_a_problem_and_comes_back(ground: Ground) -> None:
    """Answers are right or a problem document, never anything else, and nothing is lost or doubled."""
    kamiyo = ground.serve()
    with listening(kamiyo) as listener:
        ground.node.write(a_user(1))
        listener.listen_until(a_user(1))
        kill(ground, "postgres")
        problems = []
        for number in range(2, 22):
            ground.node.write(a_user(number))
            answers = [answer(kamiyo, path) for path in ("/liquidations", "/health", "/exploits")]
            problems += [each for each in answers if each.status_code != 200]
        assert all(each.status_code == 503 for each in problems), problems
        assert all("json" in each.headers["content-type"] for each in problems)
        wait_for(kamiyo.serves)
        ground.node.write(a_user(22))
        listener.listen_until(a_user(22))
    wait_for(lambda: sorted(kamiyo.users()) == [a_user(number) for number in range(1, 23)])
    assert listener.users == [a_user(number) for number in range(1, 23)]
    wait_for(kamiyo.is_green)


def test_while_the_database_does_not_answer_everything_says_so(ground: Ground) -> None:
    """A database that is stopped, not gone, is a problem document for each list, and health is down."""
    kamiyo = ground.serve()
    ground.node.write(a_user(1))
    wait_for(kamiyo.is_green)
    kill(ground, "postgres")
    code, health = kamiyo.health()
    if code == 503 and not health["database"]["reachable"]:
        assert health["status"] == "down"
        assert health["sources"] is None
    found = answer(kamiyo, "/liquidations")
    if found.status_code != 200:
        assert found.status_code == 503
        assert found.headers["content-type"] == "application/problem+json"
        assert found.headers["retry-after"]
    wait_for(kamiyo.serves)


def test_a_killed_cache_stops_no_answer(ground: Ground) -> None:
    """Every list goes on being answered, liquidations go on arriving, and the cache is started again."""
    kamiyo = ground.serve()
    wait_for(lambda: len(kamiyo.get("/exploits", limit=100)["data"]) == 41)
    before = ground.engine("valkey")
    with listening(kamiyo) as listener:
        kill(ground, "valkey")
        for number in range(1, 11):
            assert len(kamiyo.get("/exploits", limit=100)["data"]) == 41
            ground.node.write(a_user(number))
        listener.listen_until(a_user(10))
        wait_for(lambda: ground.engine("valkey") != before)
        assert len(kamiyo.get("/exploits", limit=100)["data"]) == 41
    wait_for(lambda: kamiyo.users() == listener.users)


def test_four_starts_at_once_on_one_home_all_serve(ground: Ground) -> None:
    """One of them makes the engines, all answer the same, and only one reads the node."""
    racing = [ground.start(port=port) for port in _ports(4)]
    with ThreadPoolExecutor(len(racing)) as threads:
        list(threads.map(Kamiyo.wait_until_serving, racing))
    ground.node.write(a_user(1))
    wait_for(lambda: all(each.users() == [a_user(1)] for each in racing))
    wait_for(lambda: all(len(each.get("/exploits", limit=100)["data"]) == 41 for each in racing))
    assert sum(_waits_for_the_node(each) for each in racing) == 3


def _waits_for_the_node(kamiyo: Kamiyo) -> bool:
    # By source: whoever reads the node may have had to wait for the catalogue.
    told = [line for line in kamiyo.log().splitlines() if "another worker reads this source" in line]
    return any("source=hyperliquid_node" in line for line in told)


def _ports(number: int) -> set[int]:
    found: set[int] = set()
    while len(found) < number:
        found.add(free_port())
    return found


def test_roles_in_processes_of_their_own_work_together(ground: Ground) -> None:
    """What one process reads another serves; of two that read, one stands by until the other is killed."""
    owner = ground.serve("--role", "serve", "--role", "work")
    shared = ground.database_url()
    readers = [ground.start("--role", "ingest", database_url=shared) for _ in range(2)]
    wait_for(lambda: len(owner.get("/exploits", limit=100)["data"]) == 41)
    ground.node.write(a_user(1))
    wait_for(lambda: owner.users() == [a_user(1)])

    def stands_by(reader: Kamiyo) -> bool:
        return any("standing_by" in line and "hyperliquid_node" in line for line in reader.log().splitlines())

    wait_for(lambda: any(map(stands_by, readers)))
    [standing_by] = [each for each in readers if stands_by(each)]
    [reading] = [each for each in readers if each is not standing_by]
    reading.kill()
    ground.node.write(a_user(2))
    wait_for(lambda: owner.users() == [a_user(1), a_user(2)])
    wait_for(owner.is_green)
    assert standing_by.terminate() == 0
    assert owner.users() == [a_user(1), a_user(2)]
