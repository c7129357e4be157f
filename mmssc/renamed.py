"""Names of before: they still work in this release, with one warning each."""

from __future__ import annotations

import warnings
from typing import Any

from mmengine.registry import Registry

__all__ = ['RENAMED', 'RenamingRegistry', 'renamed_attribute']

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


def _new_name(old: str) -> str:
    new = RENAMED[old]
    if old not in _warned:
        _warned.add(old)
        # A FutureWarning: it is for users of configs, who see no DeprecationWarning.
        warnings.warn(
            f'{old} is called {new} now; the old name goes away in the next release',
            FutureWarning,
            stacklevel=4,
        )
    return new


class RenamingRegistry(Registry):
    """A registry that also finds what has another name now."""

    def get(self, key: str) -> Any:
        """The class of a name, as :meth:`mmengine.registry.Registry.get`."""
        scope, name = self.split_scope_key(key)
        if scope in (None, self._scope) and name in RENAMED and name not in self._module_dict:
            new = _new_name(name)
            key = new if scope is None else f'{scope}.{new}'
        return super().get(key)


def renamed_attribute(module: str, names: dict[str, Any], name: str) -> Any:
    """For ``__getattr__`` of a module: what has another name now.

    Args:
        module: Name of the module.
        names: Its ``globals()``.
        name: The attribute that it lacks.

    Raises:
        AttributeError: There never was such a name.
    """
    if RENAMED.get(name) in names:
        return names[_new_name(name)]
    raise AttributeError(f'module {module!r} has no attribute {name!r}')
