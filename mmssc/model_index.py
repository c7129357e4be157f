"""The models that the metafiles describe, and the weights that travel with them."""

from __future__ import annotations

import os
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mmssc.errors import DataError
from mmssc.formats.regular_files import newest_pth_file, read_text
from mmssc.resources import config_names, resource_folder

__all__ = ['UNTRAINED', 'ModelEntry', 'find_checkpoint', 'read_models', 'weights_of_model']

#: In the place of a checkpoint: random weights.
UNTRAINED = 'untrained'


class ModelEntry(NamedTuple):
    """One model of a metafile.

    Args:
        name: Its name, and that of its config.
        config: The config file.
        readme: The page of the method.
        paper: ``Title`` and ``URL``.
        code: URL of the official code, or None.
        metadata: ``Parameters``, ``Source`` of the figures, ...
        results: ``Dataset`` and ``Metrics`` (``IoU`` and ``mIoU``, in percent) of each data set.
        weights: A file of this package, a URL, or None.
    """

    name: str
    config: Path
    readme: Path
    paper: dict[str, str]
    code: str | None
    metadata: dict[str, Any]
    results: list[dict[str, Any]]
    weights: str | Path | None


@cache
def read_models() -> dict[str, ModelEntry]:
    """Name -> model, in the order of ``model-index.yml``.

    Raises:
        DataError: The files of the package are missing or damaged.
    """
    root = resource_folder()
    models: dict[str, ModelEntry] = {}
    for metafile in _read(root / 'model-index.yml', 'Import'):
        content = _read(root / metafile)
        collections = {one['Name']: one for one in content['Collections']}
        for model in content['Models']:
            models[model['Name']] = _entry(root, model, collections[model['In Collection']])
    return models


def _read(path: Path, key: str | None = None) -> Any:
    try:
        content = yaml.safe_load(read_text(path))
        return content if key is None else content[key]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise DataError(path, None, 'a readable metafile', error, 'Install mmssc again') from error


def _entry(root: Path, model: dict[str, Any], collection: dict[str, Any]) -> ModelEntry:
    weights = model.get('Weights')
    if weights and '://' not in weights:
        weights = root / weights
    return ModelEntry(
        name=model['Name'],
        config=root / model['Config'],
        readme=root / collection['README'],
        paper=collection['Paper'],
        code=(collection.get('Code') or {}).get('URL'),
        metadata=model['Metadata'],
        results=model['Results'],
        weights=weights,
    )


def weights_of_model(name: str) -> Path:
    """The file with the weights of a model.

    Args:
        name: Its name, or that of another config of this package.

    Raises:
        DataError: The weights are not in this package.
    """
    model = read_models().get(name)
    weights = None if model is None else model.weights
    if isinstance(weights, Path) and weights.is_file():
        return weights
    hint = f'Train {name}'
    if isinstance(weights, str):
        hint = f'Download {weights}'
    elif model is not None:
        hint += f", or see {model.readme} for the authors' weights"
    hint += ', and give the file as the checkpoint'
    raise DataError(name, 'weights', 'a file in this package', 'none', hint)


def find_checkpoint(
    checkpoint: str | PathLike[str] | None, config: Any = None
) -> str | PathLike[str] | None:
    """Find a checkpoint by its path or by the name of its model.

    A file of the current folder comes before a name. ``checkpoints/NAME.pth`` is a file of this
    package, wherever the command runs.

    Args:
        checkpoint: Path, URL, name of a model, or :data:`UNTRAINED`. None: the weights of the
            config, if it is given by name.
        config: The config as the user gave it.

    Returns:
        Path or URL; None stands for random weights. A path is not checked.

    Raises:
        DataError: The model has no weights in this package, or the path is a folder.
    """
    if checkpoint is None:
        return weights_of_model(os.fspath(config)) if _is_name(config) else None
    text = os.fspath(checkpoint)
    if text == UNTRAINED:
        return None
    if os.path.isfile(text) or '://' in text:
        return checkpoint
    _refuse_folder(text)
    if text in read_models():
        return weights_of_model(text)
    inside = resource_folder() / text
    return inside if text.startswith('checkpoints/') and inside.is_file() else checkpoint


def _refuse_folder(path: str) -> None:
    """Refuse a folder, and name the newest checkpoint in it."""
    if not os.path.isdir(path):
        return
    newest = newest_pth_file(path)
    hint = 'It has no file *.pth' if newest is None else f'The newest checkpoint in it is {newest}'
    raise DataError(path, None, 'a checkpoint file', 'a folder', hint)


def _is_name(config: Any) -> bool:
    is_text = isinstance(config, (str, PathLike)) and not os.path.isfile(config)
    return is_text and os.fspath(config) in config_names()
