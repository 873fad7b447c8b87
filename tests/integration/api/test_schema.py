"""The OpenAPI document against the application: whatever it allows is answered as it says."""

import asyncio
import sys

import pytest

from kamiyo.api.app import build_app
from tests.builders import (
    a_batch,
    a_gap,
    a_liquidated_fill,
    a_market_state,
    a_record,
    a_reject,
    a_tally,
    a_vault_state,
    an_account_state,
    an_exploit,
    an_honest_case,
)
from tests.fake_claims import a_claim, a_claimed_position, a_claimed_total

SECONDS = 300
# What no schema can say: which cursors were given out (400), and how long a window may be (422).
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "308", "400", "404", "409"]

[checks.negative_data_rejection]
expected-statuses = ["400", "403", "404", "405", "409", "413", "415", "422"]

[[operations]]
include-path = ["/stats", "/coverage", "/coverage/days"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "422"]

# JSON Schema calls 25.0 a whole number, and whoever sends it for one means something else.
[[operations]]
include-path = "/sources/{name}"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]
"""


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
async def test_schemathesis_finds_nothing(serve, state, node, clock, *, tmp_path, method):
    """Requests made from the document, valid and not, get only answers the document declares.

    Each method on its own: a server whose sources are switched off meanwhile is not well, and says so.
    """
    facts = (a_liquidated_fill(), a_record(an_exploit(aliases=("0xabc",))), an_honest_case())
    states = (a_market_state(), a_market_state(asset="BTC"), a_vault_state(), an_account_state())
    claims = (a_claim(), a_claimed_total(), a_claimed_position())
    books = {"gaps": (a_gap(),), "rejects": (a_reject(),), "tallies": (a_tally(),)}
    await node.write(
        a_batch(
            events=(*facts, *states, *claims),
            heard_at=clock.now(),
            first_event_at=clock.now(),
            last_event_at=clock.now(),
            **books,
        )
    )
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION, encoding="utf-8")
    async with serve(build_app(state)) as url, asyncio.timeout(SECONDS):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration),
            "run", f"{url}/openapi.json", "--checks=all", "--phases=examples,coverage,fuzzing",
            "--max-examples=25", "--seed=1", "--generation-database=none", "--no-color",
            "--suppress-health-check=all", f"--include-method={method}",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
