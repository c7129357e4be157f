"""Check that this environment is right for mmssc: ``python tools/misc/check_env.py``.

It prints what is installed, what is expected, and which accelerated operations are active. For each
problem it prints the command that fixes it, and exits with 1.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

try:
    from packaging.requirements import Requirement
except ImportError:  # A bare environment has only pip's own copy.
    from pip._vendor.packaging.requirements import Requirement  # type: ignore[assignment]

try:
    from mmssc.command_line import command
except ImportError:  # Not installed, which the report says.

    def command(main: Callable[..., int | None]) -> Callable[..., int]:
        """The function without the handling of errors."""
        return lambda: main() or 0


REQUIREMENTS = Path(__file__).resolve().parents[2] / 'requirements'
# The commands give a path of the constraints that works in the current folder.
_BESIDE = Path('requirements', 'constraints.txt')
INSTALL = f'pip install -c {_BESIDE if _BESIDE.is_file() else REQUIREMENTS / _BESIDE.name}'


@dataclass
class Finding:
    """One line of the report; ``fix`` is the command to run when something is wrong."""

    name: str
    found: str
    expected: str = ''
    fix: str | None = None


def installed(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def required() -> list[Requirement]:
    """The requirements of ``requirements/``."""
    lines: list[str] = []
    for name in ('runtime.txt', 'mminstall.txt', 'lite.txt'):
        lines += (REQUIREMENTS / name).read_text(encoding='utf-8').splitlines()
    stripped = (line.split('#')[0].strip() for line in lines)
    return [Requirement(line) for line in stripped if line]


def check_python() -> Finding:
    """Python's own version."""
    fine = (3, 9) <= sys.version_info[:2] < (3, 14)
    fix = None if fine else 'python3.11 -m venv .venv  # any Python from 3.9 to 3.13'
    return Finding('python', platform.python_version(), '>=3.9,<3.14', fix)


def check_requirement(requirement: Requirement) -> Finding:
    """Check that a distribution is installed in a version that works."""
    name = requirement.name
    if name == 'mmcv-lite':
        return check_mmcv(requirement)
    found = installed(name)
    if found is None and name == 'opencv-python':
        name, found = 'opencv-python-headless', installed('opencv-python-headless')
    fix = None
    if found is None or not requirement.specifier.contains(found, prereleases=True):
        fix = f"{INSTALL} '{requirement}'"
    return Finding(name, found or 'missing', str(requirement.specifier), fix)


def check_mmcv(requirement: Requirement) -> Finding:
    """Check that mmcv-lite or mmcv is installed, not both, and that its compiled part loads."""
    lite, full = installed('mmcv-lite'), installed('mmcv')
    expected = str(requirement.specifier)
    if lite and full:
        fix = f'pip uninstall -y mmcv-lite mmcv && {INSTALL} mmcv-lite  # or mmcv'
        return Finding('mmcv', f'mmcv-lite {lite} and mmcv {full}', f'one, {expected}', fix)
    found = full or lite
    if found is None or not requirement.specifier.contains(found, prereleases=True):
        fix = f"pip uninstall -y mmcv mmcv-lite; {INSTALL} '{requirement}'"
        return Finding('mmcv-lite', found or 'missing', expected, fix)
    return Finding('mmcv' if full else 'mmcv-lite', found, expected)


def check_imports() -> list[Finding]:
    """Check that packages can be imported: an installed package may still not work."""
    cv2_fix = f'{INSTALL} --force-reinstall --no-deps opencv-python-headless'
    fixes = {
        # Import a module of it: after an interrupted installation, Python imports the bare folder.
        'torch.nn': f'{INSTALL} --force-reinstall --no-deps torch',
        'cv2': cv2_fix,
        'pkg_resources': f"{INSTALL} 'setuptools<81'",
        'mmssc': f'{INSTALL} -e .',
        'mmdet.models': f"{INSTALL} 'mmdet>=3.2.0,<3.4.0'  # and see above",
        'mmseg.models': f"{INSTALL} 'mmsegmentation>=1.2.0,<1.3.0' ftfy regex",
    }
    if installed('torchvision'):
        # A torchvision for another torch breaks every package that imports it.
        fixes = {'torchvision': 'pip uninstall -y torchvision  # mmssc does not need it', **fixes}
    if installed('mmcv'):
        fixes['mmcv.ops'] = 'pip uninstall -y mmcv && ' + INSTALL + ' mmcv-lite'
    findings = []
    for module, fix in fixes.items():
        problem = import_problem(module)
        findings.append(
            Finding(f'import {module}', problem or 'works', '', fix if problem else None)
        )
    return findings


