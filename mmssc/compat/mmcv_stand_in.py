"""A stand-in for ``mmcv._ext`` so that mmcv-lite is enough.

mmcv-lite ships the Python half of ``mmcv.ops`` without the compiled extension, and
``mmdet.models`` and ``mmseg.models`` import it even if no op is used. With the stand-in these
imports succeed; a compiled op raises a clear error when it is *called*.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ..errors import MissingDependencyError

__all__ = ['MMCV_OPS_HINT', 'has_compiled_mmcv_ops', 'install_mmcv_stand_in']

EXTENSION = 'mmcv._ext'
MMCV_OPS_HINT = (
    'pip uninstall -y mmcv-lite && pip install mmcv==2.1.0 '
    '-f https://download.openmmlab.com/mmcv/dist/cu118/torch2.1/index.html '
    '(wheels exist for torch 2.1; for other versions pip compiles it, which needs a compiler '
    'and about 20 minutes)'
)


def _missing_op(name: str) -> Callable[..., Any]:
    def op(*args: Any, **kwargs: Any) -> Any:
        raise MissingDependencyError(
            f'mmcv.ops: {name!r} is compiled code and this environment has mmcv-lite, which has '
            f'none. Install the full mmcv: {MMCV_OPS_HINT}'
        )

    op.__name__ = op.__qualname__ = name
    return op


class _StandIn(ModuleType):
    """Has an attribute for every op; each raises an error when called."""

    mmssc_stand_in = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        if name in ('get_compiler_version', 'get_compiling_cuda_version'):
            return lambda: 'n/a'  # Environment reports print these.
        return _missing_op(name)


class _StandInFinder(MetaPathFinder, Loader):
    """Supplies ``mmcv._ext``. Last on ``sys.meta_path``: a real extension is found first."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == EXTENSION else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name, 'Stand-in of mmssc for the compiled ops of mmcv.')

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the attributes are made on demand."""


def install_mmcv_stand_in() -> None:
    """Let ``import mmcv.ops`` succeed with mmcv-lite. Idempotent; a real extension wins."""
    if not any(isinstance(finder, _StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(_StandInFinder())


def has_compiled_mmcv_ops() -> bool:
    """Whether the full mmcv, with its compiled ops, can be imported (imports it)."""
    try:
        from mmcv import _ext
    except ImportError:
        # No mmcv at all, or an extension built for another torch (undefined symbol).
        return False
    return not getattr(_ext, 'mmssc_stand_in', False)
