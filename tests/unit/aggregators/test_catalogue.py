"""The shipped catalogue: complete, stable, true to what was collected, and strict about its files."""

import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kamiyo.aggregators.base import StreamItem, Toolbox
from kamiyo.aggregators.catalogue import (
    AGGREGATOR,
    CatalogueAggregator,
    CatalogueSettings,
    digest_of,
    load_cases,
    parse_case,
)
from kamiyo.core.case_rules import build_exploit
from kamiyo.core.cases import birth_id
from kamiyo.core.codec import to_json
from kamiyo.core.errors import InvalidSettings, MalformedPayload
from kamiyo.core.exploits import CaseKind, Confidence, Exploit, ExploitStatus, HonestCase, exploit_id
from kamiyo.core.ids import Cursor, parse_address, parse_asset
from kamiyo.core.money import plain
from kamiyo.core.ports import Counted, Raw
from kamiyo.core.sources import CoverageLabel, SourceType

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = REPOSITORY / "src" / "kamiyo" / "aggregators" / "catalogue_data"
REFERENCE = REPOSITORY / "docs" / "reference" / "catalogue.md"

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PAYLOADS = load_cases()


def folded(payload: bytes) -> Exploit | HonestCase:
    """Give the case a payload makes when nothing else is known of it."""
    event = parse_case(payload, NOW)
    return event if isinstance(event, HonestCase) else build_exploit(birth_id(event), [event])


CASES = tuple(folded(payload) for payload in PAYLOADS)
EXPLOITS = tuple(case for case in CASES if isinstance(case, Exploit))
HONEST_CASES = tuple(case for case in CASES if isinstance(case, HonestCase))

# Words that stood among the collected assets and name no market.
RENAMED_ASSETS = {
    "hl-2025-07-29-api-outage": (),
    "hl-2025-10-10-crash-adl": ("BTC", "ETH", "SOL", "HYPE", "XPL", "PUMP", "ENA", "AVAX", "XRP", "ASTER"),
    "hyperevm-2025-09-26-hypervault": ("WHYPE", "USDC", "UPUMP"),
    "hyperevm-2025-09-27-hyperdrive": ("thBILL", "USDT0"),
    "hyperevm-2026-06-29-hyperswap-phish": (),
    "hip3-2026-07-04-xau-wick": ("XAU",),
}
ADDED_REPORTS = {"analog-2022-10-mango": 1}
GRADES = {"onchain-derived": "onchain_derived", "press-low": "press_low", "repo": "repository"}


class StoppedClock:
    """A clock that never moves."""

    def now(self) -> datetime:
        return NOW

    async def sleep(self, duration: timedelta) -> None:
        raise AssertionError(f"the catalogue waited {duration}")


def aggregator(directory: Path | None = None) -> CatalogueAggregator:
    settings = CatalogueSettings(directory=None if directory is None else str(directory))
    built = AGGREGATOR.build(settings, Toolbox(clock=StoppedClock()))
    assert isinstance(built, CatalogueAggregator)
    return built


async def drained(items: AsyncIterator[StreamItem]) -> list[Raw]:
    return [item async for item in items if isinstance(item, Raw)]


def raw(payload: bytes) -> Raw:
    return Raw(source=AGGREGATOR.name, stream="cases", payload=payload, received_at=NOW)


def digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def case_id(case: Exploit | HonestCase) -> str:
    return case.aliases[0] if isinstance(case, Exploit) else case.case_id


def payload_of(name: str) -> dict[str, Any]:
    return next(case for case in map(json.loads, PAYLOADS) if case["id"] == name)


def changed(of: str = "hl-2025-03-26-jelly", **fields: Any) -> bytes:
    return msgspec.json.encode(payload_of(of) | fields)


