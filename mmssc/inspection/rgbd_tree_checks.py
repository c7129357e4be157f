"""Check a folder of RGB-D frames by its info lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmssc.datasets.rgbd_list import SHARED, read_rgbd_list
from mmssc.shards import Shard

from .config_checks import check_config
from .report import TreeReport

__all__ = ['check_rgbd_tree', 'find_rgbd_lists']

# Info list of nyu.py or own_rgbd.py -> the loader of a config that reads such a list.
_LISTS = {
    'nyu_infos_train.json': 'train_dataloader',
    'nyu_infos_test.json': 'test_dataloader',
    'own_infos.json': 'val_dataloader',
}


def find_rgbd_lists(root: str | Path) -> list[Path]:
    """The info lists that ``nyu.py`` and ``own_rgbd.py`` have written to a folder."""
    return [path for path in (Path(root, name) for name in _LISTS) if path.is_file()]


def check_rgbd_tree(
    root: str | Path, thorough: bool = False, shard: Shard | None = None
) -> TreeReport:
    """Check the files that the info lists of a folder name, for the first source of each list.

    Args:
        root: The folder.
        thorough: As in :func:`check_config`.
        shard: Check only the files of this share.

    Raises:
        DataError: A list is damaged.
    """
    paths = find_rgbd_lists(root)
    return check_config({_LISTS[path.name]: _loader(path) for path in paths}, thorough, shard)


def _loader(path: Path) -> dict[str, Any]:
    """A loader that reads all files that a list names; single frames may lack some."""
    files = read_rgbd_list(path).files
    sources = [source for source, keys in files.items() if 'tsdf' in keys]
    source = sources[0] if sources else next(iter(files))
    named = [key for group in (source, SHARED) for key in files.get(group, {})]
    reading = dict(type='LoadRGBDFrame', keys=named[:1], optional=named[1:])
    return dict(
        dataset=dict(
            type='NYUDataset', data_root=str(path.parent), ann_file=path.name, source=source,
            label_source=source, pipeline=[reading],
        )
    )  # fmt: skip
