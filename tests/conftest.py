"""What every test gets: no network beyond this machine, the decimal context, and the shared recordings."""

import ipaddress
import os
import signal
import socket
import sys
from pathlib import Path

import hypothesis
import pytest

from kamiyo.core.money import install_context
from tests.standstill import WATCH

REPOSITORY = Path(__file__).resolve().parents[1]
ENGINES = {
    "programs",
    "postgres_url",
    "redis_server",
}  # fixtures that start one, or say where it is installed

TRIES_AGAIN = 2  # of a test that failed while the machine stood still

hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("ci")  # --hypothesis-profile=explore looks for what "ci" has not found


class NetworkBlockedError(RuntimeError):
    """A test tried to reach beyond this machine.

    It is not an OSError, because the code under test is meant to handle those.
    """


def _is_loopback(host: object) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(action: str, target: object) -> None:
    raise NetworkBlockedError(
        f"a test tried to {action} {target!r}: tests use this machine only; start a server or use a recording"
    )


def _watch_network(event: str, arguments: tuple[object, ...]) -> None:
    """Sit below every Python client: the interpreter reports here before it makes the system call."""
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        caller, address = arguments[0], arguments[1]
        if (
            isinstance(caller, socket.SocketType)
            and caller.family in {socket.AF_INET, socket.AF_INET6}
            and isinstance(address, tuple)
            and not _is_loopback(address[0])
        ):
            _refuse("connect to", address)
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
        if host not in {None, "", b""} and not _is_loopback(host):
            _refuse("look up", host)


sys.addaudithook(_watch_network)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Watch for standstills; have programs that tests start end by Ctrl-C, which scripts make them ignore."""
    WATCH.start()
    asked = getattr(getattr(config, "failures_db", None), "sock", None)
    if isinstance(asked, socket.socket):
        # pytest-rerunfailures asks a server before each test, which Nagle's algorithm holds up for 40 ms.
        asked.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run again what fails in a standstill, and mark what asks PostgreSQL or Redis.

    The latter by its fixtures, or by the parameter that makes it ask for one.
    """
    for item in items:
        item.add_marker(pytest.mark.flaky(reruns=TRIES_AGAIN, condition=WATCH.stood_still))
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        asked = ENGINES & set(getattr(item, "fixturenames", ()))
        if asked or "postgres" in parameters:
            item.add_marker("engines")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Only a standstill of its own excuses a test, its fixtures' included."""
    WATCH.begin()


@pytest.fixture(autouse=True)
def decimal_context() -> None:
    """Give each test the decimal context that the product runs with."""
    install_context()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Point at the recordings that are kept beside the repository, or skip the test."""
    folder = Path(os.environ.get("KAMIYO_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            f"needs the shared recordings: {folder} does not exist (KAMIYO_SHARED_DATA names another folder)"
        )
    return folder