@pytest.fixture(scope="module")
def collected() -> dict[str, Any]:
    """Give the facts as they were collected, by case."""
    data = Path(os.environ.get("KAMIYO_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    file = data.parent / "incidents" / "incidents.json"
    if not file.is_file():
        pytest.skip(f"needs the collected incidents: {file} does not exist")
    return {incident["id"]: incident for incident in json.loads(file.read_text())}


# --- what is shipped ----------------------------------------------------------------------------------------


def test_every_file_is_a_case_of_its_name() -> None:
    """Each file holds one valid case, and its name is the case's id."""
    assert sorted(file.stem for file in FILES.iterdir()) == sorted(case_id(case) for case in CASES)


def test_exploits_and_honest_cases_are_told_apart() -> None:
    """The catalogue holds 41 exploits and 16 honest cases, and nothing else."""
    assert (len(EXPLOITS), len(HONEST_CASES)) == (41, 16)


def test_every_id_occurs_once() -> None:
    """No exploit id, alias, case id or report id names two things."""
    names = [name for case in EXPLOITS for name in (case.tx_hash, *case.aliases)]
    names += [case.case_id for case in HONEST_CASES]
    names += [report.report_id for case in CASES for report in case.reports]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "tx_hash"),
    [
        ("analog-2022-10-mango", "kamiyo:22d5ddce8f85dce8e4b4d99e674be069"),
        ("hl-2025-03-26-jelly", "0x49781a526a636acaab5404204ebe7802027d0101377078018de125a7fa6cc582"),
        ("hl-2025-11-12-popcat", "kamiyo:51188b4f42cbdb9767405d385c4bd308"),
    ],
)
def test_an_exploit_keeps_its_id(name: str, tx_hash: str) -> None:
    """The id under which readers know an exploit never changes."""
    assert [case.tx_hash for case in EXPLOITS if case.aliases[0] == name] == [tx_hash]


def test_an_exploit_is_named_by_its_first_transaction() -> None:
    """A published transaction names the exploit, further ones and the case id are its aliases."""
    for case in EXPLOITS:
        written = payload_of(case.aliases[0])
        names = written["transactions"] or [exploit_id("catalogue:" + written["id"])]
        assert (case.tx_hash, *case.aliases) == (names[0], written["id"], *names[1:])


def test_a_report_keeps_its_id_when_its_title_changes() -> None:
    """What identifies a report is where it stands, not how we describe it."""
    before = payload_of("hl-2025-03-26-jelly")
    after = before | {"reports": [report | {"title": "Another title"} for report in before["reports"]]}
    ids = [
        [report.report_id for report in folded(json.dumps(case).encode()).reports] for case in (before, after)
    ]
    assert ids[0] == ids[1]


def test_addresses_and_assets_are_whole() -> None:
    """Every listed address is a full one in lower case and every asset a market's name."""
    for case in EXPLOITS:
        assert case.addresses == tuple(parse_address(address) for address in case.addresses)
    for each in CASES:
        assert each.assets == tuple(parse_asset(asset) for asset in each.assets)


def test_descriptions_are_whole_sentences_on_one_line() -> None:
    """Each description is of readable length, unfolded, and ends with a full stop."""
    for case in CASES:
        assert 100 <= len(case.description) <= 900, case_id(case)
        assert "\n" not in case.description
        assert "  " not in case.description
        assert case.description[0].isupper()
        assert case.description.endswith("."), case_id(case)


def test_nobody_is_told_how_we_test() -> None:
    """The list tells what happened and says nothing of our own test plans."""
    for case in CASES:
        told = repr(case).lower()
        assert not re.search(r"do not use|replayab|detector|path not recorded|in tests", told), case_id(case)


def test_the_timeline_runs_forward() -> None:
    """Moments stand in the order in which they happened."""
    for case in EXPLOITS:
        moments = [entry.timestamp for entry in case.timeline]
        assert moments == sorted(moments), case.aliases[0]


def test_confirmed_needs_more_than_one_weak_report() -> None:
    """A case is confirmed only if the record is not weak and more than one report stands behind it."""
    for case in EXPLOITS:
        if case.status is ExploitStatus.CONFIRMED:
            assert case.confidence is not Confidence.LOW, case.aliases[0]
            assert len(case.reports) > 1, case.aliases[0]
            assert {report.grade for report in case.reports} - {"press_low", "claim"}, case.aliases[0]


def test_only_the_disproved_claim_is_refuted() -> None:
    """The claimed shortfall of December 2025 is the one claim that was shown to be false."""
    refuted = [case.aliases[0] for case in EXPLOITS if case.status is ExploitStatus.REFUTED]
    assert refuted == ["hl-2025-12-20-solvency-fud"]


