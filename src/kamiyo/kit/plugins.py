"""Find the plug-ins of a package: every public module with the constant, by the plug-in's name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol, TypeVar


class Named(Protocol):
    """A plug-in knows its own name."""

    @property
    def name(self) -> str:
        """The name it is known by."""
        ...


P = TypeVar("P", bound=Named)


def discover(package: ModuleType, constant: str, kind: type[P], *, shared: frozenset[str]) -> Mapping[str, P]:
    """Import each public module of ``package`` but the ``shared`` ones, and collect its ``constant``.

    TypeError if a module lacks it or two plug-ins have one name.
    """
    found: dict[str, P] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_") or module.name in shared or module.ispkg:
            continue
        plugin: Any = getattr(importlib.import_module(f"{package.__name__}.{module.name}"), constant, None)
        if not isinstance(plugin, kind):
            raise TypeError(f"{package.__name__}.{module.name} must define {constant}: {kind.__name__}")
        if plugin.name in found:
            raise TypeError(f"two plug-ins are named {plugin.name!r}")
        found[plugin.name] = plugin
    return found
