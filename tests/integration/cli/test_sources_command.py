"""``kamiyo sources`` against a KAMIYO that runs as a user runs it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.builders import VICTIM, block_line, fill_json
from tests.integration.cli.server import (
    PATIENCE_SECONDS,
    a_free_port,
    kamiyo,
    started,
    wait_until_serving,
)

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]


class Site:
    """One installation that reads a node's directory."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        port = a_free_port()
        self.server = f"http://127.0.0.1:{port}"
        hour = folder / "node" / "node_fills_by_block" / "hourly" / "20251010" / "21"
        hour.parent.mkdir(parents=True)
        hour.write_bytes(block_line((VICTIM, fill_json())) + b"\n")
        self.settings = {
            "KAMIYO_DATABASE_URL": database_url,
            "KAMIYO_REDIS_URL": redis_url,
            "KAMIYO_PORT": str(port),
            "KAMIYO_HOME": str(folder / "home"),
            "KAMIYO__SOURCES__HYPERLIQUID_NODE__PATH": str(folder / "node"),
            "KAMIYO__SOURCES__HYPERLIQUID_API__ACTIVE": "false",
            "ALL_PROXY": "http://127.0.0.1:1",  # nobody there: this machine is never asked through a proxy
        }

    def ask(self, *arguments: str) -> Any:
        return kamiyo("sources", *arguments, "--server", self.server, cwd=self.folder, **self.settings)

    def source(self, name: str) -> dict[str, Any]:
        listed = msgspec.json.decode(self.ask("--json").stdout)["data"]
        (found,) = (each for each in listed if each["name"] == name)
        return found

    def wait_for(self, name: str, state: str) -> float:
        """Seconds until the source is in this state."""
        began = time.monotonic()
        while self.source(name)["state"] != state:
            assert time.monotonic() < began + PATIENCE_SECONDS, self.source(name)
            time.sleep(0.1)
        return time.monotonic() - began


@pytest.fixture
def serving(tmp_path: Path, empty_database_url: str, redis_url: str) -> Iterator[Site]:
    """Give an installation that serves."""
    site = Site(tmp_path, empty_database_url, redis_url)
    with started("run", output=site.folder / "run.log", settings=site.settings):
        wait_until_serving(site.server)
        yield site


def test_sources_are_listed_and_switched_while_they_run(serving: Site) -> None:
    """Off ends a stream within seconds, on begins it again, and the log has who was switched."""
    assert serving.source("hyperliquid_api")["detail"] == "switched off by its settings"
    node = "hyperliquid_node"
    serving.wait_for(node, "live")

    off = serving.ask("off", node)
    assert (off.returncode, off.stderr) == (0, "")
    assert off.stdout.startswith(f"{node} is switched off, priority ")
    assert serving.wait_for(node, "inactive") < 5
    table = serving.ask()
    assert (table.returncode, table.stderr) == (0, "")
    line = next(each for each in table.stdout.splitlines() if f" {node} " in each)
    assert line.split()[2] == "off"

    on = msgspec.json.decode(serving.ask("on", node, "--json").stdout)
    assert on["data"]["active"] is True
    assert serving.wait_for(node, "starting") < 5  # it has nothing new to say

    first = serving.ask("priority", node, "0")
    assert first.stdout == f"{node} is switched on, priority 0\n"
    assert serving.source(node)["priority"] == 0

    log = (serving.folder / "run.err").read_text()
    assert log.count("source_switched") == 3


def test_what_cannot_be_switched_is_told_in_one_line(serving: Site) -> None:
    """A wrong name is wrong usage, and no server is one that cannot be reached."""
    unknown = serving.ask("off", "nobody/at all")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("kamiyo: ")
    assert unknown.stderr.count("\n") == 1
    assert serving.ask("priority", "hyperliquid_node", "1001").returncode == 2
    nowhere = kamiyo("sources", "--server", "http://127.0.0.1:9", cwd=serving.folder, **serving.settings)
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (4, 1)