def test_unknown_amounts_are_none() -> None:
    """Where nobody knows what was lost the amount is None; 0 says that nothing was."""
    by_id = {case.aliases[0]: case for case in EXPLOITS}
    assert by_id["hl-2025-08-27-wlfi"].amount_usd is None
    assert by_id["hl-2025-08-27-wlfi"].amount_usd_high == Decimal(370_900)
    assert by_id["hl-2024-10-07-bridge-lock"].amount_usd == 0


def test_a_report_without_an_address_says_so() -> None:
    """A report whose address was not recorded has an empty one and a title that tells."""
    silent = [report for case in CASES for report in case.reports if not report.source_url]
    assert len(silent) == 7
    assert all("address not recorded" in report.title for report in silent)


@pytest.mark.parametrize(
    ("urls", "leading"),
    [
        (["", "https://one.example", "https://two.example"], "https://one.example"),
        (["https://two.example", ""], "https://two.example"),
        ([""], ""),
    ],
)
def test_the_leading_url_is_the_first_known_one(urls: list[str], leading: str) -> None:
    """An exploit links to its first report that has an address, or to none."""
    case = folded(changed(reports=[{"title": "A report", "url": url, "grade": "press"} for url in urls]))
    assert isinstance(case, Exploit)
    assert case.source_url == leading


# --- true to what was collected -----------------------------------------------------------------------------


def test_every_collected_case_is_shipped(collected: dict[str, Any]) -> None:
    """Nothing collected is missing, and an honest case is never listed as an exploit."""
    honest = {name for name, incident in collected.items() if incident["kind"] == "benign_lookalike"}
    assert {case.case_id for case in HONEST_CASES} == honest
    assert {case.aliases[0]: case.kind for case in EXPLOITS} == {
        name: CaseKind(incident["kind"]) for name, incident in collected.items() if name not in honest
    }


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_common_facts_are_as_collected(case: Exploit | HonestCase, collected: dict[str, Any]) -> None:
    """Times, assets, confidence and reports of a case equal those collected."""
    incident = collected[case_id(case)]
    assert case.timestamp == datetime.fromisoformat(incident["start_utc"])
    assert case.ended_at == datetime.fromisoformat(incident["end_utc"])
    assert case.assets == RENAMED_ASSETS.get(incident["id"], tuple(incident["assets"]))
    assert case.confidence == incident["confidence"]
    sources = [
        (
            source["url"] if source["url"].startswith("http") else "",
            GRADES.get(source["grade"], source["grade"]),
        )
        for source in incident["sources"]
    ]
    reports = [(report.source_url, report.grade) for report in case.reports]
    assert reports[: len(sources)] == sources
    assert len(reports) == incident["source_count"] + ADDED_REPORTS.get(incident["id"], 0)


@pytest.mark.parametrize("case", EXPLOITS, ids=case_id)
def test_figures_of_an_exploit_are_as_collected(case: Exploit, collected: dict[str, Any]) -> None:
    """Amounts, hashes, addresses and dated moments of an exploit equal those collected."""
    incident = collected[case.aliases[0]]
    loss = incident["loss_usd"]
    assert (case.amount_usd_low, case.amount_usd, case.amount_usd_high) == (
        loss["low"],
        loss["best"],
        loss["high"],
    )
    hashes = {name for name in (case.tx_hash, *case.aliases) if name.startswith("0x")}
    assert hashes == set(re.findall(r"0x[0-9a-f]{64}\b", " ".join(incident["tx_hashes"])))
    mentioned = " ".join(incident["attacker_addresses"] + incident["other_addresses"]).lower()
    assert set(case.addresses) == set(re.findall(r"0x[0-9a-f]{40}\b", mentioned))
    assert [entry.timestamp for entry in case.timeline] == [
        datetime.fromisoformat(entry["t_utc"]) for entry in incident.get("timeline", [])
    ]
    assert bool(case.conflicts) == bool(incident["conflicts"])


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_partial_addresses_are_in_the_description(
    case: Exploit | HonestCase, collected: dict[str, Any]
) -> None:
    """An address published only in part is told in words, because it cannot be looked up."""
    incident = collected[case_id(case)]
    mentioned = " ".join(incident["attacker_addresses"] + incident["other_addresses"])
    for part in re.findall(r"\b\w{3,}\.{3}\w*", mentioned):
        assert part in case.description


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_no_sentence_is_copied(case: Exploit | HonestCase, collected: dict[str, Any]) -> None:
    """No collected sentence of more than 40 characters occurs in what we wrote."""
    ours = " ".join(written_by_us(case)).lower()
    for sentence in sentences(collected[case_id(case)]):
        assert sentence not in ours


