"""The advice for files that a converter makes."""

from __future__ import annotations

from pathlib import Path

__all__ = ['converter_hint']


def converter_hint(converter: str, data_root: str, options: str = '') -> str:
    """What to do if a prepared file is missing.

    Args:
        converter: Path of the converter in the repository.
        data_root: Folder of the data; empty: unknown.
        options: More words of the command.
    """
    if data_root and not Path(data_root).is_dir():
        return (
            f'There is no folder {data_root}: set data_root to the folder of your data '
            '(--cfg-options test_dataloader.dataset.data_root=DIR; also train_dataloader and '
            f'val_dataloader). {" ".join(filter(None, (converter, "DIR", options)))} prepares raw '
            'data; tools/dataset_converters/make_synthetic.py makes scenes to try'
        )
    return ' '.join(filter(None, (f'Run: python {converter}', data_root or 'ROOT', options)))
