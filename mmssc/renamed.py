"""Old names: they still work in this release, with one warning each."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

__all__ = [
    'RENAMED', 'RenamingRegistry', 'rename_arguments', 'renamed_arguments', 'renamed_attribute',
]  # fmt: skip

#: Old name -> new name, of registered classes and of functions that users import.
RENAMED = dict(
    AddViewVolumes='AddRGBDViewVolumes',
    CropMappedImage='CropRGBDImage',
    CropSSCImages='CropDrivingImages',
    DepthInferencer='RGBDInferencer',
    DistortColors='DistortRGBDColors',
    FlipMappedImage='FlipRGBDImage',
    FlipSSCImages='FlipDrivingImages',
    FlipSSCScene='FlipDrivingScene',
    FlipVolumes='FlipRGBDVolumes',
    JitterSSCColors='JitterDrivingColors',
    LoadDepthMaps='LoadDrivingDepth',
    LoadPreparedFrame='LoadRGBDFrame',
    LoadPseudoLidar='LoadDrivingPoints',
    LoadSSCImages='LoadDrivingImages',
    LoadVisibilityMasks='LoadDrivingMasks',
    LoadVoxelLabels='LoadDrivingLabels',
    PadMappedImage='PadRGBDImage',
    PlayersDistributedDataParallel='AdversarialDistributedDataParallel',
    ResizeMappedImage='ResizeRGBDImage',
    SSCDataset='DrivingDataset',
    SSCInferencer='DrivingInferencer',
    TransposeVolumes='TransposeRGBDVolumes',
    is_depth_config='is_rgbd_config',
)
_warned: set[str] = set()


def _warn_once(old: str, new: str) -> None:
    if old not in _warned:
        _warned.add(old)
        # A FutureWarning, because Python hides DeprecationWarning from users of configs.
        warnings.warn(
            f'{old} is called {new} now; the old name goes away in the next release',
            FutureWarning,
            stacklevel=5,
        )


def _new_name(old: str) -> str:
    new = RENAMED[old]
    _warn_once(old, new)
    return new


class RenamingRegistry(Registry):
    """A registry that also finds classes under their old names."""

    def get(self, key: str) -> Any:
        """Return the class of a name, see :meth:`mmengine.registry.Registry.get`."""
        scope, name = self.split_scope_key(key)
        if scope in (None, self._scope) and name in RENAMED and name not in self._module_dict:
            new = _new_name(name)
            key = new if scope is None else f'{scope}.{new}'
        return super().get(key)


def renamed_attribute(module: str, names: dict[str, Any], name: str) -> Any:
    """For ``__getattr__`` of a module: find an attribute under its old name.

    Args:
        module: Name of the module.
        names: Its ``globals()``.
        name: The missing attribute.

    Raises:
        AttributeError: It is not an old name either.
    """
    if RENAMED.get(name) in names:
        return names[_new_name(name)]
    raise AttributeError(f'module {module!r} has no attribute {name!r}')


def rename_arguments(
    arguments: Mapping[str, Any], owner: str, names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the arguments of a config under their new names.

    A value under an old name is merged into the value under the new name, as a config is merged
    into its base: an old config may set a few fields of a part that its base defines under the new
    name.

    Args:
        arguments: Name -> value; not changed.
        owner: Class or setting that has the arguments, for the warning.
        names: Old name -> new name.
    """
    renamed = dict(arguments)
    for old, new in names.items():
        if old in renamed:
            _warn_once(f'{owner}.{old}', f'{owner}.{new}')
            merged = Config({new: renamed[new]} if new in renamed else {})
            merged.merge_from_dict({new: renamed.pop(old)})
            renamed[new] = merged[new]
    return renamed


def renamed_arguments(**names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate an ``__init__`` whose arguments were renamed: old name = new name."""

    def decorate(init: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(init)
        def init_with_old_names(self: Any, *args: Any, **kwargs: Any) -> None:
            init(self, *args, **rename_arguments(kwargs, type(self).__name__, names))

        init_with_old_names.old_names = frozenset(names)  # type: ignore[attr-defined]
        return init_with_old_names

    return decorate