def written_by_us(case: Exploit | HonestCase) -> Iterator[str]:
    yield from (case.description, case.name)
    yield from (report.title for report in case.reports)
    if isinstance(case, Exploit):
        yield from (case.amount_note, case.recovery_status, *case.conflicts)
        yield from (entry.event for entry in case.timeline)


def sentences(value: Any) -> Iterator[str]:
    match value:
        case str() if not value.startswith("http"):
            parts = (" ".join(part.split()).lower() for part in re.split(r"[.;:](?:\s|$)", value))
            yield from (part for part in parts if len(part) > 40 and " " in part)
        case dict():
            yield from (sentence for each in value.values() for sentence in sentences(each))
        case list():
            yield from (sentence for each in value for sentence in sentences(each))
        case _:
            pass


@pytest.mark.parametrize("payload", PAYLOADS, ids=[case_id(case) for case in CASES])
def test_a_case_alone_is_what_its_file_says(payload: bytes) -> None:
    """Nothing is added to what the curator wrote, and nothing is lost: each field is that of the file."""
    case, written = folded(payload), json.loads(payload)
    if isinstance(case, HonestCase):
        return
    names = written["transactions"] or [exploit_id("catalogue:" + written["id"])]
    figures = ("amount_usd_low", "amount_usd", "amount_usd_high")
    assert [getattr(case, name) for name in figures] == [
        None if written[name] == "unknown" else Decimal(written[name]) for name in figures
    ]
    same = (
        "name", "kind", "chain", "protocol", "amount_note", "timestamp_precision", "category",
        "recovery_status", "status", "confidence", "assets", "addresses", "conflicts",
    )  # fmt: skip
    told = json.loads(to_json(case))
    assert {name: told[name] for name in same} == {name: written[name] for name in same}
    assert (case.tx_hash, *case.aliases) == (names[0], written["id"], *names[1:])
    assert case.timestamp == datetime.fromisoformat(written["timestamp"])
    assert case.description == " ".join(written["description"].split())
    assert [(each.title, each.source_url, each.grade) for each in case.reports] == [
        (each["title"], each["url"], each["grade"]) for each in written["reports"]
    ]
    assert [each.report_id for each in case.reports] == [
        f"catalogue:{written['id']}:{digest(each['url'] or each['title'])}" for each in written["reports"]
    ]
    assert [(each.timestamp, each.precision, each.event) for each in case.timeline] == [
        (datetime.fromisoformat(each["timestamp"]), each["precision"], each["event"])
        for each in written.get("timeline", [])
    ]
    ended = written.get("ended_at")
    assert case.ended_at == (None if ended is None else datetime.fromisoformat(ended))
    assert case.source == "catalogue"
    assert case.source_url == next((each["url"] for each in written["reports"] if each["url"]), "")


# --- the source ---------------------------------------------------------------------------------------------


def test_it_is_described_as_a_curated_catalogue() -> None:
    """Readers are told that the list is static and chosen by hand."""
    description = aggregator().description
    assert description.name == AGGREGATOR.name == "catalogue"
    assert (description.type, description.label, description.priority) == (
        SourceType.CATALOGUE,
        CoverageLabel.CURATED,
        10,
    )


async def test_a_first_start_gives_every_case() -> None:
    """Without a cursor each case comes once, and only the last carries the cursor."""
    items = await drained(aggregator().stream(None))
    assert tuple(item.payload for item in items) == PAYLOADS
    assert [item.cursor for item in items[:-1]] == [None] * 56
    assert items[-1].cursor == digest_of(PAYLOADS)
    assert {(item.source, item.stream, item.received_at) for item in items} == {("catalogue", "cases", NOW)}


