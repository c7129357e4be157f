"""List the models of this package, or describe one: ``python tools/misc/model_info.py --list``.

The names stand wherever a config is given. If the weights are in the package, no checkpoint is
needed: python tools/infer.py light_depth_nyu --depth depth.png ...
"""

from __future__ import annotations

from mmssc.command_line import command, prepare_process

prepare_process()

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmssc.errors import DataError, nearest_name
from mmssc.formats.regular_files import read_bytes
from mmssc.model_index import ModelEntry, read_models
from mmssc.resources import config_names, resource_folder

# How the values of a metafile are shown, with their units.
_SHOWN: dict[str, Callable[[Any], str]] = {
    'Parameters': '{:,}'.format,
    'Multiply-adds': lambda count: f'{count / 1e9:.1f} G (one prediction)',
    'Seconds': lambda seconds: f'{seconds:.2f} (one prediction, one core)',
    'Memory': lambda mib: f'{mib / 1024:.1f} GiB (one prediction, peak)',
}
_HEADS = ('name', 'data set', 'IoU', 'mIoU', 'figures', 'parameters', 'weights')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', nargs='?', help='describe this model')
    parser.add_argument('--list', action='store_true', help='list all models')
    args = parser.parse_args()
    if args.list == bool(args.name):
        parser.error('give the name of a model, or --list')
    return args


def rows_of(model: ModelEntry) -> Iterator[list[str]]:
    """One row of the list for each data set that the model has figures for."""
    source = model.metadata['Source'].partition(' ')[0]
    parameters = model.metadata.get('Parameters')
    size = '-' if parameters is None else f'{parameters / 1e6:.2f} M'
    for result in model.results or [dict(Dataset='-', Metrics={})]:
        figures = [result['Metrics'].get(key) for key in ('IoU', 'mIoU')]
        texts = ['-' if figure is None else f'{figure:.2f}' for figure in figures]
        shown = source if model.results else '-'
        yield [model.name, result['Dataset'], *texts, shown, size, where(model.weights)]


def where(weights: str | Path | None) -> str:
    """Where the weights are: here, at a link, or nowhere."""
    if weights is None:
        return '-'
    return 'link' if isinstance(weights, str) else ('here' if weights.is_file() else 'missing')


def print_list() -> None:
    """Print the models, then the configs that no metafile describes."""
    models = read_models()
    rows = [[*_HEADS], *(row for model in models.values() for row in rows_of(model))]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print('  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    others = [name for name in config_names() if name not in models]
    print(f'\nConfigs to try, on little or synthetic data: {", ".join(others)}')
    print(f'Files: {resource_folder()}')


def describe(name: str) -> dict[str, Any]:
    """What is known of a model, or of another config: title -> text.

    Raises:
        DataError: There is no config of this name.
    """
    configs, models = config_names(), read_models()
    if name not in configs:
        hint = nearest_name(name, configs) or 'Leave it out and give --list'
        raise DataError('command line', 'name', 'the name of a config', name, hint)
    if name not in models:
        return dict(name=name, config=configs[name], weights='none')
    model = models[name]
    facts = dict(
        name=name, config=model.config, paper=model.paper['Title'], link=model.paper['URL']
    )
    facts.update({'code': model.code} if model.code else {}, page=model.readme)
    for key, value in model.metadata.items():
        if key != 'Source':
            facts[key.lower()] = _SHOWN.get(key, str)(value)
    for result in model.results:
        figures = ', '.join(f'{key} {value:.2f}' for key, value in result['Metrics'].items())
        facts[result['Dataset']] = f'{figures} ({model.metadata["Source"]})'
    facts['weights'] = model.weights or 'none'
    if isinstance(model.weights, Path) and model.weights.is_file():
        facts['sha256'] = hashlib.sha256(read_bytes(model.weights)).hexdigest()
    return facts


@command
def main() -> None:
    """Print the list or the description."""
    args = parse_args()
    if args.list:
        print_list()
        return
    for title, text in describe(args.name).items():
        print(f'{title:14} {text}')


if __name__ == '__main__':
    sys.exit(main())
