"""``exploits``, ``liquidations``, ``watch`` and ``doctor`` against a KAMIYO that runs as a user runs it."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kamiyo.kit.recordings import read_lines
from tests.integration.cli.server import (
    PATIENCE_SECONDS,
    a_free_port,
    kamiyo,
    lines,
    started,
    wait_for_line,
    wait_until_serving,
)

RECORDING = "hl-node-fills-2025-10-27/node_fills_by_block_20251027_1700.jsonl.zst"
WLFI = "1761584402387-c3798204f969d90012c34cf9"

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]


class Site:
    """One installation: a database, a cache, a node's directory and a port."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.node = folder / "node"
        self.port = a_free_port()
        self.server = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "KAMIYO_DATABASE_URL": database_url,
            "KAMIYO_REDIS_URL": redis_url,
            "KAMIYO_PORT": str(self.port),
            "KAMIYO_HOME": str(folder / "home"),
            "KAMIYO__SOURCES__HYPERLIQUID_NODE__PATH": str(self.node),
            "KAMIYO__SOURCES__HYPERLIQUID_API__ACTIVE": "false",
            "KAMIYO__SOURCES__DEFILLAMA__ACTIVE": "false",
            "KAMIYO__SOURCES__DEFIHACKLABS__ACTIVE": "false",
            "KAMIYO__SOURCES__FEEDS__ACTIVE": "false",
            "KAMIYO__SOURCES__GITHUB_HISTORICAL__ACTIVE": "false",
            "KAMIYO__SOURCES__HYPERLIQUID_STATS__ACTIVE": "false",
            "ALL_PROXY": "http://127.0.0.1:1",  # nobody there: this machine is never asked through a proxy
        }

    def kamiyo(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return kamiyo(*arguments, cwd=self.folder, **self.settings)

    def ask(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.kamiyo(*arguments, "--server", self.server)

    def write_blocks(self, blocks: list[bytes]) -> None:
        hour = self.node / "node_fills_by_block" / "hourly" / "20251027" / "17"
        hour.parent.mkdir(parents=True, exist_ok=True)
        with hour.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in blocks))


@pytest.fixture
def site(tmp_path: Path, empty_database_url: str, redis_url: str) -> Site:
    """Give an installation that does not run yet."""
    return Site(tmp_path, empty_database_url, redis_url)


@pytest.fixture
def serving(site: Site) -> Iterator[Site]:
    """Give an installation that serves."""
    with started("run", output=site.folder / "run.log", settings=site.settings):
        wait_until_serving(site.server)
        yield site


@pytest.fixture
def blocks(shared_data: Path) -> list[bytes]:
    """Give the 700 recorded blocks."""
    return [line for _offset, line in read_lines(shared_data / RECORDING)]


def test_a_server_that_hears_nothing_says_so(serving: Site) -> None:
    """A wrong question is told from an empty answer, and that from blindness."""
    exploits = msgspec.json.decode(serving.ask("exploits", "--limit", "3", "--json").stdout)
    assert (len(exploits["data"]), exploits["meta"]["count"], exploits["meta"]["has_more"]) == (3, 3, True)
    assert exploits["meta"]["coverage"]["sources"]

    shown = serving.ask("exploits", "--category", "no_such")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("no exploit fits\nas of ")

    wrong = serving.ask("liquidations", "--min-usd", "much")
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
    assert wrong.stderr.startswith("kamiyo: min_usd")

    unsorted = serving.ask("markets", "--sort", "beauty")
    assert (unsorted.returncode, unsorted.stdout, unsorted.stderr.count("\n")) == (2, "", 1)
    for command, none in (("markets", "no state of a market"), ("positions", "no position")):
        shown = serving.ask(command)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert shown.stdout.startswith(f"{none} that fits is known\nas of ")
        assert "STALE" in shown.stdout
        assert msgspec.json.decode(serving.ask(command, "--json").stdout)["meta"]["mode"] == "LIVE"

    nothing = serving.ask("liquidations")
    assert "no liquidation is known that fits" in nothing.stdout
    assert "STALE" in nothing.stdout
    assert "warning: " in nothing.stdout


def test_coverage_of_a_server_that_hears_nothing_is_not_measured(serving: Site) -> None:
    """No hour and no day has a figure, and none is 0 or 100 %."""
    shown = serving.ask("coverage")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "not measured" in shown.stdout
    assert "%" not in shown.stdout
    told = msgspec.json.decode(serving.ask("coverage", "--days", "--json").stdout)
    assert {each["status"] for each in told["data"]["days"]} == {"not measured"}
    assert serving.ask("coverage", "--slots").returncode == 0


def test_what_a_node_writes_is_watched_and_listed(serving: Site, blocks: list[bytes]) -> None:
    """The one liquidation of the recorded blocks is shown as it comes and found afterwards; Ctrl-C is 130."""
    watched = serving.folder / "watched.json"
    watch = ("watch", "--server", serving.server, "--json")
    with started(*watch, output=watched, settings=serving.settings) as process:
        wait_for_line(watched, channel="watch", state="connected")
        wait_for_line(watched, channel="watch", state="blind")
        serving.write_blocks(blocks)
        line = wait_for_line(watched, channel="liquidations")
        assert (line["data"]["liquidation_id"], line["replayed"]) == (WLFI, False)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
    assert watched.with_suffix(".err").read_text() == ""

    listed = msgspec.json.decode(serving.ask("liquidations", "--asset", "WLFI", "--json").stdout)
    assert [row["liquidation_id"] for row in listed["data"]] == [WLFI]
    assert "136.41" in serving.ask("liquidations", "--side", "short").stdout
    assert "136.41" not in serving.ask("liquidations", "--side", "long").stdout


def test_the_doctor_finds_a_running_server_well(serving: Site) -> None:
    """Engines, database, schema, cache, clock and port are green; without a node the whole is not."""
    checked = serving.kamiyo("doctor", "--json")
    checks = {check["name"]: check for check in msgspec.json.decode(checked.stdout)["checks"]}
    assert (checked.returncode, checks["node"]["grade"]) == (0, "amber")
    assert {checks[name]["grade"] for name in ("engines", "database", "schema", "cache", "clock")} == {
        "green"
    }
    assert checks["port"]["finding"] == f"KAMIYO answers at 127.0.0.1:{serving.port}"


def test_watching_survives_the_server(site: Site, blocks: list[bytes]) -> None:
    """What comes between a kill of the server and the reconnection is shown afterwards, once."""
    watched = site.folder / "watched.json"
    log = site.folder / "run.log"
    with started("run", output=log, settings=site.settings) as first:
        wait_until_serving(site.server)
        watch = ("watch", "--server", site.server, "--json")
        with started(*watch, output=watched, settings=site.settings):
            wait_for_line(watched, state="connected")
            first.kill()
            lost = wait_for_line(watched, state="lost")
            assert site.server in lost["detail"]
            site.write_blocks(blocks)
            with started("run", output=log, settings=site.settings):
                wait_for_line(watched, channel="liquidations")
    states = [line["state"] for line in lines(watched) if line["channel"] == "watch"]
    assert [state for state in states if state in {"connected", "lost", "missed"}][:3] == [
        "connected",
        "lost",
        "connected",
    ]
    shown = [line["data"]["liquidation_id"] for line in lines(watched) if line["channel"] == "liquidations"]
    assert shown == [WLFI]
