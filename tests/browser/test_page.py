"""The page at / in a real browser, through a node's coming and a server's restart."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from kamiyo.core.ids import Address, Asset
from kamiyo.core.ports import Event
from kamiyo.core.sources import CoverageLabel, SourceState
from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import open_pool
from tests.builders import (
    API,
    MAKER,
    VAULT,
    a_batch,
    a_market_state,
    a_position,
    a_source_description,
    a_vault_state,
    an_account_state,
)
from tests.system.harness import Ground, Kamiyo, a_user, free_port, needs_engines, wait_for

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow, needs_engines]
SOON = 60_000
UNREACHABLE = "ERR_CONNECTION_REFUSED"
SERVICE_UNAVAILABLE = "503"


class Visit:
    """A page, and everything its console complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def greens(self) -> list[str]:
        """Give the words that are shown in green."""
        return self.page.locator(".good").all_inner_texts()

    def photograph(self, name: str) -> None:
        """Keep a picture where the environment asks for one: for people."""
        if folder := os.environ.get("KAMIYO_TEST_PICTURES"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@contextmanager
def visiting(browser: Browser, kamiyo: Kamiyo, scheme: str = "light", width: int = 1280) -> Iterator[Visit]:
    """Open the page as a person does who likes it light or dark, on a screen of this width."""
    page = browser.new_page(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 900}
    )
    visit = Visit(page)
    page.goto(kamiyo.url)
    yield visit
    page.close()


def seconds_shown(page: Page) -> int:
    """Give the age the page shows for the node."""
    text = page.locator("#sources tr", has_text="hyperliquid_node").inner_text()
    found = re.search(r"(\d+) s ago", text)
    return int(found[1]) if found else -1


def tell(ground: Ground, *events: Event) -> None:
    """Store these as what the public API has just said."""

    async def write() -> None:
        now = datetime.now(UTC)
        async with open_pool(ground.database_url(), size=1) as pool:
            journal = PostgresJournal(pool)
            description = a_source_description(
                name=API, label=CoverageLabel.SAMPLE, silence_limit=timedelta(minutes=5)
            )
            await journal.register(description)
            await journal.report_state(API, SourceState.LIVE, "")
            told = {"heard_at": now, "first_event_at": now, "last_event_at": now}
            await journal.write(a_batch(source=API, events=events, **told))

    with ThreadPoolExecutor(1) as thread:  # this one runs the browser's loop already
        thread.submit(asyncio.run, write()).result()


def some_states(now: datetime) -> list[Event]:
    """Markets, HLP with two children, and accounts near and far from liquidation."""
    old = now - timedelta(minutes=3)
    rich = {
        "mark_price": Decimal(121_500),
        "oracle_price": Decimal(121_000),
        "open_interest": Decimal(31_000),
    }
    children = {"parent": VAULT, "children": (), "timestamp": now}
    return [
        a_market_state(asset=Asset("BTC"), timestamp=now, **rich),
        a_market_state(asset=Asset("ETH"), timestamp=old),
        a_market_state(
            asset=Asset("xyz:TSLA"), timestamp=now, open_interest=None, funding_rate=None, day_volume_usd=None
        ),
        a_vault_state(timestamp=now, children=(MAKER, Address(a_user(7)))),
        a_vault_state(vault=MAKER, name="HLP Liquidator 1", account_value=Decimal(-7), **children),
        a_vault_state(vault=Address(a_user(7)), name="HLP Liquidator 2", account_value=None, **children),
        an_account_state(
            a_position(),
            a_position(asset=Asset("SOL"), liquidation_price=None, leverage=None),
            timestamp=now,
        ),
        an_account_state(
            a_position(liquidation_price=Decimal("3000.9")), user=Address(a_user(8)), timestamp=old
        ),
    ]


# `kamiyo run` with a mode of its own, as the playing of a recording starts it.
SHOWING = """
import sys, uvloop
from kamiyo.cli.run import engines_of, settings_of
from kamiyo.core.modes import Mode, Showing
from kamiyo.kit.logging import configure
from kamiyo.runtime.processes import Role, Stage, run
settings = settings_of(None, home=sys.argv[1], port=int(sys.argv[2]))
configure(json=False)
with engines_of(settings) as engines:
    stage = Stage(showing=Showing(Mode[sys.argv[3]], sys.argv[4]))
    uvloop.run(run(settings, engines, list(Role), stage=stage))
"""


