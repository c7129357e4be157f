"""Names of a package whose modules are imported at their first use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ['lazy_names']


def lazy_names(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Make ``__getattr__`` of a package, so that its parts can be used without all the others.

    Args:
        package: Name of the package.
        modules: Module of the package -> names that the package has from it.

    Returns:
        A function from a name to its value; it raises an :class:`AttributeError` for other names.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f'module {package!r} has no attribute {name!r}')
        return getattr(importlib.import_module(f'{package}.{module_of[name]}'), name)

    return find