async def test_an_unchanged_catalogue_gives_nothing() -> None:
    """A start with the cursor of what is already loaded has no work."""
    assert await drained(aggregator().stream(digest_of(PAYLOADS))) == []


async def test_a_changed_catalogue_is_given_again() -> None:
    """A start with the cursor of another catalogue loads every case."""
    assert len(await drained(aggregator().stream(Cursor("0" * 32)))) == 57


def test_the_cursor_follows_every_word() -> None:
    """Changing one word, leaving out a case or breaking one changes the digest."""
    versions = (
        PAYLOADS,
        (*PAYLOADS[:-1], changed(json.loads(PAYLOADS[-1])["id"], name="Another name")),
        PAYLOADS[:-1],
        (*PAYLOADS[:-1], b"broken"),
    )
    assert len({digest_of(payloads) for payloads in versions}) == len(versions)


def test_the_order_of_keys_is_canonical() -> None:
    """A payload is JSON with sorted keys, so that it does not depend on how a file is laid out."""
    for payload in PAYLOADS:
        assert payload == msgspec.json.encode(json.loads(payload), order="sorted")


def test_a_payload_gives_its_one_case() -> None:
    """Normalizing gives exactly the case and its time."""
    for payload, case in zip(PAYLOADS, CASES, strict=True):
        normalized = aggregator().normalize(raw(payload))
        assert list(normalized.events) == [parse_case(payload, NOW)]
        assert normalized.last_event_at == case.timestamp
        assert normalized.counts == ({Counted.REPORTS: 1} if isinstance(case, Exploit) else {})


async def test_fetching_gives_the_exploits_only() -> None:
    """What lists exploits never lists an honest case."""
    assert await aggregator().fetch_exploits() == list(EXPLOITS)


async def test_own_cases_are_added_and_replace_shipped_ones(tmp_path: Path) -> None:
    """A directory of one's own adds cases and replaces those of the same file name."""
    shipped = (FILES / "hl-2025-11-12-popcat.toml").read_text()
    (tmp_path / "hl-2025-11-12-popcat.toml").write_text(
        shipped.replace('name = "POPCAT', 'name = "Own POPCAT')
    )
    (tmp_path / "own.toml").write_text(shipped.replace('id = "hl-2025-11-12-popcat"', 'id = "own"'))
    (tmp_path / "notes.txt").write_text("not a case")
    found = {case.aliases[0]: case for case in await aggregator(tmp_path).fetch_exploits()}
    assert len(found) == 42
    assert found["hl-2025-11-12-popcat"].name.startswith("Own POPCAT")
    assert found["own"].tx_hash == exploit_id("catalogue:own")


async def test_a_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    """A file that is not TOML becomes one payload that is refused; all other cases are given."""
    (tmp_path / "own.toml").write_bytes(b"record = \xff")
    source = aggregator(tmp_path)
    items = await drained(source.stream(None))
    assert [item.payload for item in items if not source.validate_exploit(item)] == [b"record = \xff"]
    assert len(items) == 58


async def test_a_missing_directory_is_a_wrong_setting(tmp_path: Path) -> None:
    """A directory that does not exist stops the source instead of hiding cases."""
    with pytest.raises(InvalidSettings, match="does not exist"):
        await drained(aggregator(tmp_path / "absent").stream(None))


# --- strictness ---------------------------------------------------------------------------------------------

