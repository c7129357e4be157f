"""Write ``docs/en/model_zoo.md`` from the metafiles: ``python tools/misc/make_model_zoo.py``.

``--check`` only says whether the page is up to date. ``--measure NAME ...`` first measures one
prediction of these models (without a name: of all) on random inputs, and writes parameters,
multiply-adds, time and memory to their metafiles: ``tools/analysis_tools/benchmark.py`` and
``get_flops.py`` in one step.
"""

from __future__ import annotations

from mmssc.command_line import FINDINGS, command, prepare_process, run_each

prepare_process()

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.formats.regular_files import read_text
from mmssc.temporary_files import temporary_folder

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools/analysis_tools'
PAGE = 'docs/en/model_zoo.md'
INTRODUCTION = """# Model zoo

<!-- python tools/misc/make_model_zoo.py writes this page from the metafiles: change those. -->

IoU is completion (`SC_IoU`), mIoU is the mean over all classes except empty (`SSC_mIoU`), both in
percent. *Reported* figures come from the papers or the official repositories. *Reproduced* figures
come from this code: the README of the method gives the command, commit, hardware and seed. Compare
only figures of the same data set and split.

The configs are in the folder of the README. A dash means: not known or not measured.
"""
SIZES = """Parameters are those of the network that mmssc builds. Multiply-adds, time and memory are
those of one prediction with batch size 1, on random inputs with random weights; the sparse layers
of SGN take more or less with other weights, which propose more or fewer voxels. The time is
CPU seconds of **one core**, rough because other programs ran on the machine. The memory is the peak
of the process, with Python and torch. Configs with the same network and inputs have the figures of
one measurement.
[What multiply-adds count](user_guides/analysis_tools.md#parameters-and-multiply-adds). To measure
models on your machine and write the figures to the metafiles:
`python tools/misc/make_model_zoo.py --measure NAME ...`."""
WITHOUT = 'No full training of these configs was scored here, and we checked no published figure:'
RESULT_HEADS = ('model', 'data set, split', 'IoU', 'mIoU')
SIZE_HEADS = ('model', 'parameters', 'multiply-adds', 'time', 'memory', 'measured on')
SOURCES = ('reported by the authors', 'reproduced here')
Entry = dict[str, Any]


def read_metafiles(root: Path) -> tuple[list[Entry], list[Entry]]:
    """Read all methods and models, in the order of ``model-index.yml``, projects last.

    Returns:
        Collections and models of the metafiles. A model also has ``metafile``, its path.

    Raises:
        DataError: A file is missing, or is no metafile.
    """
    with _naming_metafile(root / 'model-index.yml'):
        listed = [root / name for name in _read_yaml(root / 'model-index.yml', 'Import')['Import']]
    collections, models = [], []
    for path in [*listed, *sorted(root.glob('projects/*/metafile.yml'))]:
        content = _read_yaml(path, 'Collections', 'Models')
        with _naming_metafile(path):
            collections += content['Collections']
            models += [{**model, 'metafile': path} for model in content['Models']]
    return collections, models


@contextmanager
def _naming_metafile(path: Path) -> Iterator[None]:
    """Name the metafile, or the folder of all, in errors of entries that are missing or wrong."""
    try:
        yield
    except DataError:  # it is a ValueError, too
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        kind = 'no' if isinstance(error, KeyError) else 'one of another kind:'
        hint = 'Run python tools/misc/check_metafiles.py'
        raise DataError(path, 'entries', 'those of metafiles', f'{kind} {error}', hint) from error


def _read_yaml(path: Path, *keys: str) -> Entry:
    try:
        content = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(path, None, 'YAML', error) from error
    missing = [key for key in keys if not isinstance(content, dict) or not content.get(key)]
    if missing:
        raise DataError(path, None, ', '.join(keys), f'no {missing[0]}')
    return content


def page_text(root: Path) -> str:
    """The page as Markdown.

    Raises:
        DataError: As :func:`read_metafiles`, or an entry is missing or wrong.
    """
    with _naming_metafile(root):
        return _text(*read_metafiles(root))


def _text(collections: list[Entry], models: list[Entry]) -> str:
    readmes = {collection['Name']: collection['README'] for collection in collections}
    links = {
        model['Name']: f'[{model["Name"]}](../../{readmes[model["In Collection"]]})'
        for model in models
    }
    parts = [INTRODUCTION]
    for source in SOURCES:
        rows = [
            [links[model['Name']], *_result_cells(result)]
            for model in models
            if model['Metadata']['Source'] == source
            for result in model['Results']
        ]
        parts.append(f'## {source.capitalize()}\n\n{_table(RESULT_HEADS, rows)}')
    names = '\n'.join(f'- {links[model["Name"]]}' for model in models if not model['Results'])
    parts.append(f'## Without scores\n\n{WITHOUT}\n\n{names}\n')
    rows = [
        [links[model['Name']], *cells]
        for model in models
        if set(cells := _size_cells(model['Metadata'])) != {'-'}
    ]
    parts.append(f'## Size and speed\n\n{SIZES}\n\n{_table(SIZE_HEADS, rows)}')
    rows = [
        [f'`{model["Name"]}`', f'`{model["Weights"]}`'] for model in models if model.get('Weights')
    ]
    parts.append(f'## Weights in this repository\n\n{_table(("model", "file"), rows)}')
    rows = [_method_cells(collection) for collection in collections]
    heads = ('method', 'paper', 'official code')
    parts.append(
        f'## Papers and official code\n\n{_table(heads, rows)}\n'
        'Where the official weights are, and how to import them: [downloads](downloads.md).\n'
    )
    return '\n'.join(parts)


