"""What is replayed or made up says so wherever it is shown."""

import dataclasses

import httpx
import msgspec
import pytest

from kamiyo.api.app import build_app
from kamiyo.api.state import ApiState
from kamiyo.api.stream.grammar import hello_text
from kamiyo.cache.responses import open_cache
from kamiyo.core.modes import LIVE, Mode, Showing
from tests.builders import a_batch, a_market_state

REPLAY = Showing(Mode.REPLAY, "POPCAT, 12 November 2025")
SIMULATED = Showing(Mode.SIMULATED, "ten made-up minutes")
LISTS = ("/liquidations", "/exploits", "/honest-cases", "/sources", "/markets", "/vaults", "/positions")
DATA = ("/stats", "/meta", "/coverage", "/markets/ETH")


def client_of(state: ApiState) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=build_app(state))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.mark.parametrize("showing", [LIVE, REPLAY, SIMULATED])
async def test_every_answer_says_what_it_shows(state, node, showing):
    """Lists, data, health and refusals alike: in the body where there is an envelope, in a header always."""
    await node.write(a_batch(events=(a_market_state(),)))
    async with client_of(dataclasses.replace(state, showing=showing)) as client:
        for path in (*LISTS, *DATA):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            meta = answer.json()["meta"]
            assert (meta["mode"], meta["recording"]) == (showing.mode, showing.recording), path
            assert answer.headers["x-kamiyo-mode"] == showing.mode
        health = (await client.get("/health")).json()
        about = (await client.get("/meta")).json()["data"]
        for body in (health, about):
            assert (body["mode"], body["recording"]) == (showing.mode, showing.recording)
        for path in ("/nothing", "/", "/liquidations?limit=0", "/health/live", "/openapi.json"):
            assert (await client.get(path)).headers["x-kamiyo-mode"] == showing.mode


async def test_the_metric_has_one_mode(state):
    """The mode this server has is 1, and no other mode is there at all."""
    async with client_of(dataclasses.replace(state, showing=REPLAY)) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    assert [line for line in lines if line.startswith("kamiyo_mode")] == ['kamiyo_mode{mode="REPLAY"} 1.0']


async def test_servers_that_share_a_redis_do_not_mix_their_modes(state, redis_url, clock):
    """An answer a replay put into the shared cache is not given by the live server beside it."""
    for showing in (REPLAY, SIMULATED, LIVE):
        async with open_cache(redis_url, clock=clock) as cache:
            shown = dataclasses.replace(state, showing=showing, cache=cache)
            async with client_of(shown) as client:
                assert (await client.get("/liquidations")).json()["meta"]["mode"] == showing.mode


def test_a_caller_of_the_stream_hears_it_first():
    """The first frame has the mode and the name of what is played."""
    assert msgspec.json.decode(hello_text(REPLAY, "sample")) == {
        "channel": "hello",
        "mode": "REPLAY",
        "recording": "POPCAT, 12 November 2025",
        "coverage": "sample",
    }
