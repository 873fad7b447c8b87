"""What every source inherits."""

import pytest

from kamiyo.aggregators.base import Headers, NoNetwork, Response, Toolbox
from kamiyo.aggregators.hyperliquid_api import AGGREGATOR, HyperliquidAPISettings
from kamiyo.core.errors import SourceUnavailable
from tests.fakes import ManualClock


class Answering(NoNetwork):
    """A network whose every answer has one status."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Headers | None = None
    ) -> Response:
        del method, url, body, headers
        return Response(self.status, {}, b"content")


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_a_success_is_handed_on(status: int) -> None:
    """With its body."""
    source = AGGREGATOR.build(HyperliquidAPISettings(), Toolbox(ManualClock(), Answering(status)))
    assert (await source.make_request("GET", "http://lab/file")).body == b"content"


@pytest.mark.parametrize("status", [199, 301, 304, 404, 429, 503])
async def test_an_answer_that_is_no_success_is_an_unavailable_source(status: int) -> None:
    """A redirection too: nobody follows it, so its body is not what was asked for."""
    source = AGGREGATOR.build(HyperliquidAPISettings(), Toolbox(ManualClock(), Answering(status)))
    with pytest.raises(SourceUnavailable, match=f"hyperliquid_api answered {status}"):
        await source.make_request("GET", "http://lab/file")
