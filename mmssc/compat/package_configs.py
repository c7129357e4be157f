"""mmssc in mmengine's table of packages, so that ``mmssc::sgn/sgn-T.py`` names a config.

The table is closed, and mmengine looks for the files of a package with ``pkg_resources``, which
finds no editable install. Here the names of this package go to
:func:`mmssc.resources.find_config`: in the base of a config, and in ``get_config`` and
``get_model``.
"""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

from ..resources import PACKAGE_PREFIX, find_config
from .import_hooks import after_import

__all__ = ['register_package_configs']


def _add_to_table(utils_module: ModuleType) -> None:
    utils_module.MODULE2PACKAGE['mmssc'] = 'mmssc'


def _find_bases(config_module: ModuleType) -> None:
    config = config_module.Config
    find = config._get_cfg_path
    if hasattr(find, '__wrapped__'):
        return

    @functools.wraps(find)
    def find_base(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PACKAGE_PREFIX):
            return str(find_config(cfg_path)), 'mmssc'
        return find(cfg_path, filename)

    config._get_cfg_path = staticmethod(find_base)


def _find_in_hub(hub_package: ModuleType) -> None:
    hub: Any = hub_package.hub
    get = hub.get_config
    if hasattr(get, '__wrapped__'):
        return

    @functools.wraps(get)
    def get_config(cfg_path: str, pretrained: bool = False) -> Any:
        if not cfg_path.startswith(PACKAGE_PREFIX):
            return get(cfg_path, pretrained)
        from ..model_index import weights_of_model

        cfg = hub.Config.fromfile(find_config(cfg_path))
        if pretrained:
            cfg.model_path = str(weights_of_model(Path(cfg.filename).stem))
        return cfg

    # get_model calls the first one, users the second one.
    hub.get_config = hub_package.get_config = get_config  # type: ignore[attr-defined]


def register_package_configs() -> None:
    """Let mmengine find the configs of this package by name. Idempotent."""
    after_import('mmengine.config.utils', _add_to_table)
    after_import('mmengine.config.config', _find_bases)
    after_import('mmengine.hub', _find_in_hub)
