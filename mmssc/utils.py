"""What mmengine expects under this name of every package of the family."""

from __future__ import annotations

from mmengine.registry import init_default_scope as set_default_scope

from mmssc import registry

__all__ = ['register_all_modules']


def register_all_modules(init_default_scope: bool = True) -> None:
    """Register every model, data set, transform and so on now.

    No config needs it: each registry imports its modules when it is first asked. It is for programs
    that list what is registered, and for mmengine's ``get_model``.

    Args:
        init_default_scope: Also make ``mmssc`` the default scope.
    """
    for name in registry.__all__:
        getattr(registry, name).import_from_location()
    if init_default_scope:
        set_default_scope('mmssc')
