"""A process that uses the embedded engines and does what the test tells it through its standard input."""

import os
import pwd
import sys
import threading
import time
from pathlib import Path

import msgspec

from kamiyo.core.errors import KamiyoError
from kamiyo.runtime.embedded import RunningEngines, start_engines


def _report(running: RunningEngines, since: float) -> None:
    engines = running.engines
    facts = {
        "database_url": engines.database_url,
        "redis_url": engines.redis_url,
        "postgres": msgspec.to_builtins(engines.postgres, enc_hook=str),
        "valkey": msgspec.to_builtins(engines.valkey, enc_hook=str),
        "seconds": time.monotonic() - since,
    }
    sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
    sys.stdout.flush()


def _serve(home: Path, fallback: Path) -> None:
    since = time.monotonic()
    with start_engines(home, database_url=None, redis_url=None, fallback=fallback) as running:
        _report(running, since)
        for line in sys.stdin:
            assert line == "ensure\n"
            since = time.monotonic()
            running.ensure()
            _report(running, since)


def _try(home: Path, fallback: Path) -> None:
    try:
        _serve(home, fallback)
    except KamiyoError as error:
        sys.stdout.write(
            msgspec.json.encode({"error": type(error).__name__, "detail": str(error)}).decode() + "\n"
        )
        sys.exit(3)


def _become(uid: int) -> None:
    """Become an ordinary user, after the imports: the interpreter may be one that only root can read."""
    os.setgroups([])
    os.setgid(pwd.getpwuid(uid).pw_gid)
    os.setuid(uid)


def main() -> None:
    """Arguments: home, fallback, then any of `thread`, `uid=<user>`, `path=<where to find packages>`."""
    home, fallback, *options = sys.argv[1:]
    for option in options:
        if option.startswith("path="):
            sys.path.insert(0, option.removeprefix("path="))
        if option.startswith("uid="):
            _become(int(option.removeprefix("uid=")))
    if "thread" in options:
        thread = threading.Thread(target=_try, args=(Path(home), Path(fallback)))
        thread.start()
        thread.join()
    else:
        _try(Path(home), Path(fallback))


if __name__ == "__main__":
    main()
