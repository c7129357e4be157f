"""A project trains, validates and draws on the public API, with no edit under mmssc/."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from pathlib import Path

from warm_start import run_script

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / 'projects/example_project'
CONFIG = 'projects/example_project/configs/toy-completor_toy-scenes.py'
PACKAGE_SOURCES = sorted((ROOT / 'mmssc').rglob('*.py'))
# The published test cases and the synthetic scenes have the sizes that they have.
SIZED = [
    ROOT / 'mmssc/dataset_facts.py', ROOT / 'mmssc/parity', ROOT / 'mmssc/synthetic',
    ROOT / 'mmssc/testing',
]  # fmt: skip
# Sizes of one data set: in a module they would tie it to that data set.
SCENE_LITERALS = {51.2, 256, 307200}
# A 16-bit depth image holds metres times 256, whatever the data set.
FORMAT_CONSTANT = re.compile(r'METAINFO|_[A-Z_]*PNG[A-Z_]*')


def run(script: str | Path, *arguments: object) -> str:
    paths = [str(ROOT), str(PROJECT), os.environ.get('PYTHONPATH', '')]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(paths), 'OMP_NUM_THREADS': '1'}
    done = run_script([ROOT / script, *arguments], ROOT, environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def test_example_project_trains_validates_and_draws(tmp_path):
    data, work = tmp_path / 'data', tmp_path / 'work'
    run(PROJECT / 'make_toy_data.py', data, '--num-train', 12, '--num-val', 2)
    options = [f'{split}_dataloader.dataset.data_root={data}' for split in ('train', 'val', 'test')]
    run(
        'tools/train.py', CONFIG, '--work-dir', work, '--cfg-options', *options,
        'train_cfg.max_epochs=5', 'train_cfg.val_interval=5', 'default_hooks.checkpoint.interval=5',
    )  # fmt: skip
    scalars = next(work.rglob('scalars.json')).read_text().splitlines()
    losses = [row['loss'] for row in map(json.loads, scalars) if 'loss' in row]
    assert losses[-1] < 0.8 * losses[0]
    pictures, scores = tmp_path / 'pictures', tmp_path / 'scores.json'
    run(
        'tools/test.py', CONFIG, work / 'epoch_5.pth', '--work-dir', work, '--out', scores,
        '--show-dir', pictures, '--cfg-options', *options,
    )  # fmt: skip
    figures = json.loads(scores.read_text())
    assert figures['ssc/SC_IoU'] > 35 and figures['ssc/SSC_mIoU'] > 20
    assert figures['ssc/SSC_ground_IoU'] > 60
    assert list(pictures.rglob('*val000*000000*.png')) or list(pictures.rglob('val000/*.png'))


def test_no_project_is_imported_by_the_library():
    names = [path.name for path in (ROOT / 'projects').iterdir() if path.is_dir()]
    pattern = re.compile(rf'\b(?:import|from)\s+(?:projects|{"|".join(names)})\b')
    assert not [path for path in PACKAGE_SOURCES if pattern.search(path.read_text('utf-8'))]


def scene_literals(path: Path) -> list[str]:
    """Numbers of one data set in a module, outside METAINFO and file formats."""
    tree = ast.parse(path.read_text('utf-8'))
    allowed: set[ast.AST] = set()
    for node in ast.walk(tree):
        targets = getattr(node, 'targets', [getattr(node, 'target', None)])
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and any(
            isinstance(target, ast.Name) and FORMAT_CONSTANT.fullmatch(target.id)
            for target in targets
        ):
            allowed.update(ast.walk(node))
    return [
        f'{path.relative_to(ROOT)}:{node.lineno}: {node.value}'
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and not isinstance(node.value, bool)
        and abs(node.value) in SCENE_LITERALS
        and node not in allowed
    ]


def test_no_scene_size_is_written_into_a_module():
    modules = [path for path in PACKAGE_SOURCES if not set(SIZED) & {path, *path.parents}]
    assert not [line for path in modules for line in scene_literals(path)]


def test_a_scene_size_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], 'ROOT', tmp_path)
    module = tmp_path / 'module.py'
    module.write_text(
        'METAINFO = dict(a=256)\n_PNG_SCALE = 256.0\nx = f(51.2)\n"""256"""\n'
        'def g(embed_dims=256, widths=(64, 256)):\n    return 256\n'
    )
    assert sorted(scene_literals(module)) == [
        'module.py:3: 51.2', 'module.py:5: 256', 'module.py:5: 256', 'module.py:6: 256',
    ]  # fmt: skip
