"""Run a function right after a module is imported, without importing it now."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ['after_import']

Patch = Callable[[ModuleType], None]


class _PatchingFinder(MetaPathFinder):
    """Finds the registered modules as usual and applies their patch after they are executed."""

    def __init__(self) -> None:
        self.patches: dict[str, list[Patch]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        patches = self.patches.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if patches else None
        if patches is None or spec is None or spec.loader is None:
            return None
        run_module = spec.loader.exec_module

        def run_and_patch(module: ModuleType) -> None:
            run_module(module)
            for patch in patches:
                patch(module)

        # Each spec has its own loader object, so this changes one import only.
        spec.loader.exec_module = run_and_patch  # type: ignore[method-assign]
        return spec


_FINDER = _PatchingFinder()


def after_import(module_name: str, patch: Patch) -> None:
    """Call ``patch(module)`` when the module is imported, or now if it already is.

    A module can have several patches. Registering one again changes nothing; each runs once per
    import.
    """
    if module_name in sys.modules:
        patch(sys.modules[module_name])
        return
    patches = _FINDER.patches.setdefault(module_name, [])
    if patch not in patches:
        patches.append(patch)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
