"""The steps of ``gpu_check.py``: what a GPU must do right, and how fast it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mmssc.compat import has_compiled_mmcv_ops
from mmssc.ops import PLAIN_OPS, spconv_available
from mmssc.resources import resource_folder

from .processes import Step
from .versions import OWN_FOLDER

__all__ = ['check_steps', 'timing_steps']

_DATA, _PROJECT = 'tests/data/parity', 'projects/monoscene'
_NOT_HERE = 'is not in this copy of mmssc; a clone has it'


@dataclass(frozen=True)
class _Parity:
    """A case of ``check_parity.py``: method, manifest and case file, how large its network is, and
    whether spconv or mmcv has a compiled version of one of its operations.
    """

    method: str
    manifest: str
    case: str
    size: str
    compiled: bool = False

    @property
    def in_project(self) -> bool:
        return self.method.startswith('monoscene')

    @property
    def files(self) -> list[str]:
        """Manifest and case file, relative to the clone."""
        folder = f'{_PROJECT}/tests/data' if self.in_project else _DATA
        return [f'{folder}/{name}' for name in (self.manifest, self.case)]


_CASES = (
    _Parity('sgn-tiny', 'sgn/manifest_sgn-tiny.csv', 'sgn/case_tiny_1.npz', 'tiny', True),
    _Parity('symphonies-decoder', 'symphonies/manifest_decoder_flat.csv',
            'symphonies/decoder_flat_case_1.npz', 'tiny', True),
    _Parity('monoscene-nyu3d', 'manifest_nyu3d.csv', 'nyu3d_case_1.npz', 'tiny'),
    _Parity('monoscene-kitti3d', 'manifest_kitti3d.csv', 'kitti3d_case_1.npz', 'small'),
    _Parity('symphonies-small', 'symphonies/manifest_small.csv', 'symphonies/small_case_1.npz',
            'small', True),
    _Parity('sgn-T', 'sgn/manifest_sgn-T.csv', 'sgn/case_T_1.npz', 'full', True),
    _Parity('sgn-L', 'sgn/manifest_sgn-L.csv', 'sgn/case_L_1.npz', 'full', True),
    _Parity('cleaners', 'cleaners/manifest.csv', 'cleaners/case_1.npz', 'full'),
    _Parity('ammnet', 'ammnet/manifest.csv', 'ammnet/case_1.npz', 'full'),
    _Parity('sketch', 'sketch/manifest.csv', 'sketch/case_1.npz', 'full'),
    _Parity('monoscene', 'manifest_full_case.csv', 'full_case_1.npz', 'full'),
    *(_Parity(kind, f'lidar/manifest_{kind}.csv', f'lidar/case_{kind}_1.npz', 'full')
      for kind in ('lmscnet', 'lmscnet-ss', 'sscnet-full')),
    _Parity('sscnet', 'lidar/manifest_sscnet.csv', 'lidar/case_tiny_1.npz', 'small'),
    *(_Parity(f'carla-{kind}', f'lidar/manifest_carla_{kind}.csv', 'lidar/case_carla_1.npz', 'full')
      for kind in ('lmscnet-ss', 'sscnet-full')),
    _Parity('voxdet-lidar', 'voxdet/manifest_lidar.csv', 'voxdet/lidar_full_1.npz', 'full'),
)  # fmt: skip
_NO_FULL_SYMPHONIES = Step(
    'parity symphonies', missing='no file of its full case is published; symphonies-small runs'
)
# Those that a CPU does in seconds.
_CPU_SIZES = ('tiny',)
_TIMED = (
    'configs/sgn/sgn-T.py',
    'configs/symphonies/symphonies_semantickitti.py',
    'projects/monoscene/configs/monoscene_semantickitti.py',
    'configs/cleaners/cleaners_segformer-b2_nyu.py',
    'configs/ammnet/ammnet_segformer-b2_nyu.py',
    'configs/sketch/sketch_r50_nyu.py',
    'configs/light/light_depth_nyu.py',
)
_TIMED_ON_CPU = ('configs/quickstart/light_synthetic.py', 'configs/quickstart/sgn_synthetic.py')
_QUICK = 'configs/quickstart/sgn_synthetic.py'
_GRID = ('--grid-shape', '64', '64', '8', '--voxel-size', '0.8')


def check_steps(device: str, scratch: Path, root: Path | None = None) -> list[Step]:
    """Steps that show whether the installation computes what it should.

    Args:
        device: ``'cuda'``, ``'cuda:1'``, or ``'cpu'``, which leaves out the large cases.
        scratch: Folder for the data of the quick start.
        root: Folder with ``tools/``, ``configs/`` and, in a clone, ``tests/``.
    """
    root, on_cpu = root or resource_folder(), device.startswith('cpu')
    cases = [case for case in _CASES if not on_cpu or case.size in _CPU_SIZES]
    steps = [Step('environment', (_tool(root, 'misc/check_env.py'),), 90)]
    steps += [_parity_step(case, device, root) for case in cases]
    steps += [] if on_cpu else [_NO_FULL_SYMPHONIES]
    steps += _plain_steps(cases, device, root)
    steps.append(_test_step(on_cpu, root))
    steps += _quick_start_steps(scratch, root)
    return [_in_environment(step, device, root) for step in steps]


def _tool(root: Path, script: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(root / 'tools' / script), *arguments)


def _kind(device: str) -> str:
    """The device without its index: a step sees only one GPU, see :func:`_in_environment`."""
    return device.partition(':')[0]


def _in_environment(step: Step, device: str, root: Path) -> Step:
    """The step with the mmssc of this process; it sees only the GPU of the check, or none."""
    # Configs of a project import its module.
    paths = [str(OWN_FOLDER), str(root / _PROJECT), os.environ.get('PYTHONPATH', '')]
    environment = dict(step.environment, PYTHONPATH=os.pathsep.join(filter(None, paths)))
    kind, _, index = device.partition(':')
    if kind == 'cpu':
        environment['CUDA_VISIBLE_DEVICES'] = '-1'
    elif index:
        # The indices of torch count the GPUs that this process sees.
        seen = os.environ.get('CUDA_VISIBLE_DEVICES')
        environment['CUDA_VISIBLE_DEVICES'] = seen.split(',')[int(index)] if seen else index
    return replace(step, environment=environment)


def _parity_step(case: _Parity, device: str, root: Path, plain: bool = False) -> Step:
    name = f'parity {case.method}' + (', plain PyTorch' if plain else '')
    missing = next((file for file in case.files if not (root / file).is_file()), None)
    if missing is not None:
        return Step(name, missing=f'{missing} {_NOT_HERE}')
    manifest, arrays = (str(root / file) for file in case.files)
    command = _tool(
        root, 'analysis_tools/check_parity.py', case.method, '--manifest', manifest,
        '--case', arrays, '--device', _kind(device), '--failures-only',
        *(('--project', str(root / _PROJECT)) if case.in_project else ()),
    )  # fmt: skip
    return Step(name, (command,), 120, {PLAIN_OPS: '1'} if plain else {})


def _plain_steps(cases: Iterable[_Parity], device: str, root: Path) -> Iterator[Step]:
    """The cases with compiled operations again, without these."""
    packages = {'spconv': spconv_available(), 'full mmcv': has_compiled_mmcv_ops()}
    for name, here in packages.items():
        if not here:
            yield Step(f'with {name}', missing='not installed: plain PyTorch takes its place')
        elif device.startswith('cpu'):
            yield Step(f'with {name}', missing='installed, but used on CUDA only')
    if any(packages.values()) and not device.startswith('cpu'):
        for case in cases:
            if case.compiled:
                yield _parity_step(case, device, root, plain=True)


def _test_step(on_cpu: bool, root: Path) -> Step:
    name = 'tests of the GPU'
    files = sorted(
        str(path)
        for folder in ('tests', _PROJECT)
        for path in (root / folder).rglob('test_*.py')
        if 'mark.cuda' in path.read_text('utf-8')
    )
    if on_cpu:
        return Step(name, missing='they need a GPU')
    if not files:
        return Step(name, missing=f'tests/ {_NOT_HERE}')
    command = (sys.executable, '-m', 'pytest', '-q', '-m', 'cuda', '-p', 'no:cacheprovider')
    return Step(name, ((*command, *files),), 120)


def _quick_start_steps(scratch: Path, root: Path) -> Iterator[Step]:
    """The branch of quickstart.sh with one process, on a few frames."""
    config = str(root / _QUICK)
    settings = ('train_dataloader.batch_size=2', 'train_cfg.max_epochs=1')
    train = _tool(root, 'train.py', config, '--cfg-options', *settings)
    commands = (
        _tool(
            root, 'dataset_converters/make_synthetic.py', '--out', 'data/synthetic', *_GRID,
            '--sequences', '00', '08', '--frames', '4', '--frame-step', '3', '--label-step', '1',
        ),
        _tool(root, 'dataset_converters/semantic_kitti.py', 'data/synthetic', *_GRID),
        (*train, '--work-dir', 'fp32'),
        _tool(root, 'test.py', config, 'fp32/epoch_1.pth', '--work-dir', 'fp32'),
    )  # fmt: skip
    yield Step('quick start, one process', commands, 150, folder=scratch)
    yield Step('quick start, --amp', ((*train, '--work-dir', 'bf16', '--amp'),), 90, folder=scratch)


def timing_steps(device: str, scratch: Path, root: Path | None = None) -> dict[Path, Step]:
    """Steps that measure time and memory: file with the figures -> step.

    Args:
        device: ``'cpu'`` measures small configs with one sample.
        scratch: Folder for the figures.
        root: Folder with ``tools/``, ``configs/`` and, in a clone, ``projects/``.
    """
    root, on_cpu = root or resource_folder(), device.startswith('cpu')
    sizes, iters = (('1',), '1') if on_cpu else (('1', '2', '4'), '5')
    steps = {}
    for config in _TIMED_ON_CPU if on_cpu else _TIMED:
        out, name = scratch / f'{Path(config).stem}.json', f'time {Path(config).stem}'
        if not (root / config).is_file():
            steps[out] = Step(name, missing=f'{config} {_NOT_HERE}')
            continue
        command = _tool(
            root, 'analysis_tools/growth.py', str(root / config), '--device', _kind(device),
            '--batch-sizes', *sizes, '--grids', '1', '--precisions', 'fp32', 'bf16',
            '--iters', iters, '--out', str(out),
        )  # fmt: skip
        steps[out] = _in_environment(Step(name, (command,), 120), device, root)
    return steps