def import_problem(module: str) -> str | None:
    """Why a module cannot be imported, or None."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 A broken package may raise any error.
        return f'{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ""}'
    return None


def check_combinations() -> list[Finding]:
    """Check for versions that do not work together."""
    findings = []
    numpy, mmdet3d = installed('numpy'), installed('mmdet3d')
    if mmdet3d and numpy and int(numpy.split('.')[0]) >= 2:
        fix = "pip install 'numpy<2' -r requirements/mmdet3d.txt"
        findings.append(Finding('mmdet3d with numpy', f'{mmdet3d}, {numpy}', 'numpy<2', fix))
    problem = bridge_problem()
    if problem:
        findings.append(Finding('torch with numpy', problem, '', f"{INSTALL} torch 'numpy<2'"))
    return findings


def bridge_problem() -> str | None:
    """Why torch and numpy cannot share arrays, or None: torch before 2.3 does not know numpy 2."""
    if import_problem('torch.nn') or import_problem('numpy'):
        return None  # Reported already.
    import numpy as np
    import torch

    try:
        torch.from_numpy(np.zeros(1))
    except RuntimeError as error:
        return f'{torch.__version__}, {np.__version__}: {error}'
    return None


def accelerators() -> list[Finding]:
    """Which accelerated operations are active. All are optional."""
    import torch

    from mmssc.compat import has_compiled_mmcv_ops

    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else 'no GPU, or a CPU build of torch'
    spconv = sorted(
        name
        for name in (dist.metadata['Name'] or '' for dist in metadata.distributions())
        if name.startswith('spconv')
    )
    broken = None
    if not spconv:
        sparse = 'PyTorch (spconv is not installed)'
    elif not cuda:
        sparse = f'PyTorch ({spconv[0]} is used on CUDA only)'
    else:
        sparse, broken = f'{spconv[0]} {installed(spconv[0])}', import_problem('spconv.pytorch')
    findings = [
        Finding('CUDA', f'torch built for {torch.version.cuda or "CPU"}; {device}'),
        Finding('sparse convolution', sparse),
        Finding('compiled mmcv ops', 'active' if has_compiled_mmcv_ops() else 'none (mmcv-lite)'),
        Finding('scatter mean and max', 'PyTorch' + scatter_note()),
    ]
    if cuda and spconv == ['spconv']:
        broken = 'CPU build of spconv'
    if broken:
        fix = f'pip uninstall -y {spconv[0]}; pip install spconv-cu126  # the one for your CUDA'
        findings[1] = Finding('sparse convolution', broken, 'spconv-cuXXX', fix)
    return findings


def scatter_note() -> str:
    """The report's text on torch-scatter."""
    version = installed('torch-scatter')
    return f' (torch-scatter {version} is not needed)' if version else ''


def report(title: str, findings: list[Finding]) -> list[Finding]:
    """Print a section and return its problems."""
    print(f'\n{title}')
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = 'WRONG' if finding.fix else 'ok'
        expected = f'  (expected {finding.expected})' if finding.expected else ''
        print(f'  {mark:5}  {finding.name:{width}}  {finding.found}{expected}')
        if finding.fix:
            print(f'         fix: {finding.fix}')
    return [finding for finding in findings if finding.fix]


@command
def main() -> int:
    """Print the report; return 1 if there is a problem."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    warnings.simplefilter('ignore')
    wrong = report('Versions', [check_python(), *map(check_requirement, required())])
    wrong += report('Imports', check_imports() + check_combinations())
    if not (import_problem('mmssc') or import_problem('torch.nn')):
        wrong += report('Accelerated operations (all optional)', accelerators())
    print(f'\n{len(wrong)} problem(s), see the fixes above.' if wrong else '\nAll is well.')
    return int(bool(wrong))


if __name__ == '__main__':
    sys.exit(main())
