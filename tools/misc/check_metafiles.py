"""Check the descriptions of the methods: ``python tools/misc/check_metafiles.py``.

Every method folder of ``configs/`` has a ``README.md`` and a ``metafile.yml`` that names all its
configs, and ``model-index.yml`` lists every metafile. Prints one line per problem and exits with 1
when there is one.
"""

from __future__ import annotations

from mmssc.command_line import FINDINGS, command, prepare_process

prepare_process()

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from mmssc.errors import DataError
from mmssc.formats.regular_files import read_text

ROOT = Path(__file__).resolve().parents[2]
NO_METHODS = {'_base_', 'quickstart'}
# A dot separates a field from its subfield.
COLLECTION_FIELDS = (
    'Name', 'Metadata.Architecture', 'Metadata.Training Data', 'Paper.URL', 'Paper.Title', 'README',
)  # fmt: skip
MODEL_FIELDS = ('Name', 'In Collection', 'Config', 'Metadata.Source', 'Results')
RESULT_FIELDS = ('Task', 'Dataset', 'Split', 'Metrics.IoU', 'Metrics.mIoU')
SOURCES = ('reported by the authors', 'reproduced here')
TASK = 'Semantic Scene Completion'


def check_metafiles(root: Path) -> list[str]:
    """Find missing and wrong entries in the descriptions of the methods.

    Args:
        root: Folder of the repository, with ``configs/`` and ``model-index.yml``.

    Returns:
        One line per problem: file, entry, what is wrong. Empty when all is well.

    Raises:
        DataError: The folder has no ``configs/``.
    """
    if not (root / 'configs').is_dir():
        hint = 'Without a folder, the command checks its own'
        raise DataError(root, None, 'the folder of the repository, with configs/', 'none', hint)
    folders = sorted(
        path for path in (root / 'configs').iterdir() if path.is_dir() and any(path.glob('*.py'))
    )
    metafiles = [path / 'metafile.yml' for path in folders if path.name not in NO_METHODS]
    problems = []
    for metafile in metafiles:
        if not metafile.with_name('README.md').is_file():
            problems.append(f'{_name(metafile.with_name("README.md"), root)}: no such file')
        problems += [f'{_name(metafile, root)}: {text}' for text in _check_file(metafile, root)]
    index = _read(root / 'model-index.yml')
    listed = index.get('Import') or []
    if wrong := [*_of_other_kinds(index, ('Import',), list)]:
        return [*problems, *(f'model-index.yml: {text}' for text in wrong)]
    expected = [_name(metafile, root) for metafile in metafiles]
    problems += [f'model-index.yml: {name} is missing' for name in expected if name not in listed]
    problems += [
        f'model-index.yml: {name}: no such file' for name in listed if name not in expected
    ]
    return problems


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _read(path: Path) -> dict[str, Any]:
    """The content of a YAML file; empty for one that is missing or damaged."""
    try:
        content = yaml.safe_load(read_text(path))
    except (DataError, yaml.YAMLError, RecursionError):
        content = None
    return content if isinstance(content, dict) else {}


def _field(entry: Any, field: str) -> Any:
    for key in field.split('.'):
        entry = entry.get(key) if isinstance(entry, dict) else None
    return entry


def _missing(entry: Any, fields: tuple[str, ...]) -> Iterator[str]:
    return (f'{field} is missing' for field in fields if _field(entry, field) in (None, ''))


def _of_other_kinds(entry: Any, fields: Iterable[str], kind: type) -> Iterator[str]:
    expected = 'a list' if kind is list else 'text'
    for field in fields:
        found = _field(entry, field)
        if found is not None and not isinstance(found, kind):
            yield f'{field}: expected {expected}, found {found!r:.60}'


def _check_file(metafile: Path, root: Path) -> Iterator[str]:
    content = _read(metafile)
    collections, models = (content.get(key) or [] for key in ('Collections', 'Models'))
    if not collections:
        yield 'no such file, or no Collections in it'
        return
    wrong = [*_of_other_kinds(content, ('Collections', 'Models'), list)]
    if wrong:
        yield from wrong
        return
    readme = _name(metafile.with_name('README.md'), root)
    for collection in collections:
        problems = [*_missing(collection, COLLECTION_FIELDS)]
        if _field(collection, 'README') not in (None, readme):
            problems.append(f'README: expected {readme}')
        if not str(_field(collection, 'Paper.URL') or 'https://').startswith('https://'):
            problems.append('Paper.URL: expected https://...')
        yield from (f'{_field(collection, "Name")}: {problem}' for problem in problems)
    leaves = {_name(path, root) for path in metafile.parent.glob('*.py')}
    names = [_field(collection, 'Name') for collection in collections]
    for model in models:
        yield from (
            f'{_field(model, "Name")}: {problem}'
            for problem in _check_model(model, names, leaves, root)
        )
    configs = [_field(model, 'Config') for model in models]
    described = [config for config in configs if isinstance(config, str)]
    yield from (f'{leaf} is not described' for leaf in sorted(leaves.difference(described)))
    repeated = {config for config in described if described.count(config) > 1}
    yield from (f'{config} is described more than once' for config in sorted(repeated))


def _check_model(model: Any, collections: list[Any], leaves: set[str], root: Path) -> Iterator[str]:
    missing = [*_missing(model, MODEL_FIELDS)]
    wrong = [*_of_other_kinds(model, ('Name', 'In Collection', 'Config', 'Weights'), str)]
    wrong += _of_other_kinds(model, ('Results',), list)
    if missing or wrong:
        yield from [*missing, *wrong]
        return
    if model['In Collection'] not in collections:
        yield f'In Collection: no such collection: {model["In Collection"]}'
    config = model['Config']
    if config not in leaves:
        yield f'Config: no such file in this folder: {config}'
    elif Path(config).stem != model['Name']:
        yield f'Name: expected {Path(config).stem}, as its config'
    if model['Metadata']['Source'] not in SOURCES:
        yield 'Metadata.Source: expected ' + ' or '.join(f'"{source}"' for source in SOURCES)
    for result in model['Results']:
        yield from (f'Results: {problem}' for problem in _missing(result, RESULT_FIELDS))
        if _field(result, 'Task') not in (None, TASK):
            yield f'Results: Task: expected {TASK}'
    weights = model.get('Weights')
    if weights and '://' not in weights and not (root / weights).is_file():
        yield f'Weights: no such file: {weights}'


@command
def main() -> int:
    """Print the problems."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    text = 'folder of the repository (default: the one that this tool belongs to)'
    parser.add_argument('root', nargs='?', type=Path, default=ROOT, help=text)
    problems = check_metafiles(parser.parse_args().root)
    for problem in problems:
        print(problem)
    return FINDINGS if problems else 0


if __name__ == '__main__':
    sys.exit(main())
