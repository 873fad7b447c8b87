"""What the pages say can be followed: links, commands, settings, examples."""

import functools
import re
import tomllib
from pathlib import Path

import pytest

from kamiyo.aggregators.base import Toolbox
from kamiyo.api.schemas import LiquidationShape, ListShape
from kamiyo.kit.clock import SystemClock
from kamiyo.runtime.settings import load
from kamiyo.runtime.wiring import build_aggregators
from tools.commands import COMMANDS
from tools.reference.cli import documented_commands

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
WRITTEN = [page for page in PAGES if "docs" in page.parts and "reference" not in page.parts]
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)

each_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", BLOCK.sub("", text))


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@functools.cache
def all_code() -> str:
    folders = [REPOSITORY / name for name in ("src", "tests", "tools")]
    return "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))


def blocks(page: Path, language: str) -> list[str]:
    return [content for _indent, kind, content in BLOCK.findall(page.read_text()) if kind == language]


@each_page
def test_links_lead_somewhere(page) -> None:
    """Every link inside the repository names a file that exists, and a title in it if it names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if target.startswith(("https://", "http://")):
            continue
        name, _hash, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_every_page_can_be_reached() -> None:
    """A page that the README does not lead to, by whatever way, is not read by anybody."""
    reached, waiting = set[Path](), [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)\s#]+)[^)]*\)", without_code(page.read_text()))
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert set(PAGES) <= reached


@each_page
def test_nothing_of_the_machine_it_was_written_on(page) -> None:
    """Paths of whoever wrote the page mean nothing to its reader."""
    text = page.read_text()
    assert re.findall(r"(?<![\w.])/(?:root|work|tmp|Users)\b/?", text) == []
    assert set(re.findall(r"/home/(\w+)", text)) <= {"you"}


@each_page
def test_commands_exist(page) -> None:
    """Every ./dev command and every kamiyo command that is shown can be typed."""
    text = page.read_text()
    known = {name.partition(" ")[0] for name in documented_commands()}
    for dev, program in re.findall(r"\./dev (\w+)(?: (?!\./)(\w+))?", text):
        assert dev in COMMANDS, dev
        assert dev != "kamiyo" or not program or program in known, program
    for program in re.findall(r"`kamiyo (\w+)", text):
        assert program in known, program


@each_page
def test_variables_exist(page) -> None:
    """Every KAMIYO_ variable that is named is read somewhere."""
    code = all_code()
    own = {f"KAMIYO_{name.upper()}" for name in load({}).__struct_fields__}
    for name in re.findall(r"\bKAMIYO_[A-Z][A-Z_]*[A-Z]\b", page.read_text()):
        assert name in own or f'"{name}"' in code, name


@pytest.mark.parametrize("page", WRITTEN, ids=[str(page.relative_to(REPOSITORY)) for page in WRITTEN])
def test_a_page_says_who_it_is_for(page) -> None:
    """The first sentence after the title, but for decisions, which say what was decided."""
    _title, _empty, first = page.read_text().splitlines()[:3]
    assert first.startswith("**Decided**" if "decisions" in page.parts else "For whoever ")


@each_page
def test_settings_shown_can_be_used(page, tmp_path) -> None:
    """Every piece of a settings file that is shown is accepted as one."""
    for number, content in enumerate(blocks(page, "toml")):
        indented = "\n".join(line.strip() for line in content.splitlines())
        if "sources" not in tomllib.loads(indented):
            continue
        file = tmp_path / f"{number}.toml"
        file.write_text(indented)
        tools = Toolbox(clock=SystemClock())
        assert build_aggregators(load({}, file), tools)


def test_every_folder_of_tests_is_explained() -> None:
    """Whoever finds a folder of tests can read what belongs into it."""
    text = (REPOSITORY / "docs" / "explanation" / "how-we-test.md").read_text()
    folders = {path.relative_to(REPOSITORY).parts[1] for path in REPOSITORY.glob("tests/*/**/test_*.py")}
    assert folders >= {"unit", "docs"}
    assert [name for name in folders if f"`tests/{name}`" not in text] == []


def test_the_answer_shown_first_has_the_real_shape() -> None:
    """The README's example is what the API's own description of a list accepts."""
    [example] = blocks(REPOSITORY / "README.md", "json")
    assert ListShape[LiquidationShape].model_validate_json(example).meta.stale
