"""The examples of the pages do what the pages say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PAGES = [page for page in sorted((REPOSITORY / "docs").rglob("*.md")) if "<!-- run -->" in page.read_text()]
STEP = re.compile(r"^<!-- (run|prints) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What ./dev does once its environment is ready, which it is while tests run.
DEV = '#!/bin/sh\n[ "$1" = kamiyo ] && shift && exec "$KAMIYO_PROGRAM" "$@"\n'


def test_pages_with_examples_are_found() -> None:
    """The tutorial is among them, and every mark belongs to an example."""
    assert REPOSITORY / "docs" / "tutorial.md" in PAGES
    for page in PAGES:
        text = page.read_text()
        assert len(STEP.findall(text)) == text.count("<!-- run -->") + text.count("<!-- prints -->")


@pytest.mark.timeout(180)  # starts the program several times
@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_examples_print_what_the_page_says(page, tmp_path, postgres_url, redis_url) -> None:
    """Each command succeeds, in one folder and in order, and prints each text shown after it."""
    dev = tmp_path / "dev"
    dev.write_text(DEV)
    dev.chmod(0o755)
    environment = os.environ | {
        "KAMIYO_PROGRAM": str(Path(sys.executable).parent / "kamiyo"),
        "KAMIYO_DATABASE_URL": postgres_url,
        "KAMIYO_REDIS_URL": redis_url,
        "KAMIYO_HOME": str(tmp_path / "home"),
    }
    printed = ""
    for kind, content in STEP.findall(page.read_text()):
        if kind == "run":
            done = subprocess.run(
                ["/bin/sh", "-e"],
                input=content,
                cwd=tmp_path,
                env=environment,
                text=True,
                capture_output=True,
            )
            assert done.returncode == 0, done.stderr
            printed = "\n".join(line.rstrip() for line in done.stdout.splitlines())
        else:
            assert content.strip("\n") in printed