def serve_as(ground: Ground, mode: str, recording: str) -> Kamiyo:
    """Start a server that shows a recording."""
    port = free_port()
    command = (sys.executable, "-c", SHOWING, str(ground.home), str(port), mode, recording)
    kamiyo = ground.start_command(command, ground.environment(), port)
    kamiyo.wait_until_serving()
    return kamiyo


def test_markets_vaults_and_positions_show_their_ages(ground: Ground, browser: Browser) -> None:
    """An old row says STALE, the unknown is not a number, and none of it is green, on a narrow screen too."""
    kamiyo = ground.serve()
    tell(ground, *some_states(datetime.now(UTC)))
    with visiting(browser, kamiyo) as visit:
        page = visit.page
        for section, count in (("markets", 3), ("vaults", 3), ("positions", 2)):
            expect(page.locator(f"#{section} tr")).to_have_count(count, timeout=SOON)
        bitcoin, ether, tesla = page.locator("#markets tr").all()
        expect(bitcoin).to_contain_text("3,766,500,000")
        expect(bitcoin).to_contain_text("0.41 %")
        expect(bitcoin).to_contain_text(re.compile(r"\d+ s ago"))
        expect(ether).to_contain_text("3 min ago, STALE")
        expect(tesla.locator("td", has_text="unknown")).to_have_count(3)
        expect(page.locator("#vaults tr", has_text="Liquidator 2")).to_contain_text("unknown")
        distances = page.locator("#positions td:first-child").all_inner_texts()
        assert distances == ["-0.03 %", "5.00 %"]  # not the one that no price liquidates
        expect(page.locator("#positions-warnings")).to_contain_text("a sample: the positions of 2 accounts")
        page.select_option("#markets-sort", "asset")
        expect(page.locator("#markets tr").nth(2)).to_contain_text("xyz:TSLA")
        assert page.locator("#markets .good, #vaults .good, #positions .good").count() == 0
        visit.photograph("states-light")
    with visiting(browser, kamiyo, "dark", 420) as visit:
        expect(visit.page.locator("#positions tr")).to_have_count(2, timeout=SOON)
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        visit.photograph("states-narrow-dark")


def test_what_is_not_told_any_more_grows_old_before_the_reader(ground: Ground, browser: Browser) -> None:
    """The page lets a number age by itself while the server is away, and calls it the last known."""
    kamiyo = ground.serve()
    tell(ground, *some_states(datetime.now(UTC)))
    with visiting(browser, kamiyo) as visit:
        bitcoin = visit.page.locator("#markets tr").first
        expect(bitcoin).to_contain_text(re.compile(r"\d+ s ago"), timeout=SOON)
        kamiyo.terminate()
        expect(visit.page.locator("#markets-note")).to_contain_text("Last known", timeout=SOON)
        expect(bitcoin).to_contain_text("STALE", timeout=90_000)
        assert visit.greens() == []
        visit.photograph("states-away-light")


@pytest.mark.parametrize(("mode", "words"), [("REPLAY", "happened before"), ("SIMULATED", "was made up")])
def test_what_does_not_happen_now_cannot_be_taken_for_it(
    ground: Ground, browser: Browser, mode: str, words: str
) -> None:
    """A bar over everything and the title say so before anything else, and nothing is green."""
    ground.node.write(a_user(1))
    kamiyo = serve_as(ground, mode, "POPCAT, 12 November 2025")
    tell(ground, *some_states(datetime.now(UTC)))
    for scheme, width in (("light", 1280), ("dark", 420)):
        with visiting(browser, kamiyo, scheme, width) as visit:
            page, banner = visit.page, visit.page.locator("#banner")
            expect(banner).to_contain_text(f"{mode}: POPCAT, 12 November 2025.", timeout=SOON)
            expect(banner).to_contain_text(words)
            expect(page.locator("#liquidations tr")).to_have_count(1, timeout=SOON)
            expect(page.locator("#status")).to_contain_text(f"{mode}, its sources:")
            expect(page).to_have_title(re.compile(f"^{mode} · KAMIYO"))
            ground.node.write()
            node = page.locator("#sources tr", has_text="hyperliquid_node")
            expect(node).to_contain_text(f"live ({mode})", timeout=SOON)
            assert visit.greens() == []
            visit.photograph(f"{mode.lower()}-{scheme}")