def _result_cells(result: Entry) -> list[str]:
    split = f', {result["Split"]}' if 'Split' in result else ''
    return [
        result['Dataset'] + split,
        *(f'{result["Metrics"][key]:.2f}' for key in ('IoU', 'mIoU')),
    ]


def _size_cells(metadata: Entry) -> list[str]:
    """Cells of parameters, multiply-adds, time, memory and machine."""
    shown: dict[str, Callable[[Any], str]] = {
        'Parameters': lambda count: f'{count / 1e6:.2f} M',
        'Multiply-adds': lambda count: f'{count / 1e9:.1f} G',
        'Seconds': lambda seconds: f'{seconds:.2f} s',
        'Memory': lambda mib: f'{mib / 1024:.1f} GiB',
        'Measured On': str,
    }
    return [show(metadata[key]) if key in metadata else '-' for key, show in shown.items()]


def _method_cells(collection: Entry) -> list[str]:
    paper, code = collection['Paper'], collection.get('Code') or {}
    return [
        f'[{collection["Name"]}](../../{collection["README"]})',
        f'[{paper["Title"]}]({paper["URL"]})',
        f'[{code["URL"].partition("://")[2]}]({code["URL"]})' if code else '-',
    ]


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ['---'] * len(heads), *rows]
    return ''.join(f'| {" | ".join(cells)} |\n' for cells in lines)


def measure(config: Path, folder: Path) -> Entry:
    """Figures of one prediction on random inputs, named as in the metafiles.

    Args:
        config: The config.
        folder: That of the metafile: a project has its package there.

    Raises:
        DataError: The measurement of the config has failed.
    """
    options = ('--synthetic-input', '--prediction-only', '--iters', '1')
    result = _tool_output('benchmark.py', config, folder, *options)
    parts = _tool_output('get_flops.py', config, folder)['parts']
    (stage,) = [stage for stage in result['stages'] if stage['stage'] == 'prediction']
    machine = result['machine']
    on_gpu = 'gpu' in machine
    figures = {
        'Parameters': parts['all']['parameters'],
        'Multiply-adds': parts['all']['multiply_adds'],
        'Seconds': round(stage['mean_ms' if on_gpu else 'cpu_ms'] / 1e3, 3),
        'Measured On': machine['gpu'] if on_gpu else f'{machine["cpu"]}, threads: 1',
    }
    return figures if stage['peak_mib'] is None else {**figures, 'Memory': stage['peak_mib']}


def _tool_output(tool: str, config: Path, package: Path, *options: str) -> Entry:
    """What a tool of ``tools/analysis_tools`` writes about a config, on one thread."""
    paths = [str(package), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join(paths)}
    with temporary_folder() as folder:
        out = folder / 'figures.json'
        call = [sys.executable, str(TOOLS / tool), str(config), '--out', str(out), *options]
        if subprocess.run(call, stdout=subprocess.DEVNULL, check=False, env=environment).returncode:
            raise DataError(config, None, f'{tool} without an error', 'the error above')
        return json.loads(out.read_text('utf-8'))


def with_figures(text: str, name: str, figures: Entry) -> str:
    """Put figures into the metadata of a model; the other lines of the metafile stay as they are.

    Args:
        text: The metafile; ``Metadata`` of a model is one line, ``Metadata: {...}``.
        name: Name of the model.
        figures: New entries of the metadata.
    """
    start = re.search(rf'^  - Name: {re.escape(name)}$', text, re.M)
    line = re.compile(r'^    Metadata: (\{.*\})$', re.M).search(text, start.end() if start else 0)
    if start is None or line is None:
        raise DataError(name, 'Metadata', 'one line "Metadata: {...}" in the metafile', 'none')
    metadata = {**yaml.safe_load(line[1]), **figures}
    flow = yaml.safe_dump(metadata, default_flow_style=True, sort_keys=False, width=10**6).strip()
    return f'{text[: line.start(1)]}{flow}{text[line.end(1) :]}'


def update_metafiles(root: Path, names: list[str]) -> int:
    """Measure models, and write the figures to their metafiles; one that fails stops no other.

    Args:
        root: Folder of the repository.
        names: Names of the models; empty: all.

    Returns:
        The exit status.

    Raises:
        DataError: There is no such model, or the only measurement has failed.
    """
    models = {model['Name']: model for model in read_metafiles(root)[1]}
    for name in names:
        if name not in models:
            raise DataError('--measure', None, f'one of {", ".join(models)}', name)

    def update(name: str) -> None:
        path = models[name]['metafile']
        figures = measure(root / models[name]['Config'], path.parent)
        text = with_figures(read_text(path), name, figures)
        with atomic_write(path, 'w') as file:
            file.write(text)

    return run_each(names or [*models], update)


@command
def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--check', action='store_true', help='write nothing; status 1 if outdated')
    text = 'names of models (default: all)'
    parser.add_argument('--measure', nargs='*', metavar='NAME', help=text)
    parser.add_argument('--root', type=Path, default=ROOT, help='folder of the repository')
    args = parser.parse_args()
    page = args.root / PAGE
    if args.check:
        if page.is_file() and read_text(page) == page_text(args.root):
            return 0
        print(f'{PAGE} is outdated: run python tools/misc/make_model_zoo.py')
        return FINDINGS
    status = 0
    if args.measure is not None:
        status = update_metafiles(args.root, args.measure)
    text = page_text(args.root)
    with atomic_write(page, 'w') as file:
        file.write(text)
    return status


if __name__ == '__main__':
    sys.exit(main())
