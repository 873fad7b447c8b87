"""Whether this process stood still during a test: machines do, and then what a test times says nothing."""

import threading
import time
from typing import Final

LONG: Final = 0.05  # seconds: what the shortest waits of tests tell apart
_STEP: Final = 0.01


class Watch:
    """Looks at the clock again and again and notes how long, at most, it could not.

    What stops the machine stops this too, and so does a processor that others take. A test that fails
    without either is not excused.
    """

    def __init__(self) -> None:
        self._longest = 0.0  # seconds
        self._looked = time.monotonic()

    def start(self) -> None:
        """Look until the process ends."""
        threading.Thread(target=self._look, name="standstill", daemon=True).start()

    def begin(self) -> None:
        """Forget what was before."""
        self._longest = 0.0

    @property
    def longest(self) -> float:
        """For how many seconds, at most, it stood still since then, be it that it just goes on."""
        return max(self._longest, self._late())

    def stood_still(self) -> bool:
        """Whether that was long."""
        return self.longest >= LONG

    def _look(self) -> None:
        while True:
            self._looked = time.monotonic()
            time.sleep(_STEP)
            self._longest = max(self._longest, self._late())

    def _late(self) -> float:
        return time.monotonic() - self._looked - _STEP


WATCH: Final = Watch()