def test_the_mode_stays_in_sight(ground: Ground, browser: Browser) -> None:
    """However far one scrolls, and when the server is gone, the bar is over the whole width of the page."""
    kamiyo = serve_as(ground, "REPLAY", "POPCAT")
    with visiting(browser, kamiyo) as visit:
        page, banner = visit.page, visit.page.locator("#banner")
        expect(page.locator("#exploits tr")).to_have_count(41, timeout=SOON)
        box = banner.bounding_box()
        assert box is not None
        assert (box["x"], box["y"]) == (0, 0)
        assert box["width"] == page.evaluate("document.documentElement.clientWidth")
        page.mouse.wheel(0, 5_000)
        wait_for(lambda: page.evaluate("scrollY > 300"))
        assert banner.bounding_box() == box
        kamiyo.terminate()
        expect(page.locator("#status")).to_contain_text("does not answer", timeout=SOON)
        expect(banner).to_contain_text("REPLAY: POPCAT")
        expect(page).to_have_title("REPLAY · KAMIYO · unknown")


def test_without_a_node_the_page_says_why_and_shows_the_cases(ground: Ground, browser: Browser) -> None:
    """Nothing is green, the missing folder is named, and an unknown amount is not a number."""
    kamiyo = ground.serve()
    wait_for(lambda: len(kamiyo.get("/exploits", limit=100)["data"]) == 41)
    for scheme in ("light", "dark"):
        with visiting(browser, kamiyo, scheme) as visit:
            page = visit.page
            expect(page.locator("#exploits tr")).to_have_count(41, timeout=SOON)
            expect(page.locator("#sources")).to_contain_text(str(ground.node.root), timeout=SOON)
            expect(page.locator("#status")).to_contain_text("not live")
            expect(page.locator("#liquidations-empty")).to_contain_text("does not mean that none happened")
            expect(page.locator("#liquidations-warnings")).to_contain_text(str(ground.node.root))
            assert visit.greens() == []
            rows = {row["name"]: row for row in kamiyo.get("/exploits", limit=100)["data"]}
            for name in [name for name, row in rows.items() if row["amount_usd"] is None]:
                shown = page.locator("#exploits tr", has=page.get_by_role("link", name=name, exact=True))
                expect(shown.locator("td.number")).to_contain_text("unknown")
            page.wait_for_timeout(2_500)
            assert [each for each in visit.complaints if SERVICE_UNAVAILABLE not in each] == []
            visit.photograph(f"no-node-{scheme}")


def test_what_happens_is_shown_as_it_happens(ground: Ground, browser: Browser) -> None:
    """A liquidation arrives without a reload, ages tick, and silence ends the green by itself."""
    ground.node.write(a_user(1))
    kamiyo = ground.serve()
    with visiting(browser, kamiyo) as visit:
        page = visit.page
        rows = page.locator("#liquidations tr")
        expect(rows).to_have_count(1, timeout=SOON)
        expect(page.locator("#transport")).to_contain_text("Connected", timeout=SOON)
        ground.node.write(a_user(2))
        expect(rows).to_have_count(2, timeout=SOON)
        expect(page.locator("#liquidations tr.arrived")).to_have_count(1)
        ground.node.write()
        expect(page.locator("#status")).to_have_class("good", timeout=SOON)
        visit.photograph("live-light")
        first = seconds_shown(page)
        wait_for(lambda: seconds_shown(page) > max(first, 1))
        expect(page.locator("#status")).not_to_have_class("good", timeout=SOON)
        assert not kamiyo.is_green()
        assert visit.greens() == []
        assert [each for each in visit.complaints if SERVICE_UNAVAILABLE not in each] == []


def test_a_restart_of_the_server_is_survived_without_a_reload(ground: Ground, browser: Browser) -> None:
    """While it is away nothing is green; afterwards what was missed is there and what comes arrives."""
    ground.node.write(a_user(1))
    first = ground.serve()
    with visiting(browser, first) as visit:
        page = visit.page
        page.evaluate("window.sameDocument = true")
        rows = page.locator("#liquidations tr")
        expect(rows).to_have_count(1, timeout=SOON)
        assert first.terminate() == 0
        expect(page.locator("#status")).to_contain_text("does not answer", timeout=SOON)
        assert visit.greens() == []
        visit.photograph("away-light")
        ground.node.write(a_user(2))
        ground.start(port=first.port).wait_until_serving()
        expect(rows).to_have_count(2, timeout=SOON)
        expect(page.locator("#transport")).to_contain_text("Connected", timeout=SOON)
        ground.node.write(a_user(3))
        expect(rows).to_have_count(3, timeout=SOON)
        assert page.evaluate("window.sameDocument") is True
        expected = (UNREACHABLE, SERVICE_UNAVAILABLE, "WebSocket")
        assert [each for each in visit.complaints if not any(word in each for word in expected)] == []
