"""A folder that is gone afterwards with all that was put into it, a database's files too."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_folder() -> Generator[Path]:
    """Anybody may enter it: started by root, the engines would else keep their files somewhere else."""
    with tempfile.TemporaryDirectory(prefix="kamiyo-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
