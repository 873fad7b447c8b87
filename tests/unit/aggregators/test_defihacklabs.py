"""DeFiHackLabs' pages: many hands, one meaning."""

import pytest

from kamiyo.aggregators._defihacklabs import parse_incident, past_pages_of, sections_of
from kamiyo.core.errors import MalformedPayload


@pytest.mark.parametrize(
    ("heading", "day", "name", "cause"),
    [
        ("### 20240410 Sushi - Bad Approval", "2024-04-10", "Sushi", "Bad Approval"),
        ("### 20221230 - DFS - Flaw + flashloan", "2022-12-30", "DFS", "Flaw + flashloan"),
        ("### 20250612 AAVEBoost---logic-flaw", "2025-06-12", "AAVEBoost", "logic-flaw"),
        ("## 2024-04-10 Sushi", "2024-04-10", "Sushi", ""),
        ("#### **20240410 1inch Fusion V1 - Calldata** ###", "2024-04-10", "1inch Fusion V1", "Calldata"),
        ("### 20230815 Zunami \u2013 Price Manipulation", "2023-08-15", "Zunami", "Price Manipulation"),
        ("### 20210125 Sushi-Badger Digg - Sandwich", "2021-01-25", "Sushi-Badger Digg", "Sandwich"),
        ("###20240112 0xf340 -Access Control", "2024-01-12", "0xf340", "Access Control"),
        ("### 20171106 Parity - 'Killed It'", "2017-11-06", "Parity", "'Killed It'"),
    ],
)  # fmt: skip
def test_a_heading_is_a_day_a_name_and_a_cause(heading: str, day: str, name: str, cause: str):
    """However a heading is written, its parts are found; a hyphen inside a name stays there."""
    incident = parse_incident(heading)
    assert (f"{incident.day:%Y-%m-%d}", incident.name, incident.cause) == (day, name, cause)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("### 20241332 Nobody - x", "incident_without_date"),
        ("### 202404 Month - x", "incident_without_date"),
        ("### 20240410", "incident_without_name"),
        ("### 20240410 - ", "incident_without_name"),
        ("no heading", "incident_without_date"),
        ("", "incident_without_date"),
    ],
)
def test_a_heading_that_cannot_be_read_is_refused(text: str, rule: str):
    """A day that does not exist, or no name, is refused by name."""
    with pytest.raises(MalformedPayload) as refusal:
        parse_incident(text)
    assert refusal.value.rule == rule


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("### Lost: ~320K", "~320K"),
        ("#### Lost: $8.2 million", "$8.2 million"),
        ("### Lost $5.9k", "$5.9k"),
        ("### Lost ~250k US$ which resulted in ~50k profit", "~250k US$ which resulted in ~50k profit"),
        ("Lost: 12BNB", "12BNB"),
        ("- **Total Lost**: $1", "$1"),
        ("### Total Lost : $2", "$2"),
        ("Lost keys and minting", ""),
        ("### Link reference", ""),
    ],
)
def test_what_was_lost_is_found(line: str, lost: str):
    """A heading or a line with a colon says what was lost; a sentence that begins with the word does not."""
    assert parse_incident(f"### 20240410 A - b\n\n{line}\n").lost == lost


def test_a_page_is_cut_where_incidents_and_parts_begin():
    """Code is no heading, headings inside an incident belong to it, and another part of the page to none."""
    page = """\
# Title

[20240410 In the list](#20240410-in-the-list)

### Transaction tools

### 20240410 One - a
### Lost: 1

```sh
### 20200101 In code
```

### Link reference
https://a.example/1
---
### 20240411 Two
~~~
## 20200102 In code too
~~~
text
## Another part
text of nobody
### 2024 things to do
### 20249999 Odd
"""
    sections = sections_of(page)
    assert [each.heading for each in sections] == ["20240410 One - a", "20240411 Two", "20249999 Odd"]
    assert "https://a.example/1" in sections[0].text
    assert "In code" not in sections[0].text
    assert sections[1].text.endswith("text")


def test_former_years_are_linked_once_each():
    """The pages of former years are those the page links to, whatever heading of them is meant."""
    page = "[a](past/2024/README.md#x) [b](past/2024/README.md#y) past/2021/README.md past/2021/OTHER.md"
    assert past_pages_of(page) == ["past/2024/README.md", "past/2021/README.md"]
