"""The page at / in a real browser, through a node's coming and a server's restart."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.system.harness import Ground, Kamiyo, a_user, needs_engines, wait_for

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
def visiting(browser: Browser, kamiyo: Kamiyo, scheme: str = "light") -> Iterator[Visit]:
    """Open the page as a person does who likes it light or dark."""
    page = browser.new_page(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": 1280, "height": 900}
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
