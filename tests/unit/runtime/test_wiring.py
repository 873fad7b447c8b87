"""Which sources there are, and what their settings may be."""

from datetime import timedelta

import msgspec
import pytest

from kamiyo.aggregators.base import AggregatorSettings
from kamiyo.core.errors import InvalidSettings
from kamiyo.kit.secret import Secret
from kamiyo.runtime.settings import Settings, decode_setting
from kamiyo.runtime.wiring import build_aggregators, check_sources, known_aggregators
from tests.fakes import tools


def test_the_shipped_sources_are_found_by_name() -> None:
    """Whatever else comes, these two are there, under the names their rows carry."""
    known = known_aggregators()
    assert {"catalogue", "hyperliquid_node"} <= set(known)
    assert all(spec.name == name for name, spec in known.items())


def test_each_source_is_built_with_its_own_settings() -> None:
    """A source nobody set anything for is built with its defaults; text becomes what the key needs."""
    settings = Settings(sources={"hyperliquid_node": {"path": "/node", "settle_seconds": "5"}})
    urls = {str(each.name): each.description.url for each in build_aggregators(settings, tools())}
    assert set(urls) == set(known_aggregators())
    assert urls["hyperliquid_node"] == "file:/node"


def test_a_source_can_be_switched_off_by_its_settings() -> None:
    """By a boolean in the file or a text in the environment; every other one is active."""
    settings = Settings(sources={"hyperliquid_node": {"active": "false"}, "catalogue": {"active": True}})
    inactive = [each.name for each in build_aggregators(settings, tools()) if not each.active]
    assert inactive == ["hyperliquid_node"]


@pytest.mark.parametrize(
    ("sources", "named"),
    [
        ({"hyperliquid_nod": {}}, "hyperliquid_nod"),
        ({"hyperliquid_node": {"paths": "/node"}}, "paths"),
        ({"hyperliquid_node": {"settle_seconds": "soon"}}, "settle_seconds"),
        ({"hyperliquid_node": {"poll_milliseconds": "0"}}, "poll_milliseconds"),
    ],
)
def test_what_no_source_understands_is_refused_and_named(sources: dict, named: str) -> None:
    """Both when it is only checked and when sources are built."""
    settings = Settings(sources=sources)
    with pytest.raises(InvalidSettings, match=named):
        check_sources(settings)
    with pytest.raises(InvalidSettings, match=named):
        build_aggregators(settings, tools())


def test_a_key_of_a_source_is_a_secret() -> None:
    """Whatever text it is, it is shown as stars, and the source is built with it."""

    class Keyed(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
        key: Secret | None = None

    table = msgspec.convert({"key": "k-1"}, Keyed, strict=False, dec_hook=decode_setting)
    assert (repr(table.key), table.key) == ("********", Secret("k-1"))


def test_a_fast_replay_calls_a_source_stale_only_after_a_silence_of_the_machines() -> None:
    """At sixty times its speed ten seconds are a sixth of one: every busy moment would look like silence."""
    (real,) = build_aggregators(Settings(), tools(), only={"hyperliquid_api"})
    (fast,) = build_aggregators(Settings(), tools(), only={"hyperliquid_api"}, speed=60)
    assert (real.description.silence_limit, fast.description.silence_limit) == (
        timedelta(seconds=10),
        timedelta(seconds=120),
    )