MALFORMED: dict[str, bytes] = {
    "not JSON": b"{",
    "not UTF-8": b'{"record": "\xff"}',
    "no case": b"[]",
    "an unknown record": changed(record="rumour"),
    "an unknown field": changed(loss=1),
    "an unknown status": changed(status="certain"),
    "an unknown kind": changed(kind="benign_lookalike"),
    "an unknown category": changed(category="oracle manipulation"),
    "a vague precision": changed(timestamp_precision="quarter-hour"),
    "a time without a zone": changed(timestamp="2025-03-26T12:53:37"),
    "an end before the start": changed(ended_at="2025-03-26T12:53:36Z"),
    "an amount as a number": changed(amount_usd=0),
    "an amount left open": changed(amount_usd=None),
    "an amount that is none": changed(amount_usd="NaN"),
    "an amount with an exponent": changed(amount_usd="1e6"),
    "an amount outside its bounds": changed(amount_usd="13500001"),
    "bounds the wrong way round": changed(amount_usd_low="14000000"),
    "part of an address": changed(addresses=["0x67fe...CA2"]),
    "part of a hash": changed(transactions=["0xea6bd894"]),
    "a chain with a blank": changed(chain="HyperCore HIP-3"),
    "no report": changed(reports=[]),
    "a report that runs a script": changed(
        reports=[{"title": "t", "url": "javascript:alert(1)", "grade": "press"}]
    ),
    "a report of unknown grade": changed(reports=[{"title": "t", "url": "", "grade": "good"}]),
    "an empty description": changed(description=""),
    "an amount in an honest case": changed("benign-2025-10-30-fomc", amount_usd="0"),
}


@pytest.mark.parametrize("payload", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_payload_is_refused(payload: bytes) -> None:
    """Whatever is not as documented is refused as a whole."""
    with pytest.raises(MalformedPayload):
        aggregator().normalize(raw(payload))


@pytest.mark.parametrize("name", ["hl-2025-03-26-jelly", "benign-2025-10-30-fomc"])
def test_no_field_may_be_left_out(name: str) -> None:
    """Every field of a file is required, except an end and a timeline, which may be unknown."""
    whole = payload_of(name)
    for field in whole.keys() - {"ended_at", "timeline"}:
        rest = {key: value for key, value in whole.items() if key != field}
        with pytest.raises(MalformedPayload):
            parse_case(msgspec.json.encode(rest), NOW)


def test_an_unknown_end_is_none() -> None:
    """A case without an end has None, not its start."""
    rest = {key: value for key, value in payload_of("hl-2025-03-26-jelly").items() if key != "ended_at"}
    assert folded(msgspec.json.encode(rest)).ended_at is None


def test_the_zero_hash_names_no_exploit() -> None:
    """The venue's placeholder hash is not taken for a transaction."""
    case = folded(changed(transactions=["0x" + "0" * 64]))
    assert isinstance(case, Exploit)
    assert case.tx_hash == exploit_id("catalogue:hl-2025-03-26-jelly")


# --- the reference ------------------------------------------------------------------------------------------


def test_the_reference_lists_every_case() -> None:
    """The tables of the reference are what the files say; on failure, paste the expected text."""
    expected = f"{exploit_table()}\n\n{honest_table()}"
    text = REFERENCE.read_text()
    actual = re.findall(r"^\|.*\|$", text[text.index("## Exploits") :], re.MULTILINE)
    assert actual == re.findall(r"^\|.*\|$", expected, re.MULTILINE), expected


def test_the_reference_explains_every_word() -> None:
    """Each category, chain, grade and status in use stands in the reference."""
    text = REFERENCE.read_text()
    words = {word for case in CASES for word in (case.category, case.chain)}
    words |= {report.grade for case in CASES for report in case.reports}
    words |= {str(case.status) for case in EXPLOITS}
    assert [word for word in sorted(words) if f"`{word}`" not in text] == []


def exploit_table() -> str:
    rows = [
        f"| {case.timestamp:%Y-%m-%d} | `{case.aliases[0]}` | {case.name} | {case.status} | {amount(case)} "
        f"| {case.category} | {case.chain} |"
        for case in sorted(EXPLOITS, key=lambda case: (case.timestamp, case.aliases[0]))
    ]
    head = "| start | case | name | status | loss in USD | category | chain |\n|---|---|---|---|---:|---|---|"
    return "\n".join([head, *rows])


def honest_table() -> str:
    rows = [
        f"| {case.timestamp:%Y-%m-%d} | `{case.case_id}` | {case.name} |"
        for case in sorted(HONEST_CASES, key=lambda case: (case.timestamp, case.case_id))
    ]
    return "\n".join(["| start | case | name |\n|---|---|---|", *rows])


def amount(case: Exploit) -> str:
    return "unknown" if case.amount_usd is None else f"{int(plain(case.amount_usd)):,}"
