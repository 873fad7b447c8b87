import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from kamiyo.kit.plugins import discover


class Plugin:
    """A plug-in as a package under test defines it."""

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Give an empty package of plug-ins that is found by import."""
    (tmp_path / "plugins_under_test").mkdir()
    (tmp_path / "plugins_under_test" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield import_module("plugins_under_test")
    for name in [name for name in sys.modules if name.startswith("plugins_under_test")]:
        del sys.modules[name]


def write(package: ModuleType, module: str, name: str | None) -> None:
    [folder] = package.__path__
    constant = "" if name is None else f"PLUGIN = Plugin({name!r})"
    Path(folder, f"{module}.py").write_text(f"from {__name__} import Plugin\n{constant}\n", "utf-8")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the plug-ins import this file by the name it has here."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or ModuleType(__name__))
    monkeypatch.setattr(sys.modules[__name__], "Plugin", Plugin, raising=False)


def found(package: ModuleType, shared: frozenset[str] = frozenset()) -> dict[str, Plugin]:
    return dict(discover(package, "PLUGIN", Plugin, shared=shared))


def test_every_public_module_is_a_plugin_by_its_own_name(package: ModuleType) -> None:
    """The name counts, not the file; private, shared and nested modules are none."""
    write(package, "one", "first")
    write(package, "two", "second")
    write(package, "_private", None)
    write(package, "base", None)
    [folder] = package.__path__
    Path(folder, "nested").mkdir()
    Path(folder, "nested", "__init__.py").touch()
    assert {name: plugin.name for name, plugin in found(package, frozenset({"base"})).items()} == {
        "first": "first",
        "second": "second",
    }


def test_a_module_without_the_constant_is_an_error_that_names_it(package: ModuleType) -> None:
    """Who forgets the constant is told where and what."""
    write(package, "forgetful", None)
    with pytest.raises(TypeError, match=r"plugins_under_test\.forgetful must define PLUGIN: Plugin"):
        found(package)


def test_two_plugins_of_one_name_are_an_error(package: ModuleType) -> None:
    """Nobody is silently replaced by a namesake."""
    write(package, "one", "same")
    write(package, "two", "same")
    with pytest.raises(TypeError, match="two plug-ins are named 'same'"):
        found(package)
